//! Whether a picture is worth looking at.

use crate::pictures::raster::Raster;

/// From here on it is, in the measure of [`liveliness`]. Scenes have 3 to 5; white words on black,
/// logos and the middle of a fade have less than 2.
pub(super) const LIVELY: f64 = 2.5;

/// Shades that are told apart.
const SHADES: usize = 32;

/// How much there is to see: the entropy of a picture's brightness, in bits, from 0 for a flat colour,
/// whatever it is, to 5 for all shades in equal parts.
pub(super) fn liveliness(picture: &Raster) -> f64 {
    let mut counts = [0_u32; SHADES];
    picture.brightness().for_each(|value| counts[usize::from(value) * SHADES / 256] += 1);
    let total: u32 = counts.iter().sum();
    let shares = counts.iter().filter(|&&count| count > 0).map(|&count| f64::from(count) / f64::from(total));
    shares.map(|share| -share * share.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::{LIVELY, liveliness};
    use crate::pictures::raster::Raster;

    fn picture(of: impl Fn(usize, usize) -> u8) -> Raster {
        let shades = (0..90).flat_map(|y| (0..160).map(move |x| (x, y)));
        let pixels = shades.flat_map(|(x, y)| [of(x, y); 3]).collect();
        Raster { pixels, width: 160, height: 90 }
    }

    #[test]
    fn flat_pictures_and_titles_are_dull_and_scenes_are_not() {
        for shade in [0, 127, 255] {
            assert_eq!(liveliness(&picture(|_, _| shade)), 0.0);
        }
        // Words: one pixel in ten is white.
        assert!(liveliness(&picture(|x, y| if (x * 7 + y * 3) % 10 == 0 { 255 } else { 0 })) < 1.0);
        // Noise in the dark, as cameras and encoders make it.
        assert!(liveliness(&picture(|x, y| 16 + ((x * 31 + y * 17) % 11) as u8)) < LIVELY);
        let scene = |x: usize, y: usize| (40 + x + y / 2 + (x * y) % 23).min(255) as u8;
        assert!(liveliness(&picture(scene)) > LIVELY);
    }
}
