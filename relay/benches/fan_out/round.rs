//! One round: a fresh server, its viewers, and what it cost to serve them for some seconds.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::publisher::{FIRST, Pace, Publisher};
use crate::server::{Contestant, Kind, Server, Setup, cpu_seconds};
use crate::viewers::{Progress, Viewers};
use crate::wire::{framing, other_channel};

/// What is done to a server.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub viewers: usize,
    pub payload_bytes: usize,
    pub pace: Pace,
    pub warm: Duration,
    pub measured: Duration,
    pub latency: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub seconds: f64,
    pub server_cpu_seconds: f64,
    /// What the viewers, the publisher and the store of this process used meanwhile.
    pub load_cpu_seconds: f64,
    pub packets: u64,
    pub payload_bytes: u64,
    pub rss_bytes: u64,
    pub lost: u64,
    pub disordered: u64,
    pub ended: usize,
    /// Packets of the viewer that got fewest and of the one that got most, where latencies are noted.
    pub fewest: u64,
    pub most: u64,
    pub each_us: Quantiles,
    pub last_us: Quantiles,
}

impl Figures {
    /// Delivered megabytes of payload per second of the server's CPU.
    pub fn megabytes_per_cpu_second(&self) -> f64 {
        self.payload_bytes as f64 / 1e6 / self.server_cpu_seconds
    }

    /// Delivered packets per second of the server's CPU.
    pub fn packets_per_cpu_second(&self) -> f64 {
        self.packets as f64 / self.server_cpu_seconds
    }
}

/// Median, 99th percentile and maximum in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantiles {
    pub p50: u32,
    pub p99: u32,
    pub max: u32,
}

