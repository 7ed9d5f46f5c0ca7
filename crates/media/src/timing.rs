//! Where each track lies on the presentation's timeline.
//!
//! The rules: presentation starts at 0. Pictures that an edit list trims although a later one needs
//! them are shown, by moving all tracks, because a stream cannot hide them; whole groups of pictures
//! before the cut stay cut. Sound keeps its place to the sample: encoder priming goes before 0 by an
//! edit list, as in the original. A picture that starts late is held from the start, and late sound
//! is led in by silence, because a player with nothing to play at 0 skips to where it has something,
//! and with it past what the other track holds there.

use crate::TrackKind;
use crate::codec::Silence;
use crate::moov::Track;
use crate::tables::{Cursor, Sample, Tables};

/// Audio before the start that a decoder warms up on. Longer lead-ins were cut by someone.
const PRIMING_MS: i64 = 150;
/// Pictures that are over sooner, while sound goes on, are held.
const SHORTEST_MS: i128 = 1_000;

/// A track's place on the output's timeline, in its own timescale.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    /// Where the first sample that is kept is read.
    pub(crate) start: Cursor,
    /// The first sample after those that are kept.
    pub(crate) end_index: u32,
    /// Output decode time less the source's.
    offset: i64,
    /// Subtracted from every composition shift, so that the first is 0.
    first_shift: i64,
    /// By how much the first picture is held longer.
    hold: u32,
    /// By how much the last one is.
    hold_last: u32,
    /// What the output adds to each sample.
    prefix_bytes: u32,
    /// Composition time that is presented at 0; the edit list of the output.
    pub(crate) media_time: u64,
    /// Silent frames before the first sample, from 0 on.
    pub(crate) silent_frames: u32,
    /// Ticks of one silent frame.
    pub(crate) silent_frame_duration: u32,
}

/// A sample as the output has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimedSample {
    pub(crate) sample: Sample,
    /// With what every sample begins with and the source leaves out.
    pub(crate) size: u32,
    /// Output decode time.
    pub(crate) time: u64,
    pub(crate) duration: u32,
    /// Composition shift. May be negative.
    pub(crate) shift: i32,
}

impl Timeline {
    /// Applies the timeline to a sample of the source. `None` when a shift is out of range.
    pub(crate) fn apply(&self, sample: Sample) -> Option<TimedSample> {
        let first = sample.index == self.start.index();
        let hold = if first { self.hold } else { 0 };
        let hold_last = if sample.index + 1 == self.end_index { self.hold_last } else { 0 };
        Some(TimedSample {
            time: u64::try_from(sample.time as i64 + self.offset - i64::from(hold)).ok()?,
            duration: sample.duration.checked_add(hold)?.checked_add(hold_last)?,
            shift: i32::try_from(i64::from(sample.shift) - self.first_shift).ok()?,
            size: sample.size.checked_add(self.prefix_bytes)?,
            sample,
        })
    }
}

/// A track that was chosen, with what its place depends on.
pub(crate) struct Chosen<'a> {
    pub(crate) track: &'a Track,
    pub(crate) silence: Option<Silence>,
    /// Sync samples that are no entry points, by index, ascending.
    pub(crate) open: &'a [u32],
}

/// Where a track enters, before and after all tracks are moved together.
struct Entry {
    start: Cursor,
    /// The first sample that is kept.
    sample: Sample,
    /// Presentation time less composition time.
    origin: i64,
}

impl Entry {
    /// When the first sample is presented.
    fn presented(&self) -> i64 {
        self.sample.composition_time().saturating_add(self.origin)
    }
}

