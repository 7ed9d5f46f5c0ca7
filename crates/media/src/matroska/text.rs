//! The text tracks of a file.

use bytes::Bytes;

use crate::SubtitleProbe;
use crate::matroska::blocks::Block;
use crate::matroska::ebml::{child, elements, text, unsigned};
use crate::matroska::head::language;
use crate::text::{Budget, Content, Cue, Cues, Form, Text, UNTOLD};

const TRACK_ENTRY: u32 = 0xae;
/// The kind of track that has text, or pictures of it.
const SUBTITLES: u64 = 17;
/// More tracks than this is no film.
const MOST_TRACKS: usize = 100;

/// A text track as its entry describes it.
#[derive(Debug, Clone)]
pub(crate) struct TextEntry {
    /// What blocks call it.
    pub(crate) number: u64,
    pub(crate) probe: SubtitleProbe,
    /// `None` for a track that is left out.
    form: Option<Form>,
    /// What all blocks begin with, and lack in the file.
    prefix: Vec<u8>,
}

/// The text tracks from the body of `Tracks`.
pub(crate) fn text_entries(tracks: &[u8]) -> Vec<TextEntry> {
    let entries = elements(tracks).filter(|element| element.id == TRACK_ENTRY);
    entries.take(MOST_TRACKS).filter_map(|element| entry(element.body)).collect()
}

fn entry(body: &[u8]) -> Option<TextEntry> {
    let number = |id: u32| child(body, id).map(unsigned);
    number(0x83).filter(|&kind| kind == SUBTITLES)?;
    let codec = child(body, 0x86).map(text)?;
    let form = match codec.as_str() {
        "S_TEXT/UTF8" | "S_TEXT/ASCII" => Ok(Form::Srt),
        "S_TEXT/ASS" | "S_TEXT/SSA" | "S_ASS" | "S_SSA" => Ok(Form::Ass),
        "S_TEXT/WEBVTT" => Ok(Form::WebVtt),
        "D_WEBVTT/SUBTITLES" | "D_WEBVTT/CAPTIONS" => Ok(Form::WebM),
        "S_HDMV/PGS" | "S_VOBSUB" | "S_DVBSUB" | "S_IMAGE/BMP" => {
            Err("It is pictures of text, which cannot become text.")
        }
        _ => Err("It is of a kind that is not known here."),
    };
    let form = form.and_then(|form| Ok((form, prefix(child(body, 0x6d80).unwrap_or_default())?)));
    let probe = SubtitleProbe {
        codec,
        language: language(body),
        name: child(body, 0x536e).map(text).filter(|name| !name.is_empty()),
        default: number(0x88).unwrap_or(1) != 0,
        forced: number(0x55aa).unwrap_or(0) != 0,
        left_out: form.as_ref().err().map(|reason| (*reason).to_owned()),
    };
    let (form, prefix) = form.map_or((None, Vec::new()), |(form, prefix)| (Some(form), prefix));
    Some(TextEntry { number: number(0xd7)?, probe, form, prefix })
}

/// What was taken off the beginning of all blocks, from the body of `ContentEncodings`.
fn prefix(encodings: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut all = elements(encodings).filter(|element| element.id == 0x6240);
    let Some(encoding) = all.next() else { return Ok(Vec::new()) };
    let is_compressed = child(encoding.body, 0x5033).map_or(0, unsigned) == 0;
    let compression = child(encoding.body, 0x5034).unwrap_or_default();
    // The number of the way in which only the common beginning is taken off.
    if all.next().is_some() || !is_compressed || child(compression, 0x4254).map_or(0, unsigned) != 3 {
        return Err("Its text is compressed or encrypted within the file.");
    }
    Ok(child(compression, 0x4255).unwrap_or_default().to_vec())
}

/// The cues of a track, as they are found. Times are in ticks of the file.
#[derive(Debug)]
pub(crate) struct FoundText {
    entry: TextEntry,
    cues: Cues,
}

impl FoundText {
    /// `None` for a track that is left out.
    pub(crate) fn new(entry: &TextEntry) -> Option<Self> {
        entry.form.map(|_| Self { entry: entry.clone(), cues: Cues::default() })
    }

    /// Takes a block, of which the whole was read.
    pub(crate) fn add(&mut self, block: &Block, budget: &mut Budget) {
        let size = block.sizes.first().map_or(0, |&size| size as usize);
        let Some(content) = block.beginning.get(..size) else { return };
        let content = Bytes::from([&self.entry.prefix[..], content].concat());
        let duration = block.duration.and_then(|ticks| i64::try_from(ticks).ok());
        let end = duration.map_or(UNTOLD, |ticks| block.time.saturating_add(ticks));
        let size = content.len() as u64;
        self.cues.push(
            Cue { start_ms: block.time, end_ms: end, content: Content::Held(content) },
            size,
            budget,
        );
    }

    /// With times in milliseconds after `start`, which is in ticks. The probe of a track without text
    /// says so.
    pub(crate) fn finish(self, start: i64, tick_ns: u64) -> (SubtitleProbe, Option<Text>) {
        let Self { entry: TextEntry { mut probe, form, .. }, cues } = self;
        let cues = match (cues.finish(), form) {
            (Ok(cues), Some(form)) => Ok((form, cues)),
            (Err(reason), _) => Err(reason),
            (_, None) => Err("It is of a kind that is not known here."),
        };
        let (form, mut cues) = match cues {
            Ok(cues) => cues,
            Err(reason) => {
                probe.left_out = Some(reason.to_owned());
                return (probe, None);
            }
        };
        let ms = |ticks: i64| {
            let ns = (i128::from(ticks) - i128::from(start)) * i128::from(tick_ns);
            i64::try_from(ns.div_euclid(1_000_000)).unwrap_or(i64::MAX / 4)
        };
        for cue in &mut cues {
            cue.start_ms = ms(cue.start_ms);
            cue.end_ms = if cue.end_ms == UNTOLD { UNTOLD } else { ms(cue.end_ms) };
        }
        let SubtitleProbe { language, name, default, forced, .. } = probe.clone();
        (probe, Some(Text { form, language, name, default, forced, cues }))
    }
}
