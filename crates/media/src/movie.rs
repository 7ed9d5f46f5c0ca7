use bytes::Bytes;

use crate::codec::{Codec, Playable};
use crate::container::{Container, sniff};
use crate::encoding::{encoding, roles};
use crate::matroska::{self, Indexed};
use crate::moov::Index;
use crate::plan::{Role, Wanted};
use crate::scan::{HEAD_BYTES, Scanned, scan};
use crate::text::{Budget, Text, described as described_text};
use crate::treatment::{by_codecs, treat};
use crate::{
    Becomes, Encoding, MediaError, Plan, Probe, Source, SubtitleProbe, TrackKind, TrackProbe, Treatment,
    geometry,
};

/// A file whose tables were read and checked.
#[derive(Debug, Clone)]
pub struct Movie {
    probe: Probe,
    treatment: Treatment,
    encoding: Option<Encoding>,
}

impl Movie {
    /// What the file holds.
    pub fn probe(&self) -> Probe {
        self.probe.clone()
    }

    /// What becomes of it where nothing is encoded. Cheap: a plan is shared, not copied.
    pub fn treatment(&self) -> Treatment {
        self.treatment.clone()
    }

    /// What an encoder has to do before the film plays; where there is one, this goes before
    /// [`treatment`](Self::treatment). `None` for films that play without, and for those that an
    /// encoder can't help either.
    pub fn encoding(&self) -> Option<Encoding> {
        self.encoding.clone()
    }

    /// All tracks that play, copied or made anew. `None` when the file isn't streamed at all.
    pub fn plan(&self) -> Option<Plan> {
        match (&self.encoding, &self.treatment) {
            (Some(encoding), _) => Some(encoding.plan.clone()),
            (None, Treatment::Package(plan)) => Some(plan.clone()),
            _ => None,
        }
    }
}

/// Reads the tables of a file by ranges: three at most, but for files that are fragmented already,
/// where each fragment has its own, and for Matroska, which has none: that is gone through once.
/// Tables that contradict each other, promise more than the file holds or exceed 128 MiB are
/// [`MediaError::Bad`].
pub async fn open<S: Source>(source: &S) -> Result<Movie, MediaError> {
    let size = source.size_bytes();
    if size == 0 {
        return Err(MediaError::bad("The file is empty."));
    }
    let head = source.read(0..size.min(HEAD_BYTES)).await?;
    match sniff(&head) {
        Some(container @ (Container::Mp4 | Container::QuickTime)) => {
            let Scanned { index, known } = scan(source, head).await?;
            Movie::from_index(container, index, size, known)
        }
        Some(container @ (Container::Matroska | Container::WebM)) => {
            Movie::from_matroska(container, source, head).await
        }
        Some(container) => Ok(Movie {
            probe: Probe { container, duration_ms: None, tracks: Vec::new(), subtitles: Vec::new() },
            treatment: Treatment::Refuse { reason: refusal(container) },
            encoding: None,
        }),
        None => Err(MediaError::bad("This is not a video file of a kind that we know.")),
    }
}

/// Why a container that is not opened is refused.
fn refusal(container: Container) -> String {
    let name = container.name();
    match container.is_sound_only() {
        true => format!(
            "The file is {name}: sound without a picture, which is taken in MP4 only. Please upload it as M4A."
        ),
        false => format!("The file is {name}, which browsers do not play. Please upload it as MP4 or MOV."),
    }
}

impl Movie {
    async fn from_matroska<S: Source>(
        container: Container,
        source: &S,
        head: Bytes,
    ) -> Result<Self, MediaError> {
        let opened = matroska::open(source, head).await?;
        let (described, told_ms) = (opened.tracks()?, opened.duration_ms);
        if roles(&described).is_none()
            && let Some(treatment) = by_codecs(&described, container)
        {
            let becomes = becomes(&described, &treatment);
            let tracks = described.iter().zip(becomes).map(|(wanted, becomes)| untold(wanted, becomes));
            let texts = opened.subtitles().into_iter().map(|probe| (probe, None));
            let probe = Probe { duration_ms: told_ms, ..Probe::of(container, tracks.collect()) };
            return Ok(Self { probe, treatment, encoding: None }.with_texts(texts.collect()));
        }
        let Indexed { tracks: indexed, movie_timescale, known, texts } = opened.index().await?;
        let mut movie = Self::decide(container, &indexed, movie_timescale, source.size_bytes(), known);
        // Tracks that neither segments nor encoders carry were not looked for.
        let mut found = indexed.iter().zip(movie.probe.tracks).peekable();
        let with_samples = |wanted: &Wanted| {
            let found = found.next_if(|(found, _)| found.track.id == wanted.track.id);
            found.map_or_else(|| untold(wanted, Becomes::LeftOut), |(_, probe)| probe)
        };
        movie.probe = Probe::of(container, described.iter().map(with_samples).collect());
        Ok(movie.with_texts(texts))
    }

