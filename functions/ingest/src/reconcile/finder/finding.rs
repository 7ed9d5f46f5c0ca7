//! What may be wrong, and what is done about it.

use library::{ContentDigest, ContentId, TaskName, UploadId, UserId, VideoId};
use serde::Serialize;

use crate::reconcile::case::Bucket;

/// Something that is wrong, with the ids of what it is wrong with.
#[expect(missing_docs, reason = "the fields are named after what they are the ids of")]
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// An object arrived, and nobody looked at it. *Repair*: S3's event about it is sent again.
    UploadUnclaimed { upload_id: UploadId },
    /// An upload is complete, and its object is gone. *Repair*: it fails.
    UploadLost { upload_id: UploadId },
    /// An upload waits, and its time is over. *Repair*: it is aborted and fails.
    UploadExpired { upload_id: UploadId },
    /// An upload waits for a content that is gone or going, and has no share in it. *Repair*: it fails.
    UploadWithoutContent { upload_id: UploadId, content_id: Option<ContentId> },
    /// An upload is ready and has a share in a content, but no video. *Repair*: it is listed again.
    UploadWithoutVideo { upload_id: UploadId, content_id: ContentId },
    /// A video's content is gone or going. *Reported*: its bytes are lost, and a backup may have its record.
    VideoWithoutContent { video_id: VideoId, content_id: ContentId },
    /// A video has no upload. *Reported*: it plays and can be deleted.
    VideoWithoutUpload { video_id: VideoId },
    /// Who lists a content, or will, has no share in it. *Repair*: they get it.
    ShareMissing { content_id: ContentId, video_id: VideoId },
    /// A share has neither a video nor an upload that will become one. *Repair*: it goes.
    ShareUnused { content_id: ContentId, owner_id: UserId },
    /// Listings are not counted right. *Repair*: they are.
    ListingsDrifted { content_id: ContentId, listings: u64, counted: u64 },
    /// What an owner has is not counted right. *Repair*: it is.
    UsageDrifted { owner_id: UserId, bytes: i64, right_bytes: i64, uploads: i64, right_uploads: i64 },
    /// Nobody lists a content. *Repair*: it is removed.
    ContentUnlisted { content_id: ContentId },
    /// A content waits for `package_video`, and no message asks for it. *Repair*: one does.
    ContentStuck { content_id: ContentId },
    /// A content that failed was kept for another try, and its time is over. *Repair*: it goes.
    RetryOver { content_id: ContentId },
    /// A content waits for its encoding, and no message asks for it. *Repair*: it is planned again.
    EncodingStuck { content_id: ContentId },
    /// A content is to be removed, and is not. *Repair*: the stream tells of it again.
    RemovalStuck { content_id: ContentId },
    /// A digest points to a content that is gone, going, or has other bytes. *Repair*: the pointer goes.
    PointerDangling { digest: ContentDigest, content_id: ContentId },
    /// A content's digest points nowhere, so that its bytes may be stored once more. *Repair*: it points to it.
    PointerMissing { content_id: ContentId },
    /// Two contents have the same bytes. *Reported*: both play.
    StoredTwice { content_id: ContentId, other: ContentId },
    /// A task is over and still there. *Repair*: it goes, with what its workers left for each other.
    TaskLeft { content_id: ContentId, task: &'static str },
    /// Nothing needs an original. *Repair*: it is deleted.
    OriginalUnneeded { upload_id: UploadId },
    /// Outputs of no content. *Repair*: they are deleted.
    OutputsUnneeded { content_id: ContentId },
    /// What workers left for each other, and no task is there. *Repair*: it is deleted.
    PiecesUnneeded { content_id: ContentId },
    /// A multipart upload that nobody goes on with. *Repair*: it is aborted.
    MultipartUnneeded { bucket: Bucket, key: String, s3_upload_id: String },
    /// A content has no original. *Reported*: its bytes are lost, but for outputs.
    OriginalMissing { content_id: ContentId },
    /// A content is without one of its outputs. *Reported*.
    OutputMissing { content_id: ContentId, name: &'static str },
    /// An object that is nothing of ours. *Reported*.
    ObjectUnknown { bucket: Bucket, key: String },
    /// A record that is none. *Reported*.
    RecordUnreadable { table: &'static str, key: String },
}

impl Finding {
    /// Whether there is a repair that can do no harm.
    #[must_use]
    pub fn is_repairable(&self) -> bool {
        !matches!(
            self,
            Self::VideoWithoutContent { .. }
                | Self::VideoWithoutUpload { .. }
                | Self::StoredTwice { .. }
                | Self::OriginalMissing { .. }
                | Self::OutputMissing { .. }
                | Self::ObjectUnknown { .. }
                | Self::RecordUnreadable { .. }
        )
    }

    /// Its kind, as reports and metrics name it.
    #[must_use]
    pub fn kind(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value["kind"].as_str().unwrap_or_default().to_owned()
    }
}

/// The name of a task in findings.
#[must_use]
pub fn task_name(task: TaskName) -> &'static str {
    match task {
        TaskName::Copy => "copy",
        TaskName::Encode => "encode",
    }
}
