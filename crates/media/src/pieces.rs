//! The bytes of an output in their order: what is made from the plan, and what is copied from
//! where in the source.

use std::ops::Range;

use bytes::Bytes;

use crate::plan::PlannedTrack;
use crate::segments::{EntryPoints, Segment};
use crate::tables::Samples;
use crate::writing::segment_header;

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
    samples: Option<Samples<'a>>,
    samples_left: u32,
    /// The beginning of a run whose end is not known yet.
    run: Option<Range<u64>>,
}

impl<'a> Pieces<'a> {
    /// All pieces.
    pub(crate) fn all(planned: &'a PlannedTrack) -> Self {
        let header = Some(planned.header.clone());
        Self { planned, header, next_segment: 0, samples: None, samples_left: 0, run: None }
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
        let samples = planned.track.tables.samples_from(start.clone()).take(segment.counted.samples as usize);
        let timed = samples.filter_map(|sample| planned.timeline.apply(sample));
        let header = segment_header(
            segment,
            timed.map(|timed| {
                let sync = entry_points.contains(&timed);
                (timed, sync)
            }),
        );
        self.samples = Some(planned.track.tables.samples_from(start.clone()));
        self.samples_left = segment.counted.samples;
        Piece::Made(header.into())
    }

    fn next_run(&mut self) -> Option<Piece> {
        let samples = self.samples.as_mut()?;
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
        let segment = self.planned.segments.get(self.next_segment)?;
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
