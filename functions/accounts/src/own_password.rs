use http_api::Problem;

use crate::Context;
use crate::attempts::{Address, Attempt, Guess};
use crate::credentials::Password;
use crate::sign_in::refusal;
use crate::user_pool::{Account, AuthError, UserPool};

/// Asks a caller for their password once more, as for signing in, with its count and its lock.
///
/// # Errors
/// 403 for a wrong one: the session itself is good, and a 401 would have pages renew it.
pub(crate) async fn prove(
    context: &Context,
    users: &UserPool,
    account: &Account,
    Password(password): &Password,
    address: &Address,
) -> Result<(), Problem> {
    let attempt = Attempt::begin(context.attempts()?, Guess::Password, &account.email, address).await?;
    match users.sign_in(&account.email, password).await {
        Ok(_) => Ok(attempt.succeeded().await?),
        Err(AuthError::Refused) => Err(Problem::forbidden("The password is wrong.")),
        Err(error) => Err(refusal(error)),
    }
}
