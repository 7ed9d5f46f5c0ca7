//! Matroska and WebM (RFC 9559). A file is gone through once for its blocks, from which tables are
//! made as an MP4 would have had them; from there on, everything is the same for both.

mod blocks;
mod clock;
mod ebml;
mod entries;
mod entry_boxes;
mod head;
mod text;
mod vp9;

use std::collections::BTreeMap;

use bytes::Bytes;
use mp4_atom::{FixedPoint, Matrix, Tkhd};

use crate::boxes::damaged;
use crate::building::TableBuilder;
use crate::codec::Playable;
use crate::forward::Forward;
use crate::matroska::blocks::{Block, CLUSTER, SEGMENT, visit};
use crate::matroska::clock::{SoundClock, picture_times, ticks_of};
pub(crate) use crate::matroska::ebml::text;
use crate::matroska::ebml::{Header, LONGEST_HEADER_BYTES};
use crate::matroska::entries::{describe, opus_samples, sound_clock};
use crate::matroska::head::{Entry, duration_ms, entries, tick_ns};
use crate::matroska::text::{FoundText, TextEntry, text_entries};
use crate::moov::{Edits, Track};
use crate::plan::{Role, Wanted};
use crate::tables::Tables;
use crate::text::{Budget, Text};
use crate::{MediaError, Source, SubtitleProbe, TrackKind};

const INFO: u32 = 0x1549_a966;
const TRACKS: u32 = 0x1654_ae6b;

/// A list of tracks with the set-up of their decoders; more is none.
const MOST_HEAD_BYTES: u64 = 4 << 20;
/// Elements before the first cluster. Ordinary files have ten.
const MOST_ELEMENTS: usize = 1_000;
/// Tables of all tracks together: the same as for an index that is read.
const MOST_TABLE_BYTES: usize = 128 << 20;
/// What the header of a frame takes at most.
const FIRST_BYTES: usize = 64;
/// The clock of edits: fine enough to place sound to the sample.
const MOVIE_TIMESCALE: u32 = 1_000_000;

/// A file of which everything before the media is known.
pub(crate) struct Opened<'a, S> {
    reader: Forward<'a, S>,
    /// Of the first cluster, or where one would be.
    media: u64,
    tick_ns: u64,
    pub(crate) duration_ms: Option<u64>,
    entries: Vec<Entry>,
    texts: Vec<TextEntry>,
}

/// What was found by going through the blocks.
pub(crate) struct Indexed {
    pub(crate) tracks: Vec<Wanted>,
    pub(crate) movie_timescale: u32,
    /// Ranges that need not be read again, ascending.
    pub(crate) known: Vec<(u64, Bytes)>,
    /// All text tracks, with their cues where they become subtitles.
    pub(crate) texts: Vec<(SubtitleProbe, Option<Text>)>,
}

/// Reads what stands before the media. `head` are the first bytes of the file.
pub(crate) async fn open<S: Source>(source: &S, head: Bytes) -> Result<Opened<'_, S>, MediaError> {
    let mut reader = Forward::new(source, head);
    let size = reader.size();
    let (mut position, mut tick, mut duration, mut tracks) = (0, 1_000_000, None, None);
    for _ in 0..MOST_ELEMENTS {
        if position >= size {
            break;
        }
        let head = reader.bytes(position..size.min(position + LONGEST_HEADER_BYTES)).await?;
        let Some(header) = Header::parse(&head) else { break };
        let body = position + header.header_bytes;
        let end = body.saturating_add(header.size_bytes.unwrap_or(0));
        match header.id {
            CLUSTER => break,
            SEGMENT => {
                position = body;
                continue;
            }
            INFO | TRACKS if end <= size && end - body <= MOST_HEAD_BYTES => {
                let body = reader.bytes(body..end).await?;
                if header.id == INFO {
                    (tick, duration) = (tick_ns(&body), duration_ms(&body));
                } else {
                    tracks = Some((entries(&body), text_entries(&body)));
                }
            }
            _ if header.size_bytes.is_none() => break,
            _ => {}
        }
        position = end;
    }
    let (entries, texts) = tracks.ok_or_else(|| damaged("its list of tracks is missing"))?;
    Ok(Opened { reader, media: position, tick_ns: tick, duration_ms: duration, entries, texts })
}

