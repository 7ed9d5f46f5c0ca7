//! The index of a movie: its tracks with their headers, edits and tables.

use bytes::Bytes;
use mp4_atom::{Decode, Mdhd, Mvhd, Tkhd};

use crate::boxes::{BoxBytes, be_u32, be_u64, body_of, boxes, damaged, find};
use crate::codec::pcm_frame_bytes;
use crate::manifest::is_tag;
use crate::matroska::text;
use crate::tables::Tables;
use crate::text::{TextTrack, parse_text_track};
use crate::{MediaError, TrackKind};

/// More tracks than this is no film.
const MOST_TRACKS: usize = 100;

/// A picture or sound track as the index describes it.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    pub(crate) id: u32,
    pub(crate) kind: TrackKind,
    /// Disabled tracks are alternatives that players do not choose by themselves.
    pub(crate) enabled: bool,
    /// Ticks a second of all times but those of edits.
    pub(crate) timescale: u32,
    /// ISO 639-2, or a tag of BCP 47 where the file has one.
    pub(crate) language: Option<String>,
    pub(crate) header: Tkhd,
    /// The sample descriptions, header included.
    pub(crate) entries: Vec<BoxBytes>,
    pub(crate) edits: Edits,
    pub(crate) tables: Tables,
    /// What every sample begins with, but is not in the file (Matroska's header stripping).
    pub(crate) prefix: Bytes,
}

/// The edit list, as far as a packager can honour it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Edits {
    /// Before the media starts, in the movie's timescale.
    pub(crate) delay: u64,
    /// Where the presentation enters the media, in the track's timescale.
    pub(crate) media_time: u64,
    /// How long it stays, in the movie's timescale; `None` for all the rest.
    pub(crate) length: Option<u64>,
    /// More than one piece of the media, or another speed.
    pub(crate) complicated: bool,
}

/// The movie's index.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    /// Ticks a second of the edits.
    pub(crate) timescale: u32,
    pub(crate) tracks: Vec<Track>,
    /// Text, but for chapters.
    pub(crate) texts: Vec<TextTrack>,
    /// Samples are (also) in fragments that follow.
    pub(crate) fragmented: bool,
    /// Defaults of the fragments, by track id: duration, size, flags, description.
    pub(crate) defaults: Vec<TrackDefaults>,
}

/// A `trex` box.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrackDefaults {
    pub(crate) track_id: u32,
    pub(crate) duration: u32,
    pub(crate) size: u32,
    pub(crate) flags: u32,
}

impl Index {
    /// Reads the body of a `moov`.
    pub(crate) fn parse(moov: &Bytes, file_size: u64) -> Result<Self, MediaError> {
        let header = find(moov, b"mvhd")?.ok_or_else(|| damaged("its index has no header"))?;
        let header = Mvhd::decode(&mut &header.whole[..]).map_err(|_| damaged("its header is unreadable"))?;
        if header.timescale == 0 {
            return Err(damaged("its clock stands still"));
        }
        if find(moov, b"cmov")?.is_some() {
            return Err(MediaError::bad("The file has a compressed index, which is not supported."));
        }
        let mvex = body_of(moov, b"mvex")?;
        let (mut tracks, mut texts, mut chapters) = (Vec::new(), Vec::new(), Vec::new());
        for (number, found) in boxes(moov).enumerate() {
            let found = found?;
            if number > 10 * MOST_TRACKS || tracks.len() > MOST_TRACKS {
                return Err(damaged("it has more tracks than a film can have"));
            }
            if &found.kind == b"trak" {
                tracks.extend(parse_track(&found.body, file_size)?);
                texts.extend(parse_text_track(&found.body, file_size));
                chapters.extend(chapter_tracks(&found.body));
            }
        }
        texts.retain(|text: &TextTrack| !chapters.contains(&text.id));
        let mut defaults = Vec::new();
        for found in mvex.iter().flat_map(boxes) {
            let found = found?;
            if &found.kind == b"trex" && defaults.len() <= MOST_TRACKS {
                let field = |index: usize| be_u32(&found.body, 4 + index * 4);
                let (track_id, duration) = (field(0), field(2));
                defaults.push(TrackDefaults { track_id, duration, size: field(3), flags: field(4) });
            }
        }
        Ok(Self { timescale: header.timescale, tracks, texts, fragmented: mvex.is_some(), defaults })
    }
}