    fn from_index(
        container: Container,
        index: Index,
        size: u64,
        known: Vec<(u64, Bytes)>,
    ) -> Result<Self, MediaError> {
        let movie_timescale = index.timescale;
        let mut described = Vec::with_capacity(index.tracks.len());
        for track in index.tracks {
            let used = track.tables.description.unwrap_or(1).max(1) as usize - 1;
            let entry = track.entries.get(used).filter(|_| track.tables.samples > 0);
            if let Some(codec) = entry.map(|entry| Codec::parse(entry, track.kind)).transpose()? {
                described.push(Wanted { track, codec, role: Role::Copied });
            }
        }
        let mut budget = Budget::default();
        let texts = index.texts.iter().map(|track| described_text(track, movie_timescale, &mut budget));
        let texts = texts.collect();
        Ok(Self::decide(container, &described, movie_timescale, size, known).with_texts(texts))
    }

    /// Adds the text tracks, of which those with cues go along with the film if it is packaged.
    fn with_texts(mut self, texts: Vec<(SubtitleProbe, Option<Text>)>) -> Self {
        let (mut probes, texts): (Vec<_>, Vec<_>) = texts.into_iter().unzip();
        let texts: Vec<Text> = texts.into_iter().flatten().collect();
        if let Some(encoding) = &mut self.encoding {
            encoding.plan = encoding.plan.with_texts(texts.clone());
        }
        match &mut self.treatment {
            Treatment::Package(plan) => *plan = plan.with_texts(texts),
            _ if self.encoding.is_some() => {}
            _ => {
                for probe in &mut probes {
                    let reason = "The film is not packaged, and its original is played without subtitles.";
                    probe.left_out.get_or_insert_with(|| reason.to_owned());
                }
            }
        }
        self.probe.subtitles = probes;
        self
    }

    /// From the codecs and the tables of all tracks with samples.
    fn decide(
        container: Container,
        tracks: &[Wanted],
        movie_timescale: u32,
        size: u64,
        known: Vec<(u64, Bytes)>,
    ) -> Self {
        let treatment = treat(tracks, container, movie_timescale, size, known.clone());
        let packaged = if let Treatment::Package(plan) = &treatment { Some(plan) } else { None };
        let encoding = encoding(tracks, packaged, movie_timescale, size, &known);
        let (encoding, becomes) = match encoding {
            Some((encoding, becomes)) => (Some(encoding), becomes),
            None => (None, becomes(tracks, &treatment)),
        };
        let tracks = tracks.iter().zip(becomes).map(|(wanted, becomes)| probe_track(wanted, becomes));
        Self { probe: Probe::of(container, tracks.collect()), treatment, encoding }
    }
}

/// What becomes of each track where nothing has to be encoded.
fn becomes(tracks: &[Wanted], treatment: &Treatment) -> Vec<Becomes> {
    let becomes = |wanted: &Wanted| match treatment {
        Treatment::Package(plan) if plan.has_track(wanted.track.kind, wanted.track.id) => {
            if wanted.codec.title == "HEVC" { Becomes::CopiedAndEncoded } else { Becomes::Copied }
        }
        Treatment::Progressive { .. } if wanted.codec.playable != Playable::Nowhere => Becomes::Original,
        _ => Becomes::LeftOut,
    };
    tracks.iter().map(becomes).collect()
}

/// A track whose samples were not looked for.
fn untold(wanted: &Wanted, becomes: Becomes) -> TrackProbe {
    TrackProbe { duration_ms: None, bit_rate: None, ..probe_track(wanted, becomes) }
}

fn probe_track(wanted: &Wanted, becomes: Becomes) -> TrackProbe {
    let Wanted { track, codec, .. } = wanted;
    let video = track.kind == TrackKind::Video;
    let seconds = track.tables.duration as f64 / f64::from(track.timescale);
    let per_second = |amount: f64| Some(amount / seconds).filter(|rate| rate.is_finite());
    let (width, height) = geometry::display_size(track, codec);
    let frame_rate = per_second(f64::from(track.tables.samples)).map(|rate| (rate * 1000.0).round() / 1000.0);
    TrackProbe {
        kind: track.kind,
        codec: codec.name.clone(),
        title: codec.title.to_owned(),
        becomes,
        duration_ms: Some((seconds * 1000.0).round() as u64),
        width: video.then_some(width),
        height: video.then_some(height),
        rotation: video.then(|| geometry::rotation(&track.header.matrix)),
        frame_rate: frame_rate.filter(|_| video),
        sample_rate: (!video && codec.sample_rate > 0).then_some(codec.sample_rate),
        channels: (!video && codec.channels > 0).then_some(codec.channels),
        language: track.language.clone(),
        bit_rate: per_second(track.tables.bytes as f64 * 8.0).map(|rate| rate.round() as u64),
    }
}