impl<S: Source> Opened<'_, S> {
    /// The tracks, without their samples.
    pub(crate) fn tracks(&self) -> Result<Vec<Wanted>, MediaError> {
        let wanted = |entry: &Entry| {
            let tables = TableBuilder::default().finish(0, 0)?;
            Ok(Wanted { track: track(entry, 1, tables), codec: describe(entry, &[])?, role: Role::Copied })
        };
        self.entries.iter().map(wanted).collect()
    }

    /// The text tracks, without their cues.
    pub(crate) fn subtitles(&self) -> Vec<SubtitleProbe> {
        self.texts.iter().map(|entry| entry.probe.clone()).collect()
    }

    /// Goes through all blocks. Tracks that have none, or that neither segments nor
    /// encoders carry, are left out.
    ///
    /// Costs one pass over the file: what is read of it is up to [`Source::read_ahead`]. Memory is
    /// the tables, of 12 bytes a frame and 8 more for pictures.
    pub(crate) async fn index(self) -> Result<Indexed, MediaError> {
        let Self { mut reader, media, tick_ns, entries, texts, .. } = self;
        let size = reader.size();
        let mut found = BTreeMap::new();
        for entry in &entries {
            let codec = describe(entry, &[])?;
            if codec.playable == Playable::Streamed || codec.feeds {
                found.insert(entry.number, Found::new(entry, tick_ns));
            }
        }
        let mut spoken: BTreeMap<u64, FoundText> =
            texts.iter().filter_map(|entry| Some((entry.number, FoundText::new(entry)?))).collect();
        let numbers: Vec<u64> = spoken.keys().copied().collect();
        let mut budget = Budget::default();
        let mut table_bytes = 0;
        visit(
            &mut reader,
            media,
            |track| numbers.contains(&track),
            |block| {
                if let Some(text) = spoken.get_mut(&block.track) {
                    text.add(&block, &mut budget);
                    return Ok(());
                }
                let Some(track) = found.get_mut(&block.track) else { return Ok(()) };
                let before = track.size_bytes();
                track.add(&block);
                table_bytes += track.size_bytes() - before;
                if table_bytes > MOST_TABLE_BYTES {
                    return Err(damaged("it has more frames than a film can have"));
                }
                Ok(())
            },
        )
        .await?;
        found.retain(|_, found| found.tables.samples > 0);
        // The presentation starts with what is shown or heard first.
        let start = found.values().map(Found::first).min().unwrap_or(0);
        let mut tracks = Vec::with_capacity(found.len());
        for entry in &entries {
            if let Some(found) = found.remove(&entry.number) {
                tracks.push(found.finish(entry, start, size)?);
            }
        }
        let texts = texts.into_iter().map(|entry| match spoken.remove(&entry.number) {
            Some(found) => found.finish(start, tick_ns),
            None => (entry.probe, None),
        });
        let texts = texts.collect();
        Ok(Indexed { tracks, movie_timescale: MOVIE_TIMESCALE, known: reader.into_kept(), texts })
    }
}

/// The first bytes of a frame, as a decoder gets it. A copy, because a slice would keep all that was read
/// with it in memory.
fn beginning(prefix: &[u8], block: &Block, index: usize) -> Vec<u8> {
    prefix.iter().chain(block.frame(index)).copied().take(FIRST_BYTES).collect()
}

/// What was found of a track.
struct Found {
    tables: TableBuilder,
    clock: Clock,
    tick_ns: u64,
    /// The beginning of the first frame.
    first_frame: Bytes,
    /// What every frame begins with, but is not in the file.
    prefix: Vec<u8>,
}

enum Clock {
    Pictures {
        /// Of each frame, in ticks, in decode order.
        times: Vec<i64>,
        last_duration: Option<u64>,
    },
    Sound {
        clock: SoundClock,
        /// Samples in a frame, where all have as many.
        frame: Option<u32>,
        opus: bool,
        /// Samples to guess with, where nothing tells.
        fallback: u32,
        discard_ns: i64,
    },
}

impl Found {
    fn new(entry: &Entry, tick_ns: u64) -> Self {
        let clock = match entry.kind {
            TrackKind::Video => Clock::Pictures { times: Vec::new(), last_duration: None },
            TrackKind::Audio => {
                let (rate, frame) = sound_clock(entry);
                Clock::Sound {
                    clock: SoundClock::new(rate, tick_ns),
                    frame,
                    opus: entry.codec_id == "A_OPUS",
                    fallback: u32::try_from(ticks_of(entry.frame_ns.unwrap_or(0), rate)).unwrap_or(0),
                    discard_ns: 0,
                }
            }
        };
        Self {
            tables: TableBuilder::default(),
            clock,
            tick_ns,
            first_frame: Bytes::new(),
            prefix: entry.prefix.clone(),
        }
    }

