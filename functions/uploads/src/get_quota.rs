use axum::extract::State;
use http_api::{Forbidden, Json, Problem, Publisher, Unauthenticated};

use crate::Context;
use crate::limits::QuotaView;
use crate::owned::owner_id;

/// How much the caller has uploaded, and how much more they may.
#[utoipa::path(
    get, path = "/quota", operation_id = "get_quota", tag = "uploads",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "What is used, and the limits of the caller's role.", body = QuotaView),
        Unauthenticated, Forbidden,
    )
)]
pub(crate) async fn get_quota(
    State(context): State<Context>,
    Publisher(caller): Publisher,
) -> Result<Json<QuotaView>, Problem> {
    let limits = context.limits()?.of(&caller);
    let usage = context.uploads.usage(&owner_id(&caller)).await?;
    Ok(Json(limits.view(usage)))
}
