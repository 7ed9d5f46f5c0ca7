//! Finds the index of an MP4 or QuickTime file with few, small reads.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesOrdered, StreamExt};

use crate::boxes::{BoxHeader, LONGEST_HEADER_BYTES, damaged, find};
use crate::fragments::Fragments;
use crate::hints::{MOST_INDEX_BYTES, from_mfra, from_sidx, mfra_bytes};
use crate::moov::Index;
use crate::{MediaError, Source};

/// What is read first. It holds the whole index of an ordinary clip that was prepared for the web.
pub(crate) const HEAD_BYTES: u64 = 256 << 10;
/// A tail that is not longer is read at once, as the index is likely to be all of it.
const TAIL_BYTES: u64 = 1 << 20;
/// Enough to see what box comes next, and often all of a small one.
const PEEK_BYTES: u64 = 64 << 10;
/// The longest index that is taken into memory: 35 hours of film.
const MOST_MOOV_BYTES: u64 = 128 << 20;
/// Fragments that are asked for side by side, where an index tells where they are.
const IN_FLIGHT: usize = 16;
/// A fragment a second, for a day.
const MOST_HINTS: usize = 100_000;
/// An index of fragments at the end of the file is looked for when there is more than this to read.
const WORTH_A_LOOK: u64 = 16 << 20;
/// Where fragments are no further apart, several are read at once.
const NEAR_BYTES: u64 = 1 << 20;
/// Boxes at the top of a file that is not fragmented. Ordinary ones have five.
const MOST_BOXES: usize = 1_000;

/// What was read of a file on the way to its index.
pub(crate) struct Scanned {
    pub(crate) index: Index,
    /// Ranges that need not be read again, ascending.
    pub(crate) known: Vec<(u64, Bytes)>,
}

/// Reads ahead a little, and remembers the last thing that was read.
struct Walker<'a, S> {
    source: &'a S,
    size: u64,
    buffered: (u64, Bytes),
    /// Where something will have to be read, ascending, as far as it was not asked for.
    expected: VecDeque<u64>,
    asked: FuturesOrdered<BoxFuture<'a, io::Result<Bytes>>>,
    /// Where what was asked for begins.
    asked_at: VecDeque<u64>,
    /// Where the last of it ends: hints that overlap would have bytes read again and again.
    asked_to: u64,
}

impl<'a, S: Source> Walker<'a, S> {
    fn buffered(&self, range: &Range<u64>) -> Option<Bytes> {
        let (start, bytes) = &self.buffered;
        let from = range.start.checked_sub(*start)?;
        let to = range.end.checked_sub(*start)?;
        (from <= to && to <= bytes.len() as u64).then(|| bytes.slice(from as usize..to as usize))
    }

    /// The bytes of a range within the file; `ahead` are read instead when something must be read.
    async fn bytes(&mut self, range: Range<u64>, ahead: u64) -> Result<Bytes, MediaError> {
        if let Some(bytes) = self.buffered(&range) {
            return Ok(bytes);
        }
        self.ask(range.start, ahead);
        while let Some(start) = self.asked_at.pop_front_if(|start| *start <= range.start) {
            let Some(read) = self.asked.next().await else { break };
            self.buffered = (start, read?);
            self.ask(range.start, ahead);
            if let Some(bytes) = self.buffered(&range) {
                return Ok(bytes);
            }
        }
        let end = range.end.max(self.size.min(range.start + ahead));
        let read = self.source.read(range.start..end).await?;
        let bytes = read.slice(..(range.end - range.start) as usize);
        self.buffered = (range.start, read);
        Ok(bytes)
    }

    /// Asks for what is expected from a position on.
    fn ask(&mut self, from: u64, ahead: u64) {
        while self.asked.len() < IN_FLIGHT {
            let Some(start) = self.expected.pop_front() else { break };
            if (from.max(self.asked_to)..self.size).contains(&start) {
                self.asked_to = self.size.min(start + ahead);
                self.asked.push_back(self.source.read(start..self.asked_to).boxed());
                self.asked_at.push_back(start);
            }
        }
    }

    /// Takes hints, unless there are more already than a film has fragments.
    fn expect(&mut self, positions: Vec<u64>) {
        if self.expected.len() > MOST_HINTS {
            return;
        }
        let mut all: Vec<u64> = self.expected.drain(..).chain(positions).collect();
        all.sort_unstable();
        all.dedup();
        self.expected = all.into();
    }

