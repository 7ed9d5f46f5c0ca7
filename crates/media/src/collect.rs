//! What is made of a film besides its tracks: thumbnails and subtitles. Their bytes are scattered over
//! the whole file, so they are caught as they pass when it is read anyway.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::pictures::{Decoder, Stills};
use crate::plan::Inner;
use crate::text::{Content, PlannedText};
use crate::{Manifest, Plan, ReadAhead, Source};

/// Reads side by side of cues that did not pass.
const IN_FLIGHT: usize = 16;

/// A source that keeps, of what is read through it, what thumbnails and subtitles are made of.
/// [`package`](crate::package) through it, then ask for them. What did not pass is read then, so that a
/// collector that nothing was read through works as well, at the cost of that many small reads.
///
/// Memory: a thumbnail of H.264 is decoded as soon as its key frame has passed, so that only the frames
/// at the edges of windows are kept, and the small pictures; and the text of subtitles.
pub struct Collector<'a, S> {
    source: &'a S,
    plan: &'a Plan,
    stills: Option<Stills<'a>>,
    /// What is looked for, ascending by position.
    wanted: Vec<(Range<u64>, Item)>,
    /// No wanted range is longer.
    longest: u64,
    found: Mutex<Found>,
}

/// Something that is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    /// A key frame, by its place among those of thumbnails.
    Frame(usize),
    /// A cue, by its track and its place in it.
    Cue(usize, usize),
}

#[derive(Default)]
struct Found {
    /// The pieces of ranges that windows cut, by position, until they are complete.
    pieces: BTreeMap<Item, BTreeMap<u64, Bytes>>,
    done: std::collections::BTreeSet<Item>,
    cues: BTreeMap<(usize, usize), Bytes>,
}

impl Plan {
    /// A collector of what this film's thumbnails and subtitles are made of.
    pub fn collect<'a, S: Source>(&'a self, source: &'a S) -> Collector<'a, S> {
        let stills = Stills::new(&self.inner);
        let mut wanted: Vec<(Range<u64>, Item)> = Vec::new();
        if let Some(stills) = &stills {
            let frames = stills.in_passing().into_iter().enumerate();
            wanted.extend(frames.map(|(index, range)| (range, Item::Frame(index))));
        }
        for (track, text) in self.texts.iter().enumerate() {
            for (index, cue) in text.cues.iter().enumerate() {
                if let Content::In(range) = &cue.content {
                    wanted.push((range.clone(), Item::Cue(track, index)));
                }
            }
        }
        wanted.sort_by_key(|(range, _)| range.start);
        let longest = wanted.iter().map(|(range, _)| range.end - range.start).max().unwrap_or(0);
        let collector = Collector { source, plan: self, stills, wanted, longest, found: Mutex::default() };
        // What was read on the way to the index does not pass again.
        self.inner.known.iter().for_each(|(position, bytes)| collector.pass(*position, bytes));
        collector
    }
}

impl Plan {
    /// One file of subtitles by its name, from ranges of the source: a read for each text, some side by
    /// side. `None` for a name that the manifests do not mention. An error is the source's.
    pub async fn subtitle<S: Source>(&self, source: &S, name: &str) -> io::Result<Option<Manifest>> {
        match self.texts.iter().find(|text| text.file_name() == name) {
            Some(text) => text_file(&self.inner, source, text, |_| None).await.map(Some),
            None => Ok(None),
        }
    }
}

