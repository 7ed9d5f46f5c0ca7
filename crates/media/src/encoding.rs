//! Films that browsers do not play as they are: which of their tracks an encoder has to make anew.

use bytes::Bytes;

use crate::codec::Playable;
use crate::plan::{Plan, Role, Wanted};
use crate::{Becomes, TrackKind};

/// A closed group of pictures that is longer makes segments too long to seek and to buffer.
const LONGEST_GROUP_SECONDS: f64 = 20.0;
/// The same of groups that need pictures from before: seeking within them is an error.
const LONGEST_OPEN_GROUP_SECONDS: f64 = 10.0;
/// What an encoder is given at a time begins at a key frame; further apart, it would take too long.
const MOST_FED_SECONDS: f64 = 300.0;

/// A film that an encoder can make playable.
#[derive(Debug, Clone)]
pub struct Encoding {
    /// Its outputs are the tracks that are copied; there may be none. The others are
    /// [fed](crate::Feed) to the encoder.
    pub plan: Plan,
    /// What is encoded, and why; a sentence for the publisher.
    pub reason: String,
}

/// What becomes of the tracks of a film, in their order, when there is an encoder. `None` when it plays
/// without, or when an encoder would not help.
pub(crate) fn roles(tracks: &[Wanted]) -> Option<(Vec<Becomes>, Vec<String>)> {
    if tracks.iter().any(|wanted| wanted.codec.encrypted) {
        return None;
    }
    let mut becomes = vec![Becomes::LeftOut; tracks.len()];
    let mut reasons = Vec::new();
    let of_kind = |kind| tracks.iter().enumerate().filter(move |(_, wanted)| wanted.track.kind == kind);
    let streams =
        |wanted: &Wanted| wanted.codec.playable == Playable::Streamed && !wanted.codec.better_encoded;
    let pictures = || of_kind(TrackKind::Video);
    let fed = || pictures().filter(|(_, wanted)| wanted.codec.feeds);
    // Of those that have to be encoded, a cover is not the film.
    let picture =
        pictures().find(|(_, p)| streams(p)).or_else(|| fed().max_by_key(|(_, p)| p.track.tables.samples));
    match picture {
        Some((index, picture)) if streams(picture) => becomes[index] = Becomes::Copied,
        Some((index, picture)) => {
            becomes[index] = Becomes::Encoded;
            reasons.push(format!("The picture is {}: it is encoded as H.264.", picture.codec.title));
        }
        None if pictures().next().is_some() => return None,
        None => {}
    }
    // The first sound is the one that plays by itself. When that streams, others that do not are left out.
    let sounds = || of_kind(TrackKind::Audio);
    let main = sounds().min_by_key(|(_, sound)| !sound.track.enabled);
    let needed = main.is_some_and(|(_, sound)| !streams(sound));
    if needed && !sounds().any(|(_, sound)| streams(sound) || sound.codec.feeds) {
        return None;
    }
    for (index, sound) in sounds() {
        if streams(sound) {
            becomes[index] = Becomes::Copied;
        } else if sound.codec.feeds && (needed || !reasons.is_empty()) {
            becomes[index] = Becomes::Encoded;
            let reason = format!("The sound is {}: it is encoded as AAC.", sound.codec.title);
            reasons.extend((!reasons.contains(&reason)).then_some(reason));
        }
    }
    let in_original = |wanted: &Wanted| wanted.codec.playable == Playable::InOriginal;
    let plays_as_it_is = match picture {
        Some((_, picture)) => {
            in_original(picture) && main.is_none_or(|(_, sound)| sound.codec.playable != Playable::Nowhere)
        }
        None => main.is_some_and(|(_, sound)| in_original(sound)),
    };
    // VP8 with Vorbis, MP3 alone.
    (!plays_as_it_is).then_some((becomes, reasons))
}

/// Decides from the codecs and tables of all tracks with samples. Also answers what becomes of each
/// track. `packaged` is the plan without an encoder, where there is one.
pub(crate) fn encoding(
    tracks: &[Wanted],
    packaged: Option<&Plan>,
    movie_timescale: u32,
    source_bytes: u64,
    known: &[(u64, Bytes)],
) -> Option<(Encoding, Vec<Becomes>)> {
    let (mut becomes, mut reasons) = roles(tracks)?;
    let feeds = |wanted: &Wanted| {
        wanted.track.tables.description.is_some()
            && !wanted.track.edits.complicated
            && !wanted.track.tables.negative_duration
    };
    let chosen = || tracks.iter().zip(&becomes).filter(|(_, becomes)| **becomes != Becomes::LeftOut);
    if chosen().next().is_none() || !chosen().all(|(wanted, _)| feeds(wanted)) {
        return None;
    }
    let planned = |becomes: &[Becomes]| {
        Plan::new(wanted(tracks, becomes), movie_timescale, source_bytes, known.to_vec())
    };
    let mut plan = match packaged {
        // The same tracks: planning them again would take as long as the first time.
        Some(plan) if reasons.is_empty() => plan.clone(),
        _ => planned(&becomes)?,
    };
    let copied = becomes
        .iter()
        .zip(tracks)
        .position(|(becomes, wanted)| *becomes == Becomes::Copied && wanted.track.kind == TrackKind::Video);
    if let Some(copied) = copied {
        let (closed, open) = plan.longest_groups_seconds();
        let reason = match () {
            () if closed > LONGEST_GROUP_SECONDS => {
                Some(format!("Its key frames are up to {closed:.0} seconds apart: it is encoded anew."))
            }
            () if open > LONGEST_OPEN_GROUP_SECONDS => Some(format!(
                "Its key frames need pictures from before them for up to {open:.0} seconds: it is encoded anew."
            )),
            () => None,
        };
        if let Some(reason) = reason.filter(|_| tracks[copied].codec.feeds) {
            reasons.insert(0, reason);
            becomes[copied] = Becomes::Encoded;
            plan = planned(&becomes)?;
        }
    }
    if reasons.is_empty() || plan.longest_fed_seconds() > MOST_FED_SECONDS {
        return None;
    }
    for (becomes, wanted) in becomes.iter_mut().zip(tracks) {
        if *becomes == Becomes::Copied && wanted.codec.title == "HEVC" {
            *becomes = Becomes::CopiedAndEncoded;
        }
    }
    Some((Encoding { plan, reason: reasons.join(" ") }, becomes))
}

/// The tracks that go into a plan: the picture, then the sound that plays by itself, then other sound.
fn wanted(tracks: &[Wanted], becomes: &[Becomes]) -> Vec<Wanted> {
    let role = |becomes: Becomes| match becomes {
        Becomes::LeftOut | Becomes::Original => None,
        Becomes::Encoded => Some(Role::Fed),
        Becomes::Copied | Becomes::CopiedAndEncoded => Some(Role::Copied),
    };
    let chosen = tracks
        .iter()
        .zip(becomes)
        .filter_map(|(wanted, &becomes)| role(becomes).map(|role| Wanted { role, ..wanted.clone() }));
    let mut chosen: Vec<Wanted> = chosen.collect();
    let is_sound = |wanted: &Wanted| wanted.track.kind == TrackKind::Audio;
    chosen.sort_by_key(|wanted| (is_sound(wanted), is_sound(wanted) && !wanted.track.enabled));
    chosen
}
