//! The boxes of sample entries, written from what Matroska tells.

use crate::boxes::{Kind, put_box, put_u32s};
use crate::codec::vp9_level;
use crate::matroska::ebml::{child, float, unsigned};
use crate::matroska::head::{Entry, Video};
use crate::matroska::vp9;

pub(super) const FLOATING_POINT: u32 = 1;
pub(super) const BIG_ENDIAN: u32 = 2;
const SIGNED: u32 = 4;

/// QuickTime's description of sound that is not compressed, version 2.
pub(super) fn pcm(entry: &Entry, form: u32) -> Option<Vec<u8>> {
    if !matches!(entry.bits, 8 | 16 | 24 | 32 | 64) {
        return None;
    }
    // 8 bits have no sign in Matroska.
    let signed = if form & FLOATING_POINT == 0 && entry.bits > 8 { SIGNED } else { 0 };
    let (channels, bits) = (u32::from(entry.channels), u32::from(entry.bits));
    let mut out = Vec::with_capacity(72);
    put_box(&mut out, b"lpcm", |out| {
        put_u32s(out, &[0, 1, 0x2_0000, 0]);
        // Constants that readers of older versions stumble over.
        put_u32s(out, &[3 << 16 | 16, 0xfffe_0000, 0x1_0000, 72]);
        out.extend_from_slice(&f64::from(entry.sample_rate).to_be_bytes());
        put_u32s(out, &[channels, 0x7f00_0000, bits, form | signed, channels * bits / 8, 1]);
    });
    Some(out)
}

pub(super) fn boxed(kind: &Kind, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 8);
    put_box(&mut out, kind, |out| out.extend_from_slice(body));
    out
}

/// ISO/IEC 14496-12, section 12.1.3.
pub(super) fn visual(kind: &Kind, video: &Video, config: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + config.len());
    put_box(&mut out, kind, |out| {
        put_u32s(out, &[0, 1, 0, 0, 0, 0]);
        out.extend_from_slice(&(video.width as u16).to_be_bytes());
        out.extend_from_slice(&(video.height as u16).to_be_bytes());
        // 72 dots an inch, one frame a sample, and a name of nothing.
        put_u32s(out, &[0x48_0000, 0x48_0000, 0]);
        out.extend_from_slice(&[0, 1]);
        out.extend_from_slice(&[0; 32]);
        out.extend_from_slice(&[0, 24, 0xff, 0xff]);
        out.extend_from_slice(config);
        if let Some((across, down)) = pixel_shape(video) {
            put_box(out, b"pasp", |out| put_u32s(out, &[across, down]));
        }
        if let Some(colour) = &video.colour {
            put_colour(out, colour);
        }
    });
    out
}

/// The sides of a pixel, where they differ.
pub(super) fn pixel_shape(video: &Video) -> Option<(u32, u32)> {
    let across = u64::from(video.shown_width) * u64::from(video.height);
    let down = u64::from(video.shown_height) * u64::from(video.width);
    let (mut a, mut b) = (across, down);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    let shape = (across.checked_div(a)?, down.checked_div(a)?);
    (shape.0 != shape.1).then_some((u32::try_from(shape.0).ok()?, u32::try_from(shape.1).ok()?))
}

