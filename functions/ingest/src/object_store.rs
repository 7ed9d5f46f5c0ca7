//! Packaged outputs in the media bucket.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::Client as S3;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use media::{Part, Store, Writer};

use crate::object_source::io_error;

/// An output at a key never changes: another content has another key.
pub(crate) const IMMUTABLE: &str = "private, max-age=31536000, immutable";
/// Manifests may gain renditions.
const SHORT_LIVED: &str = "private, max-age=60";

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
        let created = self
            .s3
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(&key)
            .content_type(content_type)
            .cache_control(IMMUTABLE)
            .send()
            .await
            .map_err(io_error)?;
        let upload_id =
            created.upload_id.ok_or_else(|| io::Error::other("S3 gave a multipart upload no id"))?;
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner).insert(upload_id.clone(), key.clone());
        Ok(ObjectWriter { store: self.clone(), key, upload_id, parts: Mutex::default() })
    }
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
