use axum::extract::State;
use axum::response::IntoResponse;
use http_api::{Conflict, InvalidBody, Json, Problem, TooManyRequests, Unauthenticated, Unavailable};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Context;
use crate::attempts::AttemptError;
use crate::user::User;
use crate::user_pool::{Access, AuthError, UserPool};

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

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Email(String);

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

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Password(String);

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

/// A session that has begun.
#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    /// Goes into `Authorization: Bearer …`. Keep it in memory only.
    access_token: String,
    /// For how long the access token is taken. The session goes on by its cookie.
    expires_in_seconds: u32,
    user: User,
}

/// Signs in. The fifth wrong password within a minute locks the account for a minute, the right password included.
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
    Json(credentials): Json<Credentials>,
) -> Result<impl IntoResponse, Problem> {
    let Credentials { email: Email(email), password: Password(password) } = credentials;
    let attempts = context.attempts()?;
    attempts.begin(&email).await.map_err(locked)?;
    let signed_in = users.sign_in(&email, &password).await;
    // Only a right password takes the count back. An attempt that Cognito was too busy for might be somebody's who makes it so.
    if matches!(signed_in, Ok(_) | Err(AuthError::Challenged(_))) {
        attempts.succeeded(&email).await?;
    }
    let signed_in = signed_in.map_err(refusal)?;
    let Access { token, expires_in_seconds } = signed_in.access;
    let session = Session { access_token: token, expires_in_seconds, user: signed_in.user };
    Ok((signed_in.cookie.set(signed_in.cookie_validity), Json(session)))
}

fn locked(error: AttemptError) -> Problem {
    match error {
        AttemptError::Locked(left) => Problem::too_many_requests(
            "account-locked",
            "Too many wrong passwords",
            "There were too many attempts to sign in with this e-mail.",
            left,
        ),
        AttemptError::Failed(error) => error.into(),
    }
}

fn refusal(error: AuthError) -> Problem {
    match error {
        AuthError::Refused => Problem::invalid_credentials(),
        AuthError::Challenged(challenge) if challenge == "NEW_PASSWORD_REQUIRED" => Problem::conflict(
            "new-password-required",
            "A new password is needed",
            "This account still has the password that it was made with. Ask an administrator to set a lasting one.",
        ),
        AuthError::Challenged(_) => Problem::conflict(
            "second-step-required",
            "A second step is needed",
            "This account asks for a second step, which can't be done here.",
        ),
        AuthError::Throttled => {
            Problem::unavailable("Too many people are signing in. Try again in a moment.")
        }
        AuthError::Failed(error) => error.into(),
    }
}
