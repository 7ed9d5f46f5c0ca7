//! Decodes single key frames of H.264.

use mp4_atom::Avcc;
use openh264::decoder::Decoder;

use crate::codec::Codec;
use crate::pictures::raster::Raster;

/// A longer key frame is none that openh264 decodes.
const MOST_BYTES: usize = 8 << 20;
/// Pictures that it takes.
const MOST_PIXELS: u32 = 4096 * 2304;

/// What all key frames of a track need to be decoded.
pub(super) struct H264<'a> {
    avcc: &'a Avcc,
}

impl<'a> H264<'a> {
    /// `None` for other codecs, and for pictures that are too large for openh264.
    pub(super) fn new(codec: &'a Codec) -> Option<Self> {
        let small = codec.width.checked_mul(codec.height)? <= MOST_PIXELS;
        codec.avcc.as_ref().filter(|_| small).map(|avcc| Self { avcc })
    }

    /// The picture of a frame, scaled. `None` where the decoder does not take it.
    pub(super) fn decode(&self, sample: &[u8], width: u32, height: u32) -> Option<Raster> {
        if sample.len() > MOST_BYTES {
            return None;
        }
        let length_bytes = usize::from(self.avcc.length_size);
        let mut stream = Vec::with_capacity(sample.len() + 256);
        for unit in self.avcc.sequence_parameter_sets.iter().chain(&self.avcc.picture_parameter_sets) {
            push_unit(&mut stream, unit);
        }
        let mut rest = sample;
        while rest.len() > length_bytes {
            let (length, after) = rest.split_at(length_bytes);
            let length = length.iter().fold(0_usize, |length, &byte| length << 8 | usize::from(byte));
            push_unit(&mut stream, after.get(..length)?);
            rest = &after[length..];
        }
        let (width, height) = (width as usize, height as usize);
        let mut decoder = Decoder::new().ok()?;
        if let Ok(Some(picture)) = decoder.decode(&stream) {
            return Raster::scaled(&picture, width, height);
        }
        let delayed = decoder.flush_remaining().ok()?;
        Raster::scaled(delayed.first()?, width, height)
    }
}

/// Annex B of the standard: units after start codes.
fn push_unit(stream: &mut Vec<u8>, unit: &[u8]) {
    stream.extend_from_slice(&[0, 0, 0, 1]);
    stream.extend_from_slice(unit);
}
