//! An original in the upload bucket, read by ranges.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client as S3;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use bytes::{Bytes, BytesMut};
use library::Content;
use media::Source;

/// How often a range is asked for. The SDK repeats requests that fail, but not answers that break off.
const ATTEMPTS: u32 = 5;

/// An object in a bucket, of which only the version with a certain ETag is read.
#[derive(Debug)]
pub(crate) struct ObjectSource {
    s3: S3,
    bucket: String,
    key: String,
    etag: String,
    size_bytes: u64,
    reads: AtomicUsize,
}

impl ObjectSource {
    /// The original of a content.
    pub(crate) fn original(s3: &S3, bucket: &str, content: &Content) -> Self {
        let (key, etag) = (content.original_key.clone(), content.etag.clone());
        Self::new(s3, bucket, key, etag, content.size_bytes)
    }

    /// An object in a bucket.
    pub(crate) fn new(s3: &S3, bucket: &str, key: String, etag: String, size_bytes: u64) -> Self {
        let (s3, bucket) = (s3.clone(), bucket.to_owned());
        Self { s3, bucket, key, etag, size_bytes, reads: AtomicUsize::new(0) }
    }

    /// How many ranges were read.
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }
}

impl Source for ObjectSource {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    async fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let Some(last) = range.end.checked_sub(1).filter(|last| *last >= range.start) else {
            return Ok(Bytes::new());
        };
        self.reads.fetch_add(1, Ordering::Relaxed);
        let mut attempt = 1;
        loop {
            let answer = self.request(range.start, last).await?;
            match collect(answer, last - range.start + 1).await {
                Err(error) if attempt < ATTEMPTS => {
                    tracing::warn!(attempt, %error, "a range broke off");
                    tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }
}

impl ObjectSource {
    async fn request(&self, first: u64, last: u64) -> io::Result<GetObjectOutput> {
        self.s3
            .get_object()
            .bucket(&self.bucket)
            .key(&self.key)
            .if_match(&self.etag)
            .range(format!("bytes={first}-{last}"))
            .send()
            .await
            .map_err(io_error)
    }
}

async fn collect(mut answer: GetObjectOutput, length: u64) -> io::Result<Bytes> {
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let mut bytes = BytesMut::with_capacity(length);
    while let Some(chunk) = answer.body.next().await {
        bytes.extend_from_slice(&chunk.map_err(io::Error::other)?);
    }
    if bytes.len() == length { Ok(bytes.freeze()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// An error of the SDK's as one of input and output. Its own text says nothing but that there is one, so the causes go
/// along.
pub(crate) fn io_error<E, R>(error: SdkError<E, R>) -> io::Error
where
    E: std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    io::Error::other(format!("{:#}", anyhow::Error::new(error)))
}
