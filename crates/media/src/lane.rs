use std::io;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::pieces::{Piece, Pieces};
use crate::plan::{Inner, PlannedTrack};
use crate::{Options, Part};

/// Shorter runs are copied: a slice of them would cost more than their bytes.
const LEAST_SLICE: usize = 4 << 10;
/// What is fetched for one lane alone at least: more of the same often follows.
const LEAST_ASIDE: u64 = 64 << 10;

/// An output on its way: takes its bytes out of the windows that pass and joins them to parts.
pub(crate) struct Lane<'a> {
    pieces: Pieces<'a>,
    /// What of the current piece is still to come from the source.
    wanted: Option<Range<u64>>,
    /// Bytes of the source that were read for this lane alone.
    aside: Option<(u64, Bytes)>,
    /// Slices keep the whole window in memory that they are of. That is no loss for the track that
    /// fills nearly all of each window, when its parts are no longer than windows; else it copies,
    /// and its parts are of one piece.
    slices: bool,
    part_bytes: usize,
    building: Building,
    full: std::collections::VecDeque<Part>,
    size_bytes: u64,
}

/// A part in the making.
#[derive(Default)]
struct Building {
    number: u32,
    position: u64,
    size_bytes: usize,
    pieces: Vec<Bytes>,
    /// Copied bytes that follow the pieces.
    tail: BytesMut,
}

impl Building {
    fn flush_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(self.tail.split().freeze());
        }
    }
}

impl<'a> Lane<'a> {
    pub(crate) fn new(planned: &'a PlannedTrack, inner: &Inner, options: &Options) -> Self {
        let part_bytes = options.part_bytes.max(1);
        let media = inner.media.end - inner.media.start;
        Self {
            pieces: Pieces::all(planned),
            wanted: None,
            aside: None,
            slices: planned.track.tables.bytes / 7 >= media / 8 && part_bytes as u64 <= options.window_bytes,
            part_bytes,
            building: Building { number: 1, ..Building::default() },
            full: std::collections::VecDeque::new(),
            size_bytes: planned.size_bytes,
        }
    }

    /// Takes what belongs to this lane next, as long as it is in the window. Answers a range that
    /// begins before the window, and may pass the end of the file, when its start is missing; it goes
    /// on with the same window once some of that was [set aside](Self::set_aside).
    pub(crate) fn take(&mut self, position: u64, window: &Bytes) -> Option<Range<u64>> {
        loop {
            let Some(wanted) = self.wanted.clone() else {
                match self.pieces.next() {
                    Some(Piece::Made(bytes)) => self.push(bytes),
                    Some(Piece::Copied(range)) => self.wanted = Some(range),
                    None => return None,
                }
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

    /// Keeps bytes of the source that were read for this lane.
    pub(crate) fn set_aside(&mut self, position: u64, bytes: Bytes) {
        self.aside = Some((position, bytes));
    }

    /// The next part that is full.
    pub(crate) fn full_part(&mut self) -> Option<Part> {
        self.full.pop_front()
    }

    /// What is left at the end, once the windows are through. An output that is not complete by then
    /// is an error: the source did not have what its index says.
    pub(crate) fn last_part(&mut self) -> io::Result<Option<Part>> {
        if self.building.position + self.building.size_bytes as u64 != self.size_bytes {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "an output lacks some of its media"));
        }
        self.end_part();
        Ok(self.full.pop_front())
    }

    fn push(&mut self, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let building = &mut self.building;
            let now = bytes.split_to(bytes.len().min(self.part_bytes - building.size_bytes));
            building.size_bytes += now.len();
            if self.slices && now.len() >= LEAST_SLICE {
                building.flush_tail();
                building.pieces.push(now);
            } else {
                if building.tail.capacity() == 0 && !self.slices {
                    // All that the part will hold, so that it never grows: growing would take twice
                    // its memory.
                    let left = usize::try_from(self.size_bytes - building.position).unwrap_or(usize::MAX);
                    building.tail.reserve(left.min(self.part_bytes));
                }
                building.tail.extend_from_slice(&now);
            }
            if building.size_bytes == self.part_bytes {
                self.end_part();
            }
        }
    }

    fn end_part(&mut self) {
        let building = &mut self.building;
        if building.size_bytes == 0 {
            return;
        }
        building.flush_tail();
        let (number, position, size_bytes) = (building.number, building.position, building.size_bytes);
        self.full.push_back(Part {
            number,
            position,
            size_bytes,
            pieces: std::mem::take(&mut building.pieces),
        });
        self.building =
            Building { number: number + 1, position: position + size_bytes as u64, ..Building::default() };
    }
}

/// As much of the beginning of `wanted` as the bytes have; `None` when they do not have its start.
fn slice_of(position: u64, bytes: &Bytes, wanted: &Range<u64>) -> Option<Bytes> {
    let from = usize::try_from(wanted.start.checked_sub(position)?).ok()?;
    let length = usize::try_from(wanted.end - wanted.start).unwrap_or(usize::MAX);
    (from < bytes.len()).then(|| bytes.slice(from..bytes.len().min(from.saturating_add(length))))
}
