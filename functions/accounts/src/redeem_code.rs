use axum::extract::State;
use axum::http::StatusCode;
use http_api::{Conflict, InvalidBody, Json, Problem, TooManyRequests, Unavailable};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::Context;
use crate::attempts::{Address, Attempt, Guess};
use crate::credentials::{Code, Email, NewPassword};
use crate::sign_in::password_refused;
use crate::user_pool::{AuthError, UserPool};

/// A code from a mail, and the password to have from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redemption {
    /// Where the mail came to. Spaces around it are dropped.
    #[schema(value_type = String, format = "email", max_length = 128)]
    email: Email,
    /// Spaces in it are dropped.
    #[schema(value_type = String, min_length = 6, example = "123456")]
    code: Code,
    /// 5 different characters or more, no space at either end, and not the e-mail. The one that was registered with, or another.
    #[schema(value_type = String, format = "password", min_length = 12, max_length = 256)]
    password: NewPassword,
}

/// Confirms a new account, or resets the password of one, by the code that was mailed. All sessions of the account end.
///
/// The fifth wrong code within a quarter of an hour locks codes for that e-mail for a quarter of an hour.
#[utoipa::path(
    post, path = "/codes/redeem", operation_id = "redeem_code", tag = "accounts",
    request_body = Redemption,
    responses(
        (status = 204, description = "The account has this password and can be signed in to."),
        InvalidBody, Conflict, TooManyRequests, Unavailable,
    )
)]
pub(crate) async fn redeem_code(
    State(context): State<Context>,
    State(users): State<UserPool>,
    address: Address,
    Json(Redemption { email: Email(email), code: Code(code), password }): Json<Redemption>,
) -> Result<StatusCode, Problem> {
    password.suits(&email)?;
    let attempt = Attempt::begin(context.attempts()?, Guess::Code, &email, &address).await?;
    users.redeem_code(&email, &code, &password.0).await.map_err(refusal)?;
    attempt.succeeded().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn refusal(error: AuthError) -> Problem {
    match error {
        AuthError::Refused | AuthError::EmailRefused | AuthError::Challenged(_) => Problem::conflict(
            "wrong-code",
            "The code was refused",
            "The code is wrong or has run out. Check it, or ask for another one.",
        ),
        AuthError::PasswordRefused => password_refused(),
        AuthError::Throttled => {
            Problem::unavailable("Too many codes are being looked at. Try again in a moment.")
        }
        AuthError::Failed(error) => error.into(),
    }
}
