use axum::extract::State;
use axum::http::StatusCode;
use http_api::{Conflict, Forbidden, NotFound, Path, Problem, Unauthenticated, Unavailable};

use super::CurrentAdmin;
use crate::Context;
use crate::user_pool::UserPool;

/// Lets an account be signed in to again. One that its owner has deleted can't be had back.
#[utoipa::path(
    post, path = "/admin/accounts/{id}/enable", operation_id = "enable_account", tag = "admin",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The account.")),
    responses(
        (status = 204, description = "The account is enabled."),
        Unauthenticated, Forbidden, NotFound, Conflict, Unavailable,
    )
)]
pub(crate) async fn enable_account(
    State(context): State<Context>,
    State(users): State<UserPool>,
    admin: CurrentAdmin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let account = users.account_with_id(&id).await?;
    if context.removals()?.is_marked(&id).await? {
        let detail = "Its owner has deleted this account. It is being removed.";
        return Err(Problem::conflict("being-removed", "The account is being removed", detail));
    }
    admin.note(&account, "enabled");
    users.open(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
