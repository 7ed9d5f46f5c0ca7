//! All that is known about one id: records and objects that name it. What brought a content, the content and the video that it became
//! share an id, so one case has all of them.

use std::collections::BTreeSet;

use library::{Content, ContentDigest, ContentId, Holder, TaskName, Upload, UploadId, UploadRecord, Video};
use serde::Serialize;

/// What is known about one id.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The id.
    pub id: UploadId,
    /// The upload of this id.
    pub upload: Option<UploadRecord>,
    /// Whether the upload of this id names a content of another id, which exists.
    pub joined_exists: bool,
    /// The content of this id.
    pub content: Option<Content>,
    /// The shares in that content.
    pub holders: Vec<Holder>,
    /// The tasks of that content.
    pub tasks: BTreeSet<TaskName>,
    /// Uploads and videos that name that content or that its shares name.
    pub listers: Vec<Lister>,
    /// The digests that point to that content.
    pub pointers: Vec<ContentDigest>,
    /// The other content that the digest of this one points to.
    pub digest_points_to: Option<ContentId>,
    /// The objects below this id.
    pub objects: Objects,
}

/// An upload and the video of its id.
#[derive(Clone, Debug, PartialEq)]
pub struct Lister {
    /// Their id.
    pub id: UploadId,
    /// The upload.
    pub upload: Option<Upload>,
    /// The video.
    pub video: Option<Video>,
}

/// The objects of an id. Times are in milliseconds after 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// When the original was written.
    pub original_ms: Option<i64>,
    /// The outputs.
    pub outputs: Outputs,
    /// When the poster was written.
    pub poster_ms: Option<i64>,
    /// When the newest of what workers leave for each other was written.
    pub pieces_ms: Option<i64>,
    /// Multipart uploads that are not finished.
    pub unfinished: Vec<Unfinished>,
}

/// The outputs of a content, as far as it matters which there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// When the newest was written.
    pub newest_ms: Option<i64>,
    /// `master.m3u8`.
    pub hls: bool,
    /// `manifest.mpd`.
    pub dash: bool,
    /// `thumbnails.vtt`.
    pub thumbnails: bool,
    /// One at least of the files that hold media.
    pub media: bool,
}

impl Outputs {
    /// Notes an output by its name.
    pub fn note(&mut self, name: &str, modified_ms: i64) {
        self.newest_ms = self.newest_ms.max(Some(modified_ms));
        match name {
            "master.m3u8" => self.hls = true,
            "manifest.mpd" => self.dash = true,
            "thumbnails.vtt" => self.thumbnails = true,
            name => self.media |= name.ends_with(".mp4"),
        }
    }
}

/// A multipart upload that is not finished.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unfinished {
    /// Where.
    pub bucket: Bucket,
    /// The key that it is for.
    pub key: String,
    /// S3's id of it.
    pub s3_upload_id: String,
    /// When it began.
    pub begun_ms: i64,
}

/// One of the two buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    /// Originals.
    Uploads,
    /// Outputs.
    Media,
}

impl Case {
    /// One that nothing is known about.
    #[must_use]
    pub fn new(id: UploadId) -> Self {
        Self {
            id,
            upload: None,
            joined_exists: false,
            content: None,
            holders: Vec::new(),
            tasks: BTreeSet::new(),
            listers: Vec::new(),
            pointers: Vec::new(),
            digest_points_to: None,
            objects: Objects::default(),
        }
    }
}
