use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use media::{NoDecoder, Options, Treatment, content_digest, open, package};
use shiguredo_mp4::Decode;
use shiguredo_mp4::boxes::SidxBox;

use crate::world::{
    MemorySource, MemoryStore, PACKAGED, ReadSample, package_sample, package_with, plan_of, small_options,
};

#[tokio::test]
async fn the_outputs_are_as_long_as_planned_and_the_same_in_any_pieces() {
    for (name, _) in PACKAGED {
        let film = package_sample(name).await;
        for output in film.plan.outputs() {
            assert_eq!(film.files[&output.name].len() as u64, output.size_bytes, "{name}: {}", output.name);
        }
        let large = package_with(&MemorySource::sample(name), &Options::default()).await;
        assert!(large.files == film.files, "{name} depends on the sizes of windows and parts");
    }
}

#[tokio::test]
async fn any_range_of_an_output_can_be_made_from_the_source() {
    for (name, _) in PACKAGED {
        let source = MemorySource::sample(name);
        let film = package_sample(name).await;
        for (output, file) in &film.files {
            for (start, end) in [
                (0, 10),
                (500, 3_000),
                (file.len() / 2, file.len() / 2 + 20_000),
                (file.len() - 1, file.len()),
            ] {
                let end = end.min(file.len());
                let made = film
                    .plan
                    .read_output(&source, output, start as u64..end as u64)
                    .await
                    .expect("it is there");
                assert!(made == file[start..end], "{name}: {output} {start}..{end}");
            }
            let past = film.plan.read_output(&source, output, 0..file.len() as u64 + 1).await;
            assert_eq!(past.expect_err("it is outside").kind(), std::io::ErrorKind::InvalidInput);
        }
    }
}

#[tokio::test]
async fn the_index_of_each_file_adds_up() {
    for (name, _) in PACKAGED {
        let film = package_sample(name).await;
        for file in film.files.values() {
            let at = file.windows(4).position(|bytes| bytes == b"sidx").expect("there is an index") - 4;
            let (sidx, length) = SidxBox::decode(&file[at..]).expect("it is well-formed");
            let referenced: u64 =
                sidx.references.iter().map(|reference| u64::from(reference.referenced_size)).sum();
            assert_eq!((at + length) as u64 + referenced, file.len() as u64, "{name}");
            let ticks: u64 = sidx.references.iter().map(|r| u64::from(r.subsegment_duration)).sum();
            let seconds = (sidx.earliest_presentation_time + ticks) as f64 / f64::from(sidx.timescale);
            assert!((5.7..7.4).contains(&seconds), "{name} is {seconds} s long");
        }
    }
}

#[tokio::test]
async fn the_source_is_read_once() {
    for (name, _) in PACKAGED {
        let source = MemorySource::sample(name);
        package_with(&source, &Options { digest_part_size: Some(50_000), ..small_options() }).await;
        // All of these fit into the first read, which serves the rest of the pass.
        assert_eq!((source.reads(), source.bytes_read()), (1, source.bytes.len() as u64), "{name}");
    }
}

#[tokio::test]
async fn the_digest_is_the_one_that_s3_computes() {
    let source = MemorySource::sample("h264_aac_faststart.mp4");
    for part_size in [50_000, 173_180, 1 << 20] {
        let parts: Vec<u8> =
            source.bytes.chunks(part_size).flat_map(|part| digest(&SHA256, part).as_ref().to_vec()).collect();
        let expected = format!("{}-{}", STANDARD.encode(digest(&SHA256, &parts)), parts.len() / 32);
        let options = Options { digest_part_size: Some(part_size as u64), ..small_options() };
        assert_eq!(package_with(&source, &options).await.packaged.digest.as_ref(), Some(&expected));
        assert_eq!(content_digest(&source, part_size as u64, 7_777).await.expect("it reads"), expected);
    }
    let without = package_with(&source, &small_options()).await;
    assert_eq!(without.packaged.digest, None);
}

#[tokio::test]
async fn h264_gets_a_poster_and_others_do_without() {
    for (name, has_poster) in [
        ("h264_aac_faststart.mp4", true),
        ("h264_aac_fragmented_nosidx.mp4", true),
        ("h264_opengop.mp4", true),
        ("hevc_hvc1_aac.mp4", false),
        ("vp9_opus.mp4", false),
        ("audio_only.m4a", false),
    ] {
        let source = MemorySource::sample(name);
        let poster = plan_of(&source).await.poster(&source, &NoDecoder).await.expect("it reads");
        assert_eq!(poster.is_some(), has_poster, "{name}");
        if let Some(poster) = poster {
            assert!(poster.starts_with(&[0xff, 0xd8]) && poster.ends_with(&[0xff, 0xd9]));
            assert_eq!(jpeg_size(&poster), (320, 180));
        }
    }
}

