use bytes::Bytes;

use crate::{MediaError, Plan, Source, Store};

/// How the media is carried over.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much is read at once. 8 MiB suits a bucket; for a file, what the processor caches.
    pub window_bytes: u64,
    /// Windows that are asked for ahead of time.
    pub windows_in_flight: usize,
    /// The size of all parts but the last of each output. S3 wants 5 MiB at least.
    pub part_bytes: usize,
    /// Parts that are written at a time, over all outputs.
    pub parts_in_flight: usize,
    /// The part size of the content digest, when one is wanted.
    pub digest_part_size: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            window_bytes: 8 << 20,
            windows_in_flight: 2,
            part_bytes: 16 << 20,
            parts_in_flight: 4,
            digest_part_size: None,
        }
    }
}

/// What a pass over the media brought, besides the outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packaged {
    /// The digest of the whole source, when [`Options::digest_part_size`] was given.
    pub digest: Option<String>,
    /// A JPEG, where the video is H.264 and its key frame could be decoded.
    pub poster: Option<Bytes>,
}

/// Writes the plan's outputs (not its manifests) from the source, in one pass over it. Running it
/// again writes identical bytes. A source that ends early or a part that fails is
/// [`MediaError::Io`].
pub async fn package<S: Source, T: Store>(
    source: &S,
    plan: &Plan,
    store: &T,
    options: &Options,
) -> Result<Packaged, MediaError> {
    let _ = (source, plan, store, options);
    Err(MediaError::bad("not yet"))
}
