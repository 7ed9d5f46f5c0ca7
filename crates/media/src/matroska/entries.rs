//! Sample entries as MP4 has them, made from what Matroska tells of a codec.

use bytes::Bytes;

use crate::aac::AacConfig;
use crate::boxes::{BoxBytes, Kind};
use crate::codec::{Codec, Playable};
use crate::matroska::entry_boxes::{
    AAC, BIG_ENDIAN, FLOATING_POINT, Stream, audio, boxed, esds, flac_config, flac_stream_info, opus_config,
    pcm, pixel_shape, visual, vp9_config,
};
use crate::matroska::head::{Encoding, Entry};
use crate::{MediaError, TrackKind};

/// What a track's samples are. `first_frame` is the beginning of the track's first frame, where
/// that is known: VP9 tells only there what its colours are.
pub(crate) fn describe(entry: &Entry, first_frame: &[u8]) -> Result<Codec, MediaError> {
    let made = match entry.encoding {
        Encoding::Compressed => None,
        _ => sample_entry(entry, first_frame),
    };
    let mut codec = match made {
        Some(whole) => {
            let kind = [whole[4], whole[5], whole[6], whole[7]];
            let whole = Bytes::from(whole);
            let body = whole.slice(8..);
            Codec::parse(&BoxBytes { kind, whole, body }, entry.kind)?
        }
        None => other(entry),
    };
    codec.encrypted = entry.encoding == Encoding::Encrypted;
    Ok(codec)
}

/// `None` for codecs that segments do not carry.
fn sample_entry(entry: &Entry, first_frame: &[u8]) -> Option<Vec<u8>> {
    let private = entry.private.as_slice();
    let with_private = |kind: &Kind, config: &Kind| {
        let config = boxed(config, private);
        (private.len() > 4).then(|| visual(kind, &entry.video, &config))
    };
    match entry.codec_id.as_str() {
        "V_MPEG4/ISO/AVC" => with_private(b"avc1", b"avcC"),
        "V_MPEGH/ISO/HEVC" => with_private(b"hev1", b"hvcC"),
        "V_AV1" => with_private(b"av01", b"av1C").filter(|_| private[0] == 0x81),
        "V_VP9" => Some(visual(b"vp09", &entry.video, &vp9_config(entry, first_frame))),
        "A_OPUS" => opus_config(private).map(|config| audio(b"Opus", entry.channels, 48_000, &config)),
        "A_FLAC" => {
            flac_config(private).map(|config| audio(b"fLaC", entry.channels, entry.sample_rate, &config))
        }
        codec if codec.starts_with("A_AAC") => {
            let config = AacConfig::parse(private)?;
            Some(audio(b"mp4a", entry.channels, config.rate, &esds(AAC, private)))
        }
        _ => None,
    }
}

/// An entry that no player reads, but encoders do, for codecs that segments do not carry otherwise.
/// `None` where MP4 has no way to say it, or wants samples of another form.
fn fed_entry(entry: &Entry) -> Option<Vec<u8>> {
    let private = entry.private.as_slice();
    let visual = |kind: &Kind, config: &[u8]| Some(visual(kind, &entry.video, config));
    let plain = |kind: &Kind| Some(audio(kind, entry.channels, entry.sample_rate, &[]));
    let described = |object_type: u8| {
        let stream = Stream { object_type, is_sound: entry.kind == TrackKind::Audio };
        match entry.kind {
            TrackKind::Video => visual(b"mp4v", &esds(stream, private)),
            TrackKind::Audio => {
                Some(audio(b"mp4a", entry.channels, entry.sample_rate, &esds(stream, private)))
            }
        }
    };
    match entry.codec_id.as_str() {
        "V_MPEG1" => described(0x6a),
        "V_MPEG2" => described(0x61),
        "V_MPEG4/ISO/SP" | "V_MPEG4/ISO/ASP" | "V_MPEG4/ISO/AP" => described(0x20),
        "V_MJPEG" => visual(b"jpeg", &[]),
        "V_FFV1" => visual(b"FFV1", &boxed(b"glbl", private)),
        // The header of a Windows bitmap, which names the codec, and then what its decoder needs.
        "V_MS/VFW/FOURCC" => match private.get(16..20)? {
            b"XVID" | b"xvid" | b"DIVX" | b"divx" | b"DX50" | b"FMP4" | b"MP4V" | b"mp4v" => {
                let stream = Stream { object_type: 0x20, is_sound: false };
                visual(b"mp4v", &esds(stream, private.get(40..).unwrap_or_default()))
            }
            b"MJPG" | b"mjpg" => visual(b"jpeg", &[]),
            b"FFV1" => visual(b"FFV1", &boxed(b"glbl", private.get(40..)?)),
            _ => None,
        },
        "A_VORBIS" => described(0xdd),
        codec if codec.starts_with("A_MPEG/") => described(0x6b),
        codec if codec.starts_with("A_AC3") => plain(b"ac-3"),
        codec if codec.starts_with("A_EAC3") => plain(b"ec-3"),
        codec if codec.starts_with("A_DTS") => plain(b"dtsc"),
        "A_TRUEHD" => plain(b"mlpa"),
        "A_ALAC" => {
            let config = boxed(b"alac", &[&[0; 4], private].concat());
            Some(audio(b"alac", entry.channels, entry.sample_rate, &config))
        }
        "A_PCM/INT/LIT" => pcm(entry, 0),
        "A_PCM/INT/BIG" => pcm(entry, BIG_ENDIAN),
        "A_PCM/FLOAT/IEEE" => pcm(entry, FLOATING_POINT),
        _ => None,
    }
}

