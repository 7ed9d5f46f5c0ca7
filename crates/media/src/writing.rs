//! The boxes of the outputs: `ftyp moov sidx (moof mdat)*`, one file per track (ISO/IEC 14496-12
//! and the CMAF profile of it, ISO/IEC 23000-19).

use mp4_atom::{Encode, FixedPoint, FourCC, Ftyp, Hdlr, Mdhd, Mvhd, Smhd, Tkhd, Trex, Url, Vmhd};

use crate::TrackKind;
use crate::boxes::{put_box, put_u32s};
use crate::manifest::three_letters;
use crate::moov::Track;
use crate::segments::{Counted, Segment};
use crate::timing::TimedSample;

/// `sample_depends_on` says that it depends on no other.
const SYNC_FLAGS: u32 = 0x0200_0000;
/// It depends on others, and is no sync sample.
const NON_SYNC_FLAGS: u32 = 0x0101_0000;
/// The only track of each output.
const TRACK_ID: u32 = 1;

/// `ftyp` and `moov`. `None` when a header cannot be encoded.
pub(crate) fn init(track: &Track, entry: &[u8], media_time: u64) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(1024);
    let brands = [b"iso6", b"cmfc", b"dash", b"hlsf"].map(FourCC::new);
    let ftyp = Ftyp { major_brand: brands[0], minor_version: 0, compatible_brands: brands.to_vec() };
    ftyp.encode(&mut out).ok()?;
    let mut result = Some(());
    put_box(&mut out, b"moov", |out| result = moov(out, track, entry, media_time));
    result.map(|()| out)
}

fn moov(out: &mut Vec<u8>, track: &Track, entry: &[u8], media_time: u64) -> Option<()> {
    Mvhd {
        creation_time: 0,
        modification_time: 0,
        timescale: track.timescale,
        duration: 0,
        rate: FixedPoint::new(1, 0),
        volume: FixedPoint::new(1, 0),
        matrix: mp4_atom::Matrix::default(),
        next_track_id: TRACK_ID + 1,
    }
    .encode(out)
    .ok()?;
    let mut result = Some(());
    put_box(out, b"trak", |out| result = trak(out, track, entry, media_time));
    result?;
    put_box(out, b"mvex", |out| {
        let trex = Trex { track_id: TRACK_ID, default_sample_description_index: 1, ..Trex::default() };
        result = trex.encode(out).ok();
    });
    result
}

fn trak(out: &mut Vec<u8>, track: &Track, entry: &[u8], media_time: u64) -> Option<()> {
    Tkhd {
        creation_time: 0,
        modification_time: 0,
        track_id: TRACK_ID,
        duration: 0,
        alternate_group: 0,
        enabled: true,
        in_movie: true,
        ..track.header.clone()
    }
    .encode(out)
    .ok()?;
    if media_time > 0 {
        put_box(out, b"edts", |out| {
            put_box(out, b"elst", |out| {
                // Version 1, one entry, of the length 0 that means all the rest in fragmented files.
                put_u32s(out, &[0x0100_0000, 1, 0, 0]);
                out.extend_from_slice(&media_time.to_be_bytes());
                put_u32s(out, &[0x1_0000]);
            });
        });
    }
    let mut result = Some(());
    put_box(out, b"mdia", |out| result = mdia(out, track, entry));
    result
}

fn mdia(out: &mut Vec<u8>, track: &Track, entry: &[u8]) -> Option<()> {
    let language = track.language.as_deref().and_then(three_letters).unwrap_or("und").to_owned();
    Mdhd { timescale: track.timescale, language, ..Mdhd::default() }.encode(out).ok()?;
    let (handler, name) = match track.kind {
        TrackKind::Video => (b"vide", "Video"),
        TrackKind::Audio => (b"soun", "Audio"),
    };
    Hdlr { handler: FourCC::new(handler), name: name.into() }.encode(out).ok()?;
    let mut result = Some(());
    put_box(out, b"minf", |out| {
        result = match track.kind {
            TrackKind::Video => Vmhd::default().encode(out).ok(),
            TrackKind::Audio => Smhd::default().encode(out).ok(),
        };
        put_box(out, b"dinf", |out| {
            put_box(out, b"dref", |out| {
                put_u32s(out, &[0, 1]);
                result = result.and(Url::default().encode(out).ok());
            });
        });
        put_box(out, b"stbl", |out| {
            put_box(out, b"stsd", |out| {
                put_u32s(out, &[0, 1]);
                out.extend_from_slice(entry);
            });
            put_box(out, b"stts", |out| put_u32s(out, &[0, 0]));
            put_box(out, b"stsc", |out| put_u32s(out, &[0, 0]));
            put_box(out, b"stsz", |out| put_u32s(out, &[0, 0, 0]));
            put_box(out, b"stco", |out| put_u32s(out, &[0, 0]));
        });
    });
    result
}

/// How long a `sidx` over so many segments is.
pub(crate) fn sidx_bytes(segments: usize) -> u64 {
    40 + 12 * segments as u64
}

