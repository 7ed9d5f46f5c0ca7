//! What was sent, stored once.

use items::{Item, string};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::digest::ContentDigest;
use crate::encoding::Encoding;
use crate::ids::{ContentId, UserId, VideoId};
use crate::timestamp::Timestamp;

/// Where a content is on its way. It goes back only from `failed` to `processing`, while it may be retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentState {
    /// It is being packaged, or waits for it.
    Processing,
    /// It can be watched. Its outputs are written, or promised: see [`Content::promise`].
    Ready,
    /// It is no video that can be watched: for good, and its uploads are being told, or [until it is
    /// retried](Content::retry_until).
    Failed,
    /// Nobody lists it; its objects are being removed, then this record.
    Removing,
}

impl ContentState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Removing => "removing",
        }
    }
}

/// How a video reaches a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Streaming {
    /// By HLS and DASH, over packaged outputs.
    Adaptive,
    /// As the original file, by ranges.
    Progressive,
}

/// What packaging found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// How it reaches a player.
    pub streaming: Streaming,
    /// How long it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The picture's width as shown, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// The picture's height as shown, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Whether there is a poster at [`ContentId::poster_key`].
    pub has_poster: bool,
    /// Whether there are thumbnails at [`ContentId::thumbnails_key`], or will be when all outputs are written.
    #[serde(default)]
    pub has_thumbnails: bool,
}

/// That a content can be watched before all of its outputs are written: what is missing can be computed from its original
/// when it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// Outputs are missing; the content is worked on under a lease until they are there.
    Made,
    /// All outputs are written. Who didn't find one a moment ago can still have it computed.
    Kept,
}

impl Promise {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Kept => "kept",
        }
    }
}

/// A content's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The id of the upload that brought it first.
    pub content_id: ContentId,
    /// Where it is on its way.
    pub state: ContentState,
    /// Since when it is in that state, in milliseconds after 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_since_ms: Option<i64>,
    /// How many people list it, or will when it is ready.
    pub listings: u64,
    /// Its digest. None until packaging has computed it, where S3 has not verified one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<ContentDigest>,
    /// The digest that the publisher announced, to be compared with the computed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced_digest: Option<ContentDigest>,
    /// The key of the original in the upload bucket.
    pub original_key: String,
    /// The size of the original.
    pub size_bytes: u64,
    /// The ETag of the original: only that very object is read.
    pub etag: String,
    /// What packaging found out, once it is ready or waits for nothing but its encoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    /// Whether it became ready before all of its outputs were written. None if they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promise: Option<Promise>,
    /// How far its encoding is, if any is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// Since when that is so, in milliseconds after 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding_since_ms: Option<i64>,
    /// Why it failed, for its publishers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Until when it may be retried, where it failed and not for good: that long it is kept. See [`Library::give_up`].
    ///
    /// [`Library::give_up`]: crate::Library::give_up
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_until: Option<Timestamp>,
    /// When the lease on it ends, in milliseconds after 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until_ms: Option<i64>,
    /// The queue message that the holder of the lease works for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_message_id: Option<String>,
}

/// One owner's share in a content: that they list it, or will when it is ready. It carries what the video's record
/// will say, so that listing it needs no further read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Who lists it.
    pub owner_id: UserId,
    /// Their video, made by the upload of the same id.
    pub video_id: VideoId,
    /// The video's title.
    pub title: String,
    /// The video's description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Which content has the bytes of a digest. It exists while that content is processing or ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DigestPointer {
    /// The content.
    pub(crate) content_id: ContentId,
    /// The size of the original.
    pub(crate) size_bytes: u64,
    /// Set in the transaction that makes the content ready, so that who joins it needn't read the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media: Option<Media>,
}

/// The key of a content's record.
pub(crate) fn content_key(id: ContentId) -> Item {
    key(content_partition(id), "content".to_owned())
}

/// The key of an owner's share in a content.
pub(crate) fn holder_key(id: ContentId, owner: &UserId) -> Item {
    key(content_partition(id), format!("{HOLDER_PREFIX}{owner}"))
}

/// The key of one of the items of a content's task.
pub(crate) fn task_key(id: ContentId, task: &str, part: &str) -> Item {
    key(content_partition(id), format!("task#{task}{part}"))
}

/// The key of the pointer from a digest to its content.
pub(crate) fn digest_key(digest: &ContentDigest) -> Item {
    key(format!("digest#{digest}"), "digest".to_owned())
}

/// The partition that holds a content and its holders.
pub(crate) fn content_partition(id: ContentId) -> String {
    format!("content#{id}")
}

/// What the sort keys of holders begin with.
pub(crate) const HOLDER_PREFIX: &str = "holder#";

fn key(pk: String, sk: String) -> Item {
    Item::from([("pk".to_owned(), string(pk)), ("sk".to_owned(), string(sk))])
}
