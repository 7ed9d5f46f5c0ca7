//! Packaged outputs in the media bucket.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::Client as S3;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use media::{Part, Store, Writer};

use crate::object_source::io_error;

/// An output at a key never changes: another content has another key.
pub(crate) const IMMUTABLE: &str = "private, max-age=31536000, immutable";
/// Manifests may gain renditions.
const SHORT_LIVED: &str = "private, max-age=60";

const NO_SUCH_UPLOAD: &str = "NoSuchUpload";

/// The outputs of one content, at keys that begin with its prefix.
#[derive(Clone, Debug)]
pub(crate) struct ObjectStore {
    s3: S3,
    bucket: String,
    prefix: String,
    /// Multipart uploads that were neither completed nor aborted, by their id, with their keys.
    unfinished: Arc<Mutex<BTreeMap<String, String>>>,
}

impl ObjectStore {
    /// Where outputs go whose keys begin with `prefix`.
    pub(crate) fn new(s3: S3, bucket: String, prefix: String) -> Self {
        Self { s3, bucket, prefix, unfinished: Arc::default() }
    }

    /// Aborts what was begun and not finished, so that its parts cost nothing. What can't be aborted is left to the bucket's
    /// lifecycle rule.
    pub(crate) async fn abort_unfinished(&self) {
        let unfinished = std::mem::take(&mut *self.unfinished.lock().unwrap_or_else(PoisonError::into_inner));
        for (upload_id, key) in unfinished {
            let abort = self.s3.abort_multipart_upload().bucket(&self.bucket).key(&key).upload_id(upload_id);
            if let Err(error) = abort.send().await {
                tracing::warn!(
                    key,
                    error = format!("{:#}", anyhow::Error::new(error)),
                    "an unfinished output could not be aborted"
                );
            }
        }
    }
}

impl Store for ObjectStore {
    type Writer = ObjectWriter;

    async fn put(&self, name: &str, content_type: &str, body: Bytes) -> io::Result<()> {
        let cache_control = if is_manifest(name) { SHORT_LIVED } else { IMMUTABLE };
        let put = self
            .s3
            .put_object()
            .bucket(&self.bucket)
            .key(format!("{}{name}", self.prefix))
            .content_type(content_type)
            .cache_control(cache_control)
            .body(body.into());
        put.send().await.map_err(io_error)?;
        Ok(())
    }

    async fn create(&self, name: &str, content_type: &str) -> io::Result<ObjectWriter> {
        let key = format!("{}{name}", self.prefix);
        let upload_id = self.begin(name, content_type).await?;
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner).insert(upload_id.clone(), key);
        Ok(self.resume(name, &upload_id))
    }
}

/// A part that S3 has.
#[derive(Clone, Debug)]
pub(crate) struct StoredPart {
    pub(crate) size_bytes: u64,
    completed: CompletedPart,
}

/// The steps of a multipart upload that several workers share. None of them is noted as unfinished.
impl ObjectStore {
    /// Begins an output, and answers S3's id of its multipart upload.
    pub(crate) async fn begin(&self, name: &str, content_type: &str) -> io::Result<String> {
        let created = self
            .s3
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(format!("{}{name}", self.prefix))
            .content_type(content_type)
            .cache_control(IMMUTABLE)
            .send()
            .await
            .map_err(io_error)?;
        created.upload_id.ok_or_else(|| io::Error::other("S3 gave a multipart upload no id"))
    }

    /// Writes to an output that was begun.
    pub(crate) fn resume(&self, name: &str, upload_id: &str) -> ObjectWriter {
        let (key, upload_id) = (format!("{}{name}", self.prefix), upload_id.to_owned());
        ObjectWriter { store: self.clone(), key, upload_id, parts: Mutex::default() }
    }

    /// Throws an output's parts away. It is no error if S3 knows of no such multipart upload.
    pub(crate) async fn abort(&self, name: &str, upload_id: &str) -> io::Result<()> {
        let key = format!("{}{name}", self.prefix);
        let aborted = self.s3.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(upload_id);
        match aborted.send().await {
            Err(error) if code(&error) != Some(NO_SUCH_UPLOAD) => Err(io_error(error)),
            _ => Ok(()),
        }
    }

