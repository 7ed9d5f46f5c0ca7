//! The objects in the upload bucket, as the uploads that they belong to find them.

use anyhow::Context as _;
use aws_sdk_s3::Client as S3;
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::types::ChecksumMode;
use bytes::Bytes;
use library::{ContentDigest, PartPlan, StoredObject, UploadId};

/// Enough to recognise every container.
const HEAD_BYTES: u64 = 4096;

/// The upload bucket.
#[derive(Clone, Debug)]
pub(crate) struct UploadedObjects {
    pub(crate) s3: S3,
    pub(crate) bucket: String,
}

impl UploadedObjects {
    /// The object of an upload; none if there is none.
    pub(crate) async fn find(&self, id: UploadId) -> anyhow::Result<Option<StoredObject>> {
        let asked = self
            .s3
            .head_object()
            .bucket(&self.bucket)
            .key(id.object_key())
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await;
        let head = match asked.map_err(aws_sdk_s3::error::SdkError::into_service_error) {
            Ok(head) => head,
            Err(HeadObjectError::NotFound(_)) => return Ok(None),
            Err(other) => return Err(other).context("asking for the object"),
        };
        let size_bytes = head.content_length().and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
        let etag = head.e_tag().context("the object has no ETag")?.to_owned();
        let digest = head.checksum_sha256().and_then(|sha256| sha256.parse::<ContentDigest>().ok());
        // A composite over other parts than the plan's is no content digest; packaging computes one then.
        let plan = PartPlan::for_size(size_bytes).ok();
        let digest = digest.filter(|digest| plan.is_some_and(|plan| digest.follows(plan)));
        Ok(Some(StoredObject { size_bytes, etag, digest }))
    }

    /// Its first bytes, enough to recognise every container.
    pub(crate) async fn read_head(&self, id: UploadId, object: &StoredObject) -> anyhow::Result<Bytes> {
        // A range of an empty object can't be satisfied.
        let Some(last) = object.size_bytes.min(HEAD_BYTES).checked_sub(1) else { return Ok(Bytes::new()) };
        let head = self
            .s3
            .get_object()
            .bucket(&self.bucket)
            .key(id.object_key())
            .if_match(&object.etag)
            .range(format!("bytes=0-{last}"))
            .send()
            .await
            .context("reading the object's first bytes")?;
        Ok(head.body.collect().await.context("reading the object's first bytes")?.into_bytes())
    }

    /// Deletes it, if it is there.
    pub(crate) async fn delete(&self, id: UploadId) -> anyhow::Result<()> {
        let deletion = self.s3.delete_object().bucket(&self.bucket).key(id.object_key());
        deletion.send().await.context("deleting the object")?;
        Ok(())
    }
}
