use std::fs::{self, File};
use std::future::Future;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};

/// Where outputs go: a prefix in a bucket, a directory.
pub trait Store: Sync {
    /// An output that is being written part by part.
    type Writer: Writer;

    /// Writes a small object whole, replacing one of the same name.
    fn put(&self, name: &str, content_type: &str, body: Bytes)
    -> impl Future<Output = io::Result<()>> + Send;

    /// Starts an output that comes in parts. It becomes visible with [`Writer::finish`].
    fn create(&self, name: &str, content_type: &str)
    -> impl Future<Output = io::Result<Self::Writer>> + Send;
}

/// One output in the making.
///
/// [`package`](crate::package) holds the number of parts in flight down and waits for all of them
/// before it finishes, so an implementation needs no queue of its own: it uploads the part that it
/// is given and answers when the part is safe. A failed part must be an error here; nothing else
/// tells the caller that the output is incomplete.
pub trait Writer: Send + Sync {
    /// Writes one part. Calls overlap, and may end in any order.
    fn write_part(&self, part: Part) -> impl Future<Output = io::Result<()>> + Send;

    /// Makes the output visible, after all parts were written.
    fn finish(self) -> impl Future<Output = io::Result<()>> + Send;
}

/// A run of an output's bytes. All parts of an output but the last have the same size.
#[derive(Debug, Clone)]
pub struct Part {
    /// Counted from 1, as S3 does.
    pub number: u32,
    /// Where the part begins in the output.
    pub position: u64,
    /// How long it is.
    pub size_bytes: usize,
    /// The bytes, in slices of what was read: nothing was copied to join them.
    pub pieces: Vec<Bytes>,
}

impl Part {
    /// The bytes in one run, for clients that want it so. Copies, unless there is one piece only,
    /// and lets go of each piece as soon as it is copied.
    pub fn into_bytes(self) -> Bytes {
        let mut pieces = self.pieces.into_iter();
        if pieces.len() == 1 {
            return pieces.next().unwrap_or_default();
        }
        let mut joined = BytesMut::with_capacity(self.size_bytes);
        pieces.for_each(|piece| joined.extend_from_slice(&piece));
        joined.freeze()
    }
}

/// A directory that outputs are written to, made when it is missing.
#[derive(Debug)]
pub struct DirectoryStore {
    directory: PathBuf,
}

impl DirectoryStore {
    /// Makes the directory. Errors are those of the file system.
    pub fn new(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }
}

impl Store for DirectoryStore {
    type Writer = FileWriter;

    async fn put(&self, name: &str, _content_type: &str, body: Bytes) -> io::Result<()> {
        fs::write(self.directory.join(name), body)
    }

    async fn create(&self, name: &str, _content_type: &str) -> io::Result<FileWriter> {
        let path = self.directory.join(name);
        let partial = self.directory.join(format!("{name}.partial"));
        Ok(FileWriter { file: File::create(&partial)?, partial, path })
    }
}

/// A file that gets its name when it is complete.
#[derive(Debug)]
pub struct FileWriter {
    file: File,
    partial: PathBuf,
    path: PathBuf,
}

impl Writer for FileWriter {
    async fn write_part(&self, part: Part) -> io::Result<()> {
        let mut position = part.position;
        for piece in &part.pieces {
            self.file.write_all_at(piece, position)?;
            position += piece.len() as u64;
        }
        Ok(())
    }

    async fn finish(self) -> io::Result<()> {
        fs::rename(&self.partial, &self.path)
    }
}
