use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::Part;
use crate::pieces::{Piece, Pieces};
use crate::plan::PlannedTrack;

/// Shorter runs are copied: a slice of them would cost more than their bytes.
const LEAST_SLICE: usize = 4 << 10;
/// What is fetched for one lane alone at least: more of the same often follows.
const LEAST_ASIDE: u64 = 64 << 10;

/// A run of an output's bytes that is written at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Portion {
    /// The number of the part that it is, or is a scrap of; counted from 1.
    pub(crate) part: u32,
    /// The share that it comes from, when it is a scrap: other shares have the rest of its part.
    pub(crate) scrap_of: Option<u32>,
    /// Where it lies in the output.
    pub(crate) range: Range<u64>,
}

/// An output that has `size_bytes`, in parts of one size.
pub(crate) fn equal_parts(size_bytes: u64, part_bytes: u64) -> impl Iterator<Item = Portion> {
    let part_bytes = part_bytes.max(1);
    (0..size_bytes.div_ceil(part_bytes)).map(move |index| Portion {
        part: index as u32 + 1,
        scrap_of: None,
        range: index * part_bytes..((index + 1) * part_bytes).min(size_bytes),
    })
}

/// Portions that follow each other without a gap.
pub(crate) type Portions<'a> = Box<dyn Iterator<Item = Portion> + Send + 'a>;

/// An output on its way, or a range of it: takes its bytes out of the windows that pass and joins
/// them to parts.
pub(crate) struct Lane<'a> {
    pieces: Pieces<'a>,
    /// Where the next piece begins in the output.
    position: u64,
    /// What of the output is made.
    range: Range<u64>,
    /// What of the current piece is still to come from the source.
    wanted: Option<Range<u64>>,
    /// Bytes of the source that were read for this lane alone.
    aside: Option<(u64, Bytes)>,
    /// Slices keep the whole window in memory that they are of. That is no loss for the track that
    /// fills nearly all of each window, when its parts are no longer than windows; else it copies,
    /// and its parts are of one piece.
    slices: bool,
    portions: Portions<'a>,
    building: Option<Building>,
    full: VecDeque<(Portion, Part)>,
}

/// A part in the making.
struct Building {
    portion: Portion,
    left: usize,
    pieces: Vec<Bytes>,
    /// Copied bytes that follow the pieces.
    tail: BytesMut,
}

impl Building {
    fn new(portion: Portion) -> Self {
        let left = (portion.range.end - portion.range.start) as usize;
        Self { portion, left, pieces: Vec::new(), tail: BytesMut::new() }
    }

    fn flush_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(self.tail.split().freeze());
        }
    }

    fn finish(mut self) -> (Portion, Part) {
        self.flush_tail();
        let Range { start, end } = self.portion.range;
        let size_bytes = (end - start) as usize;
        let part = Part { number: self.portion.part, position: start, size_bytes, pieces: self.pieces };
        (self.portion, part)
    }
}

impl<'a> Lane<'a> {
    /// The lane of a range of an output, in these portions, none of them empty. Whether it `slices` is a question of memory alone.
    pub(crate) fn new(
        planned: &'a PlannedTrack,
        range: Range<u64>,
        mut portions: Portions<'a>,
        slices: bool,
    ) -> Self {
        let (pieces, position) = Pieces::from(planned, range.start);
        let building = portions.next().map(Building::new);
        Self {
            pieces,
            position,
            range,
            wanted: None,
            aside: None,
            slices,
            portions,
            building,
            full: VecDeque::new(),
        }
    }

    /// Takes what belongs to this lane next, as long as it is in the window. Answers a range that
    /// begins before the window, and may pass the end of the file, when its start is missing; it goes
    /// on with the same window once some of that was [set aside](Self::set_aside).
    pub(crate) fn take(&mut self, position: u64, window: &Bytes) -> Option<Range<u64>> {
        loop {
            let Some(wanted) = self.wanted.clone() else {
                self.next_piece()?;
                continue;
            };
            if wanted.start >= position + window.len() as u64 {
                return None;
            }
            let aside = self.aside.as_ref().and_then(|(start, bytes)| slice_of(*start, bytes, &wanted));
            let Some(bytes) = slice_of(position, window, &wanted).or(aside) else {
                return Some(wanted.start..wanted.end.max(wanted.start + LEAST_ASIDE));
            };
            let start = wanted.start + bytes.len() as u64;
            self.wanted = (start < wanted.end).then_some(start..wanted.end);
            self.push(bytes);
        }
    }

    /// Begins the next piece, or what of it lies in the range; `None` when the range is through.
    fn next_piece(&mut self) -> Option<()> {
        if self.position >= self.range.end {
            return None;
        }
        let piece = self.pieces.next()?;
        let size_bytes = piece.size_bytes();
        let from = self.range.start.saturating_sub(self.position).min(size_bytes);
        let to = (self.range.end - self.position).min(size_bytes);
        self.position += size_bytes;
        match piece {
            _ if from == to => {}
            Piece::Made(bytes) => self.push(bytes.slice(from as usize..to as usize)),
            Piece::Copied(copied) => self.wanted = Some(copied.start + from..copied.start + to),
        }
        Some(())
    }

    /// Keeps bytes of the source that were read for this lane.
    pub(crate) fn set_aside(&mut self, position: u64, bytes: Bytes) {
        self.aside = Some((position, bytes));
    }

    /// The next part that is full.
    pub(crate) fn full_part(&mut self) -> Option<(Portion, Part)> {
        self.full.pop_front()
    }

    /// A range that is not complete once the windows are through is an error: the source did not have
    /// what its index says.
    pub(crate) fn expect_complete(&self) -> io::Result<()> {
        match self.building {
            None => Ok(()),
            Some(_) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "an output lacks some of its media")),
        }
    }

    fn push(&mut self, mut bytes: Bytes) {
        while !bytes.is_empty() {
            // The portions are the whole range, so there is one as long as there are bytes.
            let Some(building) = &mut self.building else { return };
            let now = bytes.split_to(bytes.len().min(building.left));
            if self.slices && now.len() >= LEAST_SLICE {
                building.flush_tail();
                building.pieces.push(now.clone());
            } else {
                if building.tail.capacity() == 0 && !self.slices {
                    // All that the part will hold, so that it never grows: growing would take twice
                    // its memory.
                    building.tail.reserve(building.left);
                }
                building.tail.extend_from_slice(&now);
            }
            building.left -= now.len();
            if building.left == 0 {
                let next = self.portions.next().map(Building::new);
                self.full.extend(std::mem::replace(&mut self.building, next).map(Building::finish));
            }
        }
    }
}

/// As much of the beginning of `wanted` as the bytes have; `None` when they do not have its start.
fn slice_of(position: u64, bytes: &Bytes, wanted: &Range<u64>) -> Option<Bytes> {
    let from = usize::try_from(wanted.start.checked_sub(position)?).ok()?;
    let length = usize::try_from(wanted.end - wanted.start).unwrap_or(usize::MAX);
    (from < bytes.len()).then(|| bytes.slice(from..bytes.len().min(from.saturating_add(length))))
}
