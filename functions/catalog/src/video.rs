use http_api::Caller;
use library::{Streaming, Timestamp, UserId, VideoId};
use serde::Serialize;
use utoipa::ToSchema;

/// A video as somebody sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Video {
    id: VideoId,
    /// 1 to 300 characters.
    title: String,
    /// At most 5,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<String>,
    /// Who published it.
    owner_id: UserId,
    /// When it was published.
    created_at: Timestamp,
    /// When its title or description last changed.
    updated_at: Timestamp,
    /// How long it plays, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    duration_ms: Option<u64>,
    /// The picture's width in pixels, as it is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    width: Option<u32>,
    /// The picture's height in pixels, as it is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    height: Option<u32>,
    /// The size of the file that was uploaded.
    size_bytes: u64,
    /// A still picture of it. The answer's cookies permit to fetch it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    poster_url: Option<String>,
    /// How it is played.
    streaming: Streaming,
    /// Whether the caller may change and delete it.
    editable: bool,
}

impl Video {
    pub(crate) fn seen_by(caller: &Caller, video: library::Video) -> Self {
        let editable = caller.may_edit(video.owner_id.as_str());
        let poster_url = video.media.has_poster.then(|| format!("/{}", video.content_id.poster_key()));
        Self {
            id: video.id,
            title: video.title,
            description: video.description,
            owner_id: video.owner_id,
            created_at: video.created_at,
            updated_at: video.updated_at,
            duration_ms: video.media.duration_ms,
            width: video.media.width,
            height: video.media.height,
            size_bytes: video.size_bytes,
            poster_url,
            streaming: video.media.streaming,
            editable,
        }
    }
}
