//! How a picture is shown: its size with square pixels, and its rotation.

use mp4_atom::{FixedPoint, Matrix};

use crate::codec::Codec;
use crate::moov::Track;

/// Pixels as displayed, before rotation: as players work it out, from the shape of the coded pixels
/// where that is told, or else from the track header, which may be empty, and may lie within reason
/// only.
pub(crate) fn display_size(track: &Track, codec: &Codec) -> (u32, u32) {
    if let Some((across, down)) = codec.pixel_shape {
        let width = f64::from(codec.width) * f64::from(across) / f64::from(down);
        return ((width.round() as u32).max(1), codec.height);
    }
    let rounded = |side: &FixedPoint<u16>| u32::from(side.integer()) + u32::from(side.decimal() >= 0x8000);
    let (width, height) = (rounded(&track.header.width), rounded(&track.header.height));
    if width == 0 || height == 0 { (codec.width, codec.height) } else { (width, height) }
}

/// Clockwise degrees, for the four turns that a player makes. Mirrors and slants count as upright.
pub(crate) fn rotation(matrix: &Matrix) -> u16 {
    match (matrix.a.signum(), matrix.b.signum(), matrix.c.signum(), matrix.d.signum()) {
        (0, 1, -1, 0) => 90,
        (-1, 0, 0, -1) => 180,
        (0, -1, 1, 0) => 270,
        _ => 0,
    }
}
