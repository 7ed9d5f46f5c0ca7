//! Guessing: five wrong passwords for an account within a minute lock it for a minute, the right password included; codes and
//! mails have rules of their own. Beside that, each address has a budget.
//!
//! An attempt is counted before the password is looked at, so that guesses made at once can't slip through together: each
//! has to win a conditional write first. One that succeeds takes the count back, and with it the lock that its own
//! attempt may have set. The count is kept by e-mail, whether there is such an account or not: locked or not looks the
//! same for both.

mod address;
mod count;
mod table;

use std::time::Duration;

use http_api::Problem;

pub(crate) use address::Address;
pub use address::OriginSecret;
pub use table::AttemptsTable;

use count::Rule;
use table::{AttemptError, Spent};

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    /// A password.
    Password,
    /// A code from a mail. Of a million codes, one of which holds for a day at most, twenty can be tried in an hour.
    Code,
    /// Nothing is guessed, but somebody gets a mail each time.
    Mail,
}

impl Guess {
    fn rule(self) -> Rule {
        match self {
            Self::Password => Rule { attempts: 5, window_ms: 60_000, lock_ms: 60_000 },
            Self::Code | Self::Mail => Rule { attempts: 5, window_ms: 900_000, lock_ms: 900_000 },
        }
    }

    /// What keeps the keys of an account's counts apart.
    fn prefix(self) -> &'static str {
        match self {
            Self::Password => "",
            Self::Code => "code#",
            Self::Mail => "mail#",
        }
    }

    /// The budget that an address takes it from: what is guessed wrong comes from one, whatever it is.
    fn purse(self) -> &'static str {
        match self {
            Self::Password | Self::Code => "guesses",
            Self::Mail => "mails",
        }
    }

    /// How many an address has in ten minutes. A household or an office behind one address shares them.
    fn budget(self) -> u64 {
        match self {
            Self::Password | Self::Code => 50,
            Self::Mail => 20,
        }
    }

    fn refusal(self, error: AttemptError) -> Problem {
        let by_email = |left: Duration| match self {
            Self::Password => Problem::too_many_requests(
                "account-locked",
                "Too many wrong passwords",
                "There were too many attempts to sign in with this e-mail.",
                left,
            ),
            Self::Code => Problem::too_many_requests(
                "codes-locked",
                "Too many wrong codes",
                "There were too many wrong codes for this e-mail.",
                left,
            ),
            Self::Mail => Problem::too_many_requests(
                "mails-locked",
                "Too many mails",
                "Too many mails were asked for with this e-mail.",
                left,
            ),
        };
        match error {
            AttemptError::Locked(left) => by_email(left),
            AttemptError::Spent(left) => Problem::too_many_requests(
                "address-locked",
                "Too many attempts",
                "There were too many attempts from your network address.",
                left,
            ),
            AttemptError::Failed(error) => error.into(),
        }
    }
}

/// An attempt that is counted and may be made.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    table: &'a AttemptsTable,
    guess: Guess,
    email: &'a str,
    spent: Spent,
}

impl<'a> Attempt<'a> {
    /// Counts an attempt from this address with this e-mail. The address comes first: one that has no budget left can lock no
    /// account.
    ///
    /// # Errors
    /// 429 with the time to wait.
    pub(crate) async fn begin(
        table: &'a AttemptsTable,
        guess: Guess,
        email: &'a str,
        address: &Address,
    ) -> Result<Self, Problem> {
        let begin = async {
            let spent = table.spend(guess, address).await?;
            table.begin(guess, email).await?;
            Ok(Self { table, guess, email, spent })
        };
        begin.await.map_err(|error| guess.refusal(error))
    }

    /// Takes the count back: it was right.
    pub(crate) async fn succeeded(self) -> anyhow::Result<()> {
        let forgotten = self.table.succeeded(self.guess, self.email);
        tokio::try_join!(forgotten, self.table.give_back(&self.spent))?;
        Ok(())
    }
}
