use std::time::{Duration, Instant};

use media::{MediaError, Options, Plan, Treatment, open, package};
use proptest::prelude::*;
use tokio::runtime::Builder;

use crate::film::{Interleaving, MadeSample, MadeTrack, make};
use crate::world::{Film, MemorySource, MemoryStore, ReadSample, package_with, sample_path};

fn run<F: Future>(future: F) -> F::Output {
    Builder::new_current_thread().enable_time().build().expect("there is a runtime").block_on(future)
}

prop_compose! {
    /// Groups of a key frame and frames that are shown after it.
    pub fn video()(
        groups in prop::collection::vec((1..40_usize, 0..3_i32), 1..12),
        duration in 1..2_000_u32,
        uneven in any::<bool>(),
        chunking in prop::collection::vec(1..9_usize, 1..6),
        seed in any::<u8>(),
    ) -> MadeTrack {
        let mut samples = Vec::new();
        for (length, reorder) in groups {
            for index in 0..length {
                let wobble = if uneven { (index as u32 * 7) % 5 } else { 0 };
                let shift = if index == 0 { 0 } else { reorder * (index as i32 % 3) * 100 };
                let data = vec![seed.wrapping_add(index as u8); 1 + (index * 37) % 300];
                samples.push(MadeSample { duration: duration + wobble, shift, sync: index == 0, data });
            }
        }
        MadeTrack { video: true, timescale: 600, samples, chunking, edits: Vec::new() }
    }
}

prop_compose! {
    pub fn audio()(
        count in 1..900_usize,
        chunking in prop::collection::vec(1..30_usize, 1..6),
        priming in 0..3_000_i32,
        seed in any::<u8>(),
    ) -> MadeTrack {
        let sample = |index: usize| MadeSample {
            duration: 960,
            shift: 0,
            sync: true,
            data: vec![seed ^ index as u8; 1 + index % 40],
        };
        let edits = vec![(0, priming)];
        MadeTrack { video: false, timescale: 48_000, samples: (0..count).map(sample).collect(), chunking, edits }
    }
}

