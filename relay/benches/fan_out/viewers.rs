//! Up to 10,000 viewers in one thread: it reads what there is, checks every packet's number and notes how old it is.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};
use rustix::event::{Timespec, epoll};

use crate::clock::now_ns;
use crate::wire::{Framing, STAMP_LEN};

/// Room before the read buffer for the beginning of a packet that came with the last read.
const CARRY: usize = 80;
const READ_BYTES: usize = 256 << 10;
/// A number this far ahead is not loss but bytes that are no packet.
const IMPOSSIBLE_GAP: u64 = 1 << 32;

/// What the viewers' thread and the others tell each other.
#[derive(Default)]
pub struct Progress {
    /// Packets that all viewers together have received.
    pub packets: AtomicU64,
    /// Every viewer has all packets below this number (or they are lost to it).
    pub slowest: AtomicU64,
    /// Viewers that have received anything.
    pub heard: AtomicUsize,
    /// Latencies are noted for packets from this number on; `u64::MAX` for none.
    pub noted_from: AtomicU64,
    /// The phase of the round to which latencies belong: 0 but for rounds that compare two states of one server.
    pub phase: AtomicUsize,
    /// Viewers whose connection has ended.
    pub ended: AtomicUsize,
    stop: AtomicBool,
}

/// What the viewers saw, from the first packet that each of them got.
#[derive(Default)]
pub struct Seen {
    /// Packets received by each viewer, of those whose latency is noted.
    pub noted: Vec<u64>,
    /// Packets missing between two that came, or after the last one, over all viewers.
    pub lost: u64,
    /// Packets that came twice, late, or were none.
    pub disordered: u64,
    /// Microseconds from the hand-over of a packet to the arrival at each viewer, unsorted, by phase.
    pub each_us: Vec<Vec<u32>>,
    /// The same to its arrival at the last of all viewers.
    pub last_us: Vec<u32>,
}

struct Viewer {
    socket: TcpStream,
    skip: usize,
    carry: [u8; CARRY],
    carry_len: usize,
}

/// Packets of which not all viewers have told yet: how many have, and the longest way so far.
#[derive(Clone, Copy, Default)]
struct Arrivals {
    viewers: u32,
    longest_us: u32,
}

struct Book {
    framing: Framing,
    /// The number that each viewer expects next; 0 before its first packet.
    next: Vec<u64>,
    /// Packets of each viewer from `noted_from` on.
    noted: Vec<u64>,
    lost: u64,
    disordered: u64,
    noted_from: u64,
    phase: usize,
    each_us: Vec<Vec<u32>>,
    arrivals: Vec<Arrivals>,
}

/// The viewers at work.
pub struct Viewers {
    pub progress: Arc<Progress>,
    thread: JoinHandle<Result<Book>>,
}

impl Viewers {
    /// Watches on these connections, which have asked for the channel and hold no unread answer.
    pub fn watch(sockets: Vec<TcpStream>, framing: Framing) -> Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut viewers = Vec::with_capacity(sockets.len());
        for (index, socket) in sockets.into_iter().enumerate() {
            socket.set_nonblocking(true)?;
            epoll::add(&poll, &socket, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
            viewers.push(Viewer { socket, skip: 0, carry: [0; CARRY], carry_len: 0 });
        }
        let progress = Arc::new(Progress { noted_from: AtomicU64::new(u64::MAX), ..Progress::default() });
        let shared = Arc::clone(&progress);
        let thread = std::thread::Builder::new()
            .name("viewers".to_owned())
            .spawn(move || read_all(&poll, viewers, framing, &shared))
            .context("the viewers' thread")?;
        Ok(Self { progress, thread })
    }

    /// Ends all viewers. `end` is one past the last packet that was published.
    pub fn finish(self, end: u64) -> Result<Seen> {
        self.progress.stop.store(true, Relaxed);
        let book = self.thread.join().map_err(|_| anyhow!("the viewers' thread panicked"))??;
        let all = u32::try_from(book.next.len())?;
        let missing: u64 = book.next.iter().map(|next| end.saturating_sub(*next)).sum();
        Ok(Seen {
            noted: book.noted,
            lost: book.lost + missing,
            disordered: book.disordered,
            each_us: book.each_us,
            last_us: book.arrivals.iter().filter(|a| a.viewers == all).map(|a| a.longest_us).collect(),
        })
    }
}