/// Width and height from the start-of-frame marker.
pub fn jpeg_size(jpeg: &[u8]) -> (u16, u16) {
    let at = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).expect("there is a frame");
    let number = |at: usize| u16::from_be_bytes([jpeg[at], jpeg[at + 1]]);
    (number(at + 7), number(at + 5))
}

#[tokio::test]
async fn key_frames_that_do_not_decode_cost_the_poster_only() {
    let source = MemorySource::sample("h264_aac_faststart.mp4");
    let mut bytes = source.bytes.to_vec();
    let media = bytes.windows(4).position(|kind| kind == b"mdat").expect("there is media") + 4;
    bytes[media..].fill(0xab);
    let damaged = MemorySource::new(bytes);
    let film = package_with(&damaged, &small_options()).await;
    assert_eq!(film.plan.poster(&damaged, &NoDecoder).await.expect("it reads"), None);
    assert_eq!(film.files.len(), 2);
}

#[tokio::test]
async fn hev1_becomes_hvc1_and_nothing_else_changes() {
    let (retagged, tagged) =
        (package_sample("hevc_hev1_aac.mp4").await, package_sample("hevc_hvc1_aac.mp4").await);
    assert!(retagged.samples("video") == tagged.samples("video"));
    let file = &retagged.files["video.mp4"];
    let source = MemorySource::sample("hevc_hev1_aac.mp4").bytes;
    let entry =
        |bytes: &[u8], kind: &[u8; 4]| bytes.windows(4).position(|found| found == kind).map(|at| at + 4);
    let (ours, theirs) =
        (entry(file, b"hvc1").expect("it is retagged"), entry(&source, b"hev1").expect("it is hev1"));
    assert_eq!(file[ours..ours + 200], source[theirs..theirs + 200]);
}

#[tokio::test]
async fn quicktime_sound_is_described_as_players_expect() {
    let film = package_sample("qt_aac_wave.mov").await;
    let plain = package_sample("h264_aac_moovend.mp4").await;
    let has = |file: &[u8], kind: &[u8; 4]| file.windows(4).any(|bytes| bytes == kind);
    assert!(!has(&film.files["audio.mp4"], b"wave"));
    assert_eq!(film.samples("audio"), plain.samples("audio"));
    assert_eq!(film.samples("video"), plain.samples("video"));
}

#[tokio::test]
async fn a_fragmented_source_gives_the_same_samples_as_a_plain_one() {
    let (fragmented, plain) = (
        package_sample("h264_aac_fragmented_nosidx.mp4").await,
        package_sample("h264_aac_moovend.mp4").await,
    );
    // The fragments say that pictures start late, so the first is held; all else is the same.
    let (held, first) = (fragmented.samples("video"), plain.samples("video"));
    let late = held[1].presented - first[1].presented;
    for (fragmented, plain) in held.iter().zip(&first).skip(1) {
        let moved = (fragmented.time - late, fragmented.presented - late);
        assert_eq!(moved, (plain.time, plain.presented));
    }
    let same = |a: &ReadSample, b: &ReadSample| a.data == b.data && a.sync == b.sync;
    assert_eq!(held.len(), first.len());
    assert!(held.iter().zip(&first).all(|(a, b)| same(a, b)));
    let (ours, theirs) = (fragmented.samples("audio"), plain.samples("audio"));
    assert_eq!(ours.len(), theirs.len());
    assert!(ours.iter().zip(&theirs).all(|(a, b)| same(a, b)));
}

#[tokio::test]
async fn packaging_can_run_on_any_thread() {
    let task = tokio::spawn(async {
        let source = MemorySource::sample("audio_only.m4a");
        let movie = open(&source).await.expect("it opens");
        let Treatment::Package(plan) = movie.treatment() else { panic!("it can be packaged") };
        let store = MemoryStore { part_bytes: Options::default().part_bytes, ..MemoryStore::default() };
        package(&source, &plan, &store, &Options::default()).await.expect("it packages");
    });
    task.await.expect("it does not panic");
    let source = MemorySource::sample("audio_only.m4a");
    assert_eq!(plan_of(&source).await.outputs().len(), 1);
}