/// Colours and, for high dynamic range, what the picture was mastered for: `colr`, `mdcv`, `clli`.
fn put_colour(out: &mut Vec<u8>, colour: &[u8]) {
    let number = |id: u32| child(colour, id).map(unsigned);
    let code = |id: u32| number(id).unwrap_or(2) as u16;
    let full_range = number(0x55b9) == Some(2);
    let codes = [code(0x55bb), code(0x55ba), code(0x55b1)];
    if codes != [2, 2, 2] || full_range {
        put_box(out, b"colr", |out| {
            out.extend_from_slice(b"nclx");
            codes.iter().for_each(|code| out.extend_from_slice(&code.to_be_bytes()));
            out.push(u8::from(full_range) << 7);
        });
    }
    let mastering = child(colour, 0x55d0).unwrap_or_default();
    let measured = |id: u32| child(mastering, id).and_then(float);
    // Green, blue, red and the white point, each across and up.
    let points = [0x55d3, 0x55d4, 0x55d5, 0x55d6, 0x55d1, 0x55d2, 0x55d7, 0x55d8].map(measured);
    let luminance = [0x55d9, 0x55da].map(measured);
    if points.iter().chain(&luminance).all(Option::is_some) {
        put_box(out, b"mdcv", |out| {
            for point in points.iter().flatten() {
                out.extend_from_slice(&((point * 50_000.0).round() as u16).to_be_bytes());
            }
            for light in luminance.iter().flatten() {
                out.extend_from_slice(&((light * 10_000.0).round() as u32).to_be_bytes());
            }
        });
    }
    if let Some((most, mean)) = number(0x55bc).zip(number(0x55bd)) {
        put_box(out, b"clli", |out| {
            out.extend_from_slice(&(most as u16).to_be_bytes());
            out.extend_from_slice(&(mean as u16).to_be_bytes());
        });
    }
}

/// ISO/IEC 14496-12, section 12.2.3.
pub(super) fn audio(kind: &Kind, channels: u16, rate: u32, config: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + config.len());
    put_box(&mut out, kind, |out| {
        put_u32s(out, &[0, 1, 0, 0]);
        out.extend_from_slice(&channels.to_be_bytes());
        out.extend_from_slice(&[0, 16, 0, 0, 0, 0]);
        // 16 bits before the point; a higher rate is told by the configuration alone.
        put_u32s(out, &[if rate > 0xffff { 0 } else { rate << 16 }]);
        out.extend_from_slice(config);
    });
    out
}

/// VP9 in ISO base media: `vpcC`, from the first frame's header and, for the level, from the
/// features that the track may list.
pub(super) fn vp9_config(entry: &Entry, first_frame: &[u8]) -> Vec<u8> {
    let frame = vp9::Colours::parse(first_frame).unwrap_or_default();
    let level =
        feature(&entry.private, 2).unwrap_or_else(|| vp9_level(entry.video.width, entry.video.height));
    let colour = entry.video.colour.as_deref().unwrap_or_default();
    let code = |id: u32, otherwise: u8| child(colour, id).map_or(otherwise, |body| unsigned(body) as u8);
    let (primaries, transfer, matrix) = frame.codes();
    let mut out = Vec::with_capacity(20);
    put_box(&mut out, b"vpcC", |out| {
        put_u32s(out, &[0x0100_0000]);
        out.extend_from_slice(&[
            frame.profile,
            level,
            frame.bit_depth << 4 | frame.subsampling << 1 | u8::from(frame.full_range),
            code(0x55bb, primaries),
            code(0x55ba, transfer),
            code(0x55b1, matrix),
            0,
            0,
        ]);
    });
    out
}

/// One of the features of VP9 in WebM: each is an id, a length and a value.
fn feature(mut private: &[u8], wanted: u8) -> Option<u8> {
    while let [id, length, rest @ ..] = private {
        if *id == wanted {
            return rest.first().copied().filter(|&value| *length == 1 && value > 0);
        }
        private = rest.get(usize::from(*length)..)?;
    }
    None
}

/// Opus in ISO base media, section 4.3.2: the same fields as in `OpusHead`, in the other byte order.
pub(super) fn opus_config(head: &[u8]) -> Option<Vec<u8>> {
    let fields = head.strip_prefix(b"OpusHead")?;
    let (&[_, channels, skip_low, skip_high, a, b, c, d, gain_low, gain_high, family], mapping) =
        fields.split_first_chunk::<11>()?;
    let mapping = mapping.get(..if family == 0 { 0 } else { 2 + usize::from(channels) })?;
    let mut body = vec![0, channels, skip_high, skip_low, d, c, b, a, gain_high, gain_low, family];
    body.extend_from_slice(mapping);
    Some(boxed(b"dOps", &body))
}

