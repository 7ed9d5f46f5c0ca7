//! Any bytes, as a film: it opens or is refused, in memory that the bytes themselves bound, and what is
//! planned can be made.

#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::ops::Range;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use media::{MediaError, Options, Part, ReadAhead, Source, Store, Treatment, Writer, open, package};

/// Counts what is allocated, and the most that was at a time.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is done by the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MOST.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What opening and planning may take, whatever is in the bytes: the shortest sample that a table can tell of
/// takes a byte of media, and becomes some twenty bytes of tables, which double as they grow.
const ALWAYS: usize = 2 << 20;
const FOR_EACH_BYTE: usize = 64;

struct Memory(Bytes);

impl Source for Memory {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    async fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        assert!(range.start <= range.end && range.end <= self.size_bytes(), "{range:?} is outside");
        Ok(self.0.slice(range.start as usize..range.end as usize))
    }

    /// Little at a time, so that windows meet in the middle of things.
    fn read_ahead(&self) -> ReadAhead {
        ReadAhead { window_bytes: 1_000, in_flight: 2 }
    }
}

struct Nowhere;

impl Store for Nowhere {
    type Writer = Nowhere;

    async fn put(&self, _: &str, _: &str, _: Bytes) -> io::Result<()> {
        Ok(())
    }

    async fn create(&self, _: &str, _: &str) -> io::Result<Nowhere> {
        Ok(Nowhere)
    }
}

impl Writer for Nowhere {
    async fn write_part(&self, _: Part) -> io::Result<()> {
        Ok(())
    }

    async fn finish(self) -> io::Result<()> {
        Ok(())
    }
}

/// Nothing here ever waits.
fn now<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let source = Memory(Bytes::copy_from_slice(bytes));
    let before = NOW.load(Relaxed);
    MOST.store(before, Relaxed);
    let opened = now(open(&source));
    let most = MOST.load(Relaxed) - before;
    assert!(most <= ALWAYS + FOR_EACH_BYTE * bytes.len(), "{most} bytes for a file of {}", bytes.len());
    let movie = match opened {
        Ok(movie) => movie,
        Err(MediaError::Bad { .. }) => return,
        Err(MediaError::Io(error)) => panic!("reading memory failed: {error}"),
    };
    for feed in movie.plan().iter().flat_map(|plan| plan.feeds()) {
        let segments = feed.starts().len() - 1;
        // Silence that leads sound in is counted, and has no times.
        assert!(feed.times(0..segments.min(3)).len() as u64 <= feed.samples(0..segments.min(3)));
        let mut reader = feed.read(&source, segments.saturating_sub(2)..segments);
        while now(reader.next()).expect("memory can be read").is_some() {}
    }
    let Treatment::Package(plan) = movie.treatment() else { return };
    assert!(!plan.manifests().is_empty());
    let outputs = plan.outputs();
    for output in &outputs {
        let (middle, end) = (output.size_bytes / 2, output.size_bytes);
        for range in [0..end.min(2_000), middle..end.min(middle + 2_000), end.saturating_sub(100)..end] {
            let length = range.end - range.start;
            let made = now(plan.read_output(&source, &output.name, range)).expect("it is there");
            assert_eq!(made.len() as u64, length);
        }
    }
    let planned: u64 = outputs.iter().map(|output| output.size_bytes).sum();
    if planned < 4 << 20 {
        let options = Options { part_bytes: 100_000, ..Options::default() };
        now(package(&source, &plan, &Nowhere, &options)).expect("it packages");
    }
});
