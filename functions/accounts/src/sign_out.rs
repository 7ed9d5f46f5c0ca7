use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use http_api::{Forbidden, Problem};

use crate::own_page::OwnPage;
use crate::refresh_cookie::RefreshCookie;
use crate::user_pool::UserPool;

/// Signs out: the session ends everywhere, and its cookie is taken away. Without a session there is nothing to do.
#[utoipa::path(
    delete, path = "/session", operation_id = "sign_out", tag = "accounts",
    params(("matinee_refresh" = Option<String>, Cookie, nullable = false,
        description = "The cookie that sign-in has set.")),
    responses((status = 204, description = "Signed out."), Forbidden)
)]
pub(crate) async fn sign_out(
    _: OwnPage,
    State(users): State<UserPool>,
    cookie: Option<RefreshCookie>,
) -> Result<impl IntoResponse, Problem> {
    if let Some(cookie) = cookie {
        let revoked = users.revoke(&cookie).await;
        // Even when the token lives on, this browser shall not.
        revoked.map_err(|error| RefreshCookie::clear_with(error.into()))?;
    }
    Ok((StatusCode::NO_CONTENT, RefreshCookie::clear()))
}
