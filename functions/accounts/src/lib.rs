//! Accounts: sessions, and who is signed in.
//!
//! A session is a pair of Cognito tokens. The access token lives minutes and stays in the page's memory; the
//! refresh token lives weeks in a cookie that no script can read and that only the session's own paths receive.

mod attempts;
mod context;
mod get_me;
mod refresh_cookie;
mod refresh_session;
mod sign_in;
mod sign_out;
mod user;
mod user_pool;

pub use attempts::AttemptsTable;
pub use context::Context;
pub use user_pool::UserPool;

use axum::Router;
use axum::routing::{get, post};
use utoipa::OpenApi;

/// The area's routes, below the API's root.
pub fn router() -> Router<Context> {
    Router::new()
        .route("/session", post(sign_in::sign_in).delete(sign_out::sign_out))
        .route("/session/refresh", post(refresh_session::refresh_session))
        .route("/me", get(get_me::get_me))
}

/// The area's part of the API's document.
#[derive(Debug, OpenApi)]
#[openapi(paths(sign_in::sign_in, sign_out::sign_out, refresh_session::refresh_session, get_me::get_me))]
pub struct Document;

#[cfg(test)]
mod tests;
