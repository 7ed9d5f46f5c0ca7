//! Encoded pieces, read again from the media bucket.

use std::io;

use aws_sdk_s3::Client as S3;
use encode::PieceSource;

use crate::object_source::{ObjectSource, io_error};

/// The pieces of one content.
#[derive(Clone, Debug)]
pub(crate) struct PieceObjects {
    pub(crate) s3: S3,
    pub(crate) bucket: String,
    /// What their keys begin with.
    pub(crate) prefix: String,
}

impl PieceSource for PieceObjects {
    type Source = ObjectSource;

    async fn open(&self, name: &str) -> io::Result<ObjectSource> {
        let key = format!("{}{name}", self.prefix);
        let head = self.s3.head_object().bucket(&self.bucket).key(&key).send().await.map_err(io_error)?;
        let size_bytes = head.content_length().and_then(|size| u64::try_from(size).ok());
        let (Some(etag), Some(size_bytes)) = (head.e_tag.clone(), size_bytes) else {
            return Err(io::Error::other("S3 tells neither size nor ETag of a piece"));
        };
        Ok(ObjectSource::new(&self.s3, &self.bucket, key, etag, size_bytes))
    }
}