/// `None` for tracks of other kinds than picture and sound: text, time codes, metadata, hints.
fn parse_track(trak: &Bytes, file_size: u64) -> Result<Option<Track>, MediaError> {
    let missing = |what: &str| damaged(&format!("a track has no {what}"));
    let mdia = body_of(trak, b"mdia")?.ok_or_else(|| missing("media"))?;
    let handler = body_of(&mdia, b"hdlr")?.ok_or_else(|| missing("kind"))?;
    let kind = match handler.get(8..12) {
        Some(b"vide") => TrackKind::Video,
        Some(b"soun") => TrackKind::Audio,
        _ => return Ok(None),
    };
    let header = find(trak, b"tkhd")?.ok_or_else(|| missing("header"))?;
    let header = Tkhd::decode(&mut &header.whole[..]).map_err(|_| missing("readable header"))?;
    let media = find(&mdia, b"mdhd")?.ok_or_else(|| missing("media header"))?;
    let media = Mdhd::decode(&mut &media.whole[..]).map_err(|_| missing("readable media header"))?;
    if media.timescale == 0 {
        return Err(damaged("the clock of a track stands still"));
    }
    let minf = body_of(&mdia, b"minf")?.ok_or_else(|| missing("media information"))?;
    let stbl = body_of(&minf, b"stbl")?.ok_or_else(|| missing("sample table"))?;
    let stsd = body_of(&stbl, b"stsd")?.ok_or_else(|| missing("sample description"))?;
    let entries = boxes(&stsd.slice(stsd.len().min(8)..)).take(16).collect::<Result<Vec<_>, _>>()?;
    let edits = match body_of(trak, b"edts")? {
        Some(edts) => body_of(&edts, b"elst")?.map(|elst| parse_edits(&elst)),
        None => None,
    };
    let instant_bytes = entries.first().filter(|_| kind == TrackKind::Audio).and_then(pcm_frame_bytes);
    let tables = Tables::parse(&stbl, file_size, media.timescale, instant_bytes)?;
    Ok(Some(Track {
        id: header.track_id,
        kind,
        enabled: header.enabled,
        timescale: media.timescale,
        language: extended_language(&mdia)?.or_else(|| language(&media.language)),
        header,
        entries,
        edits: edits.unwrap_or_default(),
        tables,
        prefix: Bytes::new(),
    }))
}

/// The tracks that hold the names of this one's chapters.
fn chapter_tracks(trak: &Bytes) -> Vec<u32> {
    let tref = body_of(trak, b"tref").ok().flatten();
    let chap = tref.and_then(|tref| body_of(&tref, b"chap").ok().flatten()).unwrap_or_default();
    chap.chunks_exact(4).take(MOST_TRACKS).map(|id| be_u32(id, 0)).collect()
}

/// A tag of BCP 47, which tells more than three letters can.
fn extended_language(mdia: &Bytes) -> Result<Option<String>, MediaError> {
    let tag = body_of(mdia, b"elng")?.map(|elng| text(elng.get(4..).unwrap_or_default()));
    Ok(tag.filter(|tag| is_tag(tag)))
}

/// QuickTime keeps Macintosh language numbers in the same field; those and `und` tell nothing.
pub(crate) fn language(code: &str) -> Option<String> {
    let letters = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_lowercase());
    (letters && code != "und").then(|| code.to_owned())
}

pub(crate) fn parse_edits(elst: &Bytes) -> Edits {
    let wide = elst.first() == Some(&1);
    let entry_bytes = if wide { 20 } else { 12 };
    let entries = elst.slice(elst.len().min(8)..);
    let mut edits = Edits::default();
    let mut pieces = 0;
    for entry in entries.chunks_exact(entry_bytes).take(be_u32(elst, 4) as usize) {
        let (length, media_time, rate) = if wide {
            (be_u64(entry, 0), be_u64(entry, 8) as i64, be_u32(entry, 16))
        } else {
            (be_u32(entry, 0).into(), i64::from(be_u32(entry, 4) as i32), be_u32(entry, 8))
        };
        match u64::try_from(media_time) {
            Err(_) if pieces == 0 => edits.delay = edits.delay.saturating_add(length),
            Err(_) => edits.complicated = true,
            Ok(media_time) => {
                (edits.media_time, edits.length) = (media_time, (length > 0).then_some(length));
                edits.complicated |= pieces > 0 || rate != 0x1_0000;
                pieces += 1;
            }
        }
    }
    edits
}