impl<S: Source> Collector<'_, S> {
    /// The files of the film's thumbnails: sprites, and [`THUMBNAILS`](crate::THUMBNAILS) last, to be
    /// stored beside the manifests. Empty for sound alone, and where no frame can be decoded. An error
    /// is the source's.
    pub async fn thumbnails<D: Decoder>(&self, decoder: &D) -> io::Result<Vec<Manifest>> {
        match &self.stills {
            Some(stills) => stills.files(self.source, decoder).await,
            None => Ok(Vec::new()),
        }
    }

    /// All subtitles that the manifests name, as WebVTT. An error is the source's.
    pub async fn subtitles(&self) -> io::Result<Vec<Manifest>> {
        let tracks = stream::iter(self.plan.texts.iter().enumerate());
        tracks.then(async |(index, text)| self.subtitle(index, text).await).try_collect().await
    }

    async fn subtitle(&self, track: usize, text: &PlannedText) -> io::Result<Manifest> {
        let passed = |index| self.found().cues.get(&(track, index)).cloned();
        text_file(&self.plan.inner, self.source, text, passed).await
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at bytes of the source.
    fn pass(&self, position: u64, bytes: &[u8]) {
        let end = position + bytes.len() as u64;
        let first = self.wanted.partition_point(|(range, _)| range.start + self.longest <= position);
        for (range, item) in self.wanted[first..].iter().take_while(|(range, _)| range.start < end) {
            let (from, to) = (range.start.max(position), range.end.min(end));
            if from < to {
                let piece = &bytes[(from - position) as usize..(to - position) as usize];
                self.take(range, *item, from, piece);
            }
        }
    }

    /// Takes a piece of something that is looked for. Pieces come in any order, and may come again.
    fn take(&self, range: &Range<u64>, item: Item, position: u64, piece: &[u8]) {
        let whole = {
            let mut found = self.found();
            if found.done.contains(&item) {
                return;
            }
            let whole = if piece.len() as u64 == range.end - range.start {
                Cow::Borrowed(piece)
            } else {
                let pieces = found.pieces.entry(item).or_default();
                // A copy, because a slice would keep all that was read with it in memory.
                pieces.insert(position, Bytes::copy_from_slice(piece));
                let Some(whole) = joined(range, pieces) else { return };
                Cow::Owned(whole)
            };
            found.done.insert(item);
            found.pieces.remove(&item);
            if let Item::Cue(track, index) = item {
                found.cues.insert((track, index), Bytes::copy_from_slice(&whole));
            }
            whole
        };
        if let (Item::Frame(index), Some(stills)) = (item, &self.stills) {
            stills.take(index, &whole);
        }
    }
}

/// The WebVTT of a track. `passed` has the texts that need not be read any more.
async fn text_file<S: Source>(
    inner: &Inner,
    source: &S,
    text: &PlannedText,
    passed: impl Fn(usize) -> Option<Bytes>,
) -> io::Result<Manifest> {
    let passed = &passed;
    let cues = stream::iter(text.cues.iter().enumerate()).map(async |(index, cue)| match &cue.content {
        Content::Held(bytes) => io::Result::Ok(bytes.clone()),
        Content::In(range) => match passed(index) {
            Some(bytes) => Ok(bytes),
            // A copy, because a slice would keep all that was read with it in memory.
            None => Ok(Bytes::copy_from_slice(&inner.read(source, range.clone()).await?)),
        },
    });
    let contents: Vec<Bytes> = cues.buffered(IN_FLIGHT).try_collect().await?;
    Ok(text.file(&contents))
}

/// The whole range, once its pieces leave no hole.
fn joined(range: &Range<u64>, pieces: &BTreeMap<u64, Bytes>) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    for (&position, piece) in pieces {
        let have = range.start + whole.len() as u64;
        let skip = have.checked_sub(position)?;
        whole.extend_from_slice(piece.get(skip as usize..).unwrap_or_default());
    }
    (whole.len() as u64 == range.end - range.start).then_some(whole)
}

impl<S: Source> Source for Collector<'_, S> {
    fn size_bytes(&self) -> u64 {
        self.source.size_bytes()
    }

    async fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let position = range.start;
        let bytes = self.source.read(range).await?;
        self.pass(position, &bytes);
        Ok(bytes)
    }

    fn read_ahead(&self) -> ReadAhead {
        self.source.read_ahead()
    }
}
