//! Accounts: sessions, and who is signed in.
//!
//! A session is a pair of Cognito tokens. The access token lives minutes and stays in the page's memory; the
//! refresh token lives weeks in a cookie that no script can read and that only the session's own paths receive.

mod get_me;
mod refresh_cookie;
mod refresh_session;
mod sign_in;
mod sign_out;
mod user;
mod user_pool;

pub use user_pool::UserPool;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The area's routes, below the API's root.
pub fn router() -> OpenApiRouter<UserPool> {
    OpenApiRouter::new()
        .routes(routes!(sign_in::sign_in, sign_out::sign_out))
        .routes(routes!(refresh_session::refresh_session))
        .routes(routes!(get_me::get_me))
}

#[cfg(test)]
mod tests;
