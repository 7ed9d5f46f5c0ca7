//! Descriptions of pictures.

use bytes::Bytes;
use mp4_atom::{Av1c, Avcc, Decode, Esds, Hvcc, VpcC};

use super::{Codec, Playable, four_letters, is_encrypted, unreadable};
use crate::MediaError;
use crate::boxes::{BoxBytes, Kind, be_u16, be_u32, boxes, find, put_box};
use crate::h264::H264;

/// Bytes before the boxes of a visual sample entry, box header included.
const VISUAL_ENTRY_BYTES: usize = 86;

pub(super) fn parse(entry: &BoxBytes) -> Result<Codec, MediaError> {
    if entry.whole.len() < VISUAL_ENTRY_BYTES {
        return Err(unreadable("picture"));
    }
    let extensions = entry.whole.slice(VISUAL_ENTRY_BYTES..);
    let (width, height) = (be_u16(&entry.whole, 32).into(), be_u16(&entry.whole, 34).into());
    let config = |kind: &Kind| find(&extensions, kind)?.ok_or_else(|| unreadable("picture"));
    let mut kind = entry.kind;
    let mut avcc = None;
    let (mut may_be_interlaced, mut better_encoded) = (false, false);
    let (title, playable, name) = match &entry.kind {
        b"avc1" | b"avc2" | b"avc3" | b"avc4" => {
            let found = config(b"avcC")?;
            let parsed = Avcc::decode(&mut &found.whole[..]).map_err(|_| unreadable("picture"))?;
            let name = format!("{}.{}", four_letters(kind), hex(found.body.get(1..4).unwrap_or_default()));
            let stream = H264::of(&parsed);
            avcc = Some(parsed);
            (may_be_interlaced, better_encoded) = (stream.may_be_interlaced, !stream.plays());
            (stream.title(), Playable::Streamed, name)
        }
        b"hvc1" | b"hev1" => {
            let found = config(b"hvcC")?;
            let hvcc = Hvcc::decode(&mut &found.whole[..]).map_err(|_| unreadable("picture"))?;
            // Apple plays hvc1 only. The two differ in whether parameter sets may also stand in
            // the stream; when the description has them all, the streams are the same.
            let has = |nal: u8| hvcc.arrays.iter().any(|a| a.nal_unit_type == nal && !a.nalus.is_empty());
            if has(32) && has(33) && has(34) {
                kind = *b"hvc1";
            }
            ("HEVC", Playable::Streamed, hevc_name(kind, &hvcc))
        }
        b"av01" => {
            let found = config(b"av1C")?;
            let av1c = Av1c::decode(&mut &found.whole[..]).map_err(|_| unreadable("picture"))?;
            ("AV1", Playable::Streamed, av1_name(&av1c))
        }
        b"vp09" => {
            let found = config(b"vpcC")?;
            let vpcc = VpcC::decode(&mut &found.whole[..]).map_err(|_| unreadable("picture"))?;
            ("VP9", Playable::Streamed, vp9_name(&vpcc, width, height))
        }
        _ => {
            may_be_interlaced = true;
            (other_picture(entry, &extensions), Playable::Nowhere, four_letters(kind))
        }
    };
    Ok(Codec {
        name,
        title,
        playable,
        feeds: !matches!(title, UNKNOWN_PICTURE | "Dolby Vision"),
        better_encoded,
        may_be_interlaced,
        encrypted: entry.kind == *b"encv" || is_encrypted(&extensions),
        entry: visual_entry(entry, kind, &extensions),
        width,
        height,
        transfer: transfer(&extensions),
        pixel_shape: pixel_shape(&extensions),
        sample_rate: 0,
        channels: 0,
        avcc,
        silence: None,
    })
}

const UNKNOWN_PICTURE: &str = "an unknown video codec";

/// What pictures are called that no browser plays.
fn other_picture(entry: &BoxBytes, extensions: &Bytes) -> &'static str {
    match &entry.kind {
        b"mp4v" => match object_type(extensions) {
            Some(0x60..=0x65) => "MPEG-2",
            Some(0x6a) => "MPEG-1",
            _ => "MPEG-4 Visual",
        },
        b"m2v1" | b"mp2v" | b"hdv1" | b"hdv2" | b"hdv3" | b"hdv4" | b"hdv5" | b"hdv6" | b"hdv7" | b"hdv8"
        | b"hdv9" => "MPEG-2",
        // XDCAM and IMX, by rate and size.
        [b'x', b'd', b'v', _] | [b'x', b'd', b'5', _] | [b'm', b'x', b'3' | b'4' | b'5', b'n' | b'p'] => {
            "MPEG-2"
        }
        b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" | b"ap4x" => "ProRes",
        b"jpeg" | b"mjpa" | b"mjpb" | b"MJPG" | b"AVDJ" => "Motion JPEG",
        b"dvc " | b"dvcp" | b"dvpp" | b"dv5n" | b"dv5p" | b"dvh2" | b"dvh3" | b"dvh5" | b"dvh6" | b"dvhp"
        | b"dvhq" => "DV",
        b"AVdn" | b"AVdh" => "DNxHD",
        b"vc-1" => "VC-1",
        b"XVID" | b"DIVX" | b"DX50" | b"3IV2" => "MPEG-4 Visual",
        b"CFHD" => "CineForm",
        b"FFV1" => "FFV1",
        b"png " => "PNG",
        b"SVQ3" | b"SVQ1" => "Sorenson Video",
        b"2vuy" | b"v210" | b"yuv2" | b"raw " => "uncompressed",
        b"dvh1" | b"dvhe" => "Dolby Vision",
        b"vp08" => "VP8",
        b"s263" | b"h263" => "H.263",
        _ => UNKNOWN_PICTURE,
    }
}

