use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use http_api::{Caller, Problem, Unauthenticated};

use crate::refresh_cookie::RefreshCookie;
use crate::user_pool::UserPool;

/// Ends all of the caller's sessions, this one included.
///
/// None of them can be renewed from now on. What was let in for some minutes stays in for what is left of them, ten at most.
#[utoipa::path(
    delete, path = "/sessions", operation_id = "sign_out_everywhere", tag = "accounts",
    security(("bearer" = [])),
    responses((status = 204, description = "Signed out everywhere."), Unauthenticated)
)]
pub(crate) async fn sign_out_everywhere(
    State(users): State<UserPool>,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    users.end_sessions(&caller.user_id).await?;
    Ok((StatusCode::NO_CONTENT, RefreshCookie::clear()))
}
