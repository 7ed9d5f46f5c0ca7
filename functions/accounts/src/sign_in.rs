use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use http_api::{Conflict, InvalidBody, Json, Problem, TooManyRequests, Unauthenticated, Unavailable};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::Context;
use crate::attempts::{Address, Attempt, Guess};
use crate::credentials::{Email, Password};
use crate::session::Session;
use crate::sign_ins::{Outcome, SignIn};
use crate::user_pool::{AuthError, UserPool};

/// What one signs in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    /// Spaces around it are dropped.
    #[schema(value_type = String, format = "email", max_length = 128)]
    email: Email,
    #[schema(value_type = String, format = "password", min_length = 1, max_length = 256)]
    password: Password,
}

/// Signs in. The fifth wrong password within a minute locks the account for a minute, the right password included.
///
/// An address has fifty wrong ones in ten minutes, whatever accounts they are for.
#[utoipa::path(
    post, path = "/session", operation_id = "sign_in", tag = "accounts",
    request_body = Credentials,
    responses(
        (status = 200, description = "The session; a cookie for `/api/session` comes along.", body = Session),
        InvalidBody, Unauthenticated, Conflict, TooManyRequests, Unavailable,
    )
)]
pub(crate) async fn sign_in(
    State(context): State<Context>,
    State(users): State<UserPool>,
    address: Address,
    headers: HeaderMap,
    Json(credentials): Json<Credentials>,
) -> Result<impl IntoResponse, Problem> {
    let Credentials { email: Email(email), password: Password(password) } = credentials;
    let attempt = Attempt::begin(context.attempts()?, Guess::Password, &email, &address).await?;
    // The account is looked up for the history of wrong passwords, each time and beside the password: so it costs no time, and
    // no answer comes later because there is an account.
    let (signed_in, account) = tokio::join!(users.sign_in(&email, &password), users.account(&email));
    let history = context.sign_ins()?;
    let this = |outcome| SignIn::now(outcome, &address, &headers);
    let previous = match &signed_in {
        // Only a right password takes the count back. An attempt that Cognito was too busy for might be somebody's who makes it so.
        Ok(signed_in) => {
            let noted = history.signed_in(&signed_in.user.id, this(Outcome::SignedIn));
            tokio::try_join!(attempt.succeeded(), noted)?.1
        }
        Err(AuthError::Challenged(_)) => {
            attempt.succeeded().await?;
            None
        }
        Err(AuthError::Refused) => {
            let user_id = account?.map(|account| account.id);
            history.refused(user_id.as_deref(), &this(Outcome::Refused)).await?;
            None
        }
        Err(_) => None,
    };
    let signed_in = signed_in.map_err(refusal)?;
    Ok(Session::begun(signed_in, previous))
}

pub(crate) fn refusal(error: AuthError) -> Problem {
    match error {
        AuthError::Refused | AuthError::EmailRefused => Problem::invalid_credentials(),
        AuthError::Challenged(challenge) if challenge == "NEW_PASSWORD_REQUIRED" => Problem::conflict(
            "new-password-required",
            "A new password is needed",
            "This account still has the password that it was made with. Ask for a code to choose a lasting one.",
        ),
        AuthError::Challenged(_) => Problem::conflict(
            "second-step-required",
            "A second step is needed",
            "This account asks for a second step, which can't be done here.",
        ),
        AuthError::PasswordRefused => password_refused(),
        AuthError::Throttled => {
            Problem::unavailable("Too many people are signing in. Try again in a moment.")
        }
        AuthError::Failed(error) => error.into(),
    }
}

/// Cognito has reasons of its own: a password that is known to be stolen, where the operator has that checked.
pub(crate) fn password_refused() -> Problem {
    Problem::invalid_field("password", "is not taken; choose another one")
}
