use std::io;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Source;

/// SHA-256 over parts of a fixed size, in S3's composite form
/// `<base64 of the SHA-256 of the joined part digests>-<number of parts>`.
pub(crate) struct CompositeDigest {
    part_size: u64,
    left_in_part: u64,
    part: Context,
    parts: u64,
    whole: Context,
}

impl CompositeDigest {
    /// `part_size` in bytes, at least 1.
    pub(crate) fn new(part_size: u64) -> Self {
        let part_size = part_size.max(1);
        let (part, whole) = (Context::new(&SHA256), Context::new(&SHA256));
        Self { part_size, left_in_part: part_size, part, parts: 0, whole }
    }

    /// Takes the next bytes of the file.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let length = usize::try_from(self.left_in_part).unwrap_or(usize::MAX).min(bytes.len());
            let (now, later) = bytes.split_at(length);
            self.part.update(now);
            self.left_in_part -= length as u64;
            if self.left_in_part == 0 {
                self.end_part();
            }
            bytes = later;
        }
    }

    fn end_part(&mut self) {
        let part = std::mem::replace(&mut self.part, Context::new(&SHA256));
        self.whole.update(part.finish().as_ref());
        self.parts += 1;
        self.left_in_part = self.part_size;
    }

    /// The text. A file of no bytes is one empty part.
    pub(crate) fn finish(mut self) -> String {
        if self.left_in_part < self.part_size || self.parts == 0 {
            self.end_part();
        }
        format!("{}-{}", STANDARD.encode(self.whole.finish()), self.parts)
    }
}

/// The digest of a whole file in S3's composite form over parts of `part_size` bytes, read in
/// windows of `window` bytes. For files that are not packaged; [`package`](crate::package) makes
/// the same digest in its own pass.
pub async fn content_digest<S: Source>(source: &S, part_size: u64, window: u64) -> io::Result<String> {
    let mut digest = CompositeDigest::new(part_size);
    let size = source.size_bytes();
    let mut position = 0;
    while position < size {
        let end = size.min(position + window.max(1));
        digest.update(&source.read(position..end).await?);
        position = end;
    }
    Ok(digest.finish())
}
