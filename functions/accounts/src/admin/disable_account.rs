use axum::extract::State;
use axum::http::StatusCode;
use http_api::{Conflict, Forbidden, NotFound, Path, Problem, Unauthenticated, Unavailable};

use super::CurrentAdmin;
use crate::user_pool::UserPool;

/// Disables an account: its sessions end, and nobody signs in to it. What it has stays.
///
/// Whoever was let in before stays in until their access token ends, ten minutes at most. Admins can't disable themselves.
#[utoipa::path(
    post, path = "/admin/accounts/{id}/disable", operation_id = "disable_account", tag = "admin",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The account.")),
    responses(
        (status = 204, description = "The account is disabled."),
        Unauthenticated, Forbidden, NotFound, Conflict, Unavailable,
    )
)]
pub(crate) async fn disable_account(
    State(users): State<UserPool>,
    admin: CurrentAdmin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let account = users.account_with_id(&id).await?;
    admin.not_own(&account)?;
    admin.note(&account, "disabled");
    users.close(&id).await?;
    if let Err(problem) = admin.is_left(&users).await {
        if account.is_enabled {
            users.open(&id).await?;
        }
        return Err(problem);
    }
    Ok(StatusCode::NO_CONTENT)
}