/// Codecs that play from the original, or nowhere.
fn other(entry: &Entry) -> Codec {
    let (title, playable) = match entry.codec_id.as_str() {
        "V_VP8" => ("VP8", Playable::InOriginal),
        "V_VP9" => ("VP9", Playable::InOriginal),
        "V_AV1" => ("AV1", Playable::InOriginal),
        "V_MPEG4/ISO/AVC" => ("H.264", Playable::InOriginal),
        "V_MPEGH/ISO/HEVC" => ("HEVC", Playable::Nowhere),
        "V_MPEG1" | "V_MPEG2" => ("MPEG-2", Playable::Nowhere),
        "V_MPEG4/ISO/SP" | "V_MPEG4/ISO/ASP" | "V_MPEG4/ISO/AP" => ("MPEG-4 Visual", Playable::Nowhere),
        "V_PRORES" => ("ProRes", Playable::Nowhere),
        "V_MS/VFW/FOURCC" => ("a codec of old AVI files", Playable::Nowhere),
        "V_THEORA" => ("Theora", Playable::Nowhere),
        "V_FFV1" => ("FFV1", Playable::Nowhere),
        "A_OPUS" => ("Opus", Playable::InOriginal),
        "A_VORBIS" => ("Vorbis", Playable::InOriginal),
        "A_FLAC" => ("FLAC", Playable::InOriginal),
        "A_MPEG/L3" => ("MP3", Playable::InOriginal),
        "A_PCM/INT/LIT" => ("PCM", Playable::InOriginal),
        codec if codec.starts_with("A_AAC") => ("AAC", Playable::InOriginal),
        codec if codec.starts_with("A_AC3") => ("AC-3", Playable::Nowhere),
        codec if codec.starts_with("A_EAC3") => ("E-AC-3", Playable::Nowhere),
        codec if codec.starts_with("A_DTS") => ("DTS", Playable::Nowhere),
        "A_TRUEHD" => ("TrueHD", Playable::Nowhere),
        codec if codec.starts_with("A_PCM") => ("PCM", Playable::Nowhere),
        codec if codec.starts_with("A_MPEG") => ("MPEG audio", Playable::Nowhere),
        "A_ALAC" => ("Apple Lossless", Playable::Nowhere),
        "V_MJPEG" => ("Motion JPEG", Playable::Nowhere),
        _ if entry.kind == TrackKind::Video => ("an unknown video codec", Playable::Nowhere),
        _ => ("an unknown audio codec", Playable::Nowhere),
    };
    let fed = if entry.encoding == Encoding::Plain { fed_entry(entry) } else { None };
    Codec {
        name: entry.codec_id.clone(),
        title,
        playable,
        feeds: fed.is_some(),
        better_encoded: false,
        may_be_interlaced: entry.kind == TrackKind::Video,
        encrypted: false,
        entry: fed.unwrap_or_default(),
        width: entry.video.width,
        height: entry.video.height,
        transfer: None,
        pixel_shape: pixel_shape(&entry.video),
        sample_rate: entry.sample_rate,
        channels: entry.channels,
        avcc: None,
        silence: None,
    }
}

/// The clock of a sound track: samples a second, and samples in each frame where all have as many.
pub(crate) fn sound_clock(entry: &Entry) -> (u32, Option<u32>) {
    let plain = (entry.sample_rate.max(1), None);
    match entry.codec_id.as_str() {
        "A_OPUS" => (48_000, None),
        "A_FLAC" => match flac_stream_info(&entry.private) {
            Some(&[a, b, c, d, ..]) if (a, b) == (c, d) => {
                (plain.0, Some(u16::from_be_bytes([a, b]).into()).filter(|&samples| samples > 0))
            }
            _ => plain,
        },
        codec if codec.starts_with("A_AAC") => {
            AacConfig::parse(&entry.private).map_or(plain, |config| (config.rate, Some(config.frame_samples)))
        }
        _ => plain,
    }
}

/// Samples in a packet of Opus (RFC 6716, section 3.1), at 48 kHz.
pub(crate) fn opus_samples(packet: &[u8]) -> Option<u32> {
    let code = *packet.first()?;
    let frame = match code >> 3 {
        silk @ 0..=11 => [480, 960, 1920, 2880][usize::from(silk & 3)],
        hybrid @ 12..=15 => [480, 960][usize::from(hybrid & 1)],
        celt => 120 << (celt & 3),
    };
    let frames = match code & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    Some(frame * frames).filter(|samples| (1..=5760).contains(samples))
}

#[cfg(test)]
mod tests {
    use super::opus_samples;

    #[test]
    fn a_packet_of_opus_tells_how_long_it_is() {
        // One CELT frame of 20 ms, two of 2.5, three hybrid of 10, and more than a packet may have.
        assert_eq!(opus_samples(&[31 << 3]), Some(960));
        assert_eq!(opus_samples(&[16 << 3 | 1]), Some(240));
        assert_eq!(opus_samples(&[14 << 3 | 3, 3]), Some(1440));
        assert_eq!(opus_samples(&[31 << 3 | 3, 63]), None);
        assert_eq!(opus_samples(&[]), None);
    }
}
