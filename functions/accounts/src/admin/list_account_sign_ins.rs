use axum::extract::State;
use http_api::{
    Forbidden, InvalidRequest, Json, NotFound, Page, PageQuery, Path, Problem, Query, Unauthenticated,
    Unavailable,
};

use super::CurrentAdmin;
use crate::Context;
use crate::list_sign_ins::page_of;
use crate::sign_ins::SignIn;
use crate::user_pool::UserPool;

/// Lists the attempts to sign in to an account in the last 180 days, newest first.
#[utoipa::path(
    get, path = "/admin/accounts/{id}/sign-ins", operation_id = "list_account_sign_ins", tag = "admin",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The account."), PageQuery),
    responses(
        (status = 200, description = "A page of attempts.", body = Page<SignIn>),
        InvalidRequest, Unauthenticated, Forbidden, NotFound, Unavailable,
    )
)]
pub(crate) async fn list_account_sign_ins(
    State(context): State<Context>,
    State(users): State<UserPool>,
    _: CurrentAdmin,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<SignIn>>, Problem> {
    let account = users.account_with_id(&id).await?;
    Ok(Json(page_of(&context, &account.id, page).await?))
}
