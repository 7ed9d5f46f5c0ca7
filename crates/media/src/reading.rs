//! Any range of an output, made from ranges of the source.

use std::io;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::pieces::{Piece, Pieces};
use crate::plan::PlannedTrack;
use crate::{Plan, Source};

/// What lies between two pieces is read along up to this length: from a bucket, another request costs as much time. Sound
/// lies between pictures, a few frames at a time.
const MOST_BETWEEN: u64 = 1 << 20;
/// No read is longer than this, unless one piece is.
const MOST_AT_ONCE: u64 = 8 << 20;
/// Reads under way at a time.
const IN_FLIGHT: usize = 3;

/// A part of an output.
enum Run {
    Made(Bytes),
    /// A range of the source, and the ranges of it that the output has, in the output's order.
    Read {
        whole: Range<u64>,
        wanted: Vec<Range<u64>>,
    },
}

impl Plan {
    /// Any bytes of an output, made from the source: the same that [`package`](crate::package) writes.
    /// A name or a range that the output has not is `InvalidInput`.
    ///
    /// Memory: the range, and three reads of 8 MiB. The source is read in runs: pieces that lie near each other take
    /// one read together.
    pub async fn read_output<S: Source>(
        &self,
        source: &S,
        name: &str,
        range: Range<u64>,
    ) -> io::Result<Bytes> {
        let planned = self.inner.tracks.iter().find(|planned| planned.file_name() == name);
        let Some(planned) = planned.filter(|p| range.start <= range.end && range.end <= p.size_bytes) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no such output or range"));
        };
        let mut bytes = BytesMut::with_capacity((range.end - range.start) as usize);
        let reads = runs(planned, range).into_iter().map(|run| async move {
            io::Result::Ok(match run {
                Run::Made(made) => vec![made],
                Run::Read { whole, wanted } => {
                    let start = whole.start;
                    let read = self.inner.read(source, whole).await?;
                    let cut = |range: Range<u64>| {
                        read.slice((range.start - start) as usize..(range.end - start) as usize)
                    };
                    wanted.into_iter().map(cut).collect()
                }
            })
        });
        let mut reads = stream::iter(reads).buffered(IN_FLIGHT);
        while let Some(pieces) = reads.try_next().await? {
            pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
        }
        Ok(bytes.freeze())
    }
}

/// The parts of a range of an output, in its order.
fn runs(planned: &PlannedTrack, range: Range<u64>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let (mut pieces, mut position) = Pieces::from(planned, range.start);
    while position < range.end {
        let Some(piece) = pieces.next() else { break };
        let length = piece.size_bytes();
        let from = range.start.saturating_sub(position).min(length);
        let to = (range.end - position).min(length);
        position += length;
        if from == to {
            continue;
        }
        match piece {
            Piece::Made(made) => runs.push(Run::Made(made.slice(from as usize..to as usize))),
            Piece::Copied(copied) => {
                let next = copied.start + from..copied.start + to;
                match runs.last_mut() {
                    Some(Run::Read { whole, wanted }) if is_near(whole, &next) => {
                        whole.end = next.end;
                        wanted.push(next);
                    }
                    _ => runs.push(Run::Read { whole: next.clone(), wanted: vec![next] }),
                }
            }
        }
    }
    runs
}

/// Whether what comes next is read along with what came before.
fn is_near(before: &Range<u64>, next: &Range<u64>) -> bool {
    let between = next.start.checked_sub(before.end);
    between.is_some_and(|between| between <= MOST_BETWEEN) && next.end - before.start <= MOST_AT_ONCE
}
