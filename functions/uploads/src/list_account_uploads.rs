use axum::extract::State;
use http_api::{
    Admin, Forbidden, InvalidRequest, Json, Page, PageQuery, Path, Problem, Query, Unauthenticated,
};
use library::UserId;

use crate::Context;
use crate::list_uploads::page_of;
use crate::view::UploadView;

/// Lists the uploads of an account, newest first, for admins. Of an account that nobody has, the list is empty.
#[utoipa::path(
    get, path = "/admin/accounts/{id}/uploads", operation_id = "list_account_uploads", tag = "admin",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The account."), PageQuery),
    responses(
        (status = 200, description = "A page of them, without their parts.", body = Page<UploadView>),
        InvalidRequest, Unauthenticated, Forbidden,
    )
)]
pub(crate) async fn list_account_uploads(
    State(context): State<Context>,
    _: Admin,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<UploadView>>, Problem> {
    Ok(Json(page_of(&context, &UserId::new(id), page).await?))
}
