use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use http_api::{InvalidBody, Json, Problem, TooManyRequests, Unavailable};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::Context;
use crate::attempts::{Address, Attempt, Guess};
use crate::credentials::Email;
use crate::sign_in::password_refused;
use crate::user_pool::{AuthError, UserPool};

/// Mailing somebody takes Cognito a moment, and mailing nobody doesn't. The answer comes after this time in both cases.
pub(crate) const ANSWERED_AFTER: Duration = Duration::from_millis(800);

/// Who is to get a code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeRequest {
    /// Spaces around it are dropped.
    #[schema(value_type = String, format = "email", max_length = 128)]
    email: Email,
}

/// Mails a code: to confirm the e-mail of a new account, or to choose a new password for one that is confirmed.
///
/// The answer is the same for an e-mail that has no account. Five mails in a quarter of an hour are sent to one e-mail at most.
#[utoipa::path(
    post, path = "/codes", operation_id = "send_code", tag = "accounts",
    request_body = CodeRequest,
    responses(
        (status = 202, description = "If there is such an account, a mail with a code is on its way."),
        InvalidBody, TooManyRequests, Unavailable,
    )
)]
pub(crate) async fn send_code(
    State(context): State<Context>,
    State(users): State<UserPool>,
    address: Address,
    Json(CodeRequest { email: Email(email) }): Json<CodeRequest>,
) -> Result<StatusCode, Problem> {
    let started = Instant::now();
    Attempt::begin(context.attempts()?, Guess::Mail, &email, &address).await?;
    let sent = users.send_code(&email).await;
    tokio::time::sleep_until(started + ANSWERED_AFTER).await;
    sent.map_err(not_sent)?;
    Ok(StatusCode::ACCEPTED)
}

pub(crate) fn not_sent(error: AuthError) -> Problem {
    match error {
        AuthError::PasswordRefused => password_refused(),
        AuthError::EmailRefused => Problem::invalid_field("email", "is no e-mail address"),
        AuthError::Throttled => Problem::unavailable("Too many mails are being sent. Try again in a moment."),
        AuthError::Failed(error) => error.into(),
        refused => anyhow::Error::new(refused).context("Cognito takes no registration").into(),
    }
}
