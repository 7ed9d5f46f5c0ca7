use std::sync::Arc;

use bytes::Bytes;

/// A small text that players start from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its name beside the media outputs.
    pub name: String,
    /// The media type to serve it with.
    pub content_type: &'static str,
    /// The whole text.
    pub body: Bytes,
}

/// A media file that packaging writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its name beside the manifests.
    pub name: String,
    /// The media type to serve it with.
    pub content_type: &'static str,
    /// How long it will be.
    pub size_bytes: u64,
}

/// Everything about the packaged outputs, down to the byte. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Plan {
    #[allow(dead_code)]
    inner: Arc<()>,
}

impl Plan {
    /// The playlists and the MPD, final before any media is read.
    pub fn manifests(&self) -> Vec<Manifest> {
        Vec::new()
    }

    /// The media files, with their exact sizes.
    pub fn outputs(&self) -> Vec<Output> {
        Vec::new()
    }
}