fn read_all(poll: &OwnedFd, mut viewers: Vec<Viewer>, framing: Framing, progress: &Progress) -> Result<Book> {
    let mut book = Book {
        framing,
        next: vec![0; viewers.len()],
        noted: vec![0; viewers.len()],
        lost: 0,
        disordered: 0,
        noted_from: u64::MAX,
        phase: 0,
        each_us: vec![Vec::new()],
        arrivals: Vec::new(),
    };
    let mut buffer = vec![0; CARRY + READ_BYTES];
    let mut events = Vec::with_capacity(1024);
    let patience = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    while !progress.stop.load(Relaxed) {
        events.clear();
        match epoll::wait(poll, rustix::buffer::spare_capacity(&mut events), Some(&patience)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        book.noted_from = progress.noted_from.load(Relaxed);
        book.phase = progress.phase.load(Relaxed);
        if book.phase >= book.each_us.len() {
            book.each_us.resize(book.phase + 1, Vec::new());
        }
        let (mut packets, mut heard) = (0, 0);
        for event in &events {
            let index = event.data.u64() as usize;
            let viewer = &mut viewers[index];
            let (start, was_new) = (CARRY - viewer.carry_len, book.next[index] == 0);
            match viewer.socket.read(&mut buffer[CARRY..]) {
                Ok(0) => {
                    progress.ended.fetch_add(1, Relaxed);
                    epoll::delete(poll, &viewer.socket)?;
                }
                Ok(len) => {
                    buffer[start..CARRY].copy_from_slice(&viewer.carry[..viewer.carry_len]);
                    packets += book.take(index, viewer, &buffer[start..CARRY + len], now_ns());
                    heard += usize::from(was_new && book.next[index] > 0);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) => {
                    progress.ended.fetch_add(1, Relaxed);
                    epoll::delete(poll, &viewer.socket)?;
                }
            }
        }
        progress.packets.fetch_add(packets, Relaxed);
        progress.heard.fetch_add(heard, Relaxed);
        progress.slowest.store(book.next.iter().copied().min().unwrap_or(0), Relaxed);
    }
    Ok(book)
}

impl Book {
    /// Takes what a viewer has read and answers how many packets began in it.
    fn take(&mut self, index: usize, viewer: &mut Viewer, mut bytes: &[u8], now_ns: u64) -> u64 {
        let Framing { before, payload, after, first_byte, checked } = self.framing;
        let needed = before + STAMP_LEN;
        let rest = payload - STAMP_LEN + after;
        let (mut next, mut count) = (self.next[index], 0);
        if !checked {
            viewer.skip += bytes.len();
            let count = (viewer.skip / payload) as u64;
            viewer.skip %= payload;
            self.next[index] += count;
            return count;
        }
        viewer.carry_len = 0;
        loop {
            let skipped = viewer.skip.min(bytes.len());
            viewer.skip -= skipped;
            bytes = &bytes[skipped..];
            if let (Some(expected), Some(first)) = (first_byte, bytes.first())
                && expected != *first
                && let Some(end) = bytes.iter().position(|byte| *byte == b'\n')
            {
                // The server asks whether this client lives; it would be cut off for not answering.
                let _ = viewer.socket.write_all(b"PONG\r\n");
                bytes = &bytes[end + 1..];
                continue;
            }
            if bytes.len() < needed {
                viewer.carry[..bytes.len()].copy_from_slice(bytes);
                viewer.carry_len = bytes.len();
                break;
            }
            let sequence = number_at(bytes, before);
            if sequence == next || next == 0 {
                next = sequence + 1;
            } else if sequence > next && sequence - next < IMPOSSIBLE_GAP {
                self.lost += sequence - next;
                next = sequence + 1;
            } else {
                self.disordered += 1;
            }
            if sequence >= self.noted_from {
                self.noted[index] += 1;
                self.note(sequence, now_ns.saturating_sub(number_at(bytes, before + 8)));
            }
            count += 1;
            bytes = &bytes[needed..];
            viewer.skip = rest;
        }
        self.next[index] = next;
        count
    }

    fn note(&mut self, sequence: u64, latency_ns: u64) {
        let us = u32::try_from(latency_ns / 1000).unwrap_or(u32::MAX);
        self.each_us[self.phase].push(us);
        let at = (sequence - self.noted_from) as usize;
        if at >= self.arrivals.len() {
            self.arrivals.resize(at + 1, Arrivals::default());
        }
        let arrivals = &mut self.arrivals[at];
        arrivals.viewers += 1;
        arrivals.longest_us = arrivals.longest_us.max(us);
    }
}

fn number_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].try_into().map_or(0, u64::from_le_bytes)
}
