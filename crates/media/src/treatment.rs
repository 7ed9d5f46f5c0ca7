use bytes::Bytes;

use crate::TrackKind;
use crate::codec::Playable;
use crate::plan::{Plan, Wanted};

/// What becomes of a file.
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

/// Decides from the codecs and the tables of all tracks with samples.
pub(crate) fn treat(
    described: Vec<Wanted>,
    movie_timescale: u32,
    source_bytes: u64,
    known: Vec<(u64, Bytes)>,
) -> Treatment {
    let (videos, mut sounds): (Vec<_>, Vec<_>) =
        described.into_iter().partition(|wanted| wanted.track.kind == TrackKind::Video);
    let has_video = !videos.is_empty();
    // The first sound is the one that plays by itself.
    sounds.sort_by_key(|sound| !sound.track.enabled);
    let streamed = |wanted: &Wanted| wanted.codec.playable == Playable::Streamed;
    if videos.iter().chain(&sounds).any(|wanted| wanted.codec.encrypted) {
        return refuse("The file is encrypted (DRM), so nobody but its seller's players can show it.");
    }
    // A cover is a video track of one picture; what is shown is the first that streams.
    let title = videos.first().map(|video| video.codec.title);
    let video = videos.into_iter().find(streamed);
    if let (Some(title), None) = (title, &video) {
        return refuse(format!(
            "The picture is {title}, which browsers do not play. Please export it as H.264 and upload it again."
        ));
    }
    let unplayable = sounds
        .first()
        .filter(|_| !sounds.iter().any(streamed))
        .map(|sound| (sound.codec.title, sound.codec.playable == Playable::InOriginal));
    if let Some((title, in_original)) = unplayable {
        return match (has_video, in_original) {
            (true, true) => Treatment::Progressive {
                reason: format!("The sound is {title}, which plays from the original only."),
            },
            (true, false) => Treatment::Progressive {
                reason: format!(
                    "The sound is {title}, which many browsers do not play: the film may be silent."
                ),
            },
            (false, true) => Treatment::Progressive { reason: format!("{title} plays as it is.") },
            (false, false) => refuse(format!("The sound is {title}, which browsers do not play.")),
        };
    }
    let wanted: Vec<Wanted> = video.into_iter().chain(sounds.into_iter().filter(streamed)).collect();
    if wanted.is_empty() {
        return refuse("The file has neither picture nor sound.");
    }
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
