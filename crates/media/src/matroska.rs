//! Reads the track list of Matroska and WebM (RFC 9559), as far as it stands in the first bytes of a
//! file, where muxers put it.

use crate::{Container, Probe, TrackKind, TrackProbe};

const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_a966;
const TRACKS: u32 = 0x1654_ae6b;
const CLUSTER: u32 = 0x1f43_b675;
const TRACK_ENTRY: u32 = 0xae;
const VIDEO: u32 = 0xe0;
const AUDIO: u32 = 0xe1;

/// An element that is in memory.
struct Element<'a> {
    id: u32,
    body: &'a [u8],
}

/// The elements that follow each other. An unknown size, and one past the end, mean all the rest.
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = Element<'_>> {
    std::iter::from_fn(move || {
        let id_bytes = vint_bytes(bytes)?;
        let id = bytes.get(..id_bytes)?.iter().fold(0_u32, |id, &byte| id << 8 | u32::from(byte));
        let rest = &bytes[id_bytes..];
        let size_bytes = vint_bytes(rest)?;
        let marker = 1_u64 << (7 * size_bytes);
        let size = rest.get(..size_bytes)?.iter().fold(0_u64, |size, &byte| size << 8 | u64::from(byte))
            & (marker - 1);
        let rest = &rest[size_bytes..];
        let known = size != marker - 1;
        let length =
            if known { usize::try_from(size).unwrap_or(usize::MAX).min(rest.len()) } else { rest.len() };
        let (body, after) = rest.split_at(length);
        bytes = after;
        Some(Element { id, body })
    })
}

/// The length of a number, by the zeros that it begins with. Ids have up to 4 bytes, sizes 8.
fn vint_bytes(bytes: &[u8]) -> Option<usize> {
    let zeros = bytes.first()?.leading_zeros() as usize;
    (zeros < 8).then_some(zeros + 1)
}

fn unsigned(body: &[u8]) -> u64 {
    body.iter().take(8).fold(0, |value, &byte| value << 8 | u64::from(byte))
}

fn float(body: &[u8]) -> Option<f64> {
    match body.len() {
        4 => Some(f32::from_bits(unsigned(body) as u32).into()),
        8 => Some(f64::from_bits(unsigned(body))),
        _ => None,
    }
}

/// What the head of a file tells. `None` when it has no track list.
pub(crate) fn probe(head: &[u8], container: Container) -> Option<Probe> {
    let segment = elements(head).find(|element| element.id == SEGMENT)?;
    let (mut scale, mut duration, mut tracks) = (1_000_000, None, None);
    for element in elements(segment.body).take_while(|element| element.id != CLUSTER) {
        match element.id {
            INFO => {
                for field in elements(element.body) {
                    match field.id {
                        0x2a_d7b1 => scale = unsigned(field.body),
                        0x4489 => duration = float(field.body),
                        _ => {}
                    }
                }
            }
            TRACKS => {
                let entries = elements(element.body).filter(|entry| entry.id == TRACK_ENTRY);
                tracks = Some(entries.take(100).filter_map(|entry| track(entry.body)).collect());
            }
            _ => {}
        }
    }
    let milliseconds = |ticks: f64| (ticks * scale as f64 / 1e6).round() as u64;
    let duration_ms = duration.filter(|ticks| *ticks > 0.0).map(milliseconds);
    Some(Probe { container, duration_ms, tracks: tracks? })
}

fn track(entry: &[u8]) -> Option<TrackProbe> {
    let field = |id: u32| elements(entry).find(|element| element.id == id).map(|element| element.body);
    let kind = match unsigned(field(0x83)?) {
        1 => TrackKind::Video,
        2 => TrackKind::Audio,
        _ => return None,
    };
    let text = |body: &[u8]| String::from_utf8_lossy(body).trim_end_matches('\0').to_owned();
    let within =
        |parent: u32, id: u32| elements(field(parent)?).find(|child| child.id == id).map(|child| child.body);
    let number = |parent, id| within(parent, id).and_then(|body| u32::try_from(unsigned(body)).ok());
    let size = |shown, coded| number(VIDEO, shown).or_else(|| number(VIDEO, coded));
    let frame_ns = field(0x23_e383).map(unsigned).filter(|&ns| ns > 0);
    let audio = kind == TrackKind::Audio;
    Some(TrackProbe {
        kind,
        codec: text(field(0x86)?),
        duration_ms: None,
        width: size(0x54b0, 0xb0),
        height: size(0x54ba, 0xba),
        rotation: None,
        frame_rate: frame_ns.filter(|_| !audio).map(|ns| (1e12 / ns as f64).round() / 1000.0),
        sample_rate: within(AUDIO, 0xb5).and_then(float).map(|rate| rate as u32),
        channels: if audio { Some(number(AUDIO, 0x9f).unwrap_or(1) as u16) } else { None },
        language: field(0x22_b59c).map(text).filter(|language| audio && language != "und"),
        bit_rate: None,
    })
}

/// What browsers do not play of these tracks.
pub(crate) fn unplayable(probe: &Probe) -> Vec<&str> {
    let plays = |codec: &str| {
        [
            "V_VP8",
            "V_VP9",
            "V_AV1",
            "V_MPEG4/ISO/AVC",
            "A_OPUS",
            "A_VORBIS",
            "A_FLAC",
            "A_MPEG/L3",
            "A_PCM/INT/LIT",
        ]
        .contains(&codec)
            || codec.starts_with("A_AAC")
    };
    probe.tracks.iter().map(|track| track.codec.as_str()).filter(|codec| !plays(codec)).collect()
}
