use std::future::Future;
use std::io;

use futures_util::stream::{StreamExt, TryStreamExt, iter};
use media::{Encoded, Joined, JoinedPiece, Manifest, Movie, Options, Store, join, package};

use crate::EncodeError;
use crate::concatenated::Concatenated;
use crate::plan::{EncodePlan, key_frames, piece_name, sound_name};

/// Results whose tables are read side by side.
const AT_ONCE: usize = 16;

/// Where the results of jobs are read from again.
pub trait PieceSource: Sync {
    /// One of them.
    type Source: media::Source;

    /// The object that a job wrote as `name`. One that is missing is `NotFound`.
    fn open(&self, name: &str) -> impl Future<Output = io::Result<Self::Source>> + Send;
}

/// Writes what all jobs came to as outputs, and answers the manifests of everything: what is copied of
/// the film, which somebody else writes, and what was encoded. The two that players start from come
/// last; written in the order in which they are answered, they name nothing that isn't there. Doing it
/// again writes the same.
pub async fn assemble<P: PieceSource, T: Store>(
    movie: &Movie,
    plan: &EncodePlan,
    pieces: &P,
    store: &T,
) -> Result<Vec<Manifest>, EncodeError> {
    let film = movie.plan().ok_or_else(|| EncodeError::bad("The film isn't streamed at all."))?;
    let names = plan
        .renditions
        .iter()
        .flat_map(|rendition| (0..plan.pieces()).map(move |piece| piece_name(piece, rendition)));
    let names: Vec<String> = names.chain(plan.sounds.iter().map(|stem| sound_name(stem))).collect();
    let opened = names.iter().map(async |name| {
        let source = pieces.open(name).await?;
        let encoded = Encoded::read(&source).await?;
        Ok::<_, EncodeError>((source, encoded))
    });
    let opened: Vec<(P::Source, Encoded)> = iter(opened).buffered(AT_ONCE).try_collect().await?;
    let (sources, encoded): (Vec<P::Source>, Vec<Encoded>) = opened.into_iter().unzip();
    let source = Concatenated::new(sources);
    let joined = joined(movie, plan, encoded, |index| source.position(index))?;
    let made = join(&joined, media::Source::size_bytes(&source))?;
    check_aligned(movie, plan, &made)?;
    package(&source, &made, store, &Options::default()).await?;
    Ok(film.manifests_with(&[&made]))
}

/// The outputs, of results in the order of their names.
fn joined(
    movie: &Movie,
    plan: &EncodePlan,
    encoded: Vec<Encoded>,
    position: impl Fn(usize) -> u64,
) -> Result<Vec<Joined>, EncodeError> {
    let mut results = encoded.into_iter().enumerate().map(|(index, encoded)| (position(index), encoded));
    let mut joined = Vec::with_capacity(plan.renditions.len() + plan.sounds.len());
    for rendition in &plan.renditions {
        let feed = plan.picture(movie)?;
        let pieces = (0..plan.pieces()).zip(&mut results).map(|(piece, (position, encoded))| {
            let start = feed.starts()[plan.segments(piece).start];
            JoinedPiece { encoded, position, start }
        });
        joined.push(Joined { stem: rendition.stem(), pieces: pieces.collect(), feed: feed.clone() });
    }
    for (sound, stem) in plan.sounds.iter().enumerate() {
        let feed = plan.sound(movie, sound)?;
        let piece = results.next().map(|(position, encoded)| JoinedPiece { encoded, position, start: 0 });
        joined.push(Joined { stem: stem.clone(), pieces: piece.into_iter().collect(), feed });
    }
    Ok(joined)
}

/// Manifests promise that the segments of all pictures begin at the same times.
fn check_aligned(movie: &Movie, plan: &EncodePlan, made: &media::Plan) -> Result<(), EncodeError> {
    if plan.renditions.is_empty() {
        return Ok(());
    }
    let picture = plan.picture(movie)?;
    let starts = key_frames(&picture, 0..picture.starts().len() - 1);
    let mut pictures = made.feeds().into_iter().filter(|feed| feed.kind() == media::TrackKind::Video);
    // Not when the last one ends: where rates vary, that depends on the order of decoding, by a picture.
    match pictures.all(|feed| feed.starts().split_last().is_some_and(|(_, made)| made == starts)) {
        true => Ok(()),
        false => Err(EncodeError::encoder("the segments of what was encoded are not where they should be")),
    }
}