/// The index of an output: for each segment its size and length. `starts` are presentation times,
/// one more than there are segments.
pub(crate) fn sidx(segments: &[Segment], starts: &[u64], timescale: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(sidx_bytes(segments.len()) as usize);
    put_box(&mut out, b"sidx", |out| {
        put_u32s(out, &[0x0100_0000, TRACK_ID, timescale]);
        out.extend_from_slice(&starts.first().copied().unwrap_or(0).to_be_bytes());
        out.extend_from_slice(&0_u64.to_be_bytes());
        put_u32s(out, &[segments.len() as u32]);
        for (segment, times) in segments.iter().zip(starts.windows(2)) {
            let starts_with_sap = u32::from(segment.counted.first_is_sync);
            let duration = (times[1] - times[0]) as u32;
            put_u32s(
                out,
                &[segment.size_bytes() as u32, duration, starts_with_sap << 31 | starts_with_sap << 28],
            );
        }
    });
    out
}

/// How the sync flags of a segment's samples are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flags {
    /// All have the default, which is this.
    Default(u32),
    /// All but the first have the default.
    First,
    Each,
}

fn flags(counted: &Counted) -> Flags {
    match counted.syncs {
        0 => Flags::Default(NON_SYNC_FLAGS),
        syncs if syncs == counted.samples => Flags::Default(SYNC_FLAGS),
        1 if counted.first_is_sync => Flags::First,
        _ => Flags::Each,
    }
}

fn bytes_per_sample(counted: &Counted) -> u32 {
    let each = [
        counted.durations.is_mixed(),
        counted.sizes.is_mixed(),
        flags(counted) == Flags::Each,
        counted.shifted,
    ];
    4 * each.into_iter().filter(|&each| each).count() as u32
}

fn moof_bytes(counted: &Counted) -> Option<u32> {
    let tfhd = 20 + 4 * u32::from(!counted.durations.is_mixed()) + 4 * u32::from(!counted.sizes.is_mixed());
    let trun = 20 + 4 * u32::from(flags(counted) == Flags::First);
    let samples = counted.samples.checked_mul(bytes_per_sample(counted))?;
    (8 + 16 + 8 + tfhd + 20 + trun).checked_add(samples)
}

/// The length of a segment before its media. `None` for more than a box can hold.
pub(crate) fn segment_header_bytes(counted: &Counted) -> Option<u32> {
    let header = moof_bytes(counted)?.checked_add(8)?;
    // A sidx counts the bytes of a segment in 31 bits.
    (u64::from(header) + counted.bytes < 1 << 31).then_some(header)
}

/// `moof` and the header of `mdat`. `samples` with whether each is a sync sample.
pub(crate) fn segment_header(
    segment: &Segment,
    samples: impl Iterator<Item = (TimedSample, bool)>,
) -> Vec<u8> {
    let counted = &segment.counted;
    let flags = flags(counted);
    let moof = segment.header_bytes - 8;
    let mut out = Vec::with_capacity(segment.header_bytes as usize);
    put_u32s(&mut out, &[moof]);
    out.extend_from_slice(b"moof");
    put_box(&mut out, b"mfhd", |out| put_u32s(out, &[0, segment.number]));
    put_box(&mut out, b"traf", |out| {
        put_box(out, b"tfhd", |out| tfhd(out, counted, flags));
        put_box(out, b"tfdt", |out| {
            put_u32s(out, &[0x0100_0000]);
            out.extend_from_slice(&counted.time.to_be_bytes());
        });
        put_box(out, b"trun", |out| trun(out, counted, flags, moof + 8, samples));
    });
    put_u32s(&mut out, &[counted.bytes as u32 + 8]);
    out.extend_from_slice(b"mdat");
    out
}

fn tfhd(out: &mut Vec<u8>, counted: &Counted, flags: Flags) {
    let mut present = 0x02_0000 | 0x20;
    let mut fields = Vec::with_capacity(3);
    for (value, flag) in [(counted.durations, 0x8), (counted.sizes, 0x10)] {
        if let crate::segments::Uniform::Same(value) = value {
            present |= flag;
            fields.push(value);
        }
    }
    fields.push(if let Flags::Default(flags) = flags { flags } else { NON_SYNC_FLAGS });
    put_u32s(out, &[present, TRACK_ID]);
    put_u32s(out, &fields);
}

fn trun(
    out: &mut Vec<u8>,
    counted: &Counted,
    flags: Flags,
    data_offset: u32,
    samples: impl Iterator<Item = (TimedSample, bool)>,
) {
    let (durations, sizes) = (counted.durations.is_mixed(), counted.sizes.is_mixed());
    let present = 0x1
        | u32::from(flags == Flags::First) << 2
        | u32::from(durations) << 8
        | u32::from(sizes) << 9
        | u32::from(flags == Flags::Each) << 10
        | u32::from(counted.shifted) << 11;
    put_u32s(out, &[0x0100_0000 | present, counted.samples, data_offset]);
    if flags == Flags::First {
        put_u32s(out, &[SYNC_FLAGS]);
    }
    if bytes_per_sample(counted) == 0 {
        return;
    }
    for (timed, sync) in samples {
        if durations {
            put_u32s(out, &[timed.duration]);
        }
        if sizes {
            put_u32s(out, &[timed.size]);
        }
        if flags == Flags::Each {
            put_u32s(out, &[if sync { SYNC_FLAGS } else { NON_SYNC_FLAGS }]);
        }
        if counted.shifted {
            put_u32s(out, &[timed.shift as u32]);
        }
    }
}
