use axum::extract::State;
use http_api::{Caller, InvalidRequest, Json, Page, PageQuery, Problem, Query, Unauthenticated};
use library::{Cursor, UserId};

use crate::Context;
use crate::owned::owner_id;
use crate::view::UploadView;

/// Lists the caller's own uploads, newest first.
#[utoipa::path(
    get, path = "/uploads", operation_id = "list_uploads", tag = "uploads",
    security(("bearer" = [])),
    params(PageQuery),
    responses(
        (status = 200, description = "A page of them, without their parts.", body = Page<UploadView>),
        InvalidRequest, Unauthenticated,
    )
)]
pub(crate) async fn list_uploads(
    State(context): State<Context>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<UploadView>>, Problem> {
    Ok(Json(page_of(&context, &owner_id(&caller), query).await?))
}

/// A page of an account's uploads.
pub(crate) async fn page_of(
    context: &Context,
    owner_id: &UserId,
    PageQuery { cursor, limit }: PageQuery,
) -> Result<Page<UploadView>, Problem> {
    let cursor = cursor.as_deref().map(Cursor::decode).transpose();
    let cursor = cursor.map_err(|error| Problem::invalid_field("cursor", error.to_string()))?;
    let page = context.uploads.newest_of(owner_id, limit.get(), cursor).await?;
    let items = page.items.into_iter().map(UploadView::new).collect::<anyhow::Result<_>>()?;
    Ok(Page { items, next_cursor: page.next.map(Cursor::encode) })
}