pub fn interleaving() -> impl Strategy<Value = Interleaving> {
    prop_oneof![Just(Interleaving::Turns), Just(Interleaving::Tracks), Just(Interleaving::Backwards)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_comes_out_is_what_went_in(
        video in video(),
        audio in audio(),
        interleaving in interleaving(),
        index_first in any::<bool>(),
        window_bytes in 50..5_000_u64,
        part_bytes in 50..5_000_usize,
        ranges in prop::collection::vec((0.0..1.0_f64, 0.0..1.0_f64), 4),
    ) {
        let source = MemorySource::new(make(&[video.clone(), audio.clone()], interleaving, index_first));
        let options = Options { window_bytes, windows_in_flight: 2, part_bytes, parts_in_flight: 3, digest_part_size: None };
        let movie = run(open(&source)).expect("it is a good file");
        // Very long groups play from the original.
        let Treatment::Package(plan) = movie.treatment() else { return Ok(()) };
        let film = run(package_with(&source, &options));
        let pictures = film.samples("video");
        prop_assert_eq!(pictures.len(), video.samples.len());
        let mut time = 0;
        for (index, (read, made)) in pictures.iter().zip(&video.samples).enumerate() {
            prop_assert_eq!((&read.data, read.time), (&made.data, time));
            prop_assert_eq!(read.presented, time + i64::from(made.shift));
            // The last of few pictures is held while sound goes on.
            let held = index + 1 == pictures.len() && read.duration > made.duration;
            prop_assert!(held || read.duration == made.duration);
            time += i64::from(made.duration);
        }
        let sounds = film.samples("audio");
        prop_assert_eq!(sounds.len(), audio.samples.len());
        for (read, made) in sounds.iter().zip(&audio.samples) {
            prop_assert_eq!(&read.data, &made.data);
        }
        adds_up(&film)?;
        for (name, file) in &film.files {
            prop_assert!(&in_any_order(&plan, &source, name, file.len(), &ranges) == file);
            for (a, b) in &ranges {
                let (a, b) = ((a * file.len() as f64) as usize, (b * file.len() as f64) as usize);
                let (start, end) = (a.min(b), a.max(b));
                let made = run(plan.read_output(&source, name, start as u64..end as u64)).expect("it is there");
                prop_assert!(made == file[start..end]);
            }
        }
    }
}

/// Sizes add up to the files, segments follow each other without a hole and without overlap, and times only
/// grow.
fn adds_up(film: &Film) -> Result<(), TestCaseError> {
    for output in film.plan.outputs() {
        let stem = output.name.trim_end_matches(".mp4");
        let file = &film.files[&output.name];
        prop_assert_eq!(file.len() as u64, output.size_bytes);
        let (init, segments) = film.segments(&format!("{stem}.m3u8"));
        let media: usize = segments.iter().map(Vec::len).sum();
        // Between them there is the index: 40 bytes, and 12 for each segment.
        prop_assert_eq!(init.len() + 40 + 12 * segments.len() + media, file.len());
        prop_assert!(file.ends_with(&segments.concat()));
        let samples = film.samples(stem);
        let follows = |pair: &[ReadSample]| pair[0].time + i64::from(pair[0].duration) == pair[1].time;
        prop_assert!(samples.windows(2).all(follows), "{stem}: a hole, or an overlap");
        prop_assert!(samples.iter().all(|sample| sample.duration > 0 || samples.len() == 1));
        let mut shown: Vec<i64> = samples.iter().map(|sample| sample.presented).collect();
        shown.sort_unstable();
        prop_assert!(
            shown.windows(2).all(|pair| pair[0] < pair[1]) || stem == "video",
            "{stem}: two at once"
        );
    }
    Ok(())
}

/// An output put together from pieces that were made one by one, the later ones first.
fn in_any_order(
    plan: &Plan,
    source: &MemorySource,
    name: &str,
    length: usize,
    cuts: &[(f64, f64)],
) -> Vec<u8> {
    let mut ends: Vec<usize> =
        cuts.iter().flat_map(|(a, b)| [a, b]).map(|at| (at * length as f64) as usize).collect();
    ends.extend([0, length]);
    ends.sort_unstable();
    let mut whole = vec![0; length];
    for piece in ends.windows(2).rev() {
        let made = run(plan.read_output(source, name, piece[0] as u64..piece[1] as u64));
        whole[piece[0]..piece[1]].copy_from_slice(&made.expect("it is there"));
    }
    whole
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Numbers in the index are set to values that hurt, anywhere.
    #[test]
    fn a_mutated_index_never_panics_and_never_takes_long(
        which in 0..7_usize,
        changes in prop::collection::vec((0.0..1.0_f64, mutation()), 1..6),
        cut in prop::option::weighted(0.1, 0.0..1.0_f64),
    ) {
        let name = ["h264_aac_faststart.mp4", "h264_aac_fragmented_nosidx.mp4", "h264_pcm_rotate90.mov",
            "h264_aac_editlists_trim_delay.mp4", "vp9_opus.webm", "qt_aac_wave.mov", "h264_aac.mkv"][which];
        let mut bytes = std::fs::read(sample_path(name)).expect("the sample is there");
        let spots = spots(&bytes);
        for (at, mutation) in changes {
            let at = spots[(at * spots.len() as f64) as usize];
            match mutation {
                Mutation::Word(word) => bytes[at..at + 4].copy_from_slice(&word.to_be_bytes()),
                Mutation::Byte(byte) => bytes[at] = byte,
            }
        }
        if let Some(cut) = cut {
            bytes.truncate((cut * bytes.len() as f64) as usize);
        }
        let source = MemorySource::new(bytes);
        let started = Instant::now();
        let opened = run(open(&source));
        prop_assert!(started.elapsed() < Duration::from_millis(500), "it took {:?}", started.elapsed());
        match opened {
            Ok(movie) => if let Treatment::Package(plan) = movie.treatment() {
                prop_assert!(!plan.manifests().is_empty());
                let options = Options::default();
                let planned: u64 = plan.outputs().iter().map(|output| output.size_bytes).sum();
                if planned < 50_000_000 {
                    let store = MemoryStore { part_bytes: options.part_bytes, ..MemoryStore::default() };
                    prop_assert!(run(package(&source, &plan, &store, &options)).is_ok());
                }
            },
            Err(error) => prop_assert!(matches!(error, MediaError::Bad { .. }), "{error:?}"),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Mutation {
    Word(u32),
    Byte(u8),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let words =
        [0, 1, 2, 7, 8, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff, 1000, 100_000];
    prop_oneof![
        prop::sample::select(words.to_vec()).prop_map(Mutation::Word).boxed(),
        any::<u32>().prop_map(Mutation::Word).boxed(),
        any::<u8>().prop_map(Mutation::Byte).boxed(),
    ]
}

/// Positions in the index, not in the media, where changes would prove nothing.
fn spots(bytes: &[u8]) -> Vec<usize> {
    let mut spots = Vec::new();
    for kind in [&b"moov"[..], b"moof", &[0x16, 0x54, 0xae, 0x6b], &[0x1f, 0x43, 0xb6, 0x75]] {
        for at in bytes.windows(4).enumerate().filter(|(_, found)| *found == kind).map(|(at, _)| at) {
            let size =
                u32::from_be_bytes(bytes[at.saturating_sub(4)..at].try_into().unwrap_or([0; 4])) as usize;
            spots.extend(at.saturating_sub(4)..(at + size.clamp(64, 20_000)).min(bytes.len() - 4));
        }
    }
    spots
}
