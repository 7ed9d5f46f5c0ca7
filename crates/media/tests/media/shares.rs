//! Films whose outputs several workers write together.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use media::{Options, Part, Plan, ShareSizes, Shares, Store, Treatment, Writer, open, package_share};
use proptest::prelude::*;
use tokio::runtime::Builder;

use crate::film::{Interleaving, MadeSample, MadeTrack, make};
use crate::properties::{audio, interleaving, video};
use crate::world::{MemorySource, PACKAGED, package_with, plan_of, small_options};

/// The parts of outputs that are begun and not finished: by output and number, where each begins and what it is.
type Parts = Arc<Mutex<BTreeMap<(usize, u32), (u64, Bytes)>>>;

/// An upload in parts, to which a part may come again.
struct PartsOf {
    output: usize,
    parts: Parts,
}

impl Writer for PartsOf {
    async fn write_part(&self, part: Part) -> io::Result<()> {
        let (key, position) = ((self.output, part.number), part.position);
        let bytes = part.into_bytes();
        let before = self.parts.lock().expect("no panic").insert(key, (position, bytes.clone()));
        assert!(before.is_none_or(|before| before == (position, bytes)), "a repeated part is the same part");
        Ok(())
    }

    async fn finish(self) -> io::Result<()> {
        panic!("no share finishes an output");
    }
}

#[derive(Default)]
struct Scraps(Mutex<BTreeMap<String, Bytes>>);

impl Store for Scraps {
    type Writer = PartsOf;

    async fn put(&self, name: &str, _content_type: &str, body: Bytes) -> io::Result<()> {
        let before = self.0.lock().expect("no panic").insert(name.into(), body.clone());
        assert!(before.is_none_or(|before| before == body), "a repeated scrap is the same scrap");
        Ok(())
    }

    async fn create(&self, _name: &str, _content_type: &str) -> io::Result<PartsOf> {
        panic!("scraps are written whole");
    }
}

/// Does the shares in this order and joins what they leave; the outputs by their names. Each worker finds the shares
/// by itself.
async fn share_out(
    source: &MemorySource,
    plan: &Plan,
    sizes: &ShareSizes,
    options: &Options,
    order: &[u32],
) -> BTreeMap<String, Vec<u8>> {
    let parts = Parts::default();
    let writers: Vec<PartsOf> =
        (0..plan.outputs().len()).map(|output| PartsOf { output, parts: parts.clone() }).collect();
    let scraps = Scraps::default();
    for &share in order {
        let shares = plan.share_out(sizes).expect("it is shared out");
        package_share(source, &shares, share, &writers, &scraps, options).await.expect("it packages");
    }
    let shares = plan.share_out(sizes).expect("it is shared out");
    join(&shares, &writers, &scraps).await;
    outputs(plan, &shares, &parts)
}

async fn join(shares: &Shares, writers: &[PartsOf], scraps: &Scraps) {
    let scraps = std::mem::take(&mut *scraps.0.lock().expect("no panic"));
    let mut used = 0;
    for join in shares.joins() {
        let pieces: Vec<Bytes> = join.scraps.iter().map(|(name, _)| scraps[name].clone()).collect();
        let lengths: Vec<u64> = pieces.iter().map(|piece| piece.len() as u64).collect();
        assert_eq!(lengths, join.scraps.iter().map(|(_, length)| *length).collect::<Vec<_>>());
        used += pieces.len();
        let size_bytes = join.size_bytes as usize;
        let part = Part { number: join.number, position: join.position, size_bytes, pieces };
        writers[join.output].write_part(part).await.expect("it is kept");
    }
    assert_eq!(used, scraps.len(), "no scrap is for nothing");
}

/// The parts put together, as long as each was to be.
fn outputs(plan: &Plan, shares: &Shares, parts: &Parts) -> BTreeMap<String, Vec<u8>> {
    let parts = parts.lock().expect("no panic");
    let mut outputs = BTreeMap::new();
    for (index, output) in plan.outputs().into_iter().enumerate() {
        let found: Vec<_> = parts
            .iter()
            .filter(|((of, _), _)| *of == index)
            .map(|((_, number), part)| (*number, part))
            .collect();
        let lengths: Vec<_> =
            found.iter().map(|(number, (_, bytes))| (*number, bytes.len() as u64)).collect();
        assert_eq!(lengths, shares.parts(index));
        let mut bytes = Vec::new();
        for (_, (position, part)) in found {
            assert_eq!(*position, bytes.len() as u64);
            bytes.extend_from_slice(part);
        }
        assert_eq!(bytes.len() as u64, output.size_bytes);
        outputs.insert(output.name, bytes);
    }
    outputs
}

fn run<F: Future>(future: F) -> F::Output {
    Builder::new_current_thread().enable_time().build().expect("there is a runtime").block_on(future)
}