    fn size_bytes(&self) -> usize {
        let times = if let Clock::Pictures { times, .. } = &self.clock { times.len() * 8 } else { 0 };
        self.tables.size_bytes() + times
    }

    fn add(&mut self, block: &Block) {
        if self.tables.samples == 0 {
            self.first_frame = beginning(&self.prefix, block, 0).into();
        }
        let frame_samples = |index: usize, frame: Option<u32>, opus: bool| match opus {
            true => opus_samples(&beginning(&self.prefix, block, index)),
            false => frame,
        };
        match &mut self.clock {
            Clock::Pictures { times, last_duration } => {
                times.extend(block.sizes.iter().map(|_| block.time));
                *last_duration = block.duration;
            }
            Clock::Sound { clock, frame, opus, fallback, discard_ns } => {
                clock.begin(block.time, frame_samples(0, *frame, *opus), &mut self.tables);
                for index in 0..block.sizes.len() {
                    let samples = frame_samples(index, *frame, *opus).unwrap_or(*fallback);
                    clock.push(samples, &mut self.tables);
                }
                *discard_ns = block.discard_ns;
            }
        }
        self.tables.start_chunk(block.position, block.sizes.len() as u32);
        let sync = block.key || matches!(self.clock, Clock::Sound { .. });
        block.sizes.iter().for_each(|&size| self.tables.push(size, sync));
    }

    /// When the first frame is shown or heard, in ticks.
    fn first(&self) -> i64 {
        match &self.clock {
            Clock::Pictures { times, .. } => times.iter().min().copied().unwrap_or(0),
            Clock::Sound { clock, .. } => clock.first(),
        }
    }

    fn finish(self, entry: &Entry, start: i64, file_size: u64) -> Result<Wanted, MediaError> {
        let first = self.first();
        let codec = describe(entry, &self.first_frame)?;
        let mut tables = self.tables;
        let timescale = match self.clock {
            Clock::Pictures { times, last_duration } => {
                let pictures = picture_times(&times, self.tick_ns, entry.frame_ns, last_duration)?;
                (tables.durations, tables.shifts) = (pictures.durations, pictures.shifts);
                pictures.timescale
            }
            Clock::Sound { discard_ns, .. } => {
                let (rate, _) = sound_clock(entry);
                // What an encoder added to fill its last frame.
                let padding = ticks_of(u64::try_from(discard_ns).unwrap_or(0), rate);
                let most = i64::from(tables.durations.last()) - 1;
                tables.lengthen_last(-i64::try_from(padding).unwrap_or(i64::MAX).min(most.max(0)));
                rate
            }
        };
        let late_ns = first.saturating_sub(start).unsigned_abs().saturating_mul(self.tick_ns);
        let mut track = track(entry, timescale, tables.finish(0, file_size)?);
        track.edits = Edits {
            delay: ticks_of(late_ns, MOVIE_TIMESCALE),
            media_time: ticks_of(entry.delay_ns, timescale),
            ..Edits::default()
        };
        Ok(Wanted { track, codec, role: Role::Copied })
    }
}

fn track(entry: &Entry, timescale: u32, tables: Tables) -> Track {
    let video = &entry.video;
    let side = |length: u32| FixedPoint::new(u16::try_from(length).unwrap_or(0), 0);
    Track {
        id: u32::try_from(entry.number).unwrap_or(u32::MAX),
        kind: entry.kind,
        enabled: entry.enabled,
        timescale,
        language: entry.language.clone(),
        prefix: Bytes::copy_from_slice(&entry.prefix),
        header: Tkhd {
            volume: FixedPoint::new(u8::from(entry.kind == TrackKind::Audio), 0),
            matrix: turned(video.rotation),
            width: side(video.shown_width),
            height: side(video.shown_height),
            ..Tkhd::default()
        },
        entries: Vec::new(),
        edits: Edits::default(),
        tables,
    }
}

fn turned(clockwise: u16) -> Matrix {
    const ONE: i32 = 0x1_0000;
    let (a, b, c, d) = match clockwise {
        90 => (0, ONE, -ONE, 0),
        180 => (-ONE, 0, 0, -ONE),
        270 => (0, -ONE, ONE, 0),
        _ => (ONE, 0, 0, ONE),
    };
    Matrix { a, b, c, d, ..Matrix::default() }
}
