use std::fs::File;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use bytes::{Bytes, BytesMut};

/// Something that can be read by ranges: an object in a bucket, a file on disk.
pub trait Source: Sync {
    /// The whole length, known before anything is read.
    fn size_bytes(&self) -> u64;

    /// Exactly the bytes of `range`, which lies within the size. Fewer bytes are an error
    /// (`UnexpectedEof`), never a short answer. Several reads may be in flight at a time.
    fn read(&self, range: Range<u64>) -> impl Future<Output = io::Result<Bytes>> + Send;

    /// How to look for small things that are spread over the whole length. The default suits a
    /// bucket, where a request takes as long as some megabytes do.
    fn read_ahead(&self) -> ReadAhead {
        ReadAhead { window_bytes: 4 << 20, in_flight: 4 }
    }
}

/// How much is read at a time, and how many such reads are under way, when a file has to be gone
/// through for its index. What lies between two windows is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadAhead {
    /// The bytes of one read.
    pub window_bytes: u64,
    /// Reads under way at a time.
    pub in_flight: usize,
}

/// How many used buffers a file keeps for the next read: one that is being written, one that the
/// next part has begun with, and one to read into.
const KEPT_BUFFERS: usize = 3;
/// Longer buffers leave the processor's cache before they are used again, and are not kept.
const LONGEST_KEPT: usize = 1 << 20;

/// A file on disk. It reads in place, without a thread pool: it serves the command line, the tests
/// and the benchmark, where nothing else waits for the thread.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    size_bytes: u64,
    /// Buffers that were handed out. One whose readers are all gone is filled again: it is warm in
    /// the processor's cache, and it need not be zeroed.
    buffers: Mutex<Vec<Bytes>>,
}

impl FileSource {
    /// Opens the file for reading. Errors are those of the file system.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let file = File::open(path)?;
        let size_bytes = file.metadata()?.len();
        Ok(Self { file, size_bytes, buffers: Mutex::new(Vec::new()) })
    }

    fn buffer(&self, length: usize) -> BytesMut {
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = buffers.iter().position(|buffer| buffer.len() == length && buffer.is_unique());
        match idle.map(|index| buffers.swap_remove(index).try_into_mut()) {
            Some(Ok(buffer)) => buffer,
            _ => BytesMut::zeroed(length),
        }
    }

    fn keep(&self, buffer: &Bytes) {
        if buffer.len() > LONGEST_KEPT {
            return;
        }
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        if buffers.len() == KEPT_BUFFERS {
            buffers.remove(0);
        }
        buffers.push(buffer.clone());
    }
}

impl Source for FileSource {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    async fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
        let mut buffer = self.buffer(length);
        self.file.read_exact_at(&mut buffer, range.start)?;
        let buffer = buffer.freeze();
        self.keep(&buffer);
        Ok(buffer)
    }

    /// A call is cheap here, so that it pays to read a page and to skip the media.
    fn read_ahead(&self) -> ReadAhead {
        ReadAhead { window_bytes: 4 << 10, in_flight: 1 }
    }
}
