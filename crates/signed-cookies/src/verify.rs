//! Verifying, in the order in which a refusal costs least.

use crate::encoding::decode;
use crate::key::PublicKey;
use crate::policy::Policy;
use crate::sign::{COOKIE_NAMES, HASH_ALGORITHM};

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There are no cookies, or not all of them.
    #[error("the signed cookies are missing")]
    Missing,
    /// The key is one that is not trusted.
    #[error("the key pair id is unknown")]
    UnknownKey,
    /// The policy or the hash algorithm can't be read.
    #[error("the signed cookies are malformed")]
    Malformed,
    /// The signature is not that of the policy.
    #[error("the signature is wrong")]
    WrongSignature,
    /// The policy is for another address.
    #[error("the policy does not cover this address")]
    NotCovered,
    /// The policy's time is over.
    #[error("the policy has expired")]
    Expired,
}

/// Verifies cookies with one trusted key.
#[derive(Clone, Debug)]
pub struct Verifier {
    key_pair_id: String,
    key: PublicKey,
}

impl Verifier {
    /// Trusts this key, which cookies call `key_pair_id`.
    pub fn new(key_pair_id: &str, key: PublicKey) -> Self {
        Self { key_pair_id: key_pair_id.to_owned(), key }
    }

    /// Whether the cookies of a request (its `Cookie` header) let `url` be fetched now. Of several cookies of one name,
    /// which a browser sends when their paths differ, the first counts: its path is the longest (RFC 6265, section 5.4).
    ///
    /// # Errors
    /// Why they don't.
    pub fn verify(&self, cookie_header: &str, url: &str, now_unix_s: i64) -> Result<(), Refusal> {
        let [policy, signature, key_pair_id, algorithm] = COOKIE_NAMES.map(|name| value(cookie_header, name));
        if key_pair_id.ok_or(Refusal::Missing)? != self.key_pair_id {
            return Err(Refusal::UnknownKey);
        }
        if algorithm.ok_or(Refusal::Missing)? != HASH_ALGORITHM {
            return Err(Refusal::Malformed);
        }
        let json = decode(policy.ok_or(Refusal::Missing)?).ok_or(Refusal::Malformed)?;
        let signature = decode(signature.ok_or(Refusal::Missing)?).ok_or(Refusal::Malformed)?;
        if !self.key.verifies(&json, &signature) {
            return Err(Refusal::WrongSignature);
        }
        let policy = Policy::from_json(&json).ok_or(Refusal::Malformed)?;
        if !policy.covers(url) {
            return Err(Refusal::NotCovered);
        }
        if now_unix_s >= policy.expires_at_unix_s {
            return Err(Refusal::Expired);
        }
        Ok(())
    }
}

fn value<'a>(cookie_header: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = cookie_header.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SignedCookies, SigningKey};

    const URL: &str = "http://localhost:8080/media/7/video.mp4";

    fn world() -> (SigningKey, Verifier) {
        let key = SigningKey::from_pkcs8(&SigningKey::generate().expect("a key")).expect("a key");
        let public = PublicKey::from_pem(&key.public_key_pem().expect("PEM")).expect("a public key");
        (key, Verifier::new("K1", public))
    }

    fn cookies(key: &SigningKey) -> String {
        let policy = Policy { resource: "http*://*/media/7/*".to_owned(), expires_at_unix_s: 1_000 };
        let cookies = SignedCookies::sign(&policy, "K1", key).expect("cookies");
        cookies.pairs().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn signed_cookies_let_their_own_media_be_fetched_until_they_expire() {
        let (key, verifier) = world();
        let header = cookies(&key);
        assert_eq!(verifier.verify(&header, URL, 999), Ok(()));
        assert_eq!(verifier.verify(&header, URL, 1_000), Err(Refusal::Expired));
        let other = "http://localhost:8080/media/8/video.mp4";
        assert_eq!(verifier.verify(&header, other, 999), Err(Refusal::NotCovered));
    }

    #[test]
    fn nothing_is_fetched_without_cookies_or_with_half_of_them() {
        let (key, verifier) = world();
        assert_eq!(verifier.verify("", URL, 0), Err(Refusal::Missing));
        let header = cookies(&key);
        for name in COOKIE_NAMES {
            let without: Vec<_> = header.split("; ").filter(|pair| !pair.starts_with(name)).collect();
            assert_eq!(verifier.verify(&without.join("; "), URL, 0), Err(Refusal::Missing), "{name}");
        }
    }

    #[test]
    fn a_strangers_key_or_a_changed_policy_is_refused() {
        let (key, verifier) = world();
        let (stranger, _) = world();
        assert_eq!(verifier.verify(&cookies(&stranger), URL, 0), Err(Refusal::WrongSignature));
        let header = cookies(&key);
        let longer = Policy { resource: "*".to_owned(), expires_at_unix_s: 9_000 };
        let forged = crate::encoding::encode(longer.to_json().expect("JSON").as_bytes());
        let own = value(&header, "CloudFront-Policy").expect("a policy").to_owned();
        assert_eq!(verifier.verify(&header.replace(&own, &forged), URL, 0), Err(Refusal::WrongSignature));
        assert_eq!(verifier.verify(&header.replace("=K1", "=K2"), URL, 0), Err(Refusal::UnknownKey));
        assert_eq!(verifier.verify(&header.replace("SHA256", "SHA1"), URL, 0), Err(Refusal::Malformed));
    }

    #[test]
    fn the_values_of_cookies_are_never_in_debug_output() {
        let (key, _) = world();
        let policy = Policy { resource: "*".to_owned(), expires_at_unix_s: 1 };
        let cookies = SignedCookies::sign(&policy, "K1", &key).expect("cookies");
        let shown = format!("{cookies:?}");
        assert!(cookies.pairs().all(|(_, value)| !shown.contains(value)), "{shown}");
    }
}
