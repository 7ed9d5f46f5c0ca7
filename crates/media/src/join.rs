//! What an encoder made of a film, piece by piece, as outputs that stand beside those that were copied.

use bytes::Bytes;
use mp4_atom::{FixedPoint, Tkhd};

use crate::boxes::damaged;
use crate::building::TableBuilder;
use crate::codec::Codec;
use crate::container::sniff;
use crate::feed::Feed;
use crate::moov::{Edits, Index, Track};
use crate::plan::{Plan, Role, Wanted};
use crate::scan::{HEAD_BYTES, scan};
use crate::tables::Sample;
use crate::{Container, MediaError, Source, TrackKind};

/// A file with one track, as an encoder wrote it.
#[derive(Debug, Clone)]
pub struct Encoded {
    track: Track,
    codec: Codec,
    movie_timescale: u32,
}

impl Encoded {
    /// Reads the file's tables. Anything but one track with samples in an MP4 is
    /// [`MediaError::Bad`].
    pub async fn read<S: Source>(source: &S) -> Result<Self, MediaError> {
        let size = source.size_bytes();
        let head = if size > 0 { source.read(0..size.min(HEAD_BYTES)).await? } else { Bytes::new() };
        if sniff(&head) != Some(Container::Mp4) {
            return Err(damaged("an encoder's result is no MP4"));
        }
        let Index { timescale, tracks, .. } = scan(source, head).await?.index;
        let Ok([track]) = <[Track; 1]>::try_from(tracks) else {
            return Err(damaged("an encoder's result has not one track"));
        };
        match track.entries.first() {
            Some(entry) if track.tables.samples > 0 => {
                let codec = Codec::parse(entry, track.kind)?;
                Ok(Self { track, codec, movie_timescale: timescale })
            }
            _ => Err(damaged("an encoder's result has no samples")),
        }
    }

    /// The number of frames.
    pub fn samples(&self) -> u64 {
        self.track.tables.samples.into()
    }

    /// Ticks a second.
    pub fn timescale(&self) -> u32 {
        self.track.timescale
    }

    /// The length of all frames together, in ticks.
    pub fn duration(&self) -> u64 {
        self.track.tables.duration
    }

    /// When the pictures are shown, in ticks after the first, ascending, with whether each is a key
    /// frame.
    pub fn times(&self) -> Vec<(u64, bool)> {
        let tables = &self.track.tables;
        let shown = |sample: Sample| (sample.composition_time(), sample.sync);
        let mut times: Vec<(i64, bool)> = tables.samples_from(tables.start()).map(shown).collect();
        times.sort_unstable();
        let first = times.first().map_or(0, |(time, _)| *time);
        times.into_iter().map(|(time, sync)| ((time - first) as u64, sync)).collect()
    }

    /// Whether both were made alike, so that one decoder takes both.
    fn is_like(&self, other: &Self) -> bool {
        self.codec.entry == other.codec.entry && self.track.timescale == other.track.timescale
    }
}

/// An output that is put together from an encoder's results.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The track that it was made of.
    pub feed: Feed,
    /// The name of its file, without extension.
    pub stem: String,
    /// The results in their order. Sound has one.
    pub pieces: Vec<JoinedPiece>,
}

/// One of an encoder's results.
#[derive(Debug, Clone)]
pub struct JoinedPiece {
    /// Its tables.
    pub encoded: Encoded,
    /// Where its file begins in the source that all are read from.
    pub position: u64,
    /// When its first picture is shown, in ticks of the track that it was made of; pictures only.
    pub start: u64,
}

