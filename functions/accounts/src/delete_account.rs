use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use http_api::{
    Caller, Conflict, Forbidden, InvalidBody, Json, Problem, Role, TooManyRequests, Unauthenticated,
    Unavailable,
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::Context;
use crate::attempts::Address;
use crate::credentials::Password;
use crate::own_password::prove;
use crate::refresh_cookie::RefreshCookie;
use crate::user_pool::UserPool;

/// The proof that it is the account's owner who wants it gone.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountDeletion {
    #[schema(value_type = String, format = "password", min_length = 1, max_length = 256)]
    password: Password,
}

/// Deletes the caller's account, for good: their sessions, uploads, videos, history and identity.
///
/// Sessions end at once, the rest goes within minutes. What others have published as well stays theirs.
/// Admins can't: another one has to take that role from them first, so that there is always one.
#[utoipa::path(
    post, path = "/me/deletion", operation_id = "delete_account", tag = "accounts",
    security(("bearer" = [])),
    request_body = AccountDeletion,
    responses(
        (status = 202, description = "The account is closed and is being removed."),
        InvalidBody, Unauthenticated, Forbidden, Conflict, TooManyRequests, Unavailable,
    )
)]
pub(crate) async fn delete_account(
    State(context): State<Context>,
    State(users): State<UserPool>,
    caller: Caller,
    address: Address,
    Json(AccountDeletion { password }): Json<AccountDeletion>,
) -> Result<impl IntoResponse, Problem> {
    let account = users.account_of(&caller).await?;
    prove(&context, &users, &account, &password, &address).await?;
    if users.roles(&account.id).await?.contains(&Role::Admin) {
        let detail = "You are an admin. Another admin has to take that role from you first.";
        return Err(Problem::conflict("is-admin", "You are an admin", detail));
    }
    // The mark comes first: should anything stop here, `remove_accounts` does the rest, closing the account included.
    context.removals()?.mark(&account.id).await?;
    users.close(&account.id).await?;
    Ok((StatusCode::ACCEPTED, RefreshCookie::clear()))
}