/// Lays the chosen tracks out, in their order. `None` when times are out of all range or a track has
/// no samples. Then, by how much all of them were moved, in milliseconds.
pub(crate) fn lay_out(chosen: &[Chosen<'_>], movie_timescale: u32) -> Option<(Vec<Timeline>, i64)> {
    let mut entries = Vec::with_capacity(chosen.len());
    for chosen in chosen {
        let track = chosen.track;
        let delay = rescale(track.edits.delay.into(), movie_timescale, track.timescale)?;
        let origin = delay.checked_sub(i64::try_from(track.edits.media_time).ok()?)?;
        let earliest = match track.kind {
            TrackKind::Video => Earliest::KeyFrameBefore0 { open: chosen.open },
            TrackKind::Audio => Earliest::Any,
        };
        entries.push(enter(track, origin, earliest)?);
    }
    let (ticks, timescale) = common_move(chosen, &entries);
    let mut timelines = Vec::with_capacity(chosen.len());
    for (chosen, entry) in chosen.iter().zip(&mut entries) {
        let moved = rescale(ticks.into(), timescale, chosen.track.timescale)?;
        entry.origin = entry.origin.checked_add(moved)?;
        if chosen.track.kind == TrackKind::Audio {
            let priming = PRIMING_MS * i64::from(chosen.track.timescale) / 1000;
            *entry = enter(chosen.track, entry.origin, Earliest::From(-priming))?;
        }
        timelines.push(timeline(chosen, entry, moved, movie_timescale)?);
    }
    hold_still(chosen, &mut timelines)?;
    Some((timelines, rescale(ticks.into(), timescale, 1000)?))
}

/// Which sample a track starts with.
enum Earliest<'a> {
    Any,
    /// The last entry point that is presented at 0 or before, so that nothing shown is missing.
    KeyFrameBefore0 {
        open: &'a [u32],
    },
    /// The first sample that is presented at this time or later.
    From(i64),
}

fn enter(track: &Track, origin: i64, earliest: Earliest<'_>) -> Option<Entry> {
    let mut samples = track.tables.samples_from(track.tables.start());
    let mut entry: Option<Entry> = None;
    loop {
        let start = samples.cursor().clone();
        let Some(sample) = samples.next() else { return entry };
        let presented = sample.composition_time().saturating_add(origin);
        let enters = match earliest {
            Earliest::Any => true,
            Earliest::From(time) => presented >= time,
            Earliest::KeyFrameBefore0 { open } => {
                entry.is_none() || sample.sync && presented <= 0 && open.binary_search(&sample.index).is_err()
            }
        };
        if enters {
            entry = Some(Entry { start, sample, origin });
        }
        let done = match earliest {
            Earliest::KeyFrameBefore0 { .. } => sample.sync && presented > 0,
            _ => enters,
        };
        if done {
            return entry;
        }
    }
}

