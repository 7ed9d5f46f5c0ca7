use axum::extract::State;
use axum::response::IntoResponse;
use http_api::{Caller, ETag, Json, NotFound, Path, Problem, Unauthenticated};
use library::VideoId;

use crate::context::Context;
use crate::video::Video;

/// Shows a video.
#[utoipa::path(
    get, path = "/videos/{id}", operation_id = "get_video", tag = "catalog",
    security(("bearer" = [])),
    params(("id" = VideoId, Path, description = "The video.")),
    responses(
        (status = 200, description = "The video; cookies for `/posters/` come along.", body = Video,
            headers(("etag" = String, description = "Its version, for `If-Match`."))),
        Unauthenticated, NotFound,
    )
)]
pub(crate) async fn get_video(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<VideoId>,
) -> Result<impl IntoResponse, Problem> {
    let (video, cookies) = tokio::try_join!(context.videos.get(id), context.poster_cookies())?;
    let video = video.ok_or_else(Problem::not_found)?;
    Ok((cookies, ETag(video.version), Json(Video::seen_by(&caller, video))))
}