/// The kind of stream that an `esds` describes.
fn object_type(extensions: &Bytes) -> Option<u8> {
    let esds = find(extensions, b"esds").ok().flatten()?;
    Esds::decode(&mut &esds.whole[..]).ok().map(|esds| esds.es_desc.dec_config.object_type_indication)
}

/// The entry as it is, but for its kind, and without the terminator of QuickTime, at which strict
/// readers stop.
fn visual_entry(entry: &BoxBytes, kind: Kind, extensions: &Bytes) -> Vec<u8> {
    let length: usize = boxes(extensions).map_while(Result::ok).map(|found| found.whole.len()).sum();
    let mut out = Vec::with_capacity(entry.whole.len());
    put_box(&mut out, &kind, |out| {
        out.extend_from_slice(&entry.whole[8..VISUAL_ENTRY_BYTES]);
        out.extend_from_slice(&extensions[..length]);
    });
    out
}

fn transfer(extensions: &Bytes) -> Option<u16> {
    let mut found = boxes(extensions).map_while(Result::ok);
    let colour = found.find(|found| &found.kind == b"colr" && found.body.starts_with(b"ncl"))?;
    Some(be_u16(&colour.body, 6))
}

fn pixel_shape(extensions: &Bytes) -> Option<(u32, u32)> {
    let found = boxes(extensions).map_while(Result::ok).find(|found| &found.kind == b"pasp")?;
    let (across, down) = (be_u32(&found.body, 0), be_u32(&found.body, 4));
    (across > 0 && down > 0 && across != down).then_some((across, down))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// ISO/IEC 14496-15, annex E.3.
fn hevc_name(kind: Kind, hvcc: &Hvcc) -> String {
    let space = ["", "A", "B", "C"][usize::from(hvcc.general_profile_space & 3)];
    let compatibility = u32::from_be_bytes(hvcc.general_profile_compatibility_flags).reverse_bits();
    let tier = if hvcc.general_tier_flag { 'H' } else { 'L' };
    let mut name = format!(
        "{}.{space}{}.{compatibility:X}.{tier}{}",
        four_letters(kind),
        hvcc.general_profile_idc,
        hvcc.general_level_idc
    );
    let constraints = hvcc.general_constraint_indicator_flags;
    let written = constraints.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    constraints[..written].iter().for_each(|byte| name.push_str(&format!(".{byte:X}")));
    name
}

/// AV1 in ISO base media, section 5.
fn av1_name(av1c: &Av1c) -> String {
    let depth = match (av1c.high_bitdepth, av1c.twelve_bit) {
        (true, true) => 12,
        (true, false) => 10,
        _ => 8,
    };
    let tier = if av1c.seq_tier_0 { 'H' } else { 'M' };
    format!("av01.{}.{:02}{tier}.{depth:02}", av1c.seq_profile, av1c.seq_level_idx_0)
}

/// VP9 in ISO base media. Writers that do not know the level leave 0, which players reject.
fn vp9_name(vpcc: &VpcC, width: u32, height: u32) -> String {
    let level = if vpcc.level == 0 { vp9_level(width, height) } else { vpcc.level };
    format!("vp09.{:02}.{level:02}.{:02}", vpcc.profile, vpcc.bit_depth)
}

/// The lowest level that takes pictures of a size.
pub(crate) fn vp9_level(width: u32, height: u32) -> u8 {
    const LARGEST: [(u64, u8); 8] = [
        (36_864, 10),
        (73_728, 11),
        (122_880, 20),
        (245_760, 21),
        (552_960, 30),
        (983_040, 31),
        (2_228_224, 41),
        (8_912_896, 51),
    ];
    let pixels = u64::from(width) * u64::from(height);
    LARGEST.into_iter().find(|&(most, _)| pixels <= most).map_or(61, |(_, level)| level)
}
