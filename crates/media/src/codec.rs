//! Sample descriptions: which codec a track has, what players call it, and whether they take it.

mod picture;
mod sound;

use bytes::Bytes;
use mp4_atom::Avcc;

use crate::boxes::{BoxBytes, Kind, boxes};
use crate::{MediaError, TrackKind};

pub(crate) use picture::vp9_level;
pub(crate) use sound::pcm_frame_bytes;

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

impl Codec {
    /// Reads a sample entry. Entries that are too short to be one are an error; codecs that nobody
    /// knows are not.
    pub(crate) fn parse(entry: &BoxBytes, kind: TrackKind) -> Result<Self, MediaError> {
        match kind {
            TrackKind::Video => picture::parse(entry),
            TrackKind::Audio => sound::parse(entry),
        }
    }
}

fn unreadable(what: &str) -> MediaError {
    MediaError::bad(format!("The file is damaged: its description of the {what} is unreadable."))
}

fn four_letters(kind: Kind) -> String {
    kind.iter().map(|&byte| if byte.is_ascii_graphic() { byte as char } else { '?' }).collect()
}

fn is_encrypted(extensions: &Bytes) -> bool {
    boxes(extensions).map_while(Result::ok).any(|found| &found.kind == b"sinf")
}
