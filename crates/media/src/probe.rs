use serde::{Deserialize, Serialize};

use crate::Container;

/// What a file holds, as far as it is known without decoding it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// What the file is.
    pub container: Container,
    /// From the first to the end of the last sample that is shown. Absent where a recording does
    /// not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The video and audio tracks, in the file's order.
    pub tracks: Vec<TrackProbe>,
    /// The text tracks, in the file's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subtitles: Vec<SubtitleProbe>,
}

impl Probe {
    /// A file is as long as its longest track.
    pub(crate) fn of(container: Container, tracks: Vec<TrackProbe>) -> Self {
        let duration_ms = tracks.iter().filter_map(|track| track.duration_ms).max();
        Self { container, duration_ms, tracks, subtitles: Vec::new() }
    }

    /// The first video track: the one that is shown.
    pub fn video(&self) -> Option<&TrackProbe> {
        self.tracks.iter().find(|track| track.kind == TrackKind::Video)
    }

    /// Width and height as the viewer sees them, after rotation.
    pub fn shown_size(&self) -> Option<(u32, u32)> {
        let video = self.video()?;
        let (width, height) = (video.width?, video.height?);
        let turned = matches!(video.rotation, Some(90 | 270));
        Some(if turned { (height, width) } else { (width, height) })
    }
}

/// What a track carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrackKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// What is done with a track, so that it plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Becomes {
    /// It is carried over bit for bit.
    Copied,
    /// Browsers don't play it: pictures become H.264, sound becomes AAC.
    Encoded,
    /// It is carried over for the browsers that play it, and encoded for the others.
    CopiedAndEncoded,
    /// It plays from the original file.
    Original,
    /// It is not shown.
    LeftOut,
}

/// One track of a file. Fields that the file does not tell, or that its kind has not, are absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackProbe {
    /// Picture or sound.
    pub kind: TrackKind,
    /// As in RFC 6381 (`avc1.64001f`), or the file's own code where that has no entry.
    pub codec: String,
    /// What a publisher calls the codec.
    pub title: String,
    /// What is done with it where there is an encoder. Without one, it is [`Movie::treatment`] that
    /// says what becomes of the file.
    ///
    /// [`Movie::treatment`]: crate::Movie::treatment
    pub becomes: Becomes,
    /// Its own length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Displayed width in pixels, before the rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Displayed height in pixels, before the rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Clockwise degrees by which players turn the picture: 0, 90, 180 or 270.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<u16>,
    /// Frames a second, the mean where it varies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<f64>,
    /// Samples a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
    /// Channels of sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u16>,
    /// ISO 639-2, or a tag of BCP 47 where the file has one; absent when undetermined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Mean bits a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bit_rate: Option<u64>,
}

/// A track of text, or of pictures of text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubtitleProbe {
    /// The file's own code: `tx3g`, `S_TEXT/UTF8`.
    pub codec: String,
    /// ISO 639-2, absent when undetermined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What its author calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// To be shown unless the viewer wants otherwise.
    pub default: bool,
    /// Only what those need who understand the language that is spoken.
    pub forced: bool,
    /// Why it is left out: a sentence for its publisher. Absent for a track that becomes WebVTT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}
