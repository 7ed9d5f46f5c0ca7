use std::str::FromStr;

use media::Feed;
use serde::{Deserialize, Serialize};

use crate::plan::Rendition;

/// The operator's policy on renditions that nobody needs for the film to play. What browsers do not
/// play is encoded under any policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ladder {
    /// None are made.
    Off,
    /// They are made of a film when somebody asks for it.
    OnDemand,
    /// They are made of every film.
    Always,
}

impl FromStr for Ladder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "on-demand" => Ok(Self::OnDemand),
            "always" => Ok(Self::Always),
            other => Err(format!("{other:?} is no policy: it is one of off, on-demand, always")),
        }
    }
}

/// A size of the ladder: pixels of the short side, and most bits a second.
struct Rung {
    short_side: u32,
    bit_rate: u64,
}

const RUNGS: [Rung; 3] = [
    Rung { short_side: 360, bit_rate: 600_000 },
    Rung { short_side: 720, bit_rate: 2_200_000 },
    Rung { short_side: 1080, bit_rate: 4_000_000 },
];

/// ITU-T H.264, table A-1: macroblocks a second and in a picture, and the level times ten.
const LEVELS: [(u64, u64, u8); 8] = [
    (40_500, 1_620, 30),
    (108_000, 3_600, 31),
    (216_000, 5_120, 32),
    (245_760, 8_192, 40),
    (522_240, 8_704, 42),
    (589_824, 22_080, 50),
    (983_040, 36_864, 51),
    (2_073_600, 36_864, 52),
];

/// The renditions of a picture, the largest last: all rungs that it is as large as, or the largest
/// alone. One that is smaller than all rungs keeps its size where it must be encoded (`needed`).
pub(crate) fn renditions(picture: &Feed, whole_ladder: bool, needed: bool) -> Vec<Rendition> {
    let (width, height) = picture.display_size();
    let short_side = width.min(height);
    let mut rungs: Vec<&Rung> = RUNGS.iter().filter(|rung| rung.short_side <= short_side).collect();
    if !whole_ladder {
        rungs = rungs.split_off(rungs.len().saturating_sub(1));
    }
    if rungs.is_empty() && needed {
        return vec![rendition(picture, short_side, RUNGS[0].bit_rate)];
    }
    rungs.into_iter().map(|rung| rendition(picture, rung.short_side, rung.bit_rate)).collect()
}

fn rendition(picture: &Feed, short_side: u32, bit_rate: u64) -> Rendition {
    let (width, height) = picture.display_size();
    let scale = f64::from(short_side) / f64::from(width.min(height).max(1));
    // Colours are sampled at every other pixel, so that sides are even.
    let even = |side: u32| ((f64::from(side) * scale / 2.0).round() as u32 * 2).max(16);
    let (width, height) = (even(width), even(height));
    let blocks = u64::from(width.div_ceil(16)) * u64::from(height.div_ceil(16));
    let frames = picture.frame_rate().map_or(60, |(frames, seconds)| frames.div_ceil(seconds.max(1)));
    // A rate that varies may be faster than its mean for a while.
    let each_second = blocks * frames.max(30);
    let level =
        LEVELS.iter().find(|&&(most_a_second, most, _)| each_second <= most_a_second && blocks <= most);
    Rendition {
        name: format!("{short_side}p"),
        width,
        height,
        video_bit_rate: bit_rate,
        level: level.map_or(62, |&(_, _, level)| level),
    }
}
