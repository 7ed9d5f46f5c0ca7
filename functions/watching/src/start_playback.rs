use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::response::{AppendHeaders, IntoResponse};
use http_api::{Caller, Json, NotFound, Path, Problem, Unauthenticated};
use library::{ContentId, Media, Streaming, Timestamp, VideoId};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

use crate::Context;

/// How long the cookies hold. A copied cookie is of use for no longer than this.
const PERMISSION: Duration = Duration::from_secs(15 * 60);
/// When a player that goes on should ask again: early enough for a few tries.
const RENEW_AFTER: Duration = Duration::from_secs(10 * 60);

/// The right to watch one video for some minutes: its addresses here, the permission in the answer's cookies.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Playback {
    /// HLS manifest, for `adaptive` videos.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    hls_url: Option<String>,
    /// DASH manifest, for `adaptive` videos.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    dash_url: Option<String>,
    /// The original file, for `progressive` videos.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    progressive_url: Option<String>,
    /// A picture to show before it plays.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    poster_url: Option<String>,
    /// Pictures along the timeline: WebVTT whose texts are the addresses of parts of images. It has no texts as long as the
    /// pictures are being made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    thumbnails_url: Option<String>,
    /// When the permission ends.
    #[schema(value_type = String, format = "date-time")]
    expires_at: Timestamp,
    /// After how many seconds a player should ask for a new permission.
    renew_after_seconds: u64,
}

impl Playback {
    fn new(content_id: ContentId, media: &Media, expires_at: Timestamp) -> Self {
        let adaptive = media.streaming == Streaming::Adaptive;
        let output = |name: &str| adaptive.then(|| format!("/{}{name}", content_id.output_prefix()));
        Self {
            hls_url: output("master.m3u8"),
            dash_url: output("manifest.mpd"),
            progressive_url: (!adaptive).then(|| format!("/{}", content_id.original_key())),
            poster_url: media.has_poster.then(|| format!("/{}", content_id.poster_key())),
            thumbnails_url: media.has_thumbnails.then(|| format!("/{}", content_id.thumbnails_key())),
            expires_at,
            renew_after_seconds: RENEW_AFTER.as_secs(),
        }
    }
}

/// Gives the right to watch a video, as cookies for its media alone.
#[utoipa::path(
    post, path = "/videos/{id}/playback", operation_id = "start_playback", tag = "watching",
    security(("bearer" = [])),
    params(("id" = VideoId, Path, description = "The video.")),
    responses(
        (status = 200, description = "The permission; four cookies for `/media/{content}/` come along.", body = Playback),
        Unauthenticated, NotFound,
    )
)]
pub(crate) async fn start_playback(
    State(context): State<Context>,
    _: Caller,
    Path(id): Path<VideoId>,
) -> Result<impl IntoResponse, Problem> {
    let video = context.videos.get(id).await?.ok_or_else(Problem::not_found)?;
    let expires_at = Timestamp::now().plus(PERMISSION);
    let content_id = video.content_id;
    let content = content_id.to_string();
    let signed = context.cookies.for_content(&content, expires_at.unix_ms() / 1000);
    let (cookies, ()) = tokio::join!(signed, ask_for_ladder(&context, content_id, &video.media));
    let cookies = cookies?;
    let cookies = AppendHeaders(cookies.into_iter().map(|cookie| (SET_COOKIE, cookie)));
    Ok((cookies, Json(Playback::new(content_id, &video.media, expires_at))))
}

/// Notes that somebody watches this film; the table's stream tells who encodes its ladder. Every play tries, and the first one's note
/// stays: that is one write without effect for each of the others, and no read. Nobody waits for longer than for the
/// cookies' key, and if it fails the film plays all the same and the next play asks again.
async fn ask_for_ladder(context: &Context, content_id: ContentId, media: &Media) {
    let Some(contents) = &context.ladders else { return };
    if media.streaming != Streaming::Adaptive {
        return;
    }
    if let Err(error) = contents.want_encoding(content_id).await {
        tracing::warn!(%content_id, error = format!("{error:#}"), "the ladder was not asked for");
    }
}
