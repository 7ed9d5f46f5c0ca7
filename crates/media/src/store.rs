use std::fs::{self, File};
use std::future::Future;
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

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
        Ok(FileWriter { file: Mutex::new(File::create(&partial)?), partial, path })
    }
}

/// A file that gets its name when it is complete.
#[derive(Debug)]
pub struct FileWriter {
    /// Locked while a part is written, as all parts share the file's position.
    file: Mutex<File>,
    partial: PathBuf,
    path: PathBuf,
}

impl Writer for FileWriter {
    async fn write_part(&self, part: Part) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(part.position))?;
        // All pieces in one call: the kernel then takes whole pages, where writing piece by piece
        // would touch those at the edges twice.
        let mut slices: Vec<IoSlice<'_>> = part.pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            match file.write_vectored(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn finish(self) -> io::Result<()> {
        fs::rename(&self.partial, &self.path)
    }
}
