use axum::extract::State;
use axum::http::StatusCode;
use http_api::{
    Caller, ETag, Forbidden, IfMatch, NotFound, Path, PreconditionFailed, Problem, Unauthenticated,
};
use library::{DeleteVideoError, VideoId};

use crate::context::Context;

/// Deletes a video. What nobody else has published as well is removed for good.
#[utoipa::path(
    delete, path = "/videos/{id}", operation_id = "delete_video", tag = "catalog",
    security(("bearer" = [])),
    params(
        ("id" = VideoId, Path, description = "The video."),
        ("if-match" = Option<String>, Header, nullable = false,
            description = "The ETag of the video that was read, to delete it only as it was then."),
    ),
    responses(
        (status = 204, description = "It is deleted."),
        Unauthenticated, Forbidden, NotFound, PreconditionFailed,
    )
)]
pub(crate) async fn delete_video(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<VideoId>,
    if_match: Option<IfMatch>,
) -> Result<StatusCode, Problem> {
    let video = context.editable_video(id, &caller).await?;
    let expected_version =
        if_match.map(|if_match| if_match.check(ETag(video.version)).map(|()| video.version));
    let deleted = context.library()?.delete_video(&video, expected_version.transpose()?).await;
    deleted.map_err(refusal)?;
    Ok(StatusCode::NO_CONTENT)
}

fn refusal(error: DeleteVideoError) -> Problem {
    match error {
        DeleteVideoError::Absent => Problem::not_found(),
        DeleteVideoError::Stale => Problem::precondition_failed(),
        DeleteVideoError::Failed(error) => error.into(),
    }
}
