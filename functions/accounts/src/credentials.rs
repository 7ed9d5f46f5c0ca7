//! What people prove themselves with, as far as it can be judged without asking anybody.

use serde::Deserialize;

/// An e-mail address, without the spaces around it.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Email(pub String);

impl TryFrom<String> for Email {
    type Error = &'static str;

    /// Only what Cognito would refuse as malformed is refused here: whether it is an account, it knows.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let email = text.trim();
        let is_printable = email.chars().all(|c| !c.is_whitespace() && !c.is_control());
        if email.contains('@') && is_printable && email.chars().count() <= 128 {
            Ok(Self(email.to_owned()))
        } else {
            Err("is no e-mail address")
        }
    }
}

/// A password that somebody says is theirs.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Password(pub String);

impl TryFrom<String> for Password {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if (1..=256).contains(&text.chars().count()) {
            Ok(Self(text))
        } else {
            Err("must have 1 to 256 characters")
        }
    }
}

/// A password that somebody would like to have.
///
/// The length is what counts, as NIST SP 800-63B has it; what a guesser tries first at that length is refused: one key held down,
/// and the e-mail itself (by [`NewPassword::suits`]). Pages tell the rule before one types: web/src/views/new-password.ts.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct NewPassword(pub String);

impl TryFrom<String> for NewPassword {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let distinct: std::collections::BTreeSet<char> = text.chars().collect();
        if !(12..=256).contains(&text.chars().count()) {
            Err("must have 12 to 256 characters")
        } else if distinct.len() < 5 {
            Err("must have 5 different characters or more")
        } else if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
            Err("must not begin or end with a space")
        } else {
            Ok(Self(text))
        }
    }
}

impl NewPassword {
    /// # Errors
    /// It is the e-mail.
    pub(crate) fn suits(&self, email: &str) -> Result<(), http_api::Problem> {
        if self.0.to_lowercase().contains(&email.to_lowercase()) {
            return Err(http_api::Problem::invalid_field("password", "must not contain the e-mail"));
        }
        Ok(())
    }
}

/// A code from a mail: six digits. Spaces in it are dropped, since mail programs and people put some there.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Code(pub String);

impl TryFrom<String> for Code {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let code: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        if code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit()) {
            Ok(Self(code))
        } else {
            Err("must be the six digits from the mail")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_passwords_of_any_kind_are_taken_and_short_or_dull_ones_are_not() {
        for good in ["correct horse", "übermäßig-lang", "abcdeabcdeab", "päss wörter!"] {
            assert!(NewPassword::try_from(good.to_owned()).is_ok(), "{good}");
        }
        let long = "abcde".repeat(60);
        for bad in
            ["", "elevenchars", "aaaaaaaaaaaaaaaa", "abcdabcdabcd", " correct horse", "correct horse ", &long]
        {
            assert!(NewPassword::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_email_is_no_password() {
        let password = NewPassword::try_from("Anna@Example.com1".to_owned()).expect("it is long enough");
        assert!(password.suits("anna@example.com").is_err());
        assert!(password.suits("bert@example.com").is_ok());
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        for (text, code) in
            [("123456", Some("123456")), (" 123 456\n", Some("123456")), ("12345", None), ("12345a", None)]
        {
            assert_eq!(
                Code::try_from(text.to_owned()).ok().map(|Code(code)| code).as_deref(),
                code,
                "{text:?}"
            );
        }
    }
}