/// FLAC in ISO base media: `dfLa` with the first block of metadata, which describes the stream.
pub(super) fn flac_config(private: &[u8]) -> Option<Vec<u8>> {
    let block = flac_stream_info(private)?;
    // Marked as the last block, because the others are left out.
    Some(boxed(b"dfLa", &[&[0, 0, 0, 0, 0x80, 0, 0, block.len() as u8], block].concat()))
}

pub(super) fn flac_stream_info(private: &[u8]) -> Option<&[u8]> {
    let blocks = private.strip_prefix(b"fLaC").unwrap_or(private);
    let is_stream_info = blocks.first()? & 0x7f == 0;
    blocks.get(4..38).filter(|_| is_stream_info)
}

/// What an `esds` says of a stream.
#[derive(Clone, Copy)]
pub(super) struct Stream {
    pub(super) object_type: u8,
    pub(super) is_sound: bool,
}

pub(super) const AAC: Stream = Stream { object_type: 0x40, is_sound: true };

/// MPEG-4 systems (ISO/IEC 14496-1, section 7.2.6): descriptors in each other, of tag and length.
pub(super) fn esds(stream: Stream, specific: &[u8]) -> Vec<u8> {
    let descriptor = |tag: u8, body: &[u8]| {
        let length = body.len() as u32;
        let lengths = [21, 14, 7, 0].map(|shift| (length >> shift & 0x7f) as u8 | u8::from(shift > 0) << 7);
        [&[tag], &lengths[..], body].concat()
    };
    // No word on buffer and bit rates.
    let kind = if stream.is_sound { 0x15 } else { 0x11 };
    let specific = if specific.is_empty() { Vec::new() } else { descriptor(5, specific) };
    let config = [&[stream.object_type, kind][..], &[0; 11], &specific].concat();
    let stream = [&[0, 0, 0][..], &descriptor(4, &config), &descriptor(6, &[2])].concat();
    boxed(b"esds", &[&[0; 4][..], &descriptor(3, &stream)].concat())
}

#[cfg(test)]
mod tests {
    use super::put_colour;

    /// An element with an id of two bytes.
    fn element(id: u32, body: &[u8]) -> Vec<u8> {
        [&[(id >> 8) as u8, id as u8, 0x80 | body.len() as u8], body].concat()
    }

    #[test]
    fn what_a_picture_was_mastered_for_is_told_as_mp4_tells_it() {
        let floats = |ids: [u32; 10], values: [f64; 10]| -> Vec<u8> {
            ids.iter().zip(values).flat_map(|(&id, value)| element(id, &value.to_be_bytes())).collect()
        };
        let mastering = floats(
            [0x55d1, 0x55d2, 0x55d3, 0x55d4, 0x55d5, 0x55d6, 0x55d7, 0x55d8, 0x55d9, 0x55da],
            [0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329, 1000.0, 0.005],
        );
        let colour = [
            element(0x55bb, &[9]),
            element(0x55ba, &[16]),
            element(0x55b1, &[9]),
            element(0x55b9, &[2]),
            element(0x55bc, &[0x03, 0xe8]),
            element(0x55bd, &[0x01, 0x90]),
            element(0x55d0, &mastering),
        ];
        let mut out = Vec::new();
        put_colour(&mut out, &colour.concat());
        let mut expected =
            b"\x00\x00\x00\x13colrnclx\x00\x09\x00\x10\x00\x09\x80\x00\x00\x00\x20mdcv".to_vec();
        // Green, blue, red, white.
        for point in [13_250_u16, 34_500, 7_500, 3_000, 34_000, 16_000, 15_635, 16_450] {
            expected.extend_from_slice(&point.to_be_bytes());
        }
        expected.extend_from_slice(&10_000_000_u32.to_be_bytes());
        expected.extend_from_slice(&50_u32.to_be_bytes());
        expected.extend_from_slice(b"\x00\x00\x00\x0cclli\x03\xe8\x01\x90");
        assert_eq!(out, expected);
    }
}
