//! How much has to be asked for to know a film that is fragmented already.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use media::{MediaError, Source, open};

use crate::conformance::make;
use crate::world::{MemorySource, plan_of};

/// A source that takes its time, as a bucket does, and counts how often all that was asked for had
/// to be waited for.
struct Distant {
    memory: MemorySource,
    in_flight: AtomicUsize,
    rounds: AtomicUsize,
}

impl Source for Distant {
    fn size_bytes(&self) -> u64 {
        self.memory.size_bytes()
    }

    async fn read(&self, range: Range<u64>) -> std::io::Result<Bytes> {
        if self.in_flight.fetch_add(1, Ordering::SeqCst) == 0 {
            self.rounds.fetch_add(1, Ordering::SeqCst);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.memory.read(range).await
    }
}

/// Ten seconds in a fragment each, of 2 MB or of 200 kB.
fn film(name: &str, flags: &str, bytes_each: usize) -> Distant {
    let rate =
        format!("-b:v {0} -minrate {0} -maxrate {0} -bufsize {0} -x264-params nal-hrd=cbr", bytes_each * 8);
    let path = make(
        name,
        &[
            "-f lavfi -i testsrc2=s=64x36:r=5:d=10",
            "-c:v libx264 -preset ultrafast -g 5 -pix_fmt yuv420p",
            &rate,
            flags,
        ],
    );
    let memory = MemorySource::new(std::fs::read(path).expect("it was made"));
    Distant { memory, in_flight: AtomicUsize::new(0), rounds: AtomicUsize::new(0) }
}

#[tokio::test]
async fn fragments_are_asked_for_side_by_side_where_an_index_tells_where_they_are() {
    const PLAIN: &str = "-movflags +frag_keyframe+empty_moov+skip_trailer";
    for (name, flags, most_rounds) in [
        ("far.mp4", PLAIN, 11),
        ("far-mfra.mp4", "-movflags +frag_keyframe+empty_moov", 4),
        ("far-sidx.mp4", "-movflags +frag_keyframe+empty_moov+global_sidx", 3),
    ] {
        let source = film(name, flags, 2_000_000);
        let size = source.size_bytes();
        assert!(size > 16 << 20, "{name} has {size} bytes");
        let plan = plan_of(&source).await;
        let (rounds, reads) = (source.rounds.load(Ordering::SeqCst), source.memory.reads());
        assert!(rounds <= most_rounds && reads <= 13, "{name}: {rounds} rounds, {reads} reads");
        assert!(source.memory.bytes_read() < size / 10, "{name}: {} bytes", source.memory.bytes_read());
        assert_eq!(plan.outputs().len(), 1);
    }
}

#[tokio::test]
async fn fragments_that_are_near_are_read_several_at_a_time() {
    let source = film("near.mp4", "-movflags +frag_keyframe+empty_moov", 200_000);
    assert!(source.size_bytes() > 1_500_000, "{}", source.size_bytes());
    plan_of(&source).await;
    assert!(source.memory.reads() <= 3, "{} reads", source.memory.reads());
    assert!(source.memory.bytes_read() <= source.size_bytes());
}

#[tokio::test]
async fn wrong_hints_change_nothing() {
    let right = film("wrong-hints.mp4", "-movflags +frag_keyframe+empty_moov+global_sidx", 2_000_000);
    let expected = plan_of(&right).await.outputs();
    let mut bytes = right.memory.bytes.to_vec();
    let at = bytes.windows(4).position(|kind| kind == b"sidx").expect("there is an index");
    for (index, wrong) in [(28_usize, 0x10_u32), (40, 0x7fff_ffff), (52, 1)] {
        bytes[at + index..at + index + 4].copy_from_slice(&wrong.to_be_bytes());
        assert_eq!(plan_of(&MemorySource::new(bytes.clone())).await.outputs(), expected);
    }
}

#[tokio::test]
async fn fragments_that_promise_more_than_the_file_holds_are_refused_before_they_cost_anything() {
    let plain = film("bomb.mp4", "-movflags +frag_keyframe+empty_moov", 200_000);
    let mut bytes = plain.memory.bytes.to_vec();
    let count = (bytes.len() / 2) as u32;
    // Runs without fields of their own, each of half the file in samples of a byte.
    let run = [&[0, 0, 0, 16][..], b"trun", &[0; 4], &count.to_be_bytes()].concat();
    let header = [&[0, 0, 0, 20][..], b"tfhd", &[0, 0, 0, 0x10, 0, 0, 0, 1, 0, 0, 0, 1]].concat();
    let body = [header, run.repeat(10_000)].concat();
    let traf = [&(body.len() as u32 + 8).to_be_bytes()[..], b"traf", &body].concat();
    bytes.extend([&(traf.len() as u32 + 8).to_be_bytes()[..], b"moof", &traf].concat());
    let error = open(&MemorySource::new(bytes)).await.expect_err("it is a bomb");
    assert!(
        matches!(&error, MediaError::Bad { reason } if reason.contains("promises more samples")),
        "{error}"
    );
}
