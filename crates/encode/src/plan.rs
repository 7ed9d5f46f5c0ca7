use std::ops::Range;

use media::{Feed, MediaError, Movie, TrackKind};
use serde::{Deserialize, Serialize};

use crate::error::EncodeError;
use crate::ladder::renditions;

/// A piece is at least as long: starting the encoder, and the beginning of its view ahead, cost as much
/// as a second or two of film.
const LEAST_PIECE_SECONDS: f64 = 30.0;
/// What is left after the last whole piece joins it when it is shorter.
const LEAST_LAST_SECONDS: f64 = 15.0;
/// A segment of pictures that players only get encoded is no longer than this by much.
const SEGMENT_SECONDS: f64 = 4.0;

/// What is encoded of a film, and in which jobs. Follows from the film's tables and the policy; stored,
/// so that all jobs agree on it whatever version of the program does them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncodePlan {
    /// The pictures that are made, the largest last. May be none.
    pub renditions: Vec<Rendition>,
    /// The first segment of each piece, and the end of the last piece; nothing without renditions.
    pub piece_segments: Vec<u32>,
    /// The sounds that are made, by the names of their outputs without extension.
    pub sounds: Vec<String>,
}

/// A picture of one size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendition {
    /// Such as `720p`: its short side.
    pub name: String,
    /// Pixels, before the picture is turned.
    pub width: u32,
    /// Pixels, before the picture is turned.
    pub height: u32,
    /// Most bits a second; plain pictures take fewer.
    pub video_bit_rate: u64,
    /// Of H.264, times ten.
    pub level: u8,
}

impl Rendition {
    /// The name of its output, without extension.
    pub fn stem(&self) -> String {
        format!("video-{}", self.name)
    }
}

/// Plans what there is to encode: what browsers do not play, H.264 beside HEVC, and the smaller
/// renditions where `ladder` asks for them. `None` when that is nothing, or when the film can't be
/// encoded.
pub fn plan(movie: &Movie, ladder: bool) -> Result<Option<EncodePlan>, MediaError> {
    let Some(film) = movie.plan() else { return Ok(None) };
    let feeds = film.feeds();
    let sounds = feeds.iter().filter(|feed| feed.kind() == TrackKind::Audio && !feed.is_copied());
    let sounds = sounds.map(|feed| feed.stem().to_owned()).collect();
    let mut plan = EncodePlan { renditions: Vec::new(), piece_segments: Vec::new(), sounds };
    if let Some(picture) = feeds.iter().find(|feed| feed.kind() == TrackKind::Video) {
        let needed = !picture.is_copied() || picture.codec_title() == "HEVC";
        if needed || ladder {
            plan.renditions = renditions(picture, ladder, needed);
        }
        if !plan.renditions.is_empty() {
            plan.piece_segments = pieces(picture);
        }
    }
    Ok((plan.jobs() > 0).then_some(plan))
}

/// Where pieces begin, and where the last one ends.
fn pieces(picture: &Feed) -> Vec<u32> {
    let starts = picture.starts();
    let ticks = |seconds: f64| (seconds * f64::from(picture.timescale())) as u64;
    let segments = starts.len() - 1;
    let mut bounds = vec![0];
    for segment in 1..segments {
        let begun = starts[bounds.last().map_or(0, |&bound| bound as usize)];
        let left = starts[segments] - starts[segment];
        if starts[segment] - begun >= ticks(LEAST_PIECE_SECONDS) && left >= ticks(LEAST_LAST_SECONDS) {
            bounds.push(segment as u32);
        }
    }
    bounds.push(segments as u32);
    bounds
}

/// One job of a plan.
pub(crate) enum Job {
    /// A piece of the pictures: its number, and its segments.
    Pictures(usize, Range<usize>),
    /// A whole track of sound.
    Sound(usize),
}

impl EncodePlan {
    /// How many jobs there are: pieces of pictures first, then one for each track of sound.
    pub fn jobs(&self) -> u32 {
        (self.pieces() + self.sounds.len()) as u32
    }

    /// The names of the media files that assembling writes.
    pub fn outputs(&self) -> Vec<String> {
        let stems = self.renditions.iter().map(Rendition::stem).chain(self.sounds.iter().cloned());
        stems.map(|stem| format!("{stem}.mp4")).collect()
    }

    /// The number of pieces of pictures.
    pub(crate) fn pieces(&self) -> usize {
        self.piece_segments.len().saturating_sub(1)
    }

    pub(crate) fn job(&self, number: u32) -> Option<Job> {
        let number = number as usize;
        match number.checked_sub(self.pieces()) {
            None => Some(Job::Pictures(number, self.segments(number))),
            Some(sound) => (sound < self.sounds.len()).then_some(Job::Sound(sound)),
        }
    }

    pub(crate) fn segments(&self, piece: usize) -> Range<usize> {
        self.piece_segments[piece] as usize..self.piece_segments[piece + 1] as usize
    }

    /// The picture that is encoded.
    pub(crate) fn picture(&self, movie: &Movie) -> Result<Feed, EncodeError> {
        let feed = self.feed(movie, |feed| feed.kind() == TrackKind::Video)?;
        let segments = feed.starts().len() - 1;
        match self.piece_segments.last() {
            Some(&last) if last as usize == segments && self.piece_segments.is_sorted() => Ok(feed),
            _ => Err(EncodeError::bad("The film is no longer what its encoding was planned for.")),
        }
    }

    /// The track that one of the sounds is made of.
    pub(crate) fn sound(&self, movie: &Movie, sound: usize) -> Result<Feed, EncodeError> {
        let stem = self.sounds.get(sound).map(String::as_str).unwrap_or_default();
        self.feed(movie, |feed| feed.kind() == TrackKind::Audio && feed.stem() == stem)
    }

    fn feed(&self, movie: &Movie, is_it: impl FnMut(&Feed) -> bool) -> Result<Feed, EncodeError> {
        let feeds = movie.plan().map(|plan| plan.feeds()).unwrap_or_default();
        let found = feeds.into_iter().find(is_it);
        found.ok_or_else(|| EncodeError::bad("The film is no longer what its encoding was planned for."))
    }
}

/// The name of what a piece comes to in one rendition.
pub(crate) fn piece_name(piece: usize, rendition: &Rendition) -> String {
    format!("piece-{piece:05}-{}.mp4", rendition.name)
}

/// The name of what a track of sound comes to.
pub(crate) fn sound_name(stem: &str) -> String {
    format!("sound-{stem}.mp4")
}

/// When key frames stand in some segments, in ticks: where each of them begins, because the copied
/// picture can be switched from and to there. Where none is copied, long segments get more.
pub(crate) fn key_frames(picture: &Feed, segments: Range<usize>) -> Vec<u64> {
    let starts = picture.starts();
    let mut times = Vec::new();
    for segment in segments {
        let (start, end) = (starts[segment], starts[segment + 1]);
        times.push(start);
        let seconds = (end - start) as f64 / f64::from(picture.timescale());
        let parts = (seconds / SEGMENT_SECONDS).round() as u64;
        if picture.is_copied() || parts < 2 {
            continue;
        }
        let shown = picture.times(segment..segment + 1);
        for part in 1..parts {
            let wanted = start + (end - start) * part / parts;
            let nearest = shown.get(shown.partition_point(|&time| time < wanted));
            times.extend(nearest.filter(|&time| times.last().is_some_and(|last| time > last)));
        }
    }
    times
}
