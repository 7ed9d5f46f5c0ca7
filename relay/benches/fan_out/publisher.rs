//! The publisher: a thread that hands packets to the server, as fast as all viewers keep up or at a steady rate.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::clock::now_ns;
use crate::server::Kind;
use crate::viewers::Progress;
use crate::wire::Frames;

/// The first packet's number. Not 0: a relay may join a running source.
pub const FIRST: u64 = 1000;
/// Bytes handed over at once when saturating: what a busy source's socket gives in a read.
const CHUNK_BYTES: usize = 64 << 10;
/// Rate of the packets that are sent until every viewer has heard one.
const PRIMING_PER_SECOND: f64 = 50.0;

/// How fast packets are handed over.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// As fast as the slowest viewer gets them, so many payload bytes ahead of it at most.
    Saturated { ahead_bytes: usize },
    /// So many packets a second.
    Steady { per_second: f64 },
}

struct Orders {
    /// Everyone listens: the pace of the scenario may begin.
    everyone_listens: AtomicBool,
    stop: AtomicBool,
    /// One past the last packet handed over.
    next: AtomicU64,
}

/// The publisher at work.
pub struct Publisher {
    orders: Arc<Orders>,
    thread: JoinHandle<Result<()>>,
}

impl Publisher {
    /// Publishes on this connection, slowly until [`Publisher::go`].
    pub fn start(
        socket: TcpStream,
        kind: Kind,
        payload: usize,
        pace: Pace,
        progress: Arc<Progress>,
    ) -> Result<Self> {
        let orders = Arc::new(Orders {
            everyone_listens: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            next: AtomicU64::new(FIRST),
        });
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(Duration::from_secs(5)))?;
        let answers = socket.try_clone()?;
        std::thread::Builder::new().name("answers".to_owned()).spawn(move || read_answers(answers, kind))?;
        let shared = Arc::clone(&orders);
        let thread = std::thread::Builder::new()
            .name("publisher".to_owned())
            .spawn(move || publish(socket, kind, payload, pace, &shared, &progress))
            .context("the publisher's thread")?;
        Ok(Self { orders, thread })
    }

    /// Every viewer has heard something: from now on at the scenario's pace.
    pub fn go(&self) {
        self.orders.everyone_listens.store(true, Relaxed);
    }

    /// The number of the packet that comes next.
    pub fn next(&self) -> u64 {
        self.orders.next.load(Relaxed)
    }

    /// Whether it goes on publishing; false after its connection failed.
    pub fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Stops, and answers one past the last number.
    pub fn stop(self) -> Result<u64> {
        self.orders.stop.store(true, Relaxed);
        self.thread.join().map_err(|_| anyhow!("the publisher's thread panicked"))??;
        Ok(self.orders.next.load(Relaxed))
    }
}

fn publish(
    mut socket: TcpStream,
    kind: Kind,
    payload: usize,
    pace: Pace,
    orders: &Orders,
    progress: &Progress,
) -> Result<()> {
    let chunk = (CHUNK_BYTES / payload).max(1);
    let mut frames = Frames::new(kind, payload, chunk);
    let mut next = FIRST;
    let mut hand_over = |count: usize| -> Result<u64> {
        socket
            .write_all(frames.stamped(next, count, now_ns()))
            .context("the server takes no more packets")?;
        next += count as u64;
        orders.next.store(next, Relaxed);
        Ok(next)
    };
    let pause = |until: Instant| std::thread::sleep(until.saturating_duration_since(Instant::now()));
    let mut due = Instant::now();
    while !orders.everyone_listens.load(Relaxed) && !orders.stop.load(Relaxed) {
        hand_over(1)?;
        due += Duration::from_secs_f64(1.0 / PRIMING_PER_SECOND);
        pause(due);
    }
    due = Instant::now();
    while !orders.stop.load(Relaxed) {
        match pace {
            Pace::Saturated { ahead_bytes } => {
                let ahead = next_of(orders).saturating_sub(progress.slowest.load(Relaxed)) as usize;
                if (ahead + chunk) * payload <= ahead_bytes {
                    hand_over(chunk)?;
                } else {
                    std::thread::sleep(Duration::from_micros(20));
                }
            }
            Pace::Steady { per_second } => {
                hand_over(1)?;
                due += Duration::from_secs_f64(1.0 / per_second);
                pause(due);
            }
        }
    }
    Ok(())
}

fn next_of(orders: &Orders) -> u64 {
    orders.next.load(Relaxed)
}

/// Redis answers each `PUBLISH`, NATS asks whether its client lives; unread answers would stop either.
fn read_answers(mut socket: TcpStream, kind: Kind) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(len @ 1..) = socket.read(&mut buffer) {
        if kind == Kind::Nats && buffer[..len].starts_with(b"PING") && socket.write_all(b"PONG\r\n").is_err()
        {
            return;
        }
    }
}
