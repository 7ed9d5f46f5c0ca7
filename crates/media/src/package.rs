use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, MaybeDone, maybe_done, ready};
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::digest::CompositeDigest;
use crate::lane::{Lane, Portion, equal_parts};
use crate::plan::{Inner, PlannedTrack};
use crate::store::Writer;
use crate::{MediaError, Part, Plan, Source, Store};

/// How the media is carried over.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much is read at once. 8 MiB suits a bucket; for a file, what the processor caches.
    pub window_bytes: u64,
    /// Windows that are asked for ahead of time.
    pub windows_in_flight: usize,
    /// The size of all parts but the last of each output. S3 wants 5 MiB at least.
    pub part_bytes: usize,
    /// Parts that are written at a time, over all outputs.
    pub parts_in_flight: usize,
    /// The part size of the content digest, when one is wanted.
    pub digest_part_size: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            window_bytes: 4 << 20,
            windows_in_flight: 3,
            // A GB is 53 parts, so that with the manifests it stays below 64 requests.
            part_bytes: 18 << 20,
            parts_in_flight: 3,
            digest_part_size: None,
        }
    }
}

impl Options {
    /// For files on this machine: what is read is written while it is still in the cache.
    pub fn for_files() -> Self {
        Self {
            window_bytes: 256 << 10,
            windows_in_flight: 1,
            part_bytes: 256 << 10,
            parts_in_flight: 1,
            digest_part_size: None,
        }
    }
}

/// What a pass over the media brought, besides the outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packaged {
    /// The digest of the whole source, when [`Options::digest_part_size`] was given.
    pub digest: Option<String>,
}

/// Writes the plan's outputs (not its manifests) from the source, in one pass over it. Running it
/// again writes identical bytes. A source that ends early or a part that fails is
/// [`MediaError::Io`].
///
/// Memory: the windows in flight, the parts in flight, and one part of each output in the making.
pub async fn package<S: Source, T: Store>(
    source: &S,
    plan: &Plan,
    store: &T,
    options: &Options,
) -> Result<Packaged, MediaError> {
    let inner = &*plan.inner;
    let mut writers = Vec::with_capacity(inner.tracks.len());
    for output in plan.outputs() {
        writers.push(store.create(&output.name, output.content_type).await?);
    }
    let part_bytes = options.part_bytes.max(1) as u64;
    let lanes = (inner.tracks.iter())
        .map(|planned| {
            let size_bytes = planned.size_bytes;
            let portions = Box::new(equal_parts(size_bytes, part_bytes));
            Lane::new(planned, 0..size_bytes, portions, slices(planned, inner, part_bytes, options))
        })
        .collect();
    let mut digest = options.digest_part_size.map(CompositeDigest::new);
    let range = if digest.is_some() { 0..inner.source_bytes } else { inner.media.clone() };
    let passing = |bytes: &Bytes| {
        if let Some(digest) = &mut digest {
            digest.update(bytes);
        }
    };
    let write = |index: usize, _, part| {
        let writer: &T::Writer = &writers[index];
        writer.write_part(part).boxed()
    };
    carry(source, inner, range, lanes, options, write, passing).await?;
    for writer in writers {
        writer.finish().await?;
    }
    Ok(Packaged { digest: digest.map(CompositeDigest::finish) })
}

/// Whether a lane's parts are slices of the windows.
pub(crate) fn slices(planned: &PlannedTrack, inner: &Inner, part_bytes: u64, options: &Options) -> bool {
    let media = inner.media.end - inner.media.start;
    planned.track.tables.bytes / 7 >= media / 8 && part_bytes <= options.window_bytes
}

/// Carries the lanes' media over, in one pass over `range` of the source; what they need from
/// elsewhere is fetched for them alone. Answers when everything is written.
pub(crate) async fn carry<'a, S: Source>(
    source: &'a S,
    inner: &'a Inner,
    range: Range<u64>,
    mut lanes: Vec<Lane<'a>>,
    options: &Options,
    write: impl Fn(usize, Portion, Part) -> BoxFuture<'a, io::Result<()>> + Send,
    mut passing: impl FnMut(&Bytes) + Send,
) -> Result<(), MediaError> {
    let window_bytes = options.window_bytes.max(1);
    let mut writes = Writes { running: FuturesUnordered::new(), most: options.parts_in_flight.max(1) };
    let mut windows = Windows::new(source, inner, range, options);
    loop {
        let window = windows.next(&mut writes).await?;
        let is_last = window.is_none();
        // After the last window come those things that lie behind all of them.
        let (position, bytes) = window.unwrap_or((inner.source_bytes, Bytes::new()));
        passing(&bytes);
        for (index, lane) in lanes.iter_mut().enumerate() {
            loop {
                let behind = lane.take(position, &bytes);
                while let Some((portion, part)) = lane.full_part() {
                    writes.start(write(index, portion, part), &mut windows).await?;
                }
                // Media that lies before the window is out of order in the file: it is fetched
                // for this lane alone.
                let Some(behind) = behind else { break };
                let end = behind.end.min(behind.start + window_bytes).min(inner.source_bytes);
                lane.set_aside(behind.start, source.read(behind.start..end).await?);
            }
        }
        if is_last {
            break;
        }
    }
    lanes.iter().try_for_each(Lane::expect_complete)?;
    Ok(writes.finish().await?)
}

