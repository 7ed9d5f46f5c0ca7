//! Multipart uploads in S3.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use aws_sdk_s3::Client as S3;
use aws_sdk_s3::config::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart, Part};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use library::{Checksum, Timestamp, Upload, UploadId};

/// How long a signature lives: long enough for a part of 64 MiB at 1 Mbit/s, short enough to be worthless soon.
const SIGNATURE_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// How many places of an object are read at once.
const READS_AT_ONCE: usize = 32;

/// The upload bucket, as far as multipart uploads go.
#[derive(Clone, Debug)]
pub(crate) struct Multipart {
    s3: S3,
    bucket: String,
    credentials: Option<SharedCredentialsProvider>,
}

/// A part that S3 has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredPart {
    pub(crate) number: u32,
    pub(crate) size_bytes: u64,
    pub(crate) etag: String,
    /// Standard base64, where the part came with one.
    pub(crate) sha256: Option<String>,
}

/// What a client needs to send one part.
#[derive(Clone, Debug)]
pub(crate) struct SignedRequest {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// What became of a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completion {
    /// The parts are an object.
    Done,
    /// S3 knows of no such multipart upload any more.
    NoSuchUpload,
    /// A part is no longer the one that was listed.
    PartsChanged,
}

/// The moment at which signatures are made and the one at which they end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SigningTime {
    pub(crate) expires_at: Timestamp,
    lifetime: Duration,
}

impl Multipart {
    pub(crate) fn new(s3: S3, bucket: String, credentials: Option<SharedCredentialsProvider>) -> Self {
        Self { s3, bucket, credentials }
    }

    /// Begins a multipart upload and answers S3's id of it. With [`Checksum::Sha256`] S3 makes the composite of the parts'
    /// digests the object's own.
    pub(crate) async fn begin(
        &self,
        id: UploadId,
        content_type: &str,
        checksum: Checksum,
    ) -> anyhow::Result<String> {
        let mut begin = self
            .s3
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(id.object_key())
            .content_type(content_type);
        if checksum == Checksum::Sha256 {
            begin =
                begin.checksum_algorithm(ChecksumAlgorithm::Sha256).checksum_type(ChecksumType::Composite);
        }
        let begun = begin.send().await.context("beginning a multipart upload")?;
        begun.upload_id.context("S3 gave a multipart upload no id")
    }

