//! An upload as its owner sees it.

use anyhow::Context as _;
use library::{Checksum, ContentDigest, PartPlan, Timestamp, Upload, UploadId, UploadState, VideoId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::multipart::StoredPart;

/// A file on its way to becoming a video.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Upload)]
pub(crate) struct UploadView {
    id: UploadId,
    /// What the video will be called.
    name: String,
    /// What the video is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<String>,
    /// What the file was called on its owner's machine.
    file_name: String,
    /// How large the file is.
    size_bytes: u64,
    /// As S3 keeps it.
    content_type: String,
    /// What comes with each part.
    checksum: Checksum,
    /// The content digest that was announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    digest: Option<ContentDigest>,
    /// How large every part but the last is.
    part_size_bytes: u64,
    /// How many parts there are.
    #[schema(minimum = 1, maximum = 10_000)]
    part_count: u32,
    state: UploadState,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// When it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failed_at: Option<Timestamp>,
    /// Whether it failed and may be retried as it is, without sending anything again.
    retryable: bool,
    /// Until when it may be retried, where it may.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_until: Option<Timestamp>,
    created_at: Timestamp,
    /// Until when parts are taken.
    expires_at: Timestamp,
    /// The video that it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    video_id: Option<VideoId>,
    /// The owner's other video, which has the same content. It is there when the upload of that id is `ready`; that upload may still
    /// be worked on, or have failed since.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    duplicate_of: Option<VideoId>,
    /// The parts that S3 has, while it waits for more. Only when a single upload is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    parts: Option<Vec<UploadedPart>>,
    /// How far it is, while the file is encoded because browsers don't play it. Only when a single upload is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    encoding: Option<EncodingView>,
}

/// A file that is being encoded.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = UploadEncoding)]
pub(crate) struct EncodingView {
    /// In how many pieces it is encoded.
    #[schema(minimum = 1)]
    pub(crate) pieces: u32,
    /// How many of them are not encoded yet. At 0 they are being put together.
    pub(crate) pieces_left: u32,
}

/// A part that has arrived.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct UploadedPart {
    /// Counted from 1.
    #[schema(minimum = 1, maximum = 10_000)]
    number: u32,
    size_bytes: u64,
    /// Standard base64, where the part came with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sha256: Option<String>,
}

impl UploadView {
    /// The upload as it is now. One that still waits after it expired shows as failed: time does that, no write.
    pub(crate) fn new(upload: Upload) -> anyhow::Result<Self> {
        let plan = upload.plan().context("an upload was recorded that has no plan")?;
        let is_expired = has_expired(&upload);
        let retryable = upload.may_be_retried();
        let (state, reason) = match upload.state {
            UploadState::Waiting if is_expired => (UploadState::Failed, Some(EXPIRED.to_owned())),
            state => (state, upload.reason),
        };
        Ok(Self {
            id: upload.id,
            name: upload.name,
            description: upload.description,
            file_name: upload.file_name,
            size_bytes: upload.size_bytes,
            content_type: upload.content_type,
            checksum: upload.checksum,
            digest: upload.digest,
            part_size_bytes: plan.part_size_bytes(),
            part_count: plan.part_count(),
            state,
            reason,
            failed_at: upload.failed_at,
            retryable,
            retry_until: upload.retry_until.filter(|_| retryable),
            created_at: upload.created_at,
            expires_at: upload.expires_at,
            video_id: upload.video_id,
            duplicate_of: upload.duplicate_of,
            parts: None,
            encoding: None,
        })
    }

    /// With the parts that S3 has.
    pub(crate) fn with_parts(self, parts: Vec<UploadedPart>) -> Self {
        Self { parts: Some(parts), ..self }
    }

    /// With how far its encoding is.
    pub(crate) fn with_encoding(self, encoding: Option<EncodingView>) -> Self {
        Self { encoding, ..self }
    }

    pub(crate) fn id(&self) -> UploadId {
        self.id
    }
}

impl UploadedPart {
    /// All parts of a plan, for an upload whose parts are one object already.
    pub(crate) fn all(plan: PartPlan) -> Vec<Self> {
        let part =
            |number| plan.size_of_part(number).map(|size_bytes| Self { number, size_bytes, sha256: None });
        (1..=plan.part_count()).filter_map(part).collect()
    }
}

impl From<StoredPart> for UploadedPart {
    fn from(part: StoredPart) -> Self {
        Self { number: part.number, size_bytes: part.size_bytes, sha256: part.sha256 }
    }
}

/// What an owner reads who came back too late.
pub(crate) const EXPIRED: &str = "The upload was not completed in time. Upload the file again.";

/// Whether it waited for its parts for too long.
pub(crate) fn has_expired(upload: &Upload) -> bool {
    upload.state == UploadState::Waiting && Timestamp::now() >= upload.expires_at
}
