//! Which key frames are looked at, how they are read, and how a foreign decoder gets them.

use std::future::Future;
use std::io;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};

use crate::geometry::{display_size, rotation};
use crate::pictures::raster::Raster;
use crate::plan::{Inner, PlannedTrack};
use crate::segments::{Counted, EntryPoints, Segment};
use crate::tables::Sample;
use crate::timing::TimedSample;
use crate::{Source, TrackKind, writing};

/// A longer key frame is none: a frame of 8K video has half of this.
const MOST_BYTES: u32 = 16 << 20;

/// A film of key frames alone, piece by piece: an MP4 in fragments, to be read from a pipe. The frames
/// are one second apart, the first at 0.
pub type KeyFrameFilm<'a> = BoxStream<'a, Bytes>;

/// Decodes key frames of codecs that are not decoded here: HEVC, VP9 and AV1 among them.
pub trait Decoder: Sync {
    /// The pictures of a film, scaled to `width` by `height`, not rotated, as rows of red, green and
    /// blue, three bytes a pixel, one picture after the other, and no more of them than the film has
    /// frames. A frame that cannot be decoded is left out at the end, or stood in for by the one before
    /// it. An error means that there are none; the film does without pictures then.
    fn decode(
        &self,
        film: KeyFrameFilm<'_>,
        width: u32,
        height: u32,
    ) -> impl Future<Output = io::Result<Bytes>> + Send;
}

/// Decodes nothing: only films in H.264 get pictures.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoDecoder;

impl Decoder for NoDecoder {
    async fn decode(&self, _: KeyFrameFilm<'_>, _: u32, _: u32) -> io::Result<Bytes> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A frame that can be decoded alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyFrame {
    pub(super) sample: Sample,
    /// When it is shown, in ticks of its track.
    pub(super) shown: u64,
}

impl KeyFrame {
    pub(super) fn range(&self) -> Range<u64> {
        self.sample.position..self.sample.end()
    }
}

/// The pictures of a film.
#[derive(Clone, Copy)]
pub(super) struct Pictures<'a> {
    pub(super) inner: &'a Inner,
    pub(super) track: &'a PlannedTrack,
}

impl<'a> Pictures<'a> {
    /// `None` for sound alone.
    pub(super) fn new(inner: &'a Inner) -> Option<Self> {
        // Pictures that are encoded have key frames as well.
        let all = inner.tracks.iter().chain(&inner.fed);
        let track = all.into_iter().find(|planned| planned.track.kind == TrackKind::Video)?;
        Some(Self { inner, track })
    }

    /// How long they last, in ticks.
    pub(super) fn length(&self) -> u64 {
        self.track.starts.last().copied().unwrap_or(0)
    }

    /// For each time (in ticks, ascending) the last key frame that is shown by then, or the first of
    /// all. Each comes once.
    pub(super) fn key_frames_at(&self, times: &[u64]) -> Vec<KeyFrame> {
        let timeline = &self.track.timeline;
        let mut entry_points = EntryPoints::from(&self.track.open, timeline.start.index());
        let samples = self.track.track.tables.samples_from(timeline.start.clone());
        let mut times = times.iter().copied().peekable();
        let mut last: Option<KeyFrame> = None;
        let mut found: Vec<KeyFrame> = Vec::with_capacity(times.len());
        let mut take = |frame: KeyFrame| {
            if found.last().is_none_or(|before| before.sample.index != frame.sample.index) {
                found.push(frame);
            }
        };
        for sample in samples.take_while(|sample| sample.index < timeline.end_index) {
            let Some(timed) = timeline.apply(sample) else { break };
            if !entry_points.contains(&timed) || sample.size > MOST_BYTES || sample.size == 0 {
                continue;
            }
            let presented = timed.time as i64 + i64::from(timed.shift) - timeline.media_time as i64;
            let shown = presented.max(0) as u64;
            while let Some(before) = last
                && times.next_if(|&time| time < shown).is_some()
            {
                take(before);
            }
            last = Some(KeyFrame { sample, shown });
            if times.peek().is_none() {
                break;
            }
        }
        if let Some(last) = last.filter(|_| times.peek().is_some()) {
            take(last);
        }
        found
    }

    /// Width and height with square pixels before rotation, no larger than a box when they are shown
    /// rotated. Nothing is enlarged. `None` for a picture without size.
    pub(super) fn scaled(&self, most_width: u32, most_height: u32) -> Option<(u32, u32)> {
        let (width, height) = display_size(&self.track.track, &self.track.codec);
        if width == 0 || height == 0 {
            return None;
        }
        let turned = matches!(self.rotation(), 90 | 270);
        let (most_width, most_height) =
            if turned { (most_height, most_width) } else { (most_width, most_height) };
        let fits = |length: u32, most: u32| f64::from(most) / f64::from(length);
        let scale = fits(width, most_width).min(fits(height, most_height)).min(1.0);
        let scaled = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
        Some((scaled(width), scaled(height)))
    }

    /// Clockwise degrees by which a picture is to be turned.
    pub(super) fn rotation(&self) -> u16 {
        rotation(&self.track.track.header.matrix)
    }

    /// The bytes of a frame, from memory where they were read on the way to the index.
    pub(super) async fn read<S: Source>(&self, source: &S, frame: &KeyFrame) -> io::Result<Bytes> {
        let bytes = self.inner.read(source, frame.range()).await?;
        let prefix = &self.track.track.prefix;
        Ok(if prefix.is_empty() { bytes } else { [&prefix[..], &bytes].concat().into() })
    }

    /// Has frames decoded elsewhere. Shorter than `frames` where the decoder fails; an error is the
    /// source's.
    pub(super) async fn decode_with<S: Source, D: Decoder>(
        &self,
        decoder: &D,
        source: &S,
        frames: &[KeyFrame],
        (width, height): (u32, u32),
    ) -> io::Result<Vec<Raster>> {
        let codec = &self.track.codec;
        let Some(init) = writing::init(&self.track.track, &codec.entry, 0) else { return Ok(Vec::new()) };
        let broken = Mutex::new(None);
        let note = |error| *broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        let fragments = stream::iter(frames.iter().enumerate()).then(async |(index, frame)| {
            let Some(header) = self.fragment_header(index, frame) else { return vec![] };
            match self.read(source, frame).await {
                Ok(sample) => vec![header, sample],
                Err(error) => {
                    note(error);
                    vec![]
                }
            }
        });
        let film = stream::iter([Bytes::from(init)]).chain(fragments.flat_map(stream::iter));
        let decoded = decoder.decode(film.boxed(), width, height).await;
        if let Some(error) = broken.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let (width, height) = (width as usize, height as usize);
        let decoded = decoded.unwrap_or_default();
        let pictures = decoded.chunks_exact(width * height * 3).take(frames.len());
        Ok(pictures.map(|pixels| Raster { pixels: pixels.to_vec(), width, height }).collect())
    }

    /// What comes before a frame in a film of key frames.
    fn fragment_header(&self, index: usize, frame: &KeyFrame) -> Option<Bytes> {
        let size = frame.sample.size.checked_add(u32::try_from(self.track.track.prefix.len()).ok()?)?;
        let second = self.track.track.timescale;
        let time = index as u64 * u64::from(second);
        let timed = TimedSample { sample: frame.sample, size, time, duration: second, shift: 0 };
        let counted = Counted::one(&timed, true);
        let header_bytes = writing::segment_header_bytes(&counted)?;
        let segment = Segment { position: 0, header_bytes, start: None, number: index as u32 + 1, counted };
        Some(writing::segment_header(&segment, std::iter::once((timed, true))).into())
    }
}
