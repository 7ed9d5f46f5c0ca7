//! Cuts a track into segments, and counts what each needs so that its every byte has a place.

use crate::TrackKind;
use crate::moov::Track;
use crate::tables::Cursor;
use crate::timing::{TimedSample, Timeline};

/// Segments aim at this length: short enough to start and switch fast, long enough to compress.
const TARGET_MS: u64 = 4_000;
/// A last segment of sound that is shorter than this part of the others belongs to the one before.
const SHORTEST_LAST: u64 = 8;
/// A sidx counts its segments in 16 bits; very long films get longer segments instead.
const MOST_SEGMENTS: u64 = 20_000;

/// A run of samples that is fetched and decoded on its own.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    /// Where the box `moof` begins in the output.
    pub(crate) position: u64,
    /// `moof` and the header of `mdat`.
    pub(crate) header_bytes: u32,
    /// Where the first sample is read. Silent segments have none.
    pub(crate) start: Option<Cursor>,
    /// Counted from 1, as in `mfhd`.
    pub(crate) number: u32,
    pub(crate) counted: Counted,
}

impl Segment {
    pub(crate) fn size_bytes(&self) -> u64 {
        u64::from(self.header_bytes) + self.counted.bytes
    }
}

/// A value that is the same for all samples of a segment, or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uniform {
    Same(u32),
    Mixed,
}

impl Uniform {
    fn and(self, other: Uniform) -> Uniform {
        if self == other { self } else { Uniform::Mixed }
    }

    pub(crate) fn is_mixed(self) -> bool {
        self == Uniform::Mixed
    }
}

/// What the headers of a segment depend on, besides its samples.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    pub(crate) samples: u32,
    /// Of media.
    pub(crate) bytes: u64,
    /// Output decode time of the first sample.
    pub(crate) time: u64,
    /// The sum of durations.
    pub(crate) duration: u64,
    /// The earliest composition time.
    pub(crate) earliest: i64,
    /// When the sample that is shown last ends.
    pub(crate) latest: i64,
    pub(crate) durations: Uniform,
    pub(crate) sizes: Uniform,
    /// Some composition shift is not 0.
    pub(crate) shifted: bool,
    pub(crate) first_is_sync: bool,
    pub(crate) syncs: u32,
    pub(crate) first_size: u32,
}

impl Counted {
    /// A segment of one sample.
    pub(crate) fn one(timed: &TimedSample, sync: bool) -> Self {
        Self {
            samples: 1,
            bytes: timed.size.into(),
            time: timed.time,
            duration: timed.duration.into(),
            earliest: timed.time as i64 + i64::from(timed.shift),
            latest: timed.time as i64 + i64::from(timed.shift) + i64::from(timed.duration),
            durations: Uniform::Same(timed.duration),
            sizes: Uniform::Same(timed.size),
            shifted: timed.shift != 0,
            first_is_sync: sync,
            syncs: sync.into(),
            first_size: timed.size,
        }
    }

    fn silence(frames: u32, time: u64, frame_duration: u32, frame_bytes: u32) -> Self {
        Self {
            samples: frames,
            bytes: u64::from(frames) * u64::from(frame_bytes),
            time,
            duration: u64::from(frames) * u64::from(frame_duration),
            earliest: time as i64,
            latest: time as i64 + i64::from(frames) * i64::from(frame_duration),
            durations: Uniform::Same(frame_duration),
            sizes: Uniform::Same(frame_bytes),
            shifted: false,
            first_is_sync: true,
            syncs: frames,
            first_size: frame_bytes,
        }
    }

    fn add(&mut self, next: &Counted) {
        self.samples += next.samples;
        self.bytes += next.bytes;
        self.duration += next.duration;
        self.earliest = self.earliest.min(next.earliest);
        self.latest = self.latest.max(next.latest);
        self.durations = self.durations.and(next.durations);
        self.sizes = self.sizes.and(next.sizes);
        self.shifted |= next.shifted;
        self.syncs += next.syncs;
    }
}

