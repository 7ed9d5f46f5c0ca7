//! What a client asks for when it begins to upload a file.

use std::time::Duration;

use anyhow::Context as _;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_api::Problem;
use library::{
    Checksum, ContentDigest, MAX_SIZE_BYTES, PartPlan, Timestamp, Upload, UploadId, UploadState, UserId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::limits::RoleLimits;

/// How long an upload may take. The bucket's lifecycle rule, which throws parts away, is no shorter.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What S3 serves a file as whose type is not known, or none that browsers should act upon.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// A file that is to be uploaded.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = CreateUpload)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUpload {
    /// What the video is to be called.
    #[schema(min_length = 1, max_length = 300)]
    name: String,
    /// What the video is about.
    #[schema(max_length = 5000)]
    description: Option<String>,
    /// What the file is called on its owner's machine.
    #[schema(min_length = 1, max_length = 255)]
    file_name: String,
    /// How large the file is.
    #[schema(minimum = 1)]
    size_bytes: u64,
    /// What the file is said to be. It decides nothing.
    #[schema(max_length = 255)]
    content_type: Option<String>,
    /// The content digest, if it is known already: the bytes are refused if theirs differs.
    #[schema(pattern = "^[A-Za-z0-9+/]{43}=-[1-9][0-9]{0,4}$")]
    digest: Option<String>,
    /// What will come with each part: `sha256` unless said otherwise.
    #[serde(default)]
    checksum: Checksum,
}

impl NewUpload {
    /// A digest of what is asked for, by which a repeat is told from another request.
    pub(crate) fn fingerprint(&self) -> anyhow::Result<String> {
        let request = serde_json::to_vec(self).context("a request does not fit JSON")?;
        Ok(STANDARD.encode(digest(&SHA256, &request)))
    }

    /// The record of the upload, which has no multipart upload in S3 yet.
    ///
    /// # Errors
    /// 400 names the field that is wrong; 413 says how large a file may be.
    pub(crate) fn into_record(
        self,
        id: UploadId,
        owner_id: UserId,
        limits: RoleLimits,
    ) -> Result<Upload, Problem> {
        let name = one_line("name", &self.name, 300)?;
        let file_name = one_line("file_name", &self.file_name, 255)?;
        let description = self.description.filter(|text| !text.trim().is_empty());
        if description.as_ref().is_some_and(|text| text.chars().count() > 5000) {
            return Err(Problem::invalid_field("description", "must have at most 5000 characters"));
        }
        let plan = plan(self.size_bytes, limits)?;
        let digest = self.digest.map(|text| announced_digest(&text, plan)).transpose()?;
        let created_at = Timestamp::now();
        Ok(Upload {
            id,
            owner_id,
            name,
            description,
            file_name,
            size_bytes: self.size_bytes,
            content_type: stored_type(self.content_type.as_deref()).to_owned(),
            checksum: self.checksum,
            digest,
            s3_upload_id: String::new(),
            request_fingerprint: None,
            state: UploadState::Waiting,
            reason: None,
            failed_at: None,
            retry_until: None,
            created_at,
            expires_at: created_at.plus(LIFETIME),
            content_id: None,
            video_id: None,
            duplicate_of: None,
            lease_message_id: None,
        })
    }
}

