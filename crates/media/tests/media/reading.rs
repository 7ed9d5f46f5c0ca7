//! How much of the source is read for a range of an output.

use crate::film::{Interleaving, MadeSample, MadeTrack, make};
use crate::world::{MemorySource, package_with, small_options};

/// A minute of picture and sound that take turns, as muxers write them: a frame of each at a time. It is `frame_bytes` for each of
/// 25 frames a second.
fn interleaved(frame_bytes: usize) -> MemorySource {
    let video = (0..25 * 60).map(|index| MadeSample {
        duration: 40,
        shift: 0,
        sync: index % 50 == 0,
        data: vec![index as u8; frame_bytes],
    });
    let audio = (0..50 * 60).map(|index| MadeSample {
        duration: 960,
        shift: 0,
        sync: true,
        data: vec![index as u8; 160],
    });
    let track = |video, timescale, samples, chunking| MadeTrack {
        video,
        timescale,
        samples,
        chunking,
        edits: vec![],
    };
    let tracks =
        [track(true, 1000, video.collect(), vec![1]), track(false, 48_000, audio.collect(), vec![2])];
    MemorySource::new(make(&tracks, Interleaving::Turns, true))
}

#[tokio::test]
async fn the_sound_of_a_segment_is_had_by_one_read_though_pictures_lie_between() {
    let source = interleaved(20_000);
    let film = package_with(&source, &small_options()).await;
    let file = &film.files["audio.mp4"];
    // Four seconds of it, somewhere in the middle: 100 pieces of two frames each.
    let (start, end) = (file.len() / 2, file.len() / 2 + 4 * 50 * 160);
    let (reads, read) = (source.reads(), source.bytes_read());
    let made = film.plan.read_output(&source, "audio.mp4", start as u64..end as u64).await;
    assert!(made.expect("it is there") == file[start..end]);
    // The range touches two segments.
    assert!(source.reads() - reads <= 2, "{} reads", source.reads() - reads);
    assert!(source.bytes_read() - read < 110 * 20_400, "what lies around is not read");
}

#[tokio::test]
async fn a_segment_of_pictures_is_had_by_few_reads_none_of_them_long() {
    let source = interleaved(100_000);
    let film = package_with(&source, &small_options()).await;
    let file = &film.files["video.mp4"];
    let (start, end) = (file.len() / 3, file.len() / 3 + 10_000_000);
    let (reads, read) = (source.reads(), source.bytes_read());
    let made = film.plan.read_output(&source, "video.mp4", start as u64..end as u64).await;
    assert!(made.expect("it is there") == file[start..end]);
    let (reads, read) = (source.reads() - reads, source.bytes_read() - read);
    assert!((2..=4).contains(&reads), "{reads} reads");
    assert!(read < 10_200_000, "{read} bytes");
}

#[tokio::test]
async fn what_lies_far_apart_is_not_read_along() {
    let source = interleaved(1_200_000 / 16);
    let film = package_with(&source, &small_options()).await;
    let file = &film.files["audio.mp4"];
    let read = source.bytes_read();
    let made = film.plan.read_output(&source, "audio.mp4", 0..file.len() as u64).await;
    assert!(made.expect("it is there") == file[..]);
    // Pictures of 75 kB lie between, so all is read once, as packaging does.
    assert!(source.bytes_read() - read <= source.bytes.len() as u64);

    let tracks_apart = {
        let frame = |index: usize| MadeSample {
            duration: 40,
            shift: 0,
            sync: true,
            data: vec![index as u8; 1_500_000],
        };
        let sound =
            |index: usize| MadeSample { duration: 1920, shift: 0, sync: true, data: vec![index as u8; 100] };
        let track = |video, timescale, samples| MadeTrack {
            video,
            timescale,
            samples,
            chunking: vec![1],
            edits: vec![],
        };
        let tracks = [
            track(true, 1000, (0..20).map(frame).collect()),
            track(false, 48_000, (0..20).map(sound).collect()),
        ];
        MemorySource::new(make(&tracks, Interleaving::Turns, true))
    };
    let film = package_with(&tracks_apart, &small_options()).await;
    let file = &film.files["audio.mp4"];
    let (reads, read) = (tracks_apart.reads(), tracks_apart.bytes_read());
    let made = film.plan.read_output(&tracks_apart, "audio.mp4", 0..file.len() as u64).await;
    assert!(made.expect("it is there") == file[..]);
    let (reads, read) = (tracks_apart.reads() - reads, tracks_apart.bytes_read() - read);
    assert!(reads <= 20 && read <= 20 * 100, "{reads} reads of {read} bytes");
}
