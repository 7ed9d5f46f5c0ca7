//! Sample descriptions: which codec a track has, what players call it, and whether they take it.

use bytes::Bytes;
use mp4_atom::{Av1c, Avcc, Decode, Esds, Hvcc, VpcC};

use crate::aac::AacConfig;
use crate::boxes::{BoxBytes, Kind, be_u16, be_u32, boxes, find, put_box};
use crate::h264::H264;
use crate::{MediaError, TrackKind};

/// What browsers do with a codec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Playable {
    /// It plays from segments.
    Streamed,
    /// It plays from the original file only.
    InOriginal,
    /// It does not play.
    Nowhere,
}

/// The description of a track's samples.
#[derive(Debug, Clone)]
pub(crate) struct Codec {
    /// As in RFC 6381.
    pub(crate) name: String,
    /// What a publisher calls it.
    pub(crate) title: &'static str,
    pub(crate) playable: Playable,
    /// An encoder understands its samples by `entry`.
    pub(crate) feeds: bool,
    /// It streams, but only some browsers show it, or not as it was meant.
    pub(crate) better_encoded: bool,
    /// Its pictures may be woven of two fields, so that an encoder has to look.
    pub(crate) may_be_interlaced: bool,
    /// Its samples are encrypted.
    pub(crate) encrypted: bool,
    /// The sample entry to write: the source's own bytes, unless browsers reject their form.
    pub(crate) entry: Vec<u8>,
    /// Coded size in pixels, for video.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// The brightness that samples stand for, by its code in ISO/IEC 23091-2, where that is told.
    pub(crate) transfer: Option<u16>,
    /// The sides of a pixel, across and down, where they differ.
    pub(crate) pixel_shape: Option<(u32, u32)>,
    /// For audio.
    pub(crate) sample_rate: u32,
    pub(crate) channels: u16,
    /// For H.264, to decode stills.
    pub(crate) avcc: Option<Avcc>,
    /// An encoded frame of silence, where one is known for this configuration.
    pub(crate) silence: Option<Silence>,
}

/// A frame that decodes to silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Silence {
    pub(crate) frame: &'static [u8],
    /// Audio samples in it, at `rate` a second.
    pub(crate) samples: u32,
    pub(crate) rate: u32,
}

/// Bytes before the boxes of a visual sample entry, box header included.
const VISUAL_ENTRY_BYTES: usize = 86;
/// The same of an audio sample entry.
const AUDIO_ENTRY_BYTES: usize = 36;

impl Codec {
    /// Reads a sample entry. Entries that are too short to be one are an error; codecs that nobody
    /// knows are not.
    pub(crate) fn parse(entry: &BoxBytes, kind: TrackKind) -> Result<Self, MediaError> {
        match kind {
            TrackKind::Video => parse_video(entry),
            TrackKind::Audio => parse_audio(entry),
        }
    }
}

fn unreadable(what: &str) -> MediaError {
    MediaError::bad(format!("The file is damaged: its description of the {what} is unreadable."))
}

fn four_letters(kind: Kind) -> String {
    kind.iter().map(|&byte| if byte.is_ascii_graphic() { byte as char } else { '?' }).collect()
}

