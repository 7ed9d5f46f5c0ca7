//! What an encoder is given: one track as a fragmented MP4 that can be read from a pipe, from any of
//! its segments on. For tracks that are copied it is what players get; for others the boxes are the
//! same, around samples that only an encoder understands.

use std::io;
use std::iter::Peekable;
use std::ops::Range;

use bytes::Bytes;
use futures_util::future::try_join_all;

use crate::geometry::{display_size, rotation};
use crate::pieces::{Piece, Pieces};
use crate::plan::{Plan, PlannedTrack};
use crate::timing::TimedSample;
use crate::{Source, TrackKind, manifest};

/// What is read at once.
const BATCH_BYTES: u64 = 8 << 20;
/// Reads under way at a time.
const READS_AT_ONCE: usize = 16;
/// Bytes of other tracks that are rather read than asked around.
const NEAR_BYTES: u64 = 256 << 10;

/// A track of a film as an encoder sees it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Feed {
    plan: Plan,
    copied: bool,
    index: usize,
}

impl Plan {
    /// All tracks, pictures before sound, copied or not, in the order in which players list them.
    pub fn feeds(&self) -> Vec<Feed> {
        let feed = |copied: bool| move |index: usize| Feed { plan: self.clone(), copied, index };
        let copied = (0..self.inner.tracks.len()).map(feed(true));
        let mut feeds: Vec<Feed> = copied.chain((0..self.inner.fed.len()).map(feed(false))).collect();
        feeds.sort_by_key(|feed| (feed.kind() == TrackKind::Audio, feed.planned().order));
        feeds
    }
}

impl Feed {
    pub(crate) fn planned(&self) -> &PlannedTrack {
        let inner = &self.plan.inner;
        if self.copied { &inner.tracks[self.index] } else { &inner.fed[self.index] }
    }

    /// Picture or sound.
    pub fn kind(&self) -> TrackKind {
        self.planned().track.kind
    }

    /// Whether it is an output as it is, too.
    pub fn is_copied(&self) -> bool {
        self.copied
    }

    /// The name of its file, or of what is made of it, without extension.
    pub fn stem(&self) -> &str {
        &self.planned().stem
    }

    /// What a publisher calls its codec.
    pub fn codec_title(&self) -> &'static str {
        self.planned().codec.title
    }

    /// Ticks a second.
    pub fn timescale(&self) -> u32 {
        self.planned().track.timescale
    }

    /// Presentation times at which segments start, in ticks, and at which the last one ends. The first
    /// is where pictures begin, which is 0.
    pub fn starts(&self) -> &[u64] {
        &self.planned().starts
    }

    /// The number of samples in some segments.
    pub fn samples(&self, segments: Range<usize>) -> u64 {
        self.planned().segments[segments].iter().map(|segment| u64::from(segment.counted.samples)).sum()
    }

    /// Samples of a segment that are shown before its first, which a decoder that begins there may not
    /// have the pictures for.
    pub fn leading_samples(&self, segment: usize) -> u64 {
        let planned = self.planned();
        let shown = |timed: TimedSample| timed.time as i64 + i64::from(timed.shift);
        let mut times = planned.timed(&planned.segments[segment]).map(shown);
        let first = times.next().unwrap_or(0);
        times.filter(|&time| time < first).count() as u64
    }

    /// Presentation times of the pictures of some segments, in ticks, ascending.
    pub fn times(&self, segments: Range<usize>) -> Vec<u64> {
        let planned = self.planned();
        let timed = planned.segments[segments].iter().flat_map(|segment| planned.timed(segment));
        let shown = |timed: TimedSample| {
            let shown = timed.time as i64 + i64::from(timed.shift) - planned.timeline.media_time as i64;
            shown.max(0) as u64
        };
        let mut times: Vec<u64> = timed.map(shown).collect();
        times.sort_unstable();
        times
    }

    /// Width and height with square pixels, before it is turned.
    pub fn display_size(&self) -> (u32, u32) {
        display_size(&self.planned().track, &self.planned().codec)
    }

    /// Clockwise degrees by which players turn it: 0, 90, 180 or 270.
    pub fn rotation(&self) -> u16 {
        rotation(&self.planned().track.header.matrix)
    }

    /// Frames in so many seconds; the mean where it varies.
    pub fn frame_rate(&self) -> Option<(u64, u64)> {
        manifest::frame_rate(self.planned())
    }

    /// Mean bits a second.
    pub fn bit_rate(&self) -> u64 {
        manifest::bandwidth(self.planned()).1
    }

    /// Its brightness goes beyond what ordinary screens show.
    pub fn is_hdr(&self) -> bool {
        manifest::video_range(self.planned()).is_some()
    }

    /// Its pictures may be woven of two fields.
    pub fn may_be_interlaced(&self) -> bool {
        self.planned().codec.may_be_interlaced
    }

    /// Samples of sound a second, 0 where that is not known.
    pub fn sample_rate(&self) -> u32 {
        self.planned().codec.sample_rate
    }

    /// Channels of sound.
    pub fn channels(&self) -> u16 {
        manifest::channels(self.planned())
    }

    /// Reads some segments, after what a decoder is set up with.
    pub fn read<'a, S: Source>(&'a self, source: &'a S, segments: Range<usize>) -> FeedReader<'a, S> {
        FeedReader { source, pieces: Pieces::of_segments(self.planned(), segments).peekable() }
    }
}

