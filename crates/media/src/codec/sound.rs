//! Descriptions of sound.

use bytes::Bytes;
use mp4_atom::{Decode, Esds};

use super::{Codec, Playable, Silence, four_letters, is_encrypted, unreadable};
use crate::MediaError;
use crate::aac::AacConfig;
use crate::boxes::{BoxBytes, be_u16, be_u32, find, put_box};

/// Bytes before the boxes of an audio sample entry, box header included.
const AUDIO_ENTRY_BYTES: usize = 36;

pub(super) fn parse(entry: &BoxBytes) -> Result<Codec, MediaError> {
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