fn parse_video(entry: &BoxBytes) -> Result<Codec, MediaError> {
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

fn is_encrypted(extensions: &Bytes) -> bool {
    boxes(extensions).map_while(Result::ok).any(|found| &found.kind == b"sinf")
}

fn parse_audio(entry: &BoxBytes) -> Result<Codec, MediaError> {
    let bytes = &entry.whole;
    if bytes.len() < AUDIO_ENTRY_BYTES {
        return Err(unreadable("sound"));
    }
    // Versions 1 and 2 are QuickTime's; they carry more fields before the boxes.
    let version = be_u16(bytes, 16);
    let (extensions, channels, sample_rate) = match version {
        2 => (72, be_u32(bytes, 48) as u16, f64::from_bits(crate::boxes::be_u64(bytes, 40)) as u32),
        1 => (52, be_u16(bytes, 24), be_u32(bytes, 32) >> 16),
        _ => (AUDIO_ENTRY_BYTES, be_u16(bytes, 24), be_u32(bytes, 32) >> 16),
    };
    let extensions = bytes.slice(extensions.min(bytes.len())..);
    let mut codec = Codec {
        name: four_letters(entry.kind),
        title: UNKNOWN_SOUND,
        playable: Playable::Nowhere,
        feeds: false,
        better_encoded: false,
        may_be_interlaced: false,
        encrypted: entry.kind == *b"enca" || is_encrypted(&extensions),
        entry: bytes.to_vec(),
        width: 0,
        height: 0,
        transfer: None,
        pixel_shape: None,
        sample_rate,
        channels,
        avcc: None,
        silence: None,
    };
    match &entry.kind {
        b"mp4a" => parse_mp4a(&mut codec, version, &extensions)?,
        b"Opus" => {
            (codec.name, codec.title, codec.playable) = ("opus".into(), "Opus", Playable::Streamed);
            // A code byte (CELT, full band, 20 ms, one frame) and a frame of nothing.
            let frame: &[u8] = if channels == 1 { &[0xf8, 0xff, 0xfe] } else { &[0xfc, 0xff, 0xfe] };
            codec.silence = (channels <= 2).then_some(Silence { frame, samples: 960, rate: 48_000 });
        }
        b"fLaC" => {
            (codec.name, codec.title, codec.playable) = ("fLaC".into(), "FLAC", Playable::Streamed);
            // The entry has no room for high rates; the stream's own description has.
            let config = find(&extensions, b"dfLa").ok().flatten();
            let rate = config.map_or(0, |config| be_u32(&config.body, 18) >> 12);
            codec.sample_rate = if rate > 0 { rate } else { codec.sample_rate };
        }
        b".mp3" => (codec.title, codec.playable) = ("MP3", Playable::InOriginal),
        b"sowt" | b"twos" | b"in24" | b"in32" | b"fl32" | b"fl64" | b"lpcm" | b"raw " | b"ipcm" | b"fpcm" => {
            (codec.title, codec.playable) = ("PCM", Playable::InOriginal);
        }
        b"ulaw" | b"alaw" => (codec.title, codec.playable) = ("G.711", Playable::InOriginal),
        b"ac-3" => codec.title = "AC-3",
        b"ec-3" => codec.title = "E-AC-3",
        b"dtsc" | b"dtsh" | b"dtsl" | b"dtse" => codec.title = "DTS",
        b"alac" => codec.title = "Apple Lossless",
        b"samr" | b"sawb" => codec.title = "AMR",
        b"apac" => codec.title = "Apple Positional Audio",
        b"mlpa" => codec.title = "TrueHD",
        _ => {}
    }
    codec.feeds = !matches!(codec.title, UNKNOWN_SOUND | "Apple Positional Audio");
    Ok(codec)
}

const UNKNOWN_SOUND: &str = "an unknown audio codec";

/// The bytes of one instant of sound that isn't compressed; `None` for any other.
pub(crate) fn pcm_frame_bytes(entry: &BoxBytes) -> Option<u32> {
    let bytes = &entry.whole;
    let (version, channels, bits) = (be_u16(bytes, 16), u32::from(be_u16(bytes, 24)), be_u16(bytes, 26));
    let each = match &entry.kind {
        b"lpcm" if version == 2 => return Some(be_u32(bytes, 64)).filter(|&bytes| bytes > 0),
        b"sowt" | b"twos" | b"raw " | b"lpcm" | b"ipcm" | b"fpcm" => u32::from(bits.div_ceil(8)),
        b"ulaw" | b"alaw" => 1,
        b"in24" => 3,
        b"in32" | b"fl32" => 4,
        b"fl64" => 8,
        _ => return None,
    };
    // QuickTime's version 1 tells it outright, and may say that a sample has 16 bits whatever it has.
    let told = if version == 1 { be_u32(bytes, 44) } else { 0 };
    Some(if told > 0 { told } else { each.checked_mul(channels)? }).filter(|&bytes| bytes > 0)
}

fn parse_mp4a(codec: &mut Codec, version: u16, extensions: &Bytes) -> Result<(), MediaError> {
    let wave = find(extensions, b"wave").ok().flatten();
    let (esds, in_wave) = match (find(extensions, b"esds"), wave) {
        (Ok(Some(esds)), _) => (Some(esds), false),
        (_, Some(wave)) => (find(&wave.body, b"esds")?, true),
        _ => (None, false),
    };
    let esds = esds.ok_or_else(|| unreadable("sound"))?;
    let config = Esds::decode(&mut &esds.whole[..]).map_err(|_| unreadable("sound"))?.es_desc.dec_config;
    match config.object_type_indication {
        0x40 | 0x66..=0x68 => {
            let specific = config.dec_specific.map(|specific| specific.raw).unwrap_or_default();
            let specific = AacConfig::parse(&specific);
            codec.name = format!("mp4a.40.{}", specific.map_or(2, |config| config.object_type));
            (codec.title, codec.playable) = ("AAC", Playable::Streamed);
            if let Some(config) = specific {
                // The entry has no room for high rates, and many writers put 2 for any channels.
                codec.sample_rate = config.rate;
                codec.channels = if config.channels > 0 { config.channels } else { codec.channels };
                codec.silence = aac_silence(&config);
            }
        }
        0x69 | 0x6b => {
            codec.name = format!("mp4a.{:02x}", config.object_type_indication);
            (codec.title, codec.playable) = ("MP3", Playable::InOriginal);
        }
        0xa5 => codec.title = "AC-3",
        0xa6 => codec.title = "E-AC-3",
        0xa9 => codec.title = "DTS",
        0xdd => codec.title = "Vorbis",
        other => codec.name = format!("mp4a.{other:02x}"),
    }
    if version != 0 || in_wave {
        // The form that all players read: version 0 with the esds right in the entry.
        let (channels, rate) = (codec.channels, codec.sample_rate);
        let source = std::mem::take(&mut codec.entry);
        put_box(&mut codec.entry, b"mp4a", |out| {
            out.extend_from_slice(&source[8..16]);
            out.extend_from_slice(&[0; 8]);
            out.extend_from_slice(&channels.to_be_bytes());
            out.extend_from_slice(&[0, 16, 0, 0, 0, 0]);
            out.extend_from_slice(&(if rate > 0xffff { 0 } else { rate } << 16).to_be_bytes());
            out.extend_from_slice(&esds.whole);
        });
    }
    Ok(())
}

/// A frame of nothing in AAC-LC is the same for every sample rate; it depends on the channels, and
/// on frames having 1024 samples.
fn aac_silence(config: &AacConfig) -> Option<Silence> {
    if config.object_type != 2 || config.frame_samples != 1024 {
        return None;
    }
    let frame: &[u8] = match config.channels {
        1 => &[0x00, 0xc8, 0x00, 0x80, 0x23, 0x80],
        2 => &[0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80],
        _ => return None,
    };
    Some(Silence { frame, samples: 1024, rate: config.rate })
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