/// See [`Feed::read`].
pub struct FeedReader<'a, S> {
    source: &'a S,
    pieces: Peekable<Pieces<'a>>,
}

/// A range of the source that is read for several pieces.
struct Span {
    range: Range<u64>,
    pieces: Vec<Piece>,
}

impl Span {
    /// Whether a range is near enough behind to be read with it.
    fn is_followed_by(&self, range: &Range<u64>) -> bool {
        let near = self.range.end..self.range.end + NEAR_BYTES;
        near.contains(&range.start) && range.end - self.range.start <= BATCH_BYTES
    }
}

impl<S: Source> FeedReader<'_, S> {
    /// The next bytes, in slices of what was read; `None` at the end. Up to 16 MiB are in memory.
    pub async fn next(&mut self) -> io::Result<Option<Vec<Bytes>>> {
        let spans = self.spans();
        if spans.is_empty() {
            return Ok(None);
        }
        let reads = spans.iter().map(|span| self.read(span.range.clone()));
        let read = try_join_all(reads).await?;
        let mut bytes = Vec::new();
        for (span, read) in spans.into_iter().zip(read) {
            bytes.extend(span.pieces.into_iter().map(|piece| match piece {
                Piece::Made(made) => made,
                Piece::Copied(copied) => {
                    let from = (copied.start - span.range.start) as usize;
                    read.slice(from..from + (copied.end - copied.start) as usize)
                }
            }));
        }
        Ok(Some(bytes))
    }

    async fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        if range.is_empty() { Ok(Bytes::new()) } else { self.source.read(range).await }
    }

    fn spans(&mut self) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut total = 0;
        loop {
            let range = match self.pieces.peek() {
                Some(Piece::Copied(range)) => range.clone(),
                Some(Piece::Made(_)) => 0..0,
                None => return spans,
            };
            if total >= BATCH_BYTES {
                return spans;
            }
            let length = range.end - range.start;
            match spans.last_mut() {
                Some(last) if range.is_empty() => last.pieces.extend(self.pieces.next()),
                Some(last) if last.range.is_empty() || last.is_followed_by(&range) => {
                    let before = last.range.end - last.range.start;
                    let start = if last.range.is_empty() { range.start } else { last.range.start };
                    last.range = start..range.end;
                    last.pieces.extend(self.pieces.next());
                    total += last.range.end - last.range.start - before;
                }
                _ => {
                    if spans.len() >= READS_AT_ONCE {
                        return spans;
                    }
                    total += length;
                    spans.push(Span { range, pieces: self.pieces.next().into_iter().collect() });
                }
            }
        }
    }
}
