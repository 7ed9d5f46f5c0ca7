//! The bytes of an output in their order: what is made from the plan, and what is copied from
//! where in the source.

use std::ops::Range;

use bytes::Bytes;

use crate::plan::PlannedTrack;
use crate::segments::{EntryPoints, Segment};
use crate::tables::Samples;
use crate::timing::TimedSample;
use crate::writing::{segment_header, segment_header_bytes};

/// A run of an output's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Made(Bytes),
    /// A range of the source.
    Copied(Range<u64>),
}

impl Piece {
    pub(crate) fn size_bytes(&self) -> u64 {
        match self {
            Piece::Made(bytes) => bytes.len() as u64,
            Piece::Copied(range) => range.end - range.start,
        }
    }
}

/// The pieces of an output, made one at a time. Samples that lie side by side are one piece.
pub(crate) struct Pieces<'a> {
    planned: &'a PlannedTrack,
    header: Option<Bytes>,
    next_segment: usize,
    end_segment: usize,
    samples: Option<Samples<'a>>,
    samples_left: u32,
    /// Added to all composition shifts.
    lift: i32,
    /// The beginning of a run whose end is not known yet. Where samples have a prefix, a sample whose
    /// prefix has come.
    run: Option<Range<u64>>,
}

impl<'a> Pieces<'a> {
    /// All pieces.
    pub(crate) fn all(planned: &'a PlannedTrack) -> Self {
        let header = Some(planned.header.clone());
        let end_segment = planned.segments.len();
        Self {
            planned,
            header,
            next_segment: 0,
            end_segment,
            samples: None,
            samples_left: 0,
            lift: 0,
            run: None,
        }
    }

    /// Some of the segments, after the header without its index, for a reader that does not understand
    /// composition shifts below 0: if there are any, all are raised alike.
    pub(crate) fn of_segments(planned: &'a PlannedTrack, segments: Range<usize>) -> Self {
        let init = planned.header.slice(..planned.init_bytes as usize);
        let end_segment = segments.end.min(planned.segments.len());
        let mut pieces =
            Self { header: Some(init), next_segment: segments.start, end_segment, ..Self::all(planned) };
        let chosen = planned.segments.get(segments.start..end_segment).unwrap_or_default();
        let timed = chosen.iter().flat_map(|segment| planned.timed(segment));
        let least = timed.map(|timed| timed.shift).min().unwrap_or(0);
        pieces.lift = least.min(0).saturating_neg();
        pieces
    }

    /// The pieces from the segment that holds `position` on, and where they begin.
    pub(crate) fn from(planned: &'a PlannedTrack, position: u64) -> (Self, u64) {
        let mut pieces = Self::all(planned);
        if position < planned.header.len() as u64 {
            return (pieces, 0);
        }
        let after = planned.segments.partition_point(|segment| segment.position <= position);
        pieces.header = None;
        pieces.next_segment = after.saturating_sub(1);
        let start = planned.segments.get(pieces.next_segment).map_or(position, |segment| segment.position);
        (pieces, start)
    }

    fn start_segment(&mut self, segment: &'a Segment) -> Piece {
        let planned = self.planned;
        let Some(start) = &segment.start else { return Piece::Made(silent_segment(planned, segment)) };
        let mut entry_points = EntryPoints::from(&planned.open, start.index());
        let mut raised = segment.clone();
        if self.lift > 0 {
            raised.counted.shifted = true;
            // Four bytes a sample more at most; a segment that is so near the limit of 2 GiB stays as it is.
            raised.header_bytes = segment_header_bytes(&raised.counted).unwrap_or(segment.header_bytes);
        }
        let header = segment_header(
            &raised,
            planned.timed(segment).map(|timed| {
                let sync = entry_points.contains(&timed);
                (TimedSample { shift: timed.shift.saturating_add(self.lift), ..timed }, sync)
            }),
        );
        self.samples = Some(planned.track.tables.samples_from(start.clone()));
        self.samples_left = segment.counted.samples;
        Piece::Made(header.into())
    }

    fn next_run(&mut self) -> Option<Piece> {
        let prefix = &self.planned.track.prefix;
        let samples = self.samples.as_mut()?;
        if !prefix.is_empty() {
            if let Some(sample) = self.run.take().filter(|sample| !sample.is_empty()) {
                return Some(Piece::Copied(sample));
            }
            if self.samples_left > 0
                && let Some(sample) = samples.next()
            {
                self.samples_left -= 1;
                self.run = Some(sample.position..sample.end());
                return Some(Piece::Made(prefix.clone()));
            }
        }
        while self.samples_left > 0 {
            let Some(sample) = samples.next() else { break };
            self.samples_left -= 1;
            let next = sample.position..sample.end();
            match &mut self.run {
                Some(run) if run.end == next.start => run.end = next.end,
                run => {
                    let done = run.replace(next);
                    if let Some(done) = done.filter(|done| !done.is_empty()) {
                        return Some(Piece::Copied(done));
                    }
                }
            }
        }
        self.samples = None;
        self.run.take().filter(|run| !run.is_empty()).map(Piece::Copied)
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if let Some(header) = self.header.take() {
            return Some(Piece::Made(header));
        }
        if let Some(run) = self.next_run() {
            return Some(run);
        }
        let segment = self.planned.segments[..self.end_segment].get(self.next_segment)?;
        self.next_segment += 1;
        Some(self.start_segment(segment))
    }
}

fn silent_segment(planned: &PlannedTrack, segment: &Segment) -> Bytes {
    let mut bytes = segment_header(segment, std::iter::empty());
    if let Some(silence) = planned.codec.silence {
        for _ in 0..segment.counted.samples {
            bytes.extend_from_slice(silence.frame);
        }
    }
    bytes.into()
}
