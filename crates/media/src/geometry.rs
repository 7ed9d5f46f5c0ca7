//! How a picture is shown: its size with square pixels, and its rotation.

use mp4_atom::Matrix;

use crate::codec::Codec;
use crate::moov::Track;

/// Pixels as displayed, before rotation. The track header has them; it may be empty, and it may
/// lie within reason only.
pub(crate) fn display_size(track: &Track, codec: &Codec) -> (u32, u32) {
    let (width, height) = (u32::from(track.header.width.integer()), u32::from(track.header.height.integer()));
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