/// Plans outputs that are read from a source in which all results stand one after another. The times
/// of pictures are those of the film: a piece begins when it says, whatever its own clock starts at,
/// and lasts to the next.
pub fn join(joined: &[Joined], source_bytes: u64) -> Result<Plan, MediaError> {
    let mut movie_timescale = 1;
    let mut wanted = Vec::with_capacity(joined.len());
    for joined in joined {
        let first = joined.pieces.first().ok_or_else(|| damaged("an output has no pieces"))?;
        if joined.pieces.iter().any(|piece| !piece.encoded.is_like(&first.encoded)) {
            return Err(damaged("the pieces of an output were encoded in different ways"));
        }
        movie_timescale = movie_timescale.max(first.encoded.movie_timescale);
        let film = &joined.feed.planned().track;
        let track = match film.kind {
            TrackKind::Video => pictures(joined, film, &first.encoded, source_bytes)?,
            TrackKind::Audio => sound(film, first, source_bytes)?,
        };
        let role = Role::Joined { stem: joined.stem.clone(), order: joined.feed.planned().order };
        wanted.push(Wanted { track, codec: first.encoded.codec.clone(), role });
    }
    Plan::new(wanted, movie_timescale, source_bytes, Vec::new())
        .ok_or_else(|| damaged("the times of an encoder's results are out of range"))
}

/// A sample with when it is shown.
struct Shown {
    sample: Sample,
    position: u64,
    time: u64,
}

fn pictures(joined: &Joined, film: &Track, like: &Encoded, file_size: u64) -> Result<Track, MediaError> {
    let starts = joined.feed.starts();
    let end = starts.last().copied().unwrap_or(0);
    if like.track.timescale != film.timescale {
        return Err(damaged("an encoder's result has another clock than the film"));
    }
    let mut tables = TableBuilder::default();
    for (index, piece) in joined.pieces.iter().enumerate() {
        let end = joined.pieces.get(index + 1).map_or(end, |next| next.start);
        let samples = shown(piece);
        let mut times: Vec<u64> = samples.iter().map(|shown| shown.time).collect();
        times.sort_unstable();
        let overlaps = times.last().is_some_and(|&last| last >= end && last > piece.start);
        if overlaps || samples.first().is_none_or(|first| !first.sample.sync || first.time != piece.start) {
            return Err(damaged("an encoder's result lies outside of its piece of the film"));
        }
        tables.start_chunks(samples.iter().map(|shown| (shown.position, shown.sample.size)));
        for (index, shown) in samples.iter().enumerate() {
            let (decoded, next) = (times[index], times.get(index + 1).copied().unwrap_or(end));
            tables.durations.push(next.saturating_sub(decoded) as u32);
            tables.shifts.push((shown.time as i64 - decoded as i64) as i32 as u32);
            tables.push(shown.sample.size, shown.sample.sync);
        }
    }
    let side = |length: u32| FixedPoint::new(u16::try_from(length).unwrap_or(0), 0);
    Ok(Track {
        entries: Vec::new(),
        edits: Edits::default(),
        tables: tables.finish(0, file_size)?,
        // What the film's own samples leave out is none of these samples' business.
        prefix: like.track.prefix.clone(),
        header: Tkhd {
            width: side(like.codec.width),
            height: side(like.codec.height),
            ..film.header.clone()
        },
        ..film.clone()
    })
}

/// The samples of a piece in decode order, on the film's timeline.
fn shown(piece: &JoinedPiece) -> Vec<Shown> {
    let tables = &piece.encoded.track.tables;
    let samples = || tables.samples_from(tables.start());
    let first = samples().map(|sample| sample.composition_time()).min().unwrap_or(0);
    let shown = |sample: Sample| Shown {
        sample,
        position: piece.position + sample.position,
        time: piece.start + (sample.composition_time() - first) as u64,
    };
    samples().map(shown).collect()
}

fn sound(film: &Track, piece: &JoinedPiece, file_size: u64) -> Result<Track, MediaError> {
    let made = &piece.encoded.track;
    let samples: Vec<Sample> = made.tables.samples_from(made.tables.start()).collect();
    let mut tables = TableBuilder::default();
    tables.start_chunks(samples.iter().map(|sample| (piece.position + sample.position, sample.size)));
    for sample in &samples {
        tables.durations.push(sample.duration);
        tables.shifts.push(sample.shift as u32);
        tables.push(sample.size, true);
    }
    Ok(Track {
        id: film.id,
        enabled: film.enabled,
        language: film.language.clone(),
        // What an encoder adds to fill its last frame is less than a frame.
        edits: Edits { length: None, ..made.edits },
        tables: tables.finish(0, file_size)?,
        ..made.clone()
    })
}
