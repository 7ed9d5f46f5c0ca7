use axum::extract::State;
use axum::response::IntoResponse;
use http_api::{
    Caller, Forbidden, InvalidBody, Json, Problem, TooManyRequests, Unauthenticated, Unavailable,
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::Context;
use crate::attempts::Address;
use crate::credentials::{NewPassword, Password};
use crate::own_password::prove;
use crate::session::Session;
use crate::sign_in::refusal;
use crate::user_pool::UserPool;

/// The password that one has, and the one to have instead.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    #[schema(value_type = String, format = "password", min_length = 1, max_length = 256)]
    old_password: Password,
    /// 5 different characters or more, no space at either end, and not the e-mail.
    #[schema(value_type = String, format = "password", min_length = 12, max_length = 256)]
    password: NewPassword,
}

/// Changes the caller's password. All their sessions end, and a new one begins here.
///
/// A wrong old password counts like one at sign-in, so that nobody guesses with a session that they found open.
#[utoipa::path(
    post, path = "/me/password", operation_id = "change_password", tag = "accounts",
    security(("bearer" = [])),
    request_body = PasswordChange,
    responses(
        (status = 200, description = "The session that takes the place of the others; its cookie comes along.", body = Session),
        InvalidBody, Unauthenticated, Forbidden, TooManyRequests, Unavailable,
    )
)]
pub(crate) async fn change_password(
    State(context): State<Context>,
    State(users): State<UserPool>,
    caller: Caller,
    address: Address,
    Json(PasswordChange { old_password, password }): Json<PasswordChange>,
) -> Result<impl IntoResponse, Problem> {
    let account = users.account_of(&caller).await?;
    password.suits(&account.email)?;
    prove(&context, &users, &account, &old_password, &address).await?;
    users.set_password(&account.id, &password.0).await.map_err(refusal)?;
    // If this fails, the caller is told that something went wrong; signing out everywhere is there to be tried again.
    users.end_sessions(&account.id).await?;
    let signed_in = users.sign_in(&account.email, &password.0).await.map_err(refusal)?;
    Ok(Session::begun(signed_in, None))
}
