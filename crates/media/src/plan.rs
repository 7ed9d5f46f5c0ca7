use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::Codec;
use crate::moov::Track;
use crate::segments::{Segment, cut};
use crate::text::{PlannedText, Text, planned};
use crate::timing::{Chosen, TimedSample, Timeline, lay_out, open_syncs};
use crate::{Source, TrackKind, dash, hls, writing};

/// A small text that players start from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its name beside the media outputs.
    pub name: String,
    /// The media type to serve it with.
    pub content_type: &'static str,
    /// The whole text.
    pub body: Bytes,
}

/// A media file that packaging writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its name beside the manifests.
    pub name: String,
    /// The media type to serve it with.
    pub content_type: &'static str,
    /// How long it will be.
    pub size_bytes: u64,
}

/// Everything about the packaged outputs, down to the byte. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) inner: Arc<Inner>,
    /// Subtitles, which are no media of their own.
    pub(crate) texts: Arc<[PlannedText]>,
}

/// What a plan holds.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) tracks: Vec<PlannedTrack>,
    /// Tracks that are no outputs but are laid out with them: an encoder reads them.
    pub(crate) fed: Vec<PlannedTrack>,
    /// Where the media lies in the source, from the first byte that is needed to the last.
    pub(crate) media: Range<u64>,
    pub(crate) source_bytes: u64,
    /// Ranges of the source that were read already, ascending.
    pub(crate) known: Vec<(u64, Bytes)>,
    /// By how much all tracks were moved on the timeline.
    moved_ms: i64,
}

impl Inner {
    /// A range of the source, from memory where it was read on the way to the index.
    pub(crate) async fn read<S: Source>(&self, source: &S, range: Range<u64>) -> io::Result<Bytes> {
        for (start, bytes) in &self.known {
            if *start <= range.start && range.end <= start + bytes.len() as u64 {
                return Ok(bytes.slice((range.start - start) as usize..(range.end - start) as usize));
            }
        }
        source.read(range).await
    }
}

/// One output: a track on its own.
#[derive(Debug)]
pub(crate) struct PlannedTrack {
    pub(crate) track: Track,
    pub(crate) codec: Codec,
    pub(crate) timeline: Timeline,
    pub(crate) open: Vec<u32>,
    /// Its place among the tracks of the film: sound that plays by itself comes first.
    pub(crate) order: usize,
    /// The name of its files, without extension.
    pub(crate) stem: String,
    /// `ftyp`, `moov` and `sidx`.
    pub(crate) header: Bytes,
    /// How much of the header comes before the `sidx`.
    pub(crate) init_bytes: u64,
    pub(crate) segments: Vec<Segment>,
    /// Presentation times at which segments start, and at which the last ends.
    pub(crate) starts: Vec<u64>,
    pub(crate) size_bytes: u64,
    /// Of the copied samples.
    pub(crate) source: Range<u64>,
}

impl PlannedTrack {
    /// The name of the media file.
    pub(crate) fn file_name(&self) -> String {
        format!("{}.mp4", self.stem)
    }

    fn content_type(&self) -> &'static str {
        match self.track.kind {
            TrackKind::Video => "video/mp4",
            TrackKind::Audio => "audio/mp4",
        }
    }

    /// Ticks as seconds.
    pub(crate) fn seconds(&self, ticks: u64) -> f64 {
        ticks as f64 / f64::from(self.track.timescale)
    }

    /// How long a segment is shown.
    pub(crate) fn segment_seconds(&self, index: usize) -> f64 {
        self.seconds(self.starts[index + 1] - self.starts[index])
    }

    /// The samples of a segment. Silence has none.
    pub(crate) fn timed<'a>(&'a self, segment: &'a Segment) -> impl Iterator<Item = TimedSample> + 'a {
        let start = segment.start.clone();
        let samples = start.map(|start| self.track.tables.samples_from(start));
        let samples = samples.into_iter().flatten().take(segment.counted.samples as usize);
        samples.filter_map(|sample| self.timeline.apply(sample))
    }

    /// How long a segment is in playlists. Players take their sums for the decode times in the media, which
    /// for sound are those before the edit list that hides its priming.
    pub(crate) fn listed_seconds(&self, index: usize) -> f64 {
        let segment = &self.segments[index].counted;
        match self.track.kind {
            TrackKind::Video => self.segment_seconds(index),
            TrackKind::Audio => self.seconds(segment.duration),
        }
    }

    /// Samples that are carried over.
    pub(crate) fn samples(&self) -> u64 {
        self.segments.iter().map(|segment| u64::from(segment.counted.samples)).sum()
    }

    /// Whether every segment can be decoded on its own.
    pub(crate) fn independent(&self) -> bool {
        self.segments.iter().all(|segment| segment.counted.first_is_sync)
    }
}

