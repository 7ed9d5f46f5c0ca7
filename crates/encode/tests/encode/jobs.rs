//! Jobs are done anywhere, in any order, more than once.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use encode::{EncodeError, Ffmpeg, encode_piece};
use media::{DirectoryStore, FileSource, Source};

use crate::world::{Film, ffmpeg};

/// Three pieces and a track of sound.
async fn film() -> Film {
    Film::make(
        "film.mov",
        "-f lavfi -i testsrc2=s=640x360:r=10:d=100 -f lavfi -i sine=f=440:r=48000:d=100 \
         -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 20 -bf 2 -c:a pcm_s16le @",
    )
    .await
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("it is there").flatten();
    let read = |path| std::fs::read(path).expect("it can be read");
    entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), read(entry.path()))).collect()
}

#[tokio::test]
async fn order_repeats_and_the_number_of_workers_change_no_byte() {
    let film = film().await;
    let plan = film.plan(true);
    assert_eq!(plan.jobs(), 4);
    film.encode(&plan).await;
    let (pieces, outputs) = (files(&film.pieces().0), files(&film.out()));
    assert_eq!(pieces.len(), 4);
    std::fs::remove_dir_all(film.pieces().0).expect("it was there");
    // Two workers, backwards, one of them does a job that is done already.
    let (first, second) = tokio::join!(
        async {
            film.job(&plan, 3).await?;
            film.job(&plan, 1).await
        },
        async {
            film.job(&plan, 2).await?;
            film.job(&plan, 0).await
        },
    );
    first.and(second).expect("they work");
    film.job(&plan, 2).await.expect("it works again");
    assert!(files(&film.pieces().0) == pieces, "the pieces differ");
    film.encode(&plan).await;
    assert!(files(&film.out()) == outputs, "the outputs differ");
}

/// Fails to read behind a position.
struct Torn<'a> {
    file: &'a FileSource,
    from: u64,
}

impl Source for Torn<'_> {
    fn size_bytes(&self) -> u64 {
        self.file.size_bytes()
    }

    async fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        if range.end > self.from {
            Err(io::Error::other("the bucket is down"))
        } else {
            self.file.read(range).await
        }
    }
}

#[tokio::test]
async fn a_job_that_fails_writes_nothing_and_is_done_again_alone() {
    let film = film().await;
    let plan = film.plan(true);
    let store = DirectoryStore::new(film.pieces().0).expect("there is room");
    let torn = Torn { file: &film.source, from: film.source.size_bytes() / 2 };
    encode_piece(&ffmpeg(), &torn, &film.movie, &plan, 0, &store)
        .await
        .expect("it needs the first third only");
    let failed = encode_piece(&ffmpeg(), &torn, &film.movie, &plan, 2, &store).await;
    assert!(matches!(failed, Err(EncodeError::Io(_))), "{failed:?}");
    assert_eq!(files(&film.pieces().0).len(), 1);
    film.job(&plan, 2).await.expect("it works now");
    assert_eq!(files(&film.pieces().0).len(), 2);
}

#[tokio::test]
async fn an_encoder_that_is_none_or_writes_nothing_is_an_error() {
    let film = film().await;
    let plan = film.plan(true);
    let store = DirectoryStore::new(film.pieces().0).expect("there is room");
    for (program, missing) in [("/nowhere/ffmpeg", true), ("/bin/false", false), ("/bin/true", false)] {
        let done = encode_piece(&Ffmpeg::at(program), &film.source, &film.movie, &plan, 0, &store).await;
        let as_expected = match &done {
            Err(EncodeError::Io(_)) => missing,
            Err(EncodeError::Encoder { .. }) => !missing,
            _ => false,
        };
        assert!(as_expected, "{program}: {done:?}");
    }
    assert!(files(&film.pieces().0).is_empty());
}

#[tokio::test]
async fn a_plan_of_another_film_is_refused() {
    let film = film().await;
    let mut plan = film.plan(true);
    assert_eq!(
        serde_json::from_str::<encode::EncodePlan>(&serde_json::to_string(&plan).expect("it is data"))
            .expect("it is a plan"),
        plan
    );
    let none = film.job(&plan, plan.jobs()).await;
    assert!(matches!(none, Err(EncodeError::Bad { .. })), "{none:?}");
    *plan.piece_segments.last_mut().expect("it has pieces") += 1;
    let other = film.job(&plan, 0).await;
    assert!(matches!(other, Err(EncodeError::Bad { .. })), "{other:?}");
}

#[tokio::test]
async fn a_long_recording_of_plain_sound_is_taken_in_blocks() {
    // An instant is a sample: more of them than a film is allowed to have frames.
    let film = Film::make(
        "long.mov",
        "-f lavfi -i testsrc2=s=64x48:r=1:d=480 -f lavfi -i sine=f=440:r=48000:d=480 -c:v libx264 -preset ultrafast \
         -pix_fmt yuv420p -g 4 -c:a pcm_s16le @",
    )
    .await;
    let plan = film.plan(false);
    assert_eq!(plan.outputs(), ["audio.mp4"]);
    film.encode(&plan).await;
    let file = FileSource::open(film.out().join("audio.mp4")).expect("it is there");
    let duration = media::open(&file).await.expect("it opens").probe().duration_ms.expect("it has a length");
    assert!(duration.abs_diff(480_000) < 50, "{duration}");
}
