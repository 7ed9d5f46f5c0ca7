//! Subtitles: text tracks of all forms become WebVTT, one file per track.
//!
//! Their text comes from strangers and ends in a browser, so nothing of it is passed on as markup: each
//! form is read to plain words with italics, bold and underline, and written anew.

mod ass;
mod markup;
mod mp4;
mod srt;
mod track;
mod webvtt;

use std::fmt::Write;
use std::ops::Range;

use bytes::Bytes;

use crate::Manifest;
use crate::manifest::language_tag;
use crate::text::markup::Markup;
pub(crate) use crate::text::track::{Budget, Cues, MOST_CUE_BYTES, TextTrack, described, parse_text_track};

/// How a track writes its cues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// 3GPP timed text, which QuickTime calls subtitles; with the style where a cue tells none.
    Tx3g { plain: Style },
    /// WebVTT in MP4.
    Wvtt,
    /// SubRip in Matroska.
    Srt,
    /// SubStation Alpha in Matroska.
    Ass,
    /// WebVTT in Matroska: the words.
    WebVtt,
    /// WebVTT in WebM: identifier, settings and words, each on a line of its own.
    WebM,
}

/// The few styles that are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) italic: bool,
    pub(crate) bold: bool,
    pub(crate) underline: bool,
}

/// Where the text of a cue is.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Held(Bytes),
    /// A range of the source.
    In(Range<u64>),
}

/// The end of a text whose track does not tell it: the next text, but not later than some seconds on.
pub(crate) const UNTOLD: i64 = i64::MAX;
const LONGEST_UNTOLD_MS: i64 = 5_000;

/// A text with its time.
#[derive(Debug, Clone)]
pub(crate) struct Cue {
    /// May be before the film begins.
    pub(crate) start_ms: i64,
    /// Or [`UNTOLD`].
    pub(crate) end_ms: i64,
    pub(crate) content: Content,
}

/// A track of text that is carried over.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) form: Form,
    /// ISO 639-2.
    pub(crate) language: Option<String>,
    /// What its author calls it.
    pub(crate) name: Option<String>,
    /// To be shown unless the viewer wants otherwise.
    pub(crate) default: bool,
    /// Only what viewers need who understand the language that is spoken.
    pub(crate) forced: bool,
    /// Ascending by start. Times are the film's own, before its tracks are moved to start at 0.
    pub(crate) cues: Vec<Cue>,
}

/// A text track in its place among the outputs.
#[derive(Debug, Clone)]
pub(crate) struct PlannedText {
    /// The name of its files, without extension.
    pub(crate) stem: String,
    /// What viewers choose it by; no other has the same.
    pub(crate) label: String,
    /// As BCP 47 wants it.
    pub(crate) language: Option<String>,
    pub(crate) default: bool,
    pub(crate) forced: bool,
    form: Form,
    /// In the times of the presentation.
    pub(crate) cues: Vec<Cue>,
}

/// Text tracks as outputs. All tracks of the film are moved by as much.
pub(crate) fn planned(texts: Vec<Text>, moved_ms: i64) -> Vec<PlannedText> {
    let mut planned: Vec<PlannedText> = Vec::with_capacity(texts.len());
    for (index, text) in texts.into_iter().enumerate() {
        let language = text.language.as_deref().map(|code| language_tag(code).to_owned());
        let name = text.name.as_deref().map(label).filter(|name| !name.is_empty());
        let mut label = name.or_else(|| language.clone()).unwrap_or_else(|| "Subtitles".into());
        if planned.iter().any(|other| other.label == label) {
            let _ = write!(label, " {}", index + 1);
        }
        let mut cues = text.cues;
        for index in 0..cues.len() {
            let next = cues.get(index + 1).map_or(UNTOLD, |next| next.start_ms);
            let cue = &mut cues[index];
            if cue.end_ms == UNTOLD {
                cue.end_ms = next.min(cue.start_ms.saturating_add(LONGEST_UNTOLD_MS));
            }
        }
        for cue in &mut cues {
            cue.start_ms = cue.start_ms.saturating_add(moved_ms).max(0);
            cue.end_ms = cue.end_ms.saturating_add(moved_ms);
        }
        cues.retain(|cue| cue.end_ms > cue.start_ms);
        planned.push(PlannedText {
            stem: format!("subtitles-{}", index + 1),
            label,
            language,
            default: text.default,
            forced: text.forced,
            form: text.form,
            cues,
        });
    }
    planned
}

/// A name as playlists can quote it.
fn label(name: &str) -> String {
    let kept = name.chars().map(|letter| if letter == '"' { '\'' } else { letter });
    kept.filter(|letter| !letter.is_control()).take(80).collect::<String>().trim().to_owned()
}

impl PlannedText {
    /// The name of the WebVTT.
    pub(crate) fn file_name(&self) -> String {
        format!("{}.vtt", self.stem)
    }

    /// The WebVTT, from the content of each cue.
    pub(crate) fn file(&self, contents: &[Bytes]) -> Manifest {
        // The presentation's clock begins at 0, as players assume; some want to be told.
        let mut text = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n".to_owned();
        for (cue, content) in self.cues.iter().zip(contents) {
            for Written { settings, words } in self.form.read(content) {
                let (start, end) = (clock(cue.start_ms as u64), clock(cue.end_ms as u64));
                let space = if settings.is_empty() { "" } else { " " };
                // Writing to a String cannot fail.
                let _ = write!(text, "\n{start} --> {end}{space}{settings}\n{words}\n");
            }
        }
        Manifest { name: self.file_name(), content_type: "text/vtt", body: text.into() }
    }

    /// Bits a second, about.
    pub(crate) fn bandwidth(&self, seconds: f64) -> u64 {
        let length = |cue: &Cue| match &cue.content {
            Content::Held(bytes) => bytes.len() as u64,
            Content::In(range) => range.end - range.start,
        };
        // A cue's times take about as much as its words.
        let bytes: u64 = self.cues.iter().map(|cue| length(cue) + 32).sum();
        ((bytes * 8) as f64 / seconds.max(1.0)).ceil() as u64
    }
}

/// A cue as WebVTT has it.
#[derive(Debug, PartialEq, Eq)]
struct Written {
    settings: String,
    /// Escaped; neither empty nor with an empty line.
    words: String,
}

impl Form {
    /// The cues in the content of one; most often there is one, and none of nothing but spaces.
    fn read(self, content: &[u8]) -> Vec<Written> {
        let plain = |words: Option<String>| {
            words.into_iter().map(|words| Written { settings: String::new(), words }).collect()
        };
        match self {
            Form::Tx3g { plain: style } => plain(mp4::tx3g(content, style)),
            Form::Wvtt => mp4::wvtt(content),
            Form::Srt => plain(srt::words(&String::from_utf8_lossy(content))),
            Form::Ass => plain(ass::words(&String::from_utf8_lossy(content))),
            Form::WebVtt => plain(webvtt::words(&String::from_utf8_lossy(content))),
            Form::WebM => webvtt::block(&String::from_utf8_lossy(content)).into_iter().collect(),
        }
    }
}

/// A time in WebVTT.
pub(crate) fn clock(ms: u64) -> String {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02}.{ms:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
