//! Guessing passwords: five wrong ones for an account within a minute lock it for a minute, the right password included.
//!
//! An attempt is counted before the password is looked at, so that guesses made at once can't slip through together: each
//! has to win a conditional write first. A sign-in that succeeds takes the count back, and with it the lock that its own
//! attempt may have set. The count is kept by e-mail, whether there is such an account or not: locked or not looks the
//! same for both.

mod count;
mod table;

pub(crate) use table::AttemptError;
pub use table::AttemptsTable;
