use axum::extract::State;
use axum::http::StatusCode;
use http_api::{Forbidden, InvalidBody, Json, Problem, TooManyRequests, Unavailable};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::Context;
use crate::attempts::{Address, Attempt, Guess};
use crate::credentials::{Email, NewPassword};
use crate::send_code::{ANSWERED_AFTER, not_sent};
use crate::user_pool::UserPool;

/// What one registers with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAccount {
    /// Spaces around it are dropped.
    #[schema(value_type = String, format = "email", max_length = 128)]
    email: Email,
    /// 5 different characters or more, no space at either end, and not the e-mail.
    #[schema(value_type = String, format = "password", min_length = 12, max_length = 256)]
    password: NewPassword,
}

/// Registers an account. It can be used once its e-mail is confirmed by the code that is mailed there: `redeem_code`.
///
/// The answer is the same for an e-mail that has an account already, whose owner gets a code as well: for choosing a new password.
#[utoipa::path(
    post, path = "/sign-up", operation_id = "sign_up", tag = "accounts",
    request_body = NewAccount,
    responses(
        (status = 202, description = "A mail with a code is on its way."),
        InvalidBody, Forbidden, TooManyRequests, Unavailable,
    )
)]
pub(crate) async fn sign_up(
    State(context): State<Context>,
    State(users): State<UserPool>,
    address: Address,
    Json(registration): Json<NewAccount>,
) -> Result<StatusCode, Problem> {
    if !context.sign_up_is_open {
        return Err(Problem::forbidden("Accounts are made by the operator here."));
    }
    let NewAccount { email: Email(email), password } = registration;
    password.suits(&email)?;
    let started = Instant::now();
    Attempt::begin(context.attempts()?, Guess::Mail, &email, &address).await?;
    let signed_up = users.sign_up(&email, &password.0).await;
    tokio::time::sleep_until(started + ANSWERED_AFTER).await;
    signed_up.map_err(not_sent)?;
    Ok(StatusCode::ACCEPTED)
}
