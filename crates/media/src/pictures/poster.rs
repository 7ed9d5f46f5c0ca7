//! A still for the library.

use bytes::Bytes;

use crate::pictures::frames::{Decoder, KeyFrame, Pictures};
use crate::pictures::h264::H264;
use crate::pictures::looks::{LIVELY, liveliness};
use crate::pictures::raster::Raster;
use crate::{MediaError, Plan, Source};

/// No wider than a large card on a dense screen.
const WIDEST: u32 = 1280;
const TALLEST: u32 = 1280;
const QUALITY: u8 = 82;
/// Where in the film to look, in hundredths of it, the most promising first: past black and logos, and
/// not among the credits.
const PLACES: [u64; 6] = [10, 20, 35, 5, 50, 70];

impl Plan {
    /// A JPEG of a key frame that is worth looking at: neither black nor white nor flat, if one of six is
    /// not. `None` for sound alone, and where the frames cannot be decoded: a film without a poster is
    /// still a film. An error is the source's.
    ///
    /// Costs one read of one frame, and one for each that is dull; nothing for frames that were read on
    /// the way to the index.
    pub async fn poster<S: Source, D: Decoder>(
        &self,
        source: &S,
        decoder: &D,
    ) -> Result<Option<Bytes>, MediaError> {
        let Some(pictures) = Pictures::new(&self.inner) else { return Ok(None) };
        let Some(size) = pictures.scaled(WIDEST, TALLEST) else { return Ok(None) };
        let mut frames: Vec<KeyFrame> = Vec::with_capacity(PLACES.len());
        for place in PLACES {
            let time = (u128::from(pictures.length()) * u128::from(place) / 100) as u64;
            let known = |frame: &KeyFrame| frames.iter().any(|other| other.sample == frame.sample);
            frames.extend(pictures.key_frames_at(&[time]).first().filter(|frame| !known(frame)).copied());
        }
        let mut best = Best::default();
        if let Some(h264) = H264::new(&pictures.track.codec) {
            for frame in &frames {
                let sample = pictures.read(source, frame).await?;
                let Some(picture) = h264.decode(&sample, size.0, size.1) else { continue };
                if best.take(picture) {
                    break;
                }
            }
        }
        if best.picture.is_none() {
            // Most often the first will do; the others are decoded in one go.
            let (first, others) = frames.split_at(frames.len().min(1));
            for frames in [first, others] {
                if frames.is_empty() || best.is_lively() {
                    break;
                }
                for picture in pictures.decode_with(decoder, source, frames, size).await? {
                    best.take(picture);
                }
            }
        }
        Ok(best.picture.and_then(|picture| picture.turned(pictures.rotation()).jpeg(QUALITY)))
    }
}

/// The most promising picture so far.
#[derive(Default)]
struct Best {
    picture: Option<Raster>,
    liveliness: f64,
}

impl Best {
    /// Keeps a picture if there is none better. Whether it will do.
    fn take(&mut self, picture: Raster) -> bool {
        let liveliness = liveliness(&picture);
        if self.picture.is_none() || liveliness > self.liveliness && !self.is_lively() {
            *self = Self { picture: Some(picture), liveliness };
        }
        self.is_lively()
    }

    fn is_lively(&self) -> bool {
        self.liveliness >= LIVELY
    }
}
