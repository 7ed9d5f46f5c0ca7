//! The text tracks of a file, and which of them become subtitles.

use bytes::Bytes;
use mp4_atom::{Decode, Mdhd, Tkhd};

use crate::SubtitleProbe;
use crate::boxes::{BoxBytes, be_u32, body_of, boxes, find};
use crate::moov::{Edits, language, parse_edits};
use crate::tables::Tables;
use crate::text::mp4::face;
use crate::text::{Content, Cue, Form, Text, UNTOLD};

/// More cues than this are not subtitles: one each half second, for seven hours.
const MOST_CUES: usize = 50_000;
/// All text of a track, as it is in the file.
const MOST_BYTES: u64 = 4 << 20;
/// The text of one cue, as it is in the file. What is longer is left out.
pub(crate) const MOST_CUE_BYTES: u64 = 64 << 10;
/// What the cues of all tracks may take together.
const MOST_ALL_BYTES: u64 = 32 << 20;
/// What a cue takes beside its text.
const CUE_BYTES: u64 = 64;
const TOO_LONG: &str = "It is longer than subtitles can be: 50,000 texts, or 4 MiB of them.";

/// What the text tracks of a file may still take.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: MOST_ALL_BYTES }
    }
}

/// The cues of a track in the making.
#[derive(Debug, Default)]
pub(crate) struct Cues {
    cues: Vec<Cue>,
    bytes: u64,
    too_long: bool,
}

impl Cues {
    /// Takes a cue whose text is so long, as long as that is within reason.
    pub(crate) fn push(&mut self, cue: Cue, size_bytes: u64, budget: &mut Budget) {
        if self.too_long || size_bytes > MOST_CUE_BYTES {
            return;
        }
        let cost = CUE_BYTES + size_bytes;
        self.bytes += size_bytes;
        if self.cues.len() == MOST_CUES || self.bytes > MOST_BYTES || cost > budget.left {
            budget.left += self.bytes - size_bytes + CUE_BYTES * self.cues.len() as u64;
            *self = Self { too_long: true, ..Self::default() };
            return;
        }
        budget.left -= cost;
        self.cues.push(cue);
    }

    /// In the order of time, or why there are none.
    pub(crate) fn finish(mut self) -> Result<Vec<Cue>, &'static str> {
        if self.too_long {
            return Err(TOO_LONG);
        }
        if self.cues.is_empty() {
            return Err("It has no text.");
        }
        self.cues.sort_by_key(|cue| cue.start_ms);
        Ok(self.cues)
    }
}

/// A text track as the index of an MP4 describes it.
#[derive(Debug, Clone)]
pub(crate) struct TextTrack {
    pub(crate) id: u32,
    pub(crate) tables: Tables,
    pub(crate) edits: Edits,
    timescale: u32,
    language: Option<String>,
    entries: Vec<BoxBytes>,
}

/// `None` for tracks that are no text, and for those that cannot be read: a film without them is still
/// a film.
pub(crate) fn parse_text_track(trak: &Bytes, file_size: u64) -> Option<TextTrack> {
    let part = |bytes: &Bytes, kind| body_of(bytes, kind).ok().flatten();
    let mdia = part(trak, b"mdia")?;
    let handler = part(&mdia, b"hdlr")?;
    if !matches!(handler.get(8..12)?, b"text" | b"sbtl" | b"subt" | b"subp" | b"clcp") {
        return None;
    }
    let header = Tkhd::decode(&mut &find(trak, b"tkhd").ok()??.whole[..]).ok()?;
    let media = Mdhd::decode(&mut &find(&mdia, b"mdhd").ok()??.whole[..]).ok()?;
    let stbl = part(&part(&mdia, b"minf")?, b"stbl")?;
    let stsd = part(&stbl, b"stsd")?;
    let entries = boxes(&stsd.slice(stsd.len().min(8)..)).take(16).collect::<Result<Vec<_>, _>>().ok()?;
    let edits = part(trak, b"edts").and_then(|edts| part(&edts, b"elst"));
    Some(TextTrack {
        id: header.track_id,
        tables: Tables::parse(&stbl, file_size, 1, None).ok()?,
        edits: edits.map(|elst| parse_edits(&elst)).unwrap_or_default(),
        timescale: Some(media.timescale).filter(|&timescale| timescale > 0)?,
        language: language(&media.language),
        entries,
    })
}

