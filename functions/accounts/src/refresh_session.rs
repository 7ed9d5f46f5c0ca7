use axum::extract::State;
use http_api::{Forbidden, Json, Problem, Unauthenticated, Unavailable};
use serde::Serialize;
use utoipa::ToSchema;

use crate::own_page::OwnPage;
use crate::refresh_cookie::RefreshCookie;
use crate::user_pool::{Access, AuthError, UserPool};

/// A session that goes on.
#[derive(Serialize, ToSchema)]
pub(crate) struct RefreshedSession {
    /// Takes the place of the one before.
    access_token: String,
    /// For how long the access token is taken.
    expires_in_seconds: u32,
}

/// Exchanges the session's cookie for a new access token.
#[utoipa::path(
    post, path = "/session/refresh", operation_id = "refresh_session", tag = "accounts",
    params(("matinee_refresh" = String, Cookie, description = "The cookie that sign-in has set.")),
    responses(
        (status = 200, description = "A new access token.", body = RefreshedSession),
        Unauthenticated, Forbidden, Unavailable,
    )
)]
pub(crate) async fn refresh_session(
    _: OwnPage,
    State(users): State<UserPool>,
    cookie: RefreshCookie,
) -> Result<Json<RefreshedSession>, Problem> {
    let Access { token, expires_in_seconds } = users.refresh(&cookie).await.map_err(refusal)?;
    Ok(Json(RefreshedSession { access_token: token, expires_in_seconds }))
}

/// Only a refused token takes the cookie away: when Cognito can't be asked, the session may well go on later.
fn refusal(error: AuthError) -> Problem {
    match error {
        AuthError::Refused
        | AuthError::PasswordRefused
        | AuthError::EmailRefused
        | AuthError::Challenged(_) => RefreshCookie::clear_with(Problem::session_ended()),
        AuthError::Throttled => Problem::unavailable("Too many sessions are renewed. Try again in a moment."),
        AuthError::Failed(error) => error.into(),
    }
}