    /// The parts that S3 has of an output, by their numbers; none if it knows of no such multipart upload, because that was
    /// completed or aborted.
    pub(crate) async fn parts(
        &self,
        name: &str,
        upload_id: &str,
    ) -> io::Result<Option<BTreeMap<u32, StoredPart>>> {
        let asked = self.s3.list_parts().bucket(&self.bucket).key(format!("{}{name}", self.prefix));
        let mut pages = asked.upload_id(upload_id).into_paginator().send();
        let mut parts = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) if code(&error) == Some(NO_SUCH_UPLOAD) => return Ok(None),
                Err(error) => return Err(io_error(error)),
            };
            for part in page.parts.unwrap_or_default() {
                let number = part.part_number.and_then(|number| u32::try_from(number).ok());
                let size_bytes = part.size.and_then(|size| u64::try_from(size).ok());
                let (Some(number), Some(size_bytes)) = (number, size_bytes) else {
                    return Err(io::Error::other("S3 told of a part without number or size"));
                };
                let completed = CompletedPart::builder()
                    .set_part_number(part.part_number)
                    .set_e_tag(part.e_tag)
                    .set_checksum_crc32(part.checksum_crc32)
                    .set_checksum_crc32_c(part.checksum_crc32_c)
                    .set_checksum_crc64_nvme(part.checksum_crc64_nvme)
                    .build();
                parts.insert(number, StoredPart { size_bytes, completed });
            }
        }
        Ok(Some(parts))
    }

    /// Puts the parts of an output together.
    pub(crate) async fn complete(
        &self,
        name: &str,
        upload_id: &str,
        parts: BTreeMap<u32, StoredPart>,
    ) -> io::Result<()> {
        let writer = self.resume(name, upload_id);
        let completed = parts.into_iter().map(|(number, part)| (number.cast_signed(), part.completed));
        writer.parts.lock().unwrap_or_else(PoisonError::into_inner).extend(completed);
        writer.finish().await
    }

    /// How long an object is that is there.
    pub(crate) async fn size_bytes(&self, name: &str) -> io::Result<u64> {
        let head = self.s3.head_object().bucket(&self.bucket).key(format!("{}{name}", self.prefix));
        let size_bytes = head.send().await.map_err(io_error)?.content_length;
        size_bytes
            .and_then(|size| u64::try_from(size).ok())
            .ok_or_else(|| io::Error::other("it has no length"))
    }

    /// A small object whole.
    pub(crate) async fn get(&self, name: &str) -> io::Result<Bytes> {
        let get = self.s3.get_object().bucket(&self.bucket).key(format!("{}{name}", self.prefix));
        let body = get.send().await.map_err(io_error)?.body;
        Ok(body.collect().await.map_err(io::Error::other)?.into_bytes())
    }
}

/// S3's own code for an error. Not every operation's error type has a variant for each.
fn code<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}

fn is_manifest(name: &str) -> bool {
    name.ends_with(".m3u8") || name.ends_with(".mpd")
}

/// A multipart upload.
#[derive(Debug)]
pub(crate) struct ObjectWriter {
    store: ObjectStore,
    key: String,
    upload_id: String,
    /// What S3 answered to each part, by the part's number.
    parts: Mutex<BTreeMap<i32, CompletedPart>>,
}

impl Writer for ObjectWriter {
    async fn write_part(&self, part: Part) -> io::Result<()> {
        let number = i32::try_from(part.number).map_err(io::Error::other)?;
        let written = self
            .store
            .s3
            .upload_part()
            .bucket(&self.store.bucket)
            .key(&self.key)
            .upload_id(&self.upload_id)
            .part_number(number)
            .body(part.into_bytes().into())
            .send()
            .await
            .map_err(io_error)?;
        let completed = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(written.e_tag)
            .set_checksum_crc32(written.checksum_crc32)
            .set_checksum_crc32_c(written.checksum_crc32_c)
            .set_checksum_crc64_nvme(written.checksum_crc64_nvme)
            .build();
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).insert(number, completed);
        Ok(())
    }

    async fn finish(self) -> io::Result<()> {
        let parts = self.parts.into_inner().unwrap_or_else(PoisonError::into_inner);
        let parts =
            CompletedMultipartUpload::builder().set_parts(Some(parts.into_values().collect())).build();
        self.store
            .s3
            .complete_multipart_upload()
            .bucket(&self.store.bucket)
            .key(&self.key)
            .upload_id(&self.upload_id)
            .multipart_upload(parts)
            .send()
            .await
            .map_err(io_error)?;
        self.store.unfinished.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.upload_id);
        Ok(())
    }
}