    /// Looks for an index of fragments at the end of the file.
    async fn look_at_end(&mut self) -> Result<(), MediaError> {
        let start = self.size.saturating_sub(PEEK_BYTES);
        let tail = self.source.read(start..self.size).await?;
        let Some(length) = mfra_bytes(&tail).filter(|&length| length <= self.size) else { return Ok(()) };
        let mfra = match usize::try_from(length).ok().and_then(|length| tail.len().checked_sub(length)) {
            Some(at) => tail.slice(at..),
            None => self.source.read(self.size - length..self.size).await?,
        };
        if let Some(found) = find(&mfra, b"mfra").ok().flatten() {
            self.expect(from_mfra(&found.body));
        }
        Ok(())
    }
}

/// Walks the boxes to the index, and on through all fragments when it announces them. `head` are
/// the first bytes of the file.
pub(crate) async fn scan<S: Source>(source: &S, head: Bytes) -> Result<Scanned, MediaError> {
    let size = source.size_bytes();
    let mut walker = Walker {
        source,
        size,
        buffered: (0, head.clone()),
        expected: VecDeque::new(),
        asked: FuturesOrdered::new(),
        asked_at: VecDeque::new(),
        asked_to: 0,
    };
    let mut known = vec![(0, head)];
    let mut found: Option<(Index, Fragments)> = None;
    let mut ahead = PEEK_BYTES;
    let mut position = 0;
    let mut count = 0;
    let mut last_fragment = None;
    while position < size {
        let left = size - position;
        // Only the walk through fragments, whose number is that of the film's seconds, is long.
        count += usize::from(found.is_none());
        if count > MOST_BOXES {
            return Err(damaged("it has no index among its first parts"));
        }
        let wanted = if found.is_none() && left <= TAIL_BYTES { left } else { ahead };
        let peeked = walker.bytes(position..position + left.min(LONGEST_HEADER_BYTES), wanted).await?;
        let Some(header) = BoxHeader::parse(&peeked) else {
            if found.is_some() {
                // Padding after the last fragment.
                break;
            }
            return Err(damaged("its structure is unreadable"));
        };
        let length = header.size_bytes.unwrap_or(left);
        match (&header.kind, &mut found) {
            (b"moov", None) => {
                let moov = read_index(&mut walker, position, length, &header).await?;
                known.push(walker.buffered.clone());
                let body = moov.slice(header.header_bytes as usize..);
                let index = Index::parse(&body, size)?;
                if !index.fragmented {
                    return Ok(Scanned { index, known });
                }
                let fragments = Fragments::new(&index, size);
                found = Some((index, fragments));
            }
            (b"sidx", Some(_)) if length <= left.min(MOST_INDEX_BYTES) => {
                let sidx = walker.bytes(position..position + length, ahead).await?;
                let body = sidx.slice(header.header_bytes as usize..);
                walker.expect(from_sidx(&body, position + length));
            }
            (b"moof", Some((_, fragments))) if length <= left => {
                if last_fragment.is_none() && walker.expected.is_empty() && left > WORTH_A_LOOK {
                    walker.look_at_end().await?;
                }
                if length > MOST_MOOV_BYTES {
                    return Err(damaged("the index of a fragment is longer than a film's can be"));
                }
                let moof = walker.bytes(position..position + length, length).await?;
                fragments.add(position, &moof.slice(header.header_bytes as usize..))?;
                // The next one is likely to be as long and as far as this.
                let apart = last_fragment.replace(position).map_or(u64::MAX, |before| position - before);
                ahead = (length + length / 4).clamp(4 << 10, PEEK_BYTES);
                if apart <= NEAR_BYTES && walker.expected.is_empty() {
                    ahead = ahead.max(source.read_ahead().window_bytes);
                }
            }
            _ => {}
        }
        position = position.saturating_add(length);
    }
    let Some((mut index, fragments)) = found else {
        return Err(MediaError::bad(
            "The file has no index. It was probably cut off while it was recorded or copied.",
        ));
    };
    fragments.finish(&mut index)?;
    Ok(Scanned { index, known })
}

async fn read_index<S: Source>(
    walker: &mut Walker<'_, S>,
    position: u64,
    length: u64,
    header: &BoxHeader,
) -> Result<Bytes, MediaError> {
    if length > walker.size - position {
        return Err(damaged("its index is cut off"));
    }
    if length > MOST_MOOV_BYTES {
        return Err(damaged("its index is longer than a film's can be"));
    }
    if length < header.header_bytes {
        return Err(damaged("its index is empty"));
    }
    walker.bytes(position..position + length, length).await
}