/// By how much all tracks move, in ticks of a timescale: forward when pictures before 0 are needed,
/// back when nothing at all starts at 0.
fn common_move(chosen: &[Chosen<'_>], entries: &[Entry]) -> (i64, u32) {
    let placed = || chosen.iter().zip(entries).map(|(chosen, entry)| (chosen.track, entry.presented()));
    let trimmed = placed().find(|(track, presented)| track.kind == TrackKind::Video && *presented < 0);
    if let Some((track, presented)) = trimmed {
        return (-presented, track.timescale);
    }
    let seconds = |(track, presented): &(&Track, i64)| *presented as f64 / f64::from(track.timescale);
    match placed().min_by(|a, b| seconds(a).total_cmp(&seconds(b))) {
        Some((track, presented)) if presented > 0 => (-presented, track.timescale),
        _ => (0, 1),
    }
}

fn timeline(chosen: &Chosen<'_>, entry: &Entry, moved: i64, movie_timescale: u32) -> Option<Timeline> {
    let (track, first) = (chosen.track, entry.presented());
    let gap = u32::try_from(first.max(0)).ok()?;
    let mut timeline = Timeline {
        start: entry.start.clone(),
        end_index: end_index(chosen, entry, moved, movie_timescale)?,
        offset: i64::from(gap).checked_sub(i64::try_from(entry.sample.time).ok()?)?,
        first_shift: entry.sample.shift.into(),
        hold: 0,
        hold_last: 0,
        prefix_bytes: u32::try_from(track.prefix.len()).ok()?,
        media_time: first.min(0).unsigned_abs(),
        silent_frames: 0,
        silent_frame_duration: 0,
    };
    match chosen.silence {
        _ if track.kind == TrackKind::Video => timeline.hold = gap,
        Some(silence) => {
            let frame = rescale(silence.samples.into(), silence.rate, track.timescale)?;
            let frame = u32::try_from(frame).ok().filter(|&frame| frame > 0)?;
            timeline.silent_frame_duration = frame;
            // What of the first is too much is hidden by the edit list, so that there is sound from 0 on:
            // players take the smallest hole there for one to jump over.
            timeline.silent_frames = gap.div_ceil(frame);
            let hidden = u64::from(timeline.silent_frames) * u64::from(frame) - u64::from(gap);
            timeline.offset = timeline.offset.checked_add_unsigned(hidden)?;
            timeline.media_time += hidden;
        }
        None => {}
    }
    Some(timeline)
}

/// A picture or two with a long sound, as songs have, is held for as long: players wait for more of such
/// a picture and never begin. `None` when that is out of range.
fn hold_still(chosen: &[Chosen<'_>], timelines: &mut [Timeline]) -> Option<()> {
    let end = |chosen: &Chosen<'_>, timeline: &Timeline| {
        let Tables { first_time, duration, .. } = chosen.track.tables;
        let ticks = i64::try_from(first_time.checked_add(duration)?).ok()?.checked_add(timeline.offset)?;
        ticks.checked_sub(i64::try_from(timeline.media_time).ok()?)
    };
    for index in 0..chosen.len() {
        let (still, timescale) = (&chosen[index], chosen[index].track.timescale);
        let shown = end(still, &timelines[index])?;
        if still.track.kind != TrackKind::Video || shown >= rescale(SHORTEST_MS, 1000, timescale)? {
            continue;
        }
        let mut longest = shown;
        for (other, timeline) in chosen.iter().zip(&*timelines) {
            longest = longest.max(rescale(end(other, timeline)?.into(), other.track.timescale, timescale)?);
        }
        timelines[index].hold_last = u32::try_from(longest - shown).ok()?;
    }
    Some(())
}

/// Samples after the end of the edit are cut where that takes none away that is shown.
fn end_index(chosen: &Chosen<'_>, entry: &Entry, moved: i64, movie_timescale: u32) -> Option<u32> {
    let track = chosen.track;
    let Some(length) = track.edits.length else { return Some(track.tables.samples) };
    let until =
        rescale(i128::from(track.edits.delay) + i128::from(length) + 1, movie_timescale, track.timescale)?;
    // One tick of either clock for what rounding took.
    let until = until.checked_add(moved)?.checked_add(1)?;
    let mut after = track.tables.samples_from(entry.start.clone()).skip(1);
    let end = after.find(|sample| {
        let entry_point = sample.sync && chosen.open.binary_search(&sample.index).is_err();
        entry_point && sample.composition_time().saturating_add(entry.origin) >= until
    });
    Some(end.map_or(track.tables.samples, |sample| sample.index))
}

/// The sync samples that are no entry points, because a sample after them in decode order is shown
/// before them: it needs pictures from before. Seeking there breaks players.
pub(crate) fn open_syncs(track: &Track) -> Vec<u32> {
    let mut open = Vec::new();
    let mut entry: Option<Sample> = None;
    for sample in track.tables.samples_from(track.tables.start()) {
        if sample.sync {
            entry = Some(sample);
        } else if let Some(sync) = entry
            && sample.composition_time() < sync.composition_time()
        {
            open.push(sync.index);
            entry = None;
        }
    }
    open
}

/// Ticks of one clock in ticks of another, to the nearest. `None` when that is out of range.
fn rescale(ticks: i128, from: u32, to: u32) -> Option<i64> {
    let (from, to) = (i128::from(from.max(1)), i128::from(to));
    i64::try_from((ticks.checked_mul(to)? + from / 2).div_euclid(from)).ok()
}
