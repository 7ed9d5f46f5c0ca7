use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use media::{Encoded, Feed, FileSource, Movie, Part, Source, Store, Writer};

use crate::command;
use crate::plan::{EncodePlan, Job, key_frames, piece_name, sound_name};
use crate::{EncodeError, Ffmpeg};

/// Longer results are written in parts.
const PART_BYTES: u64 = 16 << 20;
/// Of damaged pictures, so many may be missing: one in ten.
const MISSING: u64 = 10;
/// A track of sound may end so much before the film says, where its last samples are damaged.
const MISSING_SECONDS: f64 = 1.0;

/// Does one job of a plan: reads what it needs of the source, has it encoded, checks what came out,
/// and writes that to the store under names that [`assemble`](crate::assemble) knows. Doing it again
/// writes the same.
///
/// Needs room in the folder for temporary files: what the job comes to, some 60 MB for a piece of the
/// whole ladder, and as much for an hour of sound.
pub async fn encode_piece<S: Source, T: Store>(
    ffmpeg: &Ffmpeg,
    source: &S,
    movie: &Movie,
    plan: &EncodePlan,
    job: u32,
    pieces: &T,
) -> Result<(), EncodeError> {
    let folder = tempfile::tempdir()?;
    match plan.job(job) {
        Some(Job::Pictures(piece, segments)) => {
            let picture = plan.picture(movie)?;
            let results = pictures(ffmpeg, source, &picture, plan, segments, folder.path()).await?;
            for (rendition, result) in plan.renditions.iter().zip(results) {
                write(pieces, &piece_name(piece, rendition), "video/mp4", &result).await?;
            }
        }
        Some(Job::Sound(index)) => {
            let sound = plan.sound(movie, index)?;
            let result = folder.path().join("sound.mp4");
            ffmpeg.run(&command::sound(&sound, &result), sound.read(source, 0..segments_of(&sound))).await?;
            check_sound(&sound, &read(&result).await?)?;
            write(pieces, &sound_name(&plan.sounds[index]), "audio/mp4", &result).await?;
        }
        None => return Err(EncodeError::bad("The film's encoding has no such job.")),
    }
    Ok(())
}

fn segments_of(feed: &Feed) -> usize {
    feed.starts().len() - 1
}

async fn pictures<S: Source>(
    ffmpeg: &Ffmpeg,
    source: &S,
    picture: &Feed,
    plan: &EncodePlan,
    segments: Range<usize>,
    folder: &Path,
) -> Result<Vec<PathBuf>, EncodeError> {
    let start = picture.starts()[segments.start];
    let key_frames: Vec<u64> =
        key_frames(picture, segments.clone()).into_iter().map(|time| time - start).collect();
    let results: Vec<PathBuf> =
        plan.renditions.iter().map(|rendition| folder.join(format!("{}.mp4", rendition.name))).collect();
    let arguments = command::pictures(picture, &plan.renditions, &key_frames, &results);
    let complaints = ffmpeg.run(&arguments, picture.read(source, segments.clone())).await?;
    let expected = Expected {
        pictures: picture.samples(segments.clone()),
        may_miss: match complaints.is_empty() {
            true => picture.leading_samples(segments.start),
            false => picture.samples(segments.clone()) / MISSING,
        },
        key_frames,
        length: picture.starts()[segments.end] - start,
    };
    for result in &results {
        expected.check(&read(result).await?, &complaints)?;
    }
    Ok(results)
}

/// What a piece has to come to.
struct Expected {
    pictures: u64,
    may_miss: u64,
    key_frames: Vec<u64>,
    /// In ticks.
    length: u64,
}

impl Expected {
    fn check(&self, encoded: &Encoded, complaints: &str) -> Result<(), EncodeError> {
        let wrong = |what: String| Err(EncodeError::encoder(format!("{what}. {}", complaints.trim())));
        let (found, wanted) = (encoded.samples(), self.pictures);
        if found > wanted || found + self.may_miss < wanted {
            return wrong(format!("{found} pictures came out of {wanted}"));
        }
        let times = encoded.times();
        let keys = times.iter().filter(|(_, key)| *key).map(|(time, _)| *time);
        if !keys.clone().eq(self.key_frames.iter().copied()) {
            let keys: Vec<u64> = keys.collect();
            return wrong(format!("key frames are at {keys:?} and not at {:?}", self.key_frames));
        }
        match times.last() {
            Some((last, _)) if *last < self.length || *last == 0 => Ok(()),
            _ => wrong(format!("the pictures go on after {} ticks", self.length)),
        }
    }
}

fn check_sound(sound: &Feed, encoded: &Encoded) -> Result<(), EncodeError> {
    let wanted = sound.starts().last().copied().unwrap_or(0) as f64 / f64::from(sound.timescale());
    let found = encoded.duration() as f64 / f64::from(encoded.timescale());
    if (found - wanted).abs() > MISSING_SECONDS.max(wanted / 1000.0) {
        return Err(EncodeError::encoder(format!("{found:.3} s of sound came out of {wanted:.3}")));
    }
    Ok(())
}

/// The tables of a result. One that isn't there, or is nothing, is the encoder's failure and not the
/// film's.
async fn read(result: &Path) -> Result<Encoded, EncodeError> {
    let file = match FileSource::open(result) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(EncodeError::encoder("it wrote nothing"));
        }
        file => file?,
    };
    Encoded::read(&file).await.map_err(|error| match error.reason() {
        Some(reason) => EncodeError::encoder(reason),
        None => EncodeError::from(error),
    })
}

async fn write<T: Store>(store: &T, name: &str, content_type: &str, result: &Path) -> io::Result<()> {
    let file = FileSource::open(result)?;
    let size = file.size_bytes();
    if size <= PART_BYTES {
        return store.put(name, content_type, file.read(0..size).await?).await;
    }
    let writer = store.create(name, content_type).await?;
    for (number, position) in (1..).zip((0..size).step_by(PART_BYTES as usize)) {
        let bytes: Bytes = file.read(position..size.min(position + PART_BYTES)).await?;
        let part = Part { number, position, size_bytes: bytes.len(), pieces: vec![bytes] };
        writer.write_part(part).await?;
    }
    writer.finish().await
}