/// The text without space around it.
fn one_line(field: &str, text: &str, max_chars: usize) -> Result<String, Problem> {
    let text = text.trim();
    if !(1..=max_chars).contains(&text.chars().count()) {
        return Err(Problem::invalid_field(field, format!("must have 1 to {max_chars} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::invalid_field(field, "must not have control characters"));
    }
    Ok(text.to_owned())
}

fn plan(size_bytes: u64, limits: RoleLimits) -> Result<PartPlan, Problem> {
    let limits = RoleLimits { file_bytes: limits.file_bytes.min(MAX_SIZE_BYTES), ..limits };
    if size_bytes > limits.file_bytes {
        return Err(Problem::payload_too_large(limits.too_large(size_bytes)));
    }
    PartPlan::for_size(size_bytes).map_err(|_| Problem::invalid_field("size_bytes", "must be at least 1"))
}

pub(crate) fn announced_digest(text: &str, plan: PartPlan) -> Result<ContentDigest, Problem> {
    let digest: ContentDigest =
        text.parse().map_err(|error| Problem::invalid_field("digest", format!("{error}")))?;
    if digest.follows(plan) {
        return Ok(digest);
    }
    let detail = format!("must be over {} parts of {} bytes", plan.part_count(), plan.part_size_bytes());
    Err(Problem::invalid_field("digest", detail))
}

/// A sound or picture type as it is; anything else becomes a type that no browser opens as a page.
fn stored_type(announced: Option<&str>) -> &str {
    let announced = announced.unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".+-".contains(&byte);
    match announced.split_once('/') {
        Some(("video" | "audio", subtype))
            if (1..=100).contains(&subtype.len()) && subtype.bytes().all(is_plain) =>
        {
            announced
        }
        _ => UNKNOWN_TYPE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use library::Limits;
    use serde_json::json;

    const LIMITS: RoleLimits =
        RoleLimits { file_bytes: 1_000_000_000, total: Limits { bytes: 1_000_000_000, uploads: 1 } };

    fn record(change: serde_json::Value) -> Result<Upload, Problem> {
        let mut request = json!({"name": "A film", "file_name": "film.mp4", "size_bytes": 20_971_520});
        request.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        let request: NewUpload = serde_json::from_value(request).expect("it is a request");
        request.into_record(UploadId::new(), UserId::new("ann"), LIMITS)
    }

    #[test]
    fn a_request_becomes_a_waiting_upload() {
        let upload = record(json!({"name": " Der Himmel 🎬 <b>\"über\"</b> Berlin "})).expect("it is fine");
        assert_eq!(upload.name, "Der Himmel 🎬 <b>\"über\"</b> Berlin");
        assert_eq!((upload.state, upload.checksum), (UploadState::Waiting, Checksum::Sha256));
        assert_eq!(upload.expires_at.unix_ms() - upload.created_at.unix_ms(), 7 * 24 * 3_600_000);
    }

    #[test]
    fn characters_are_counted_not_bytes() {
        assert!(record(json!({"name": "🎬".repeat(300)})).is_ok());
        assert!(record(json!({"name": "🎬".repeat(301)})).is_err());
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for (change, status) in [
            (json!({"name": "  "}), 400),
            (json!({"name": "a\nb"}), 400),
            (json!({"file_name": ""}), 400),
            (json!({"file_name": "f".repeat(256)}), 400),
            (json!({"description": "d".repeat(5001)}), 400),
            (json!({"size_bytes": 0}), 400),
            (json!({"size_bytes": 1_000_000_001}), 413),
            (json!({"digest": "sha256"}), 400),
            (json!({"digest": ContentDigest::from_composite([1; 32], 2)}), 400),
        ] {
            assert_eq!(record(change.clone()).expect_err("it is wrong").status(), status, "{change}");
        }
        assert!(record(json!({"digest": ContentDigest::from_composite([1; 32], 3)})).is_ok());
    }

    #[test]
    fn only_sound_and_picture_types_are_kept() {
        for kept in ["video/mp4", "audio/mpeg", "video/x-matroska", "video/vnd.avi"] {
            assert_eq!(stored_type(Some(kept)), kept);
        }
        for lost in
            ["text/html", "video/", "video/mp4; codecs=avc1", "VIDEO/mp4", "video/mp4\r\nx: y", "video", ""]
        {
            assert_eq!(stored_type(Some(lost)), UNKNOWN_TYPE, "{lost}");
        }
        assert_eq!(stored_type(None), UNKNOWN_TYPE);
    }

    #[test]
    fn different_requests_have_different_fingerprints() {
        let request = |size| -> NewUpload {
            serde_json::from_value(json!({"name": "n", "file_name": "f", "size_bytes": size}))
                .expect("a request")
        };
        let fingerprint = |size| request(size).fingerprint().expect("it has one");
        assert_eq!(fingerprint(1), fingerprint(1));
        assert_ne!(fingerprint(1), fingerprint(2));
    }
}