/// A track that goes into a plan, with its codec.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) track: Track,
    pub(crate) codec: Codec,
    pub(crate) role: Role,
}

/// What a track is in a plan for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// It is an output.
    Copied,
    /// An encoder reads it.
    Fed,
    /// It is what an encoder made of the track of that order, and an output of this name. Its key
    /// frames stand where segments are to begin.
    Joined { stem: String, order: usize },
}

impl Plan {
    /// Plans the outputs of the wanted tracks, in their order. `None` when times or sizes are beyond
    /// what the format can express.
    pub(crate) fn new(
        wanted: Vec<Wanted>,
        movie_timescale: u32,
        source_bytes: u64,
        known: Vec<(u64, Bytes)>,
    ) -> Option<Self> {
        let open: Vec<Vec<u32>> = wanted.iter().map(|wanted| open_syncs(&wanted.track)).collect();
        let chosen: Vec<Chosen<'_>> = (wanted.iter().zip(&open))
            .map(|(wanted, open)| Chosen { track: &wanted.track, silence: wanted.codec.silence, open })
            .collect();
        let (timelines, moved_ms) = lay_out(&chosen, movie_timescale)?;
        let (mut tracks, mut fed) = (Vec::<PlannedTrack>::new(), Vec::<PlannedTrack>::new());
        for (order, ((wanted, open), timeline)) in wanted.into_iter().zip(open).zip(timelines).enumerate() {
            let of_kind = |planned: &&PlannedTrack| planned.track.kind == wanted.track.kind;
            let before = tracks.iter().chain(&fed).filter(of_kind).count();
            let into = if wanted.role == Role::Fed { &mut fed } else { &mut tracks };
            into.push(plan_track(wanted, open, timeline, before, order)?);
        }
        let media = tracks.iter().map(|planned| planned.source.clone());
        let media = media.reduce(|all, one| all.start.min(one.start)..all.end.max(one.end));
        let media = media.or((!fed.is_empty()).then_some(0..0))?;
        Some(Self {
            inner: Arc::new(Inner { tracks, fed, media, source_bytes, known, moved_ms }),
            texts: Arc::new([]),
        })
    }

    /// The same plan with subtitles, which keep their place on the timeline.
    pub(crate) fn with_texts(&self, texts: Vec<Text>) -> Self {
        let texts = planned(texts, self.inner.moved_ms);
        Self { inner: self.inner.clone(), texts: texts.into() }
    }

    /// The longest segment of pictures that is as long as that because key frames are so far apart.
    /// Where they are near, but need pictures from before, the original is no easier to seek in.
    pub(crate) fn longest_group_seconds(&self) -> f64 {
        self.longest_groups_seconds().0
    }

    /// The longest segments of pictures: of tracks whose key frames are all entry points, and of
    /// tracks that have others.
    pub(crate) fn longest_groups_seconds(&self) -> (f64, f64) {
        let longest = |open: bool| {
            let tracks = self.inner.tracks.iter().filter(move |planned| planned.open.is_empty() != open);
            longest_seconds(tracks)
        };
        (longest(false), longest(true))
    }

    /// The longest segment of pictures that an encoder is fed with.
    pub(crate) fn longest_fed_seconds(&self) -> f64 {
        longest_seconds(self.inner.fed.iter())
    }

    /// The playlists and the MPD, final before any media is read.
    pub fn manifests(&self) -> Vec<Manifest> {
        self.manifests_with(&[])
    }

