//! Goes through a source once, from the front to the back, for things that are spread over it.

use std::io;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesOrdered, StreamExt};

use crate::{ReadAhead, Source};

/// What passed is kept of a source that is no longer than this, so that a short recording is read once.
const MOST_KEPT_BYTES: u64 = 16 << 20;
/// Where little is read at a time, reading again is cheaper than finding things among many pieces.
const MOST_KEPT: usize = 16;

/// A reader that only moves forward. No byte is asked for twice; bytes that are far enough ahead of
/// what was asked for are skipped.
pub(crate) struct Forward<'a, S> {
    source: &'a S,
    size: u64,
    read_ahead: ReadAhead,
    /// The end of what came before the window, as far as a range needed both.
    tail: (u64, Bytes),
    window: (u64, Bytes),
    asked: FuturesOrdered<BoxFuture<'a, io::Result<(u64, Bytes)>>>,
    /// The first byte that was not asked for.
    next: u64,
    kept: Vec<(u64, Bytes)>,
}

impl<'a, S: Source> Forward<'a, S> {
    /// `head` are the first bytes of the source.
    pub(crate) fn new(source: &'a S, head: Bytes) -> Self {
        Self {
            source,
            size: source.size_bytes(),
            read_ahead: source.read_ahead(),
            tail: (0, Bytes::new()),
            next: head.len() as u64,
            kept: vec![(0, head.clone())],
            window: (0, head),
            asked: FuturesOrdered::new(),
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Ranges that need not be read again, ascending: the head, and all of a short source.
    pub(crate) fn into_kept(mut self) -> Vec<(u64, Bytes)> {
        if self.kept.len() > MOST_KEPT {
            self.kept.truncate(1);
        }
        self.kept
    }

    /// The bytes of a range within the source, that begins no earlier than the one before.
    pub(crate) async fn bytes(&mut self, range: Range<u64>) -> io::Result<Bytes> {
        loop {
            if let Some(bytes) = self.buffered(&range) {
                return Ok(bytes);
            }
            if range.start >= self.next {
                self.asked = FuturesOrdered::new();
                self.next = range.start;
            }
            self.ask();
            let (position, bytes) = self.asked.next().await.ok_or(io::ErrorKind::UnexpectedEof)??;
            let window_end = self.window.0 + self.window.1.len() as u64;
            let first = self.tail.0.min(self.window.0);
            let joins = position == window_end && (first..window_end).contains(&range.start);
            let tail = if joins { self.buffered(&(range.start..window_end)) } else { None };
            // A copy, because a slice would keep the whole window in memory.
            self.tail = (range.start, tail.map_or_else(Bytes::new, |tail| Bytes::copy_from_slice(&tail)));
            if self.size <= MOST_KEPT_BYTES && self.kept.len() <= MOST_KEPT {
                self.kept.push((position, bytes.clone()));
            }
            self.window = (position, bytes);
        }
    }

    fn buffered(&self, range: &Range<u64>) -> Option<Bytes> {
        if let Some(bytes) = within(&self.window, range) {
            return Some(bytes);
        }
        if let Some(bytes) = within(&self.tail, range) {
            return Some(bytes);
        }
        let before = within(&self.tail, &(range.start..self.window.0))?;
        let after = within(&self.window, &(self.window.0..range.end))?;
        let mut joined = BytesMut::with_capacity(before.len() + after.len());
        joined.extend_from_slice(&before);
        joined.extend_from_slice(&after);
        Some(joined.freeze())
    }

    fn ask(&mut self) {
        while self.asked.len() < self.read_ahead.in_flight.max(1) && self.next < self.size {
            let start = self.next;
            let end = self.size.min(start + self.read_ahead.window_bytes.max(1));
            let source = self.source;
            let read = async move { Ok((start, source.read(start..end).await?)) };
            self.asked.push_back(read.boxed());
            self.next = end;
        }
    }
}

fn within((start, bytes): &(u64, Bytes), range: &Range<u64>) -> Option<Bytes> {
    let from = range.start.checked_sub(*start)?;
    let to = range.end.checked_sub(*start)?;
    (from <= to && to <= bytes.len() as u64).then(|| bytes.slice(from as usize..to as usize))
}