/// Parts on their way, over all outputs.
struct Writes<'a> {
    running: FuturesUnordered<BoxFuture<'a, io::Result<()>>>,
    most: usize,
}

impl<'a> Writes<'a> {
    /// Starts to write a part, once there are few enough in flight. Reads go on meanwhile.
    async fn start<S: Source>(
        &mut self,
        write: BoxFuture<'a, io::Result<()>>,
        windows: &mut Windows<'_, S>,
    ) -> io::Result<()> {
        self.running.push(write);
        let most = self.most;
        poll_fn(|context| {
            windows.poll_reads(context);
            // At least once, so that a part that needs no waiting is written at once.
            loop {
                match self.running.poll_next_unpin(context) {
                    Poll::Ready(Some(done)) => done?,
                    Poll::Ready(None) => return Poll::Ready(Ok(())),
                    Poll::Pending if self.running.len() < most => return Poll::Ready(Ok(())),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// Makes progress; an error of any part is answered at once.
    fn poll(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while let Poll::Ready(Some(done)) = self.running.poll_next_unpin(context) {
            done?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> io::Result<()> {
        while let Some(done) = self.running.next().await {
            done?;
        }
        Ok(())
    }
}

/// The source in windows, in order, some of them read ahead.
struct Windows<'a, S> {
    source: &'a S,
    known: &'a [(u64, Bytes)],
    /// What was not asked for yet.
    rest: Range<u64>,
    window_bytes: u64,
    most: usize,
    asked: VecDeque<Window<'a>>,
}

/// A window that was asked for.
struct Window<'a> {
    position: u64,
    read: MaybeDone<BoxFuture<'a, io::Result<Bytes>>>,
}

impl<'a, S: Source> Windows<'a, S> {
    fn new(source: &'a S, inner: &'a Inner, range: Range<u64>, options: &Options) -> Self {
        Self {
            source,
            known: &inner.known,
            rest: range,
            window_bytes: options.window_bytes.max(1),
            most: options.windows_in_flight.max(1),
            asked: VecDeque::new(),
        }
    }

    /// The next window with its position; `None` at the end. Writes go on meanwhile.
    async fn next(&mut self, writes: &mut Writes<'_>) -> io::Result<Option<(u64, Bytes)>> {
        while self.asked.len() < self.most && !self.rest.is_empty() {
            let window = self.ask();
            self.asked.push_back(window);
        }
        poll_fn(|context| {
            writes.poll(context)?;
            self.poll_reads(context);
            match self.asked.front_mut() {
                Some(Window { read: MaybeDone::Future(_), .. }) => Poll::Pending,
                Some(Window { position, read }) => {
                    let read = Pin::new(read).take_output();
                    Poll::Ready(read.transpose().map(|bytes| bytes.map(|bytes| (*position, bytes))))
                }
                None => Poll::Ready(Ok(None)),
            }
        })
        .await
        .inspect(|_| drop(self.asked.pop_front()))
    }

    /// What was read on the way to the index is not read again.
    fn ask(&mut self) -> Window<'a> {
        let position = self.rest.start;
        let mut end = self.rest.end.min(position + self.window_bytes);
        for (start, bytes) in self.known {
            let known_end = start + bytes.len() as u64;
            if (*start..known_end).contains(&position) {
                let end = known_end.min(self.rest.end);
                let bytes = bytes.slice((position - start) as usize..(end - start) as usize);
                self.rest.start = end;
                return Window { position, read: maybe_done(ready(Ok(bytes)).boxed()) };
            }
            if *start > position {
                end = end.min(*start);
            }
        }
        self.rest.start = end;
        Window { position, read: maybe_done(self.source.read(position..end).boxed()) }
    }

    fn poll_reads(&mut self, context: &mut Context<'_>) {
        for window in &mut self.asked {
            // Whether it is done is asked for when its turn comes.
            let _ = Pin::new(&mut window.read).poll(context);
        }
    }
}
