//! A file, read part by part: never more of it in memory than a buffer for each part that is being read.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest::{self, SHA256};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::Stream;
use futures_util::stream;

use crate::client::Upload;

const BUFFER_BYTES: u64 = 256 * 1024;

/// A file that is being uploaded.
#[derive(Clone, Debug)]
pub struct PartFile {
    file: Arc<File>,
    size_bytes: u64,
    /// SHA-256 in base64 by the part's place. Uploads of files of one size are cut alike, so that a part is hashed once.
    digests: Arc<Mutex<BTreeMap<(u64, u64), String>>>,
}

impl PartFile {
    /// Opens a file.
    ///
    /// # Errors
    /// When there is none that can be read, or it is empty.
    pub fn open(path: &Path) -> Result<Self> {
        let opening = || format!("opening {}", path.display());
        let file = File::open(path).with_context(opening)?;
        let metadata = file.metadata().with_context(opening)?;
        ensure!(metadata.is_file(), "{} is no file", path.display());
        ensure!(metadata.len() > 0, "{} is empty", path.display());
        Ok(Self { file: Arc::new(file), size_bytes: metadata.len(), digests: Arc::default() })
    }

    /// Its size when it was opened.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The size of a part.
    #[must_use]
    pub fn part_bytes(&self, upload: &Upload, number: u32) -> u64 {
        let (start, end) = self.range(upload, number);
        end - start
    }

    /// SHA-256 of a part, in base64.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn sha256(&self, upload: &Upload, number: u32) -> Result<String> {
        let range = self.range(upload, number);
        if let Some(known) = self.known().get(&range) {
            return Ok(known.clone());
        }
        let file = Arc::clone(&self.file);
        let digest = tokio::task::spawn_blocking(move || digest_of(&file, range)).await??;
        self.known().insert(range, digest.clone());
        Ok(digest)
    }

    /// The bytes of any place.
    pub(super) async fn range_bytes(&self, start: u64, length: u64) -> Result<Vec<u8>> {
        let end = start.saturating_add(length);
        ensure!(
            end <= self.size_bytes && length <= BUFFER_BYTES,
            "a place was asked for that the file has not"
        );
        let file = Arc::clone(&self.file);
        let read = tokio::task::spawn_blocking(move || read(&file, start, end)).await?;
        read.context("reading the file")
    }

    /// Whether a part can still be read to its end.
    pub(super) async fn probe(&self, upload: &Upload, number: u32) -> Result<()> {
        let (_, end) = self.range(upload, number);
        let file = Arc::clone(&self.file);
        let read = tokio::task::spawn_blocking(move || read(&file, end.saturating_sub(1), end)).await?;
        read.map(drop).context("the file can't be read any more")
    }

    /// Forgets a part's digest: the part arrived otherwise than it was hashed, so the file may have changed.
    pub(super) fn forget_sha256(&self, upload: &Upload, number: u32) {
        self.known().remove(&self.range(upload, number));
    }

    /// The bytes of a part, in pieces.
    pub(super) fn bytes(
        &self,
        upload: &Upload,
        number: u32,
    ) -> impl Stream<Item = std::io::Result<Vec<u8>>> + Send + 'static {
        let file = Arc::clone(&self.file);
        let (start, end) = self.range(upload, number);
        stream::try_unfold((file, start), move |(file, at)| async move {
            if at == end {
                return Ok(None);
            }
            let read = tokio::task::spawn_blocking(move || {
                let buffer = read(&file, at, end);
                (file, buffer)
            });
            let (file, buffer) = read.await.map_err(std::io::Error::other)?;
            let buffer = buffer?;
            let next = at + buffer.len() as u64;
            Ok(Some((buffer, (file, next))))
        })
    }

    fn range(&self, upload: &Upload, number: u32) -> (u64, u64) {
        let start = u64::from(number.saturating_sub(1)) * upload.part_size_bytes;
        (start.min(self.size_bytes), (start + upload.part_size_bytes).min(self.size_bytes))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<(u64, u64), String>> {
        self.digests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest_of(file: &File, (start, end): (u64, u64)) -> Result<String> {
    let mut context = digest::Context::new(&SHA256);
    let mut at = start;
    while at < end {
        let buffer = read(file, at, end).context("reading the file")?;
        at += buffer.len() as u64;
        context.update(&buffer);
    }
    Ok(BASE64_STANDARD.encode(context.finish()))
}

/// Up to a buffer of what lies from `at` to `end`.
fn read(file: &File, at: u64, end: u64) -> std::io::Result<Vec<u8>> {
    let mut buffer = vec![0; usize::try_from((end - at).min(BUFFER_BYTES)).unwrap_or_default()];
    file.read_exact_at(&mut buffer, at)?;
    Ok(buffer)
}
