use bytes::Bytes;

use crate::codec::Playable;
use crate::plan::{Plan, Wanted};
use crate::{Container, TrackKind};

/// What becomes of a file where nothing is encoded.
#[derive(Debug, Clone)]
pub enum Treatment {
    /// It is packaged for adaptive streaming.
    Package(Plan),
    /// Browsers play the original as it is, and packaging it would lose something.
    Progressive {
        /// Why it is not packaged; a sentence for its publisher.
        reason: String,
    },
    /// It cannot be shown.
    Refuse {
        /// A sentence for its publisher.
        reason: String,
    },
}

/// A closed group of pictures that is longer makes segments too long to seek and to buffer.
const LONGEST_GROUP_SECONDS: f64 = 20.0;

fn refuse(reason: impl Into<String>) -> Treatment {
    Treatment::Refuse { reason: reason.into() }
}

/// What the codecs alone decide; `None` when all that is left to ask are the tables.
pub(crate) fn by_codecs(tracks: &[Wanted], container: Container) -> Option<Treatment> {
    let of_kind = |kind| tracks.iter().filter(move |wanted| wanted.track.kind == kind);
    if tracks.is_empty() {
        return Some(refuse("The file has neither picture nor sound."));
    }
    if tracks.iter().any(|wanted| wanted.codec.encrypted) {
        return Some(refuse("The file is encrypted (DRM), so nobody but its seller's players can show it."));
    }
    let original = |reason: String| Some(Treatment::Progressive { reason });
    let video = of_kind(TrackKind::Video).next();
    if let Some(video) = video.filter(|_| !of_kind(TrackKind::Video).any(is_streamed)) {
        let title = video.codec.title;
        if video.codec.playable != Playable::InOriginal {
            return Some(refuse(format!(
                "The picture is {title}, which browsers do not play. Please export it as H.264 and upload it again."
            )));
        }
        let silent = of_kind(TrackKind::Audio).find(|sound| sound.codec.playable == Playable::Nowhere);
        return match silent {
            Some(sound) => {
                Some(refuse(format!("The sound is {}, which browsers do not play.", sound.codec.title)))
            }
            None => original(format!("The picture is {title}, which plays from the original only.")),
        };
    }
    if of_kind(TrackKind::Audio).any(is_streamed) {
        return None;
    }
    // The first sound is the one that plays by itself.
    let sound = of_kind(TrackKind::Audio).min_by_key(|sound| !sound.track.enabled)?;
    let title = sound.codec.title;
    let plays_without = matches!(container, Container::Mp4 | Container::QuickTime);
    match (video.is_some(), sound.codec.playable == Playable::InOriginal) {
        (true, true) => original(format!("The sound is {title}, which plays from the original only.")),
        (true, false) if plays_without => original(format!(
            "The sound is {title}, which many browsers do not play: the film may be silent."
        )),
        (false, true) => original(format!("{title} plays as it is.")),
        _ => Some(refuse(format!("The sound is {title}, which browsers do not play."))),
    }
}

fn is_streamed(wanted: &Wanted) -> bool {
    wanted.codec.playable == Playable::Streamed
}

/// Decides from the codecs and the tables of all tracks with samples.
pub(crate) fn treat(
    described: &[Wanted],
    container: Container,
    movie_timescale: u32,
    source_bytes: u64,
    known: Vec<(u64, Bytes)>,
) -> Treatment {
    if let Some(decided) = by_codecs(described, container) {
        return decided;
    }
    let streamed = described.iter().filter(|wanted| is_streamed(wanted)).cloned();
    let (videos, mut sounds): (Vec<_>, Vec<_>) =
        streamed.partition(|wanted| wanted.track.kind == TrackKind::Video);
    sounds.sort_by_key(|sound| !sound.track.enabled);
    // A cover is a video track of one picture; what is shown is the first that streams.
    let wanted: Vec<Wanted> = videos.into_iter().take(1).chain(sounds).collect();
    // HEVC plays from segments where it plays at all; the others also do from the original.
    let plays_in_original = wanted.iter().all(|wanted| wanted.codec.title != "HEVC");
    let otherwise = |reason: &str| {
        if plays_in_original { Treatment::Progressive { reason: reason.into() } } else { refuse(reason) }
    };
    if wanted.iter().any(|wanted| wanted.track.tables.description.is_none()) {
        return otherwise("Its encoding changes in the middle of a track.");
    }
    if wanted.iter().any(|wanted| wanted.track.edits.complicated) {
        return otherwise("It is put together from several pieces by an edit list.");
    }
    if wanted.iter().any(|wanted| wanted.track.tables.negative_duration) {
        return otherwise("Some of its time stamps run backwards.");
    }
    let Some(plan) = Plan::new(wanted, movie_timescale, source_bytes, known) else {
        return otherwise("Its time stamps or sizes are beyond what can be streamed.");
    };
    match plan.longest_group_seconds() {
        seconds if seconds > LONGEST_GROUP_SECONDS && plays_in_original => Treatment::Progressive {
            reason: format!(
                "Its key frames are up to {seconds:.0} seconds apart, too far to stream it in segments."
            ),
        },
        _ => Treatment::Package(plan),
    }
}
