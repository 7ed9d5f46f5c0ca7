use axum::extract::State;
use axum::response::IntoResponse;
use http_api::{Caller, InvalidRequest, Json, Page, PageQuery, Problem, Query, Unauthenticated};
use library::Cursor;

use crate::context::Context;
use crate::video::Video;

/// Lists everybody's videos, newest first.
#[utoipa::path(
    get, path = "/videos", operation_id = "list_videos", tag = "catalog",
    security(("bearer" = [])),
    params(PageQuery),
    responses(
        (status = 200, description = "A page of videos; cookies for `/posters/` come along.", body = Page<Video>),
        InvalidRequest, Unauthenticated,
    )
)]
pub(crate) async fn list_videos(
    State(context): State<Context>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> Result<impl IntoResponse, Problem> {
    let cursor = query.cursor.as_deref().map(Cursor::decode).transpose();
    let cursor = cursor.map_err(|error| Problem::invalid_field("cursor", error.to_string()))?;
    let page = context.videos.newest(query.limit.get(), cursor);
    let (page, cookies) = tokio::try_join!(page, context.poster_cookies())?;
    let items = page.items.into_iter().map(|video| Video::seen_by(&caller, video)).collect();
    Ok((cookies, Json(Page { items, next_cursor: page.next.map(Cursor::encode) })))
}
