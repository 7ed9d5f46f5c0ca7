//! What stands before the media: the clock and the tracks (RFC 9559, sections 5.1.2 and 5.1.4).

use crate::TrackKind;
use crate::manifest::is_tag;
use crate::matroska::ebml::{child, elements, float, text, unsigned};

const TRACK_ENTRY: u32 = 0xae;
const VIDEO: u32 = 0xe0;
const AUDIO: u32 = 0xe1;

/// More tracks than this is no film.
const MOST_TRACKS: usize = 100;
/// Longer beginnings that all frames share are nobody's; each frame of an output has one.
const MOST_PREFIX_BYTES: usize = 64;

/// A picture or sound track as its entry describes it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// What blocks call it.
    pub(crate) number: u64,
    pub(crate) kind: TrackKind,
    /// Such as `V_VP9`.
    pub(crate) codec_id: String,
    /// What the decoder is set up with; its form depends on the codec.
    pub(crate) private: Vec<u8>,
    /// Players choose it by themselves.
    pub(crate) enabled: bool,
    /// ISO 639-2, or a tag of BCP 47 where the file has one.
    pub(crate) language: Option<String>,
    /// How long a frame lasts, where all last as long.
    pub(crate) frame_ns: Option<u64>,
    /// What the decoder puts out before the first sample that was meant.
    pub(crate) delay_ns: u64,
    pub(crate) encoding: Encoding,
    /// What every frame begins with, but is not in the file.
    pub(crate) prefix: Vec<u8>,
    pub(crate) video: Video,
    pub(crate) sample_rate: u32,
    pub(crate) channels: u16,
    /// Of a sample of sound that is not compressed.
    pub(crate) bits: u16,
}

/// What was done to the frames of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    /// Frames are packed: they cannot be copied as they lie.
    Compressed,
    Encrypted,
}

/// How a picture is coded and shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Video {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// With square pixels, before rotation.
    pub(crate) shown_width: u32,
    pub(crate) shown_height: u32,
    /// Clockwise degrees: 0, 90, 180 or 270.
    pub(crate) rotation: u16,
    /// The body of the element `Colour`.
    pub(crate) colour: Option<Vec<u8>>,
}

/// Nanoseconds of a tick, from the body of `Info`. Ticks of more than a second are nobody's.
pub(crate) fn tick_ns(info: &[u8]) -> u64 {
    child(info, 0x2a_d7b1)
        .map(unsigned)
        .filter(|scale| (1..=1_000_000_000).contains(scale))
        .unwrap_or(1_000_000)
}

/// The nominal duration from the body of `Info`, where it has one.
pub(crate) fn duration_ms(info: &[u8]) -> Option<u64> {
    let ticks = child(info, 0x4489).and_then(float).filter(|&ticks| ticks > 0.0)?;
    Some((ticks * tick_ns(info) as f64 / 1e6).round() as u64)
}

/// The picture and sound tracks from the body of `Tracks`.
pub(crate) fn entries(tracks: &[u8]) -> Vec<Entry> {
    let entries = elements(tracks).filter(|element| element.id == TRACK_ENTRY);
    entries.take(MOST_TRACKS).filter_map(|element| entry(element.body)).collect()
}

fn entry(body: &[u8]) -> Option<Entry> {
    let number = |id: u32| child(body, id).map(unsigned);
    let kind = match number(0x83)? {
        1 => TrackKind::Video,
        2 => TrackKind::Audio,
        _ => return None,
    };
    let audio = child(body, AUDIO).unwrap_or_default();
    let (encoding, prefix) = child(body, 0x6d80).map_or((Encoding::Plain, Vec::new()), encoding);
    let flag = |id: u32| number(id).unwrap_or(1) != 0;
    let rate = child(audio, 0xb5).and_then(float).unwrap_or(8000.0);
    Some(Entry {
        number: number(0xd7)?,
        kind,
        codec_id: child(body, 0x86).map(text)?,
        private: child(body, 0x63a2).unwrap_or_default().to_vec(),
        enabled: flag(0xb9) && flag(0x88),
        language: language(body),
        frame_ns: number(0x23_e383).filter(|&ns| ns > 0),
        delay_ns: number(0x56aa).unwrap_or(0),
        encoding,
        prefix,
        video: child(body, VIDEO).map(video).unwrap_or_default(),
        sample_rate: if kind == TrackKind::Audio { rate as u32 } else { 0 },
        channels: if kind == TrackKind::Audio { child(audio, 0x9f).map_or(1, unsigned) as u16 } else { 0 },
        bits: child(audio, 0x6264).map_or(0, unsigned) as u16,
    })
}

