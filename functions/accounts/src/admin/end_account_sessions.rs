use axum::extract::State;
use axum::http::StatusCode;
use http_api::{Forbidden, NotFound, Path, Problem, Unauthenticated, Unavailable};

use super::CurrentAdmin;
use crate::user_pool::UserPool;

/// Ends all sessions of an account. What was let in before stays in for ten minutes at most.
#[utoipa::path(
    delete, path = "/admin/accounts/{id}/sessions", operation_id = "end_account_sessions", tag = "admin",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The account.")),
    responses(
        (status = 204, description = "None of its sessions goes on."),
        Unauthenticated, Forbidden, NotFound, Unavailable,
    )
)]
pub(crate) async fn end_account_sessions(
    State(users): State<UserPool>,
    admin: CurrentAdmin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let account = users.account_with_id(&id).await?;
    admin.note(&account, "sessions ended");
    users.end_sessions(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