/// Every share once at least, in any order.
fn order(count: u32, seed: &[u32]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).chain(seed.iter().map(|share| share % count)).collect();
    let length = order.len();
    for (index, with) in seed.iter().cycle().take(length).enumerate() {
        order.swap(index, *with as usize % length);
    }
    order
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn shares_in_any_order_and_repeated_make_the_same_outputs_as_one_worker(
        video in video(),
        audio in audio(),
        interleaving in interleaving(),
        share_bytes in 300..20_000_u64,
        part_bytes in 50..5_000_u64,
        least_part_bytes in 1..3_000_u64,
        window_bytes in 50..5_000_u64,
        seed in prop::collection::vec(any::<u32>(), 1..20),
    ) {
        let source = MemorySource::new(make(&[video, audio], interleaving, true));
        let movie = run(open(&source)).expect("it is a good file");
        let Treatment::Package(plan) = movie.treatment() else { return Ok(()) };
        let sizes = ShareSizes { share_bytes, part_bytes, least_part_bytes, most_parts: 10_000 };
        let Some(shares) = plan.share_out(&sizes) else { return Ok(()) };
        let options = Options { window_bytes, ..small_options() };
        let order = order(shares.count(), &seed);
        let shared = run(share_out(&source, &plan, &sizes, &options, &order));
        prop_assert!(shared == run(package_with(&source, &options)).files);
    }
}

#[tokio::test]
async fn every_sample_can_be_shared_out() {
    for (name, _) in PACKAGED {
        let source = MemorySource::sample(name);
        let plan = plan_of(&source).await;
        let expected = package_with(&source, &small_options()).await.files;
        let sizes =
            ShareSizes { share_bytes: 30_000, part_bytes: 9_000, least_part_bytes: 4_000, most_parts: 9_999 };
        let Some(shares) = plan.share_out(&sizes) else {
            assert!(source.bytes.len() < 70_000, "{name} is long enough");
            continue;
        };
        let order: Vec<u32> = (0..shares.count()).rev().collect();
        let shared = share_out(&source, &plan, &sizes, &small_options(), &order).await;
        assert!(shared == expected, "{name} differs when it is shared out");
    }
}

/// 40 seconds of rich pictures and poor sound, a chunk of each in turn.
fn long_film(sound_bytes: usize) -> MemorySource {
    let pictures = (0..1_000_usize).map(|index| MadeSample {
        duration: 24,
        shift: 0,
        sync: index.is_multiple_of(50),
        data: vec![index as u8; 9_000 + index * 37 % 2_000],
    });
    let video = MadeTrack {
        video: true,
        timescale: 600,
        samples: pictures.collect(),
        chunking: vec![12],
        edits: Vec::new(),
    };
    let sounds = (0..2_000_usize).map(|index| MadeSample {
        duration: 960,
        shift: 0,
        sync: true,
        data: vec![index as u8; sound_bytes],
    });
    let audio = MadeTrack {
        video: false,
        timescale: 48_000,
        samples: sounds.collect(),
        chunking: vec![24],
        edits: Vec::new(),
    };
    MemorySource::new(make(&[video, audio], Interleaving::Turns, true))
}

#[tokio::test]
async fn together_the_shares_read_the_source_once() {
    for sound_bytes in [20, 400] {
        let source = long_film(sound_bytes);
        let plan = plan_of(&source).await;
        let sizes = ShareSizes {
            share_bytes: 1_000_000,
            part_bytes: 100_000,
            least_part_bytes: 30_000,
            most_parts: 10_000,
        };
        let shares = plan.share_out(&sizes).expect("it is long");
        assert_eq!(shares.joins().is_empty(), sound_bytes == 400, "poor sound is left in scraps");
        let options = small_options();
        let order: Vec<u32> = (0..shares.count()).collect();
        let mut reads_of_all = 0;
        for &share in &order {
            let parts = Parts::default();
            let writers = [0, 1].map(|output| PartsOf { output, parts: parts.clone() });
            source.reads.lock().expect("no panic").clear();
            package_share(&source, &shares, share, &writers, &Scraps::default(), &options)
                .await
                .expect("it packages");
            let range = shares.source_range(share).expect("it exists");
            let within = |read: &std::ops::Range<u64>| range.start <= read.start && read.end <= range.end;
            assert!(source.reads.lock().expect("no panic").iter().all(within), "nothing beyond its range");
            reads_of_all += source.bytes_read();
        }
        let size = source.bytes.len() as u64;
        assert!(reads_of_all <= size, "{reads_of_all} of {size} bytes");
        let shared = share_out(&source, &plan, &sizes, &options, &order).await;
        assert!(shared == package_with(&source, &options).await.files);
    }
}

#[tokio::test]
async fn a_film_for_one_worker_is_not_shared_out() {
    let source = MemorySource::sample("h264_aac_faststart.mp4");
    assert!(plan_of(&source).await.share_out(&ShareSizes::default()).is_none());
}