/// The language of a track from the body of its entry: the newer element, with a tag of BCP 47, or the older.
pub(crate) fn language(entry: &[u8]) -> Option<String> {
    let is_code = |code: &String| code.len() == 3 && is_tag(code);
    let tag = child(entry, 0x22_b59d).map(text).filter(|tag| is_tag(tag));
    tag.or_else(|| child(entry, 0x22_b59c).map(text).filter(is_code))
}

/// What was done to frames, and what a writer took away from the beginning of each.
fn encoding(encodings: &[u8]) -> (Encoding, Vec<u8>) {
    let number = |body: &[u8], id: u32, default: u64| child(body, id).map_or(default, unsigned);
    let all: Vec<&[u8]> =
        elements(encodings).filter(|element| element.id == 0x6240).map(|element| element.body).collect();
    if all.iter().any(|body| number(body, 0x5033, 0) == 1) {
        return (Encoding::Encrypted, Vec::new());
    }
    match all[..] {
        [] => (Encoding::Plain, Vec::new()),
        [only] => {
            let compression = child(only, 0x5034).unwrap_or_default();
            let prefix = child(compression, 0x4255).unwrap_or_default();
            // Of frames only, and by header stripping: algorithm 3.
            let stripped = (number(only, 0x5032, 1), number(compression, 0x4254, 0)) == (1, 3);
            match stripped && prefix.len() <= MOST_PREFIX_BYTES {
                true => (Encoding::Plain, prefix.to_vec()),
                false => (Encoding::Compressed, Vec::new()),
            }
        }
        _ => (Encoding::Compressed, Vec::new()),
    }
}

fn video(body: &[u8]) -> Video {
    let number = |id: u32| child(body, id).and_then(|body| u32::try_from(unsigned(body)).ok());
    let (coded_width, coded_height) = (number(0xb0).unwrap_or(0), number(0xba).unwrap_or(0));
    let cropped = |length: u32, ids: [u32; 2]| {
        let cut = ids.iter().filter_map(|&id| number(id)).fold(0, u32::saturating_add);
        if cut < length { length - cut } else { length }
    };
    let width = cropped(coded_width, [0x54cc, 0x54dd]);
    let height = cropped(coded_height, [0x54bb, 0x54aa]);
    let shown = number(0x54b0).zip(number(0x54ba)).filter(|&(width, height)| width > 0 && height > 0);
    let (shown_width, shown_height) = match (number(0x54b2).unwrap_or(0), shown) {
        (0, Some((shown_width, shown_height))) => (shown_width, shown_height),
        // A ratio of the sides.
        (3, Some((across, down))) => {
            let shown_width = u64::from(height) * u64::from(across) / u64::from(down);
            (u32::try_from(shown_width).unwrap_or(width).max(1), height)
        }
        _ => (width, height),
    };
    let projection = child(body, 0x7670).unwrap_or_default();
    let roll = child(projection, 0x7675).and_then(float).unwrap_or(0.0);
    Video {
        width: coded_width,
        height: coded_height,
        shown_width,
        shown_height,
        rotation: clockwise(roll),
        colour: child(body, 0x55b0).map(<[u8]>::to_vec),
    }
}

/// A roll turns the picture counter-clockwise, in degrees from -180 to 180.
fn clockwise(roll: f64) -> u16 {
    match roll.round() as i64 {
        -90 => 90,
        90 => 270,
        -180 | 180 => 180,
        _ => 0,
    }
}