impl Quantiles {
    fn of(mut samples: Vec<u32>) -> Self {
        if samples.is_empty() {
            return Self::default();
        }
        samples.sort_unstable();
        let at = |share: f64| samples[((samples.len() - 1) as f64 * share) as usize];
        Self { p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

/// Memory of a server that nobody watches, and with viewers for whom there is nothing.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub empty_bytes: u64,
    pub idle_bytes: u64,
    pub viewers: usize,
}

impl Held {
    /// What each viewer costs in the server's own memory.
    pub fn bytes_per_viewer(&self) -> f64 {
        self.idle_bytes.saturating_sub(self.empty_bytes) as f64 / self.viewers as f64
    }
}

/// Starts a server, connects viewers for whom nothing is published, and makes sure in the end that all were there.
pub fn hold(contestant: Contestant, viewers: usize, setup: &Setup) -> Result<Held> {
    const PAYLOAD_BYTES: usize = 188;
    let server = Server::start(contestant, viewers, setup)?;
    let publishing_side = server.publishing_side()?.context("the raw loop holds nobody")?;
    let all_measured = AtomicBool::new(false);
    let (empty_bytes, sockets, idle_bytes) = std::thread::scope(|scope| {
        if contestant.kind == Kind::Relay {
            scope.spawn(|| keep_source_awake(&publishing_side, &all_measured));
        }
        let measured = (|| {
            std::thread::sleep(Duration::from_secs(2));
            let empty_bytes = server.rss_bytes()?;
            let sockets = connect(&server, viewers, setup)?;
            std::thread::sleep(Duration::from_secs(4));
            anyhow::Ok((empty_bytes, sockets, server.rss_bytes()?))
        })();
        all_measured.store(true, Relaxed);
        measured
    })?;
    let watching = Viewers::watch(sockets, framing(contestant.kind, PAYLOAD_BYTES))?;
    let progress = watching.progress.clone();
    let pace = Pace::Steady { per_second: 1.0 };
    let publisher =
        Publisher::start(publishing_side, contestant.kind, PAYLOAD_BYTES, pace, progress.clone())?;
    wait_until_all_listen(&progress, viewers, contestant)?;
    watching.finish(publisher.stop()?)?;
    Ok(Held { empty_bytes, idle_bytes, viewers })
}

/// A relay gives up a source that is silent: this one has another channel.
fn keep_source_awake(mut socket: &TcpStream, enough: &AtomicBool) {
    let frame = other_channel();
    while !enough.load(Relaxed) && socket.write_all(&frame).is_ok() {
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Starts a server, lets it serve, and ends it.
pub fn run(contestant: Contestant, load: &Load, setup: &Setup) -> Result<Figures> {
    let server = Server::start(contestant, load.viewers, setup)?;
    let (viewers, publisher) = begin(&server, contestant, load, setup)?;
    let progress = viewers.progress.clone();
    settle(load, contestant, setup);

    if load.latency {
        progress.noted_from.store(publisher.as_ref().map_or(FIRST, Publisher::next), Relaxed);
    }
    let began = Instant::now();
    let before = (server.cpu_seconds()?, cpu_seconds(std::process::id())?, progress.packets.load(Relaxed));
    std::thread::sleep(load.measured);
    let after = (server.cpu_seconds()?, cpu_seconds(std::process::id())?, progress.packets.load(Relaxed));
    let seconds = began.elapsed().as_secs_f64();
    let rss_bytes = server.rss_bytes()?;
    if let Some(publisher) = &publisher {
        ensure!(publisher.is_running(), "{} takes no more packets", contestant.name);
    }

    let end = publisher.map_or(Ok(0), Publisher::stop)?;
    let deadline = Instant::now() + Duration::from_secs(5);
    while contestant.kind != Kind::RawLoop
        && progress.slowest.load(Relaxed) < end
        && Instant::now() < deadline
    {
        std::thread::sleep(Duration::from_millis(20));
    }
    let seen = viewers.finish(end)?;
    let packets = after.2 - before.2;
    Ok(Figures {
        seconds,
        server_cpu_seconds: after.0 - before.0,
        load_cpu_seconds: after.1 - before.1,
        packets,
        payload_bytes: packets * load.payload_bytes as u64,
        rss_bytes,
        lost: seen.lost,
        disordered: seen.disordered,
        ended: progress.ended.load(Relaxed),
        fewest: seen.noted.iter().copied().min().unwrap_or(0),
        most: seen.noted.iter().copied().max().unwrap_or(0),
        each_us: Quantiles::of(seen.each_us.into_iter().flatten().collect()),
        last_us: Quantiles::of(seen.last_us),
    })
}

/// Latencies of `rounds` × (all viewers read, one more doesn't), in turn, on one server.
pub fn alternate(
    contestant: Contestant,
    load: &Load,
    rounds: usize,
    setup: &Setup,
) -> Result<Vec<[Quantiles; 2]>> {
    let server = Server::start(contestant, load.viewers, setup)?;
    let (viewers, publisher) = begin(&server, contestant, load, setup)?;
    let publisher = publisher.context("the raw loop has no latency")?;
    let progress = viewers.progress.clone();
    settle(load, contestant, setup);
    progress.noted_from.store(publisher.next(), Relaxed);
    for round in 0..rounds {
        progress.phase.store(2 * round + 1, Relaxed);
        std::thread::sleep(load.measured);
        progress.phase.store(0, Relaxed);
        let stalled = server.viewer(load.viewers + round, setup)?;
        std::thread::sleep(load.warm);
        progress.phase.store(2 * round + 2, Relaxed);
        std::thread::sleep(load.measured);
        progress.phase.store(0, Relaxed);
        drop(stalled);
        std::thread::sleep(load.warm / 2);
    }
    let mut seen = viewers.finish(publisher.stop()?)?;
    let mut phase =
        |phase: usize| Quantiles::of(seen.each_us.get_mut(phase).map(std::mem::take).unwrap_or_default());
    Ok((0..rounds).map(|round| [phase(2 * round + 1), phase(2 * round + 2)]).collect())
}

/// Connects the viewers and publishes at the scenario's pace as soon as all of them have heard something.
fn begin(
    server: &Server,
    contestant: Contestant,
    load: &Load,
    setup: &Setup,
) -> Result<(Viewers, Option<Publisher>)> {
    let publishing_side = server.publishing_side()?;
    let sockets = connect(server, load.viewers, setup)?;
    let viewers = Viewers::watch(sockets, framing(contestant.kind, load.payload_bytes))?;
    let Some(socket) = publishing_side else { return Ok((viewers, None)) };
    let progress = viewers.progress.clone();
    let publisher = Publisher::start(socket, contestant.kind, load.payload_bytes, load.pace, progress)?;
    wait_until_all_listen(&viewers.progress, load.viewers, contestant)?;
    publisher.go();
    Ok((viewers, Some(publisher)))
}

/// Viewers come some at a time: of thousands at once the relay turns away whoever waits longest for its ticket to be checked.
fn connect(server: &Server, viewers: usize, setup: &Setup) -> Result<Vec<TcpStream>> {
    const AT_ONCE: usize = 500;
    let mut sockets = Vec::with_capacity(viewers);
    for index in 0..viewers {
        sockets.push(server.viewer(index, setup)?);
        if sockets.len().is_multiple_of(AT_ONCE) {
            server.wait_until_admitted(sockets.len())?;
        }
    }
    Ok(sockets)
}

fn wait_until_all_listen(progress: &Progress, viewers: usize, contestant: Contestant) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while progress.heard.load(Relaxed) < viewers {
        let heard = progress.heard.load(Relaxed);
        ensure!(
            Instant::now() < deadline,
            "{}: {heard} of {viewers} viewers have heard anything, {} were cut off; see its log",
            contestant.name,
            progress.ended.load(Relaxed)
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Warms up, and lets the relay write the first row of every session: that is the price of coming, not of watching.
fn settle(load: &Load, contestant: Contestant, setup: &Setup) {
    std::thread::sleep(load.warm);
    if contestant.kind != Kind::Relay {
        return;
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut writes = setup.store.writes();
    while Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(500));
        let now = setup.store.writes();
        if now - writes < 20 {
            return;
        }
        writes = now;
    }
}