    /// The parts that S3 has, in the order of their numbers; none if it knows of no such multipart upload, because
    /// that was completed or aborted.
    pub(crate) async fn parts(&self, upload: &Upload) -> anyhow::Result<Option<Vec<StoredPart>>> {
        let mut pages = self
            .s3
            .list_parts()
            .bucket(&self.bucket)
            .key(upload.id.object_key())
            .upload_id(&upload.s3_upload_id)
            .into_paginator()
            .send();
        let mut parts = Vec::new();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => {
                    for part in page.parts.unwrap_or_default() {
                        parts.push(stored(part)?);
                    }
                }
                Err(error) if code(&error) == Some("NoSuchUpload") => return Ok(None),
                Err(error) => return Err(error).context("listing the parts of an upload"),
            }
        }
        Ok(Some(parts))
    }

    /// Puts the parts together.
    pub(crate) async fn complete(
        &self,
        upload: &Upload,
        parts: Vec<StoredPart>,
    ) -> anyhow::Result<Completion> {
        let parts = parts.into_iter().map(|part| {
            CompletedPart::builder()
                .part_number(part.number as i32)
                .e_tag(part.etag)
                .set_checksum_sha256(part.sha256)
                .build()
        });
        let completed = self
            .s3
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(upload.id.object_key())
            .upload_id(&upload.s3_upload_id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build())
            .send()
            .await;
        match completed {
            Ok(_) => Ok(Completion::Done),
            Err(error) => match code(&error) {
                Some("NoSuchUpload") => Ok(Completion::NoSuchUpload),
                Some("InvalidPart" | "InvalidPartOrder" | "EntityTooSmall") => Ok(Completion::PartsChanged),
                _ => Err(error).context("completing a multipart upload"),
            },
        }
    }

    /// The bytes at these places of an object, one after another. Only the version with this ETag is read, some places at a time.
    pub(crate) async fn read_object(
        &self,
        key: &str,
        etag: &str,
        ranges: Vec<Range<u64>>,
    ) -> anyhow::Result<Vec<u8>> {
        let reads = ranges.into_iter().map(|range| async move {
            let range = format!("bytes={}-{}", range.start, range.end - 1);
            let read = self.s3.get_object().bucket(&self.bucket).key(key).if_match(etag).range(range);
            let read = read.send().await.context("reading a place of an object")?;
            read.body.collect().await.context("reading a place of an object")
        });
        let read = stream::iter(reads).buffered(READS_AT_ONCE);
        read.try_fold(Vec::new(), async |mut bytes, place| {
            bytes.extend_from_slice(&place.into_bytes());
            Ok(bytes)
        })
        .await
    }

    /// Throws the parts away. It is no error if S3 knows of no such multipart upload.
    pub(crate) async fn abort(&self, id: UploadId, s3_upload_id: &str) -> anyhow::Result<()> {
        let aborted = self
            .s3
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(id.object_key())
            .upload_id(s3_upload_id)
            .send()
            .await;
        match aborted {
            Ok(_) => Ok(()),
            Err(error) if code(&error) == Some("NoSuchUpload") => Ok(()),
            Err(error) => Err(error).context("aborting a multipart upload"),
        }
    }

    /// The size of the upload's object; none if there is no object.
    pub(crate) async fn object_size_bytes(&self, id: UploadId) -> anyhow::Result<Option<u64>> {
        let head = self.s3.head_object().bucket(&self.bucket).key(id.object_key()).send().await;
        match head.map_err(SdkError::into_service_error) {
            Ok(head) => Ok(head.content_length.and_then(|size| u64::try_from(size).ok())),
            Err(HeadObjectError::NotFound(_)) => Ok(None),
            Err(other) => Err(other).context("asking for the object of an upload"),
        }
    }

    /// Signatures made now live until then: 15 minutes, or less if the credentials that sign end before and say so. (Those of a
    /// function don't say, but outlive each of its invocations by far.)
    pub(crate) async fn signing_time(&self) -> anyhow::Result<SigningTime> {
        let mut lifetime = SIGNATURE_LIFETIME;
        if let Some(provider) = &self.credentials {
            let credentials = provider.provide_credentials().await.context("looking for credentials")?;
            if let Some(left) = credentials.expiry().map(|end| end.duration_since(SystemTime::now())) {
                lifetime = lifetime.min(left.context("the credentials have expired")?);
            }
        }
        Ok(SigningTime { expires_at: Timestamp::now().plus(lifetime), lifetime })
    }

    /// A request that sends one part of exactly this size, with exactly this digest if there is one. It is signed here, without
    /// asking S3.
    pub(crate) async fn sign_part(
        &self,
        upload: &Upload,
        number: u32,
        size_bytes: u64,
        sha256: Option<String>,
        time: SigningTime,
    ) -> anyhow::Result<SignedRequest> {
        let signed = self
            .s3
            .upload_part()
            .bucket(&self.bucket)
            .key(upload.id.object_key())
            .upload_id(&upload.s3_upload_id)
            .part_number(i32::try_from(number)?)
            .content_length(i64::try_from(size_bytes)?)
            .set_checksum_sha256(sha256)
            .presigned(PresigningConfig::expires_in(time.lifetime)?)
            .await
            .context("signing a part")?;
        // The browser sets these two itself, and lets no script set them.
        let set_by_client = |name: &str| matches!(name, "host" | "content-length");
        let headers = signed.headers().filter(|(name, _)| !set_by_client(name));
        Ok(SignedRequest {
            url: signed.uri().to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        })
    }
}

fn stored(part: Part) -> anyhow::Result<StoredPart> {
    let number = part.part_number.and_then(|number| u32::try_from(number).ok());
    let size_bytes = part.size.and_then(|size| u64::try_from(size).ok());
    Ok(StoredPart {
        number: number.context("a part has no number")?,
        size_bytes: size_bytes.context("a part has no size")?,
        etag: part.e_tag.context("a part has no ETag")?,
        sha256: part.checksum_sha256,
    })
}

/// S3's own code for an error. Not every operation's error type has a variant for each.
fn code<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}
