//! Walking a track's samples, through all of its tables at once.

use super::Tables;
use crate::boxes::be_u32;

/// One frame or packet of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Counted from 0.
    pub(crate) index: u32,
    /// Decode time, in the track's timescale.
    pub(crate) time: u64,
    pub(crate) duration: u32,
    /// What is added to the decode time for the time of composition.
    pub(crate) shift: i32,
    /// Where it lies in the source.
    pub(crate) position: u64,
    pub(crate) size: u32,
    /// Whether the file calls it a sync sample.
    pub(crate) sync: bool,
}

impl Sample {
    /// Composition time on the media's own timeline.
    pub(crate) fn composition_time(&self) -> i64 {
        self.time as i64 + i64::from(self.shift)
    }

    pub(crate) fn end(&self) -> u64 {
        self.position + u64::from(self.size)
    }
}

/// A place in all tables of a track at once. Small, so that each segment can keep one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cursor {
    index: u32,
    time: u64,
    position: u64,
    duration: Run,
    shift: Run,
    next_sync_entry: u32,
    chunk: u32,
    left_in_chunk: u32,
    next_run_entry: u32,
    samples_in_chunk: u32,
}

impl Cursor {
    pub(super) fn at(first_time: u64) -> Self {
        Self { time: first_time, ..Self::default() }
    }

    /// The index of the sample that comes next.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }
}

/// A place in a table of (count, value) pairs.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    next_entry: u32,
    left: u32,
    value: u32,
}

impl Run {
    /// The value for the next sample, 0 past the end of the table.
    #[inline]
    fn advance(&mut self, entries: &[u8]) -> u32 {
        while self.left == 0 {
            let at = self.next_entry as usize * 8;
            if at >= entries.len() {
                return 0;
            }
            self.next_entry += 1;
            self.left = be_u32(entries, at);
            self.value = be_u32(entries, at + 4);
        }
        self.left -= 1;
        self.value
    }
}

/// See [`Tables::samples_from`].
pub(crate) struct Samples<'a> {
    pub(super) tables: &'a Tables,
    pub(super) cursor: Cursor,
}

impl Samples<'_> {
    /// Where the next sample will be read.
    pub(crate) fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    fn next_chunk(&mut self) {
        let cursor = &mut self.cursor;
        let runs = &self.tables.runs;
        let at = cursor.next_run_entry as usize * 12;
        if at < runs.len() && be_u32(runs, at) == cursor.chunk + 1 {
            cursor.samples_in_chunk = be_u32(runs, at + 4);
            cursor.next_run_entry += 1;
        }
        cursor.position = self.tables.chunk_position(cursor.chunk);
        cursor.left_in_chunk = cursor.samples_in_chunk;
        cursor.chunk += 1;
    }

    /// Sync samples are listed in ascending order; the cursor stays on the next one.
    #[inline]
    fn is_sync(&mut self) -> bool {
        let Some(syncs) = &self.tables.syncs else { return true };
        loop {
            let at = self.cursor.next_sync_entry as usize * 4;
            if at >= syncs.len() {
                return false;
            }
            let number = be_u32(syncs, at);
            if number > self.cursor.index + 1 {
                return false;
            }
            self.cursor.next_sync_entry += 1;
            if number == self.cursor.index + 1 {
                return true;
            }
        }
    }
}

impl Iterator for Samples<'_> {
    type Item = Sample;

    #[inline]
    fn next(&mut self) -> Option<Sample> {
        if self.cursor.index >= self.tables.samples {
            return None;
        }
        if self.cursor.left_in_chunk == 0 {
            self.next_chunk();
        }
        let sync = self.is_sync();
        let cursor = &mut self.cursor;
        let sample = Sample {
            index: cursor.index,
            time: cursor.time,
            duration: cursor.duration.advance(&self.tables.durations),
            shift: cursor.shift.advance(&self.tables.shifts) as i32,
            position: cursor.position,
            size: self.tables.sizes.get(cursor.index),
            sync,
        };
        cursor.index += 1;
        cursor.left_in_chunk = cursor.left_in_chunk.saturating_sub(1);
        cursor.time += u64::from(sample.duration);
        cursor.position += u64::from(sample.size);
        Some(sample)
    }
}
