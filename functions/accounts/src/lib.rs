//! Accounts: sessions, and who is signed in.
//!
//! A session is a pair of Cognito tokens. The access token lives minutes and stays in the page's memory; the
//! refresh token lives weeks in a cookie that no script can read and that only the session's own paths receive.

mod admin;
mod attempts;
mod change_password;
mod context;
mod credentials;
mod delete_account;
mod export_account;
mod get_me;
mod list_sign_ins;
pub mod mail_new_device;
mod mailer;
mod own_page;
mod own_password;
mod redeem_code;
mod refresh_cookie;
mod refresh_session;
mod removals;
pub mod remove_accounts;
mod send_code;
mod session;
mod sign_in;
mod sign_ins;
mod sign_out;
mod sign_out_everywhere;
mod sign_up;
mod user;
mod user_pool;

pub use attempts::{AttemptsTable, OriginSecret};
pub use context::{Belongings, Context, Guarded};
pub use removals::Removals;
pub use sign_ins::SignInsTable;
pub use user_pool::UserPool;

use axum::Router;
use axum::routing::{delete, get, post, put};
use utoipa::OpenApi;

use admin::{
    disable_account, enable_account, end_account_sessions, get_account, list_account_sign_ins, list_accounts,
    set_roles,
};

/// The area's routes, below the API's root.
pub fn router() -> Router<Context> {
    Router::new()
        .route("/session", post(sign_in::sign_in).delete(sign_out::sign_out))
        .route("/session/refresh", post(refresh_session::refresh_session))
        .route("/sessions", delete(sign_out_everywhere::sign_out_everywhere))
        .route("/sign-up", post(sign_up::sign_up))
        .route("/codes", post(send_code::send_code))
        .route("/codes/redeem", post(redeem_code::redeem_code))
        .route("/me", get(get_me::get_me))
        .route("/me/deletion", post(delete_account::delete_account))
        .route("/me/export", get(export_account::export_account))
        .route("/me/password", post(change_password::change_password))
        .route("/me/sign-ins", get(list_sign_ins::list_sign_ins))
        .route("/admin/accounts", get(list_accounts::list_accounts))
        .route("/admin/accounts/{id}", get(get_account::get_account))
        .route("/admin/accounts/{id}/roles", put(set_roles::set_roles))
        .route("/admin/accounts/{id}/disable", post(disable_account::disable_account))
        .route("/admin/accounts/{id}/enable", post(enable_account::enable_account))
        .route("/admin/accounts/{id}/sessions", delete(end_account_sessions::end_account_sessions))
        .route("/admin/accounts/{id}/sign-ins", get(list_account_sign_ins::list_account_sign_ins))
}

/// The area's part of the API's document.
#[derive(Debug, OpenApi)]
#[openapi(paths(
    sign_in::sign_in,
    sign_out::sign_out,
    refresh_session::refresh_session,
    sign_out_everywhere::sign_out_everywhere,
    sign_up::sign_up,
    send_code::send_code,
    redeem_code::redeem_code,
    get_me::get_me,
    change_password::change_password,
    list_sign_ins::list_sign_ins,
    export_account::export_account,
    delete_account::delete_account,
    list_accounts::list_accounts,
    get_account::get_account,
    set_roles::set_roles,
    disable_account::disable_account,
    enable_account::enable_account,
    end_account_sessions::end_account_sessions,
    list_account_sign_ins::list_account_sign_ins,
))]
pub struct Document;

#[cfg(test)]
mod tests;