    /// The playlists and the MPD of this plan's outputs and those of others, which were made of the
    /// same film. The two that a player starts from, `master.m3u8` and `manifest.mpd`, come last:
    /// written in this order, nothing is named before it is there.
    pub fn manifests_with(&self, others: &[&Plan]) -> Vec<Manifest> {
        let plans = std::iter::once(self).chain(others.iter().copied());
        let mut tracks: Vec<&PlannedTrack> = plans.flat_map(|plan| &plan.inner.tracks).collect();
        tracks.sort_by_key(|planned| (planned.track.kind == TrackKind::Audio, planned.order));
        let mut manifests = hls::playlists(&tracks, &self.texts);
        manifests.push(dash::manifest(&tracks, &self.texts));
        manifests
    }

    /// Whether a track of the file is an output.
    pub(crate) fn has_track(&self, kind: TrackKind, id: u32) -> bool {
        self.inner.tracks.iter().any(|planned| planned.track.kind == kind && planned.track.id == id)
    }

    /// How much memory it takes, about: what was read of the source, the tables and the segments.
    pub fn memory_bytes(&self) -> usize {
        let known: usize = self.inner.known.iter().map(|(_, bytes)| bytes.len()).sum();
        let tracks = self.inner.tracks.iter().map(|planned| {
            planned.track.tables.memory_bytes()
                + planned.segments.len() * (size_of::<Segment>() + size_of::<u64>())
                + planned.header.len()
        });
        known + tracks.sum::<usize>()
    }

    /// The media files, with their exact sizes.
    pub fn outputs(&self) -> Vec<Output> {
        let output = |planned: &PlannedTrack| Output {
            name: planned.file_name(),
            content_type: planned.content_type(),
            size_bytes: planned.size_bytes,
        };
        self.inner.tracks.iter().map(output).collect()
    }
}

fn longest_seconds<'a>(tracks: impl Iterator<Item = &'a PlannedTrack>) -> f64 {
    let videos = tracks.filter(|planned| planned.track.kind == TrackKind::Video);
    let lengths =
        videos.flat_map(|planned| (0..planned.segments.len()).map(|index| planned.segment_seconds(index)));
    lengths.fold(0.0, f64::max)
}

fn plan_track(
    wanted: Wanted,
    open: Vec<u32>,
    timeline: Timeline,
    before: usize,
    order: usize,
) -> Option<PlannedTrack> {
    let Wanted { track, codec, role } = wanted;
    let silent_frame = codec.silence.map_or(0, |silence| silence.frame.len() as u32);
    let every_key_frame = matches!(role, Role::Joined { .. }) && track.kind == TrackKind::Video;
    let mut segments = cut(&track, &timeline, &open, silent_frame, every_key_frame)?;
    let init = writing::init(&track, &codec.entry, timeline.media_time)?;
    let init_bytes = init.len() as u64;
    let mut position = init_bytes + writing::sidx_bytes(segments.len());
    let mut starts = Vec::with_capacity(segments.len() + 1);
    for segment in &mut segments {
        segment.position = position;
        segment.header_bytes = writing::segment_header_bytes(&segment.counted)?;
        position += segment.size_bytes();
        let start = (segment.counted.earliest - timeline.media_time as i64).max(0) as u64;
        starts.push(start.max(starts.last().copied().unwrap_or(0)));
    }
    let last = &segments.last()?.counted;
    // Not where decoding ends: with varying rates, the sample that is shown last may be a long one.
    let end = (last.latest - timeline.media_time as i64).max(0) as u64;
    starts.push(end.max(*starts.last()?));
    if starts.windows(2).any(|times| times[1] - times[0] > u64::from(u32::MAX)) {
        return None;
    }
    let mut header = init;
    header.extend_from_slice(&writing::sidx(&segments, &starts, track.timescale));
    let name = match track.kind {
        TrackKind::Video => "video",
        TrackKind::Audio => "audio",
    };
    let (stem, order) = match role {
        Role::Joined { stem, order } => (stem, order),
        _ if before == 0 => (name.to_owned(), order),
        _ => (format!("{name}-{}", before + 1), order),
    };
    let kept = track.tables.samples_from(timeline.start.clone());
    let kept = kept
        .take_while(|sample| sample.index < timeline.end_index)
        .map(|sample| sample.position..sample.end());
    let source = kept.reduce(|all, one| all.start.min(one.start)..all.end.max(one.end))?;
    Some(PlannedTrack {
        header: header.into(),
        size_bytes: position,
        track,
        codec,
        timeline,
        open,
        order,
        stem,
        init_bytes,
        segments,
        starts,
        source,
    })
}