/// What a text track of an MP4 is, with its cues where it becomes subtitles.
pub(crate) fn described(
    track: &TextTrack,
    movie_timescale: u32,
    budget: &mut Budget,
) -> (SubtitleProbe, Option<Text>) {
    let used = track.tables.description.unwrap_or(1).max(1) as usize - 1;
    let entry = track.entries.get(used).or(track.entries.first());
    let kind = entry.map_or(*b"none", |entry| entry.kind);
    let forced = kind == *b"tx3g" && entry.is_some_and(|entry| be_u32(&entry.whole, 16) >> 31 == 1);
    let mut probe = SubtitleProbe {
        codec: kind.iter().map(|&byte| if byte.is_ascii_graphic() { byte as char } else { '?' }).collect(),
        language: track.language.clone(),
        name: None,
        // Writers enable the first of all text tracks, whatever it is for.
        default: forced,
        forced,
        left_out: None,
    };
    let form = match &kind {
        b"tx3g" => {
            let bits = entry.and_then(|entry| entry.whole.get(40).copied()).unwrap_or(0);
            Ok(Form::Tx3g { plain: face(bits) })
        }
        b"text" => Ok(Form::Tx3g { plain: Default::default() }),
        b"wvtt" => Ok(Form::Wvtt),
        b"stpp" => Err("It is TTML, which is not carried over."),
        b"c608" | b"c708" => Err("It is closed captions of television, which are not carried over."),
        b"mp4s" => Err("It is pictures of text, which cannot become text."),
        _ => Err("It is of a kind that is not known here."),
    };
    let cues = form.and_then(|form| Ok((form, cues(track, form, movie_timescale, budget)?)));
    match cues {
        Ok((form, cues)) => {
            let SubtitleProbe { language, name, default, forced, .. } = probe.clone();
            (probe, Some(Text { form, language, name, default, forced, cues }))
        }
        Err(reason) => {
            probe.left_out = Some(reason.to_owned());
            (probe, None)
        }
    }
}

fn cues(
    track: &TextTrack,
    form: Form,
    movie_timescale: u32,
    budget: &mut Budget,
) -> Result<Vec<Cue>, &'static str> {
    let TextTrack { tables, edits, timescale, .. } = track;
    if edits.complicated {
        return Err("It is put together from several pieces by an edit list.");
    }
    // Between two texts there is a sample of none.
    if tables.samples as usize > 2 * MOST_CUES + 1 {
        return Err(TOO_LONG);
    }
    let ms = |ticks: i128, timescale: u32| {
        i64::try_from((ticks * 1000).div_euclid(i128::from(timescale.max(1)))).unwrap_or(i64::MAX / 4)
    };
    let delay = ms(edits.delay.into(), movie_timescale);
    let at =
        |ticks: i64| ms(i128::from(ticks) - i128::from(edits.media_time), *timescale).saturating_add(delay);
    let empty = if form == Form::Wvtt { 8 } else { 2 };
    let mut cues = Cues::default();
    for sample in tables.samples_from(tables.start()).filter(|sample| sample.size > empty) {
        let start = sample.composition_time();
        let cue = Cue {
            start_ms: at(start),
            end_ms: match sample.duration {
                0 => UNTOLD,
                duration => at(start.saturating_add(duration.into())),
            },
            content: Content::In(sample.position..sample.end()),
        };
        cues.push(cue, sample.size.into(), budget);
    }
    cues.finish()
}
