//! One person's act of sending a file.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::digest::ContentDigest;
use crate::ids::{ContentId, UploadId, UserId, VideoId};
use crate::part_plan::{PartPlan, SizeOutOfRange};
use crate::timestamp::Timestamp;

/// Where an upload is on its way. It goes back only from `failed`, when it is retried.
///
/// `waiting → uploaded → checking → duplicate | processing | ready | failed`, and
/// `processing → duplicate | ready | failed`. One that may be retried: `failed → processing | ready | duplicate`. `uploaded` is
/// skipped when S3's event overtakes the answer to the completion, and `checking` too when its owner shows that they have bytes
/// that are there already. What waits for too long is `failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UploadState {
    /// S3 waits for parts.
    Waiting,
    /// S3 has the whole object.
    Uploaded,
    /// What it is, and whether it is known, is being found out.
    Checking,
    /// Its owner has the same content already.
    Duplicate,
    /// Its content is being packaged.
    Processing,
    /// Its video can be watched.
    Ready,
    /// It became no video; the reason says why.
    Failed,
}

impl UploadState {
    /// The name in records and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Uploaded => "uploaded",
            Self::Checking => "checking",
            Self::Duplicate => "duplicate",
            Self::Processing => "processing",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }
}

/// What the client sends with each part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Checksum {
    /// Its SHA-256, which S3 verifies; together they make the content digest.
    #[default]
    Sha256,
    /// Nothing; the digest is computed while the content is packaged.
    None,
}

/// An upload's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Its id, from which the object's key follows.
    pub id: UploadId,
    /// Who sends it.
    pub owner_id: UserId,
    /// What the video will be called, 1 to 300 characters.
    pub name: String,
    /// What the video is about, at most 5,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What the file was called on its owner's machine.
    pub file_name: String,
    /// How large the file is, from which the part plan follows.
    pub size_bytes: u64,
    /// The content type that the object has in S3.
    pub content_type: String,
    /// What comes with each part.
    pub checksum: Checksum,
    /// The content digest that the client announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<ContentDigest>,
    /// S3's own id of the multipart upload. It never leaves the server.
    pub s3_upload_id: String,
    /// A digest of the request that made it, where it came under an idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_fingerprint: Option<String>,
    /// Where it is on its way.
    pub state: UploadState,
    /// Why it failed: a sentence for its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it failed, or was let go of because nobody had retried it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
    /// Until when it may be retried, where it failed and not for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_until: Option<Timestamp>,
    /// When it began.
    pub created_at: Timestamp,
    /// Until when parts are taken.
    pub expires_at: Timestamp,
    /// The content that it brought or joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_id: Option<ContentId>,
    /// The video that it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video_id: Option<VideoId>,
    /// The video of the same owner that has the same content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<VideoId>,
    /// The queue message that the holder of the lease works for, while it is being checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_message_id: Option<String>,
}

impl Upload {
    /// How its file is cut into parts.
    pub fn plan(&self) -> Result<PartPlan, SizeOutOfRange> {
        PartPlan::for_size(self.size_bytes)
    }
}
