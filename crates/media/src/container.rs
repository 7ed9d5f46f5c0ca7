use serde::{Deserialize, Serialize};

/// What a file is, by its first bytes. Its name and declared content type are never asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Container {
    /// ISO base media: mp4, m4a, m4v, 3gp, fragmented or not.
    Mp4,
    /// Apple's ancestor of MP4, with its own sample entries.
    QuickTime,
    /// Matroska with any codecs.
    Matroska,
    /// The subset of Matroska that browsers play.
    WebM,
    /// MPEG transport stream, with or without the time stamps of a Blu-ray.
    MpegTs,
    /// MPEG program stream (DVD).
    MpegPs,
    /// Audio Video Interleave.
    Avi,
    /// Ogg with Theora, Vorbis or Opus.
    Ogg,
    /// Flash video.
    Flv,
    /// Windows Media.
    Asf,
    /// MPEG audio without a container.
    Mp3,
    /// AAC with ADTS headers.
    Adts,
    /// Free lossless audio without a container.
    Flac,
    /// RIFF wave audio.
    Wav,
}

impl Container {
    /// What a publisher calls it.
    pub fn name(self) -> &'static str {
        match self {
            Container::Mp4 => "MP4",
            Container::QuickTime => "QuickTime",
            Container::Matroska => "Matroska",
            Container::WebM => "WebM",
            Container::MpegTs => "MPEG-TS",
            Container::MpegPs => "MPEG-PS",
            Container::Avi => "AVI",
            Container::Ogg => "Ogg",
            Container::Flv => "Flash video",
            Container::Asf => "Windows Media",
            Container::Mp3 => "MP3",
            Container::Adts => "AAC",
            Container::Flac => "FLAC",
            Container::Wav => "WAV",
        }
    }

    /// It holds sound and nothing else.
    pub(crate) fn is_sound_only(self) -> bool {
        matches!(self, Container::Mp3 | Container::Adts | Container::Flac | Container::Wav)
    }
}

/// Recognises the container from the beginning of a file; 4 KiB are plenty, 400 bytes enough for
/// all but a transport stream. `None` means that this is nothing that could hold a film.
pub fn sniff(head: &[u8]) -> Option<Container> {
    let at = |offset: usize, magic: &[u8]| head.get(offset..offset + magic.len()) == Some(magic);
    if at(4, b"ftyp") {
        return Some(if at(8, b"qt  ") { Container::QuickTime } else { Container::Mp4 });
    }
    if at(0, &[0x1a, 0x45, 0xdf, 0xa3]) {
        return Some(if doc_type_is_webm(head) { Container::WebM } else { Container::Matroska });
    }
    if at(0, b"RIFF") && at(8, b"AVI ") {
        return Some(Container::Avi);
    }
    if at(0, b"RIFF") && at(8, b"WAVE") {
        return Some(Container::Wav);
    }
    for (magic, container) in [
        (&b"OggS"[..], Container::Ogg),
        (b"FLV\x01", Container::Flv),
        (b"fLaC", Container::Flac),
        (b"ID3", Container::Mp3),
        (&[0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11], Container::Asf),
        (&[0, 0, 1, 0xba], Container::MpegPs),
    ] {
        if at(0, magic) {
            return Some(container);
        }
    }
    if is_transport_stream(head, 0, 188) || is_transport_stream(head, 4, 192) {
        return Some(Container::MpegTs);
    }
    if starts_with_quicktime_atom(head) {
        return Some(Container::QuickTime);
    }
    // A sync word of twelve bits is weak evidence, so it comes last and the reserved values that no
    // encoder writes are excluded.
    match head {
        [0xff, second, ..] if second & 0xf6 == 0xf0 => Some(Container::Adts),
        [0xff, second, third, ..]
            if second & 0xe0 == 0xe0
                && second & 0x18 != 0x08
                && second & 0x06 != 0
                && third & 0xf0 != 0xf0
                && third & 0x0c != 0x0c =>
        {
            Some(Container::Mp3)
        }
        _ => None,
    }
}

/// Packets start with 0x47 at a fixed distance. A file shorter than the probe counts when every
/// packet that it has agrees, from two on.
fn is_transport_stream(head: &[u8], first: usize, distance: usize) -> bool {
    let mut packets = head.iter().skip(first).step_by(distance).take(5);
    packets.len() >= 2 && packets.all(|&byte| byte == 0x47)
}

/// QuickTime files from before 2001 have no `ftyp`: they begin with one of these atoms.
fn starts_with_quicktime_atom(head: &[u8]) -> bool {
    let (Some(size), Some(kind)) = (head.get(..4), head.get(4..8)) else { return false };
    let size = u32::from_be_bytes([size[0], size[1], size[2], size[3]]);
    (size <= 1 || size >= 8) && [&b"moov"[..], b"mdat", b"wide", b"free", b"skip", b"pnot"].contains(&kind)
}

/// The DocType element (0x4282) stands in the EBML header, within the first hundred bytes or so.
fn doc_type_is_webm(head: &[u8]) -> bool {
    let header = &head[..head.len().min(128)];
    header.windows(7).any(|bytes| bytes[..2] == [0x42, 0x82] && &bytes[3..] == b"webm")
}
