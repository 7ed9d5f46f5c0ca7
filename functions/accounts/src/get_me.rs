use axum::extract::State;
use http_api::{Caller, Json, Problem, Unauthenticated};

use crate::user::User;
use crate::user_pool::UserPool;

/// Tells who is signed in.
#[utoipa::path(
    get, path = "/me", operation_id = "get_me", tag = "accounts",
    security(("bearer" = [])),
    responses((status = 200, description = "The caller.", body = User), Unauthenticated)
)]
pub(crate) async fn get_me(State(users): State<UserPool>, caller: Caller) -> Result<Json<User>, Problem> {
    let account = users.account_of(&caller).await?;
    Ok(Json(User { id: caller.user_id, email: account.email, roles: caller.roles }))
}