/// Whether a sample may start a segment, with the list of those that only look like it.
pub(crate) struct EntryPoints<'a> {
    open: &'a [u32],
}

impl<'a> EntryPoints<'a> {
    /// `open` ascending; samples are asked about in ascending order, from the one at `index` on.
    pub(crate) fn from(open: &'a [u32], index: u32) -> Self {
        Self { open: &open[open.partition_point(|&sample| sample < index)..] }
    }

    pub(crate) fn contains(&mut self, timed: &TimedSample) -> bool {
        while self.open.first().is_some_and(|&index| index < timed.sample.index) {
            self.open = &self.open[1..];
        }
        timed.sample.sync && self.open.first() != Some(&timed.sample.index)
    }
}

/// Cuts a track at entry points: at those that are near the target, or at every one. The segments
/// have no positions yet. `None` when times or sizes are out of all range.
pub(crate) fn cut(
    track: &Track,
    timeline: &Timeline,
    open: &[u32],
    silent_frame: u32,
    every_entry_point: bool,
) -> Option<Vec<Segment>> {
    let timescale = u64::from(track.timescale);
    let span = track.tables.duration.max(1);
    let target = (timescale * TARGET_MS / 1000).max(span / MOST_SEGMENTS).max(1);
    let mut segments = silent_segments(timeline, silent_frame, target);
    let mut entry_points = EntryPoints::from(open, timeline.start.index());
    let mut samples = track.tables.samples_from(timeline.start.clone());
    let mut next_cut = 0_u64;
    let mut current: Option<(Cursor, Counted)> = None;
    loop {
        let start = samples.cursor().clone();
        let Some(sample) = samples.next().filter(|sample| sample.index < timeline.end_index) else { break };
        let timed = timeline.apply(sample)?;
        let entry_point = entry_points.contains(&timed);
        let one = Counted::one(&timed, entry_point);
        // Half a sample of tolerance: rounded times must not make a segment a group longer.
        let near = timed.time + (u64::from(timed.duration) / 2).min(target / 8);
        match &mut current {
            Some((_, counted)) if !entry_point || near < next_cut && !every_entry_point => counted.add(&one),
            _ => {
                if let Some((start, counted)) = current.replace((start, one)) {
                    segments.push(segment(&segments, Some(start), counted));
                }
                // Pictures are cut as far apart as their groups allow; sound, which can be cut
                // anywhere, keeps to the grid, so that its cuts do not drift away from the picture's.
                next_cut = match track.kind {
                    TrackKind::Video => timed.time.checked_add(target)?,
                    TrackKind::Audio => (near / target + 1).checked_mul(target)?,
                };
            }
        }
    }
    if let Some((start, counted)) = current {
        match segments.last_mut() {
            // Less than the priming that an edit list hides would, by decode times, lie after the end of all
            // that is heard: hls.js then waits for it for ever.
            Some(last)
                if track.kind == TrackKind::Audio
                    && last.start.is_some()
                    && counted.duration < target / SHORTEST_LAST =>
            {
                last.counted.add(&counted);
            }
            _ => segments.push(segment(&segments, Some(start), counted)),
        }
    }
    Some(segments)
}

fn segment(before: &[Segment], start: Option<Cursor>, counted: Counted) -> Segment {
    Segment { position: 0, header_bytes: 0, start, number: before.len() as u32 + 1, counted }
}

fn silent_segments(timeline: &Timeline, silent_frame: u32, target: u64) -> Vec<Segment> {
    let mut segments = Vec::new();
    let frame_duration = u64::from(timeline.silent_frame_duration).max(1);
    let at_once = (target / frame_duration).clamp(1, u64::from(u32::MAX)) as u32;
    let (mut left, mut time) = (timeline.silent_frames, 0);
    while left > 0 {
        let frames = left.min(at_once);
        let counted = Counted::silence(frames, time, timeline.silent_frame_duration, silent_frame);
        segments.push(segment(&segments, None, counted));
        left -= frames;
        time += u64::from(frames) * frame_duration;
    }
    segments
}
