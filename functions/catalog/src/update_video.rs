use axum::extract::State;
use axum::response::IntoResponse;
use http_api::{
    Caller, ETag, Forbidden, IfMatch, InvalidBody, Json, NotFound, Path, PreconditionFailed,
    PreconditionRequired, Problem, Unauthenticated,
};
use library::{EditVideoError, VideoEdit, VideoId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::context::Context;
use crate::video::Video;

/// What to change of a video. What is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VideoChange {
    /// The new title; spaces around it are dropped.
    #[schema(value_type = String, min_length = 1, max_length = 300, required = false)]
    title: Option<Title>,
    /// The new description; an empty one removes it.
    #[schema(value_type = String, max_length = 5000, required = false)]
    description: Option<Description>,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Title(String);

impl TryFrom<String> for Title {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.trim() {
            title if (1..=300).contains(&title.chars().count()) => Ok(Self(title.to_owned())),
            _ => Err("must have 1 to 300 characters"),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Description(String);

impl TryFrom<String> for Description {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.chars().count() <= 5000 { Ok(Self(text)) } else { Err("must have at most 5000 characters") }
    }
}

impl From<VideoChange> for VideoEdit {
    fn from(change: VideoChange) -> Self {
        Self {
            title: change.title.map(|Title(title)| title),
            description: change.description.map(|Description(description)| description),
        }
    }
}

/// Changes the title or the description of a video.
#[utoipa::path(
    patch, path = "/videos/{id}", operation_id = "update_video", tag = "catalog",
    security(("bearer" = [])),
    params(
        ("id" = VideoId, Path, description = "The video."),
        ("if-match" = String, Header, description = "The ETag of the video that was read."),
    ),
    request_body = VideoChange,
    responses(
        (status = 200, description = "The video as it is now.", body = Video,
            headers(("etag" = String, description = "Its new version."))),
        InvalidBody, Unauthenticated, Forbidden, NotFound, PreconditionFailed, PreconditionRequired,
    )
)]
pub(crate) async fn update_video(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<VideoId>,
    if_match: IfMatch,
    Json(change): Json<VideoChange>,
) -> Result<impl IntoResponse, Problem> {
    let video = context.editable_video(id, &caller).await?;
    if_match.check(ETag(video.version))?;
    let edited = context.videos.edit(id, video.version, &change.into()).await.map_err(refusal)?;
    Ok((ETag(edited.version), Json(Video::seen_by(&caller, edited))))
}

fn refusal(error: EditVideoError) -> Problem {
    match error {
        EditVideoError::Absent => Problem::not_found(),
        EditVideoError::Stale => Problem::precondition_failed(),
        EditVideoError::Failed(error) => error.into(),
    }
}
