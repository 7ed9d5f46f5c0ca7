//! The small pictures of a film, gathered one by one.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::pictures::frames::{Decoder, KeyFrame, Pictures};
use crate::pictures::h264::H264;
use crate::pictures::raster::Raster;
use crate::pictures::sprite;
use crate::plan::Inner;
use crate::{Manifest, Source};

/// Key frames that are read side by side, and so held at a time.
const IN_FLIGHT: usize = 4;

/// Thumbnails in the making.
pub(crate) struct Stills<'a> {
    pictures: Pictures<'a>,
    h264: Option<H264<'a>>,
    size: (u32, u32),
    frames: Vec<KeyFrame>,
    /// By place among the frames; `None` for one that cannot be decoded.
    tiles: Mutex<BTreeMap<usize, Option<Raster>>>,
}

impl<'a> Stills<'a> {
    /// `None` for sound alone.
    pub(crate) fn new(inner: &'a Inner) -> Option<Self> {
        let pictures = Pictures::new(inner)?;
        let size = sprite::tile_size(&pictures)?;
        let frames = sprite::chosen(&pictures);
        let h264 = H264::new(&pictures.track.codec);
        Some(Self { pictures, h264, size, frames, tiles: Mutex::default() })
    }

    /// Where the frames lie that can be taken one by one, in their order. None where another decoder
    /// is needed, which gets all in one go.
    pub(crate) fn in_passing(&self) -> Vec<Range<u64>> {
        let frames = self.frames.iter().filter(|_| self.h264.is_some());
        frames.map(KeyFrame::range).collect()
    }

    /// Takes the bytes of a frame that can be taken so.
    pub(crate) fn take(&self, index: usize, sample: &[u8]) {
        if let Some(h264) = &self.h264 {
            let tile = h264.decode(sample, self.size.0, self.size.1);
            self.tiles().insert(index, tile);
        }
    }

    /// The files, after what was not taken has been read.
    pub(crate) async fn files<S: Source, D: Decoder>(
        &self,
        source: &S,
        decoder: &D,
    ) -> io::Result<Vec<Manifest>> {
        if self.h264.is_some() {
            let missing: Vec<usize> =
                (0..self.frames.len()).filter(|index| !self.tiles().contains_key(index)).collect();
            let reads = stream::iter(missing).map(async |index| {
                io::Result::Ok((index, self.pictures.read(source, &self.frames[index]).await?))
            });
            let mut reads = std::pin::pin!(reads.buffered(IN_FLIGHT));
            while let Some((index, sample)) = reads.try_next().await? {
                self.take(index, &sample);
            }
        }
        let decoded = std::mem::take(&mut *self.tiles());
        let mut tiles: Vec<(KeyFrame, Raster)> =
            decoded.into_iter().filter_map(|(index, tile)| Some((self.frames[index], tile?))).collect();
        if tiles.is_empty() {
            let decoded = self.pictures.decode_with(decoder, source, &self.frames, self.size).await?;
            tiles = self.frames.iter().copied().zip(decoded).collect();
        }
        let rotation = self.pictures.rotation();
        let shown = tiles.into_iter().map(|(frame, tile)| (frame, tile.turned(rotation)));
        Ok(sprite::files(&self.pictures, shown.collect()))
    }

    fn tiles(&self) -> MutexGuard<'_, BTreeMap<usize, Option<Raster>>> {
        self.tiles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
