//! One reader's way from an outlet to its socket, at its own pace and at nobody else's cost.
//!
//! Between two polls a reader's position is always a packet's beginning: what is left of a packet that the socket took by half
//! is copied aside, at most one packet. So whoever is too slow can be brought back to live at any time without a torn packet,
//! and a reader whose socket is full needs no attention until the kernel has room again.

use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::departures::Seat;
use crate::media::Media;
use crate::metrics::{add, increment};
use crate::outlet::Outlet;
use crate::ring::Ring;
use crate::waiting::Place;

/// So much is written for one reader before the next has its turn, in bytes.
const TURN_BYTES: usize = 256 * 1024;

/// So much may be sent by somebody who has nothing to say, in bytes.
const INPUT_MAX: usize = 4 * 1024;

/// How often a reader that may be gone is looked at, in milliseconds.
const LOOK_MS: u64 = 900;

/// Who reads, and what counts it.
pub(crate) trait Account {
    /// Whether the end of the input means that the reader is gone, and not just that it has said all it wants.
    const ENDS_WITH_INPUT: bool;

    /// So many bytes were written.
    fn delivered(&self, media: &Media, bytes: usize, now_ms: u64);
}

/// A reader, its socket and its place in the outlet.
pub(crate) struct Delivery<A> {
    media: Rc<Media>,
    stream: TcpStream,
    outlet: Rc<Outlet>,
    account: A,
    seat: Seat,
    position: u64,
    /// The rest of a packet that was sent by half.
    rest: Rest,
    in_outlet: Place,
    in_stalled: Place,
    /// Since when the socket takes nothing, in unix milliseconds.
    stuck_since_ms: Option<u64>,
    /// Whether the socket was full since the reader last had everything.
    behind: bool,
    /// When the reader was brought back to live, in unix milliseconds.
    skips_ms: Vec<u64>,
    input_bytes: usize,
    /// When the end of the input was seen or last looked at.
    input_ended_ms: Option<u64>,
}

/// Why a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The peer is gone.
    Gone,
    /// The relay is being shut down.
    SentAway,
    /// It took too little for too long.
    TooSlow,
    /// It sent too much.
    Flooding,
}

enum Step {
    Wrote(usize),
    Full,
    Empty,
    Gone,
    TooSlow,
}

impl<A: Account> Delivery<A> {
    /// A reader that begins with what comes next. `input_bytes` is what it sent already without need.
    pub fn new(
        media: &Rc<Media>,
        stream: TcpStream,
        outlet: Rc<Outlet>,
        account: A,
        input_bytes: usize,
    ) -> Self {
        let position = outlet.enter();
        Self {
            media: Rc::clone(media),
            stream,
            outlet,
            account,
            seat: media.departures.seat(),
            position,
            rest: Rest::default(),
            in_outlet: Place::default(),
            in_stalled: Place::default(),
            stuck_since_ms: None,
            behind: false,
            skips_ms: Vec::new(),
            input_bytes,
            input_ended_ms: None,
        }
    }

    /// The thread's things.
    pub fn media(&self) -> &Media {
        &self.media
    }

    /// Delivers until there is a reason not to.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        if let Some(end) = self.read_input(context) {
            return Poll::Ready(end);
        }
        let mut left = TURN_BYTES;
        loop {
            if self.seat.must_leave() && (self.rest.is_empty() || self.seat.must_leave_at_once()) {
                return Poll::Ready(End::SentAway);
            }
            match self.step(left) {
                Step::Wrote(bytes) => {
                    self.stuck_since_ms = None;
                    self.account.delivered(&self.media, bytes, self.media.clock.now_ms());
                    left = left.saturating_sub(bytes);
                    if left == 0 {
                        if !self.keep_rest() {
                            return Poll::Ready(End::TooSlow);
                        }
                        self.seat.wait(context);
                        context.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Step::Full => {
                    self.behind = true;
                    if !self.keep_rest() {
                        return Poll::Ready(End::TooSlow);
                    }
                    match ready!(self.poll_stuck(context)) {
                        Some(end) => return Poll::Ready(end),
                        None => continue,
                    }
                }
                Step::Empty => {
                    self.behind = false;
                    self.outlet.wait(&mut self.in_outlet, context);
                    self.seat.wait(context);
                    return Poll::Pending;
                }
                Step::Gone => return Poll::Ready(End::Gone),
                Step::TooSlow => return Poll::Ready(End::TooSlow),
            }
        }
    }

    /// Ends the stream so that what was written still arrives: input that nobody read would make the kernel reset it.
    pub async fn close(&mut self) {
        self.discard_input();
        // A peer that is gone can't be told so.
        let _ = self.stream.shutdown().await;
    }

    /// Not part of `close`, where the buffer would be part of what every viewer holds for as long as it watches.
    fn discard_input(&self) {
        let mut ignored = [0; 1024];
        while let Ok(1..) = self.stream.try_read(&mut ignored) {}
    }

    /// Writes some of what is due.
    fn step(&mut self, at_most: usize) -> Step {
        if !self.rest.is_empty() {
            let written = self.stream.try_write(self.rest.bytes());
            if let Ok(bytes) = written {
                self.rest.advance(bytes, &self.media);
            }
            return Step::after(written);
        }
        let (stream, position, behind) = (&self.stream, self.position, self.behind);
        let written = self.outlet.read(|ring| {
            let Some(ring) = ring else { return Some(Ok(0)) };
            if behind && ring.head() - position > (ring.capacity() / 4 * 3) as u64 {
                return None;
            }
            let bytes = ring.slice(position)?;
            if bytes.is_empty() {
                return Some(Ok(0));
            }
            Some(match stream.try_write(&bytes[..bytes.len().min(at_most)]) {
                Ok(0) => Err(ErrorKind::WriteZero.into()),
                written => written,
            })
        });
        match written {
            Some(Ok(0)) => Step::Empty,
            Some(written) => {
                if let Ok(bytes) = written {
                    self.position += bytes as u64;
                }
                Step::after(written)
            }
            None => self.skip(),
        }
    }

    /// Brings the reader back to live.
    fn skip(&mut self) -> Step {
        let now_ms = self.media.clock.now_ms();
        let patience = &self.media.config.patience;
        let within_ms = patience.skips_within.as_millis() as u64;
        self.skips_ms.retain(|skip_ms| now_ms.saturating_sub(*skip_ms) < within_ms);
        self.skips_ms.push(now_ms);
        if self.skips_ms.len() >= patience.skips {
            return Step::TooSlow;
        }
        increment(&self.media.counts.viewers_skipped);
        self.position = self.outlet.read(|ring| ring.map_or(self.position, Ring::head));
        self.behind = false;
        self.step(TURN_BYTES)
    }

    /// Copies the rest of a packet aside that was sent by half. Says whether there was memory for it.
    fn keep_rest(&mut self) -> bool {
        if !self.rest.is_empty() {
            return true;
        }
        let (rest, media, position) = (&mut self.rest, &self.media, self.position);
        let end = self.outlet.read(|ring| {
            let Some(ring) = ring else { return Some(position) };
            let end = ring.boundary_at_or_after(position);
            rest.keep(ring, position, end, media).then_some(end)
        });
        self.position = end.unwrap_or(position);
        end.is_some()
    }

    /// Waits for room in the socket; is called every second meanwhile, to see how long that takes.
    fn poll_stuck(&mut self, context: &mut Context<'_>) -> Poll<Option<End>> {
        match self.stream.poll_write_ready(context) {
            Poll::Ready(Ok(())) => return Poll::Ready(None),
            Poll::Ready(Err(_)) => return Poll::Ready(Some(End::Gone)),
            Poll::Pending => {}
        }
        let now_ms = self.media.clock.now_ms();
        let stuck_since_ms = *self.stuck_since_ms.get_or_insert(now_ms);
        let patience_ms = self.media.config.patience.no_progress.as_millis() as u64;
        if now_ms.saturating_sub(stuck_since_ms) >= patience_ms {
            return Poll::Ready(Some(End::TooSlow));
        }
        self.media.stalled.borrow_mut().wait(&mut self.in_stalled, context);
        self.seat.wait(context);
        Poll::Pending
    }

    /// Ignores what the peer sends, unless it is too much. Its end alone doesn't end the delivery: who has said all they want
    /// may close their half. From then on only the socket's error tells that the peer is gone.
    fn read_input(&mut self, context: &mut Context<'_>) -> Option<End> {
        if let Some(looked_ms) = self.input_ended_ms {
            let now_ms = self.media.clock.now_ms();
            if now_ms.saturating_sub(looked_ms) >= LOOK_MS {
                self.input_ended_ms = Some(now_ms);
                if !matches!(self.stream.take_error(), Ok(None)) {
                    return Some(End::Gone);
                }
            }
            self.media.stalled.borrow_mut().wait(&mut self.in_stalled, context);
            return None;
        }
        loop {
            match self.stream.poll_read_ready(context) {
                Poll::Pending => return None,
                Poll::Ready(Err(_)) => return Some(End::Gone),
                Poll::Ready(Ok(())) => {}
            }
            let mut ignored = [0; 1024];
            match self.stream.try_read(&mut ignored) {
                Ok(0) if A::ENDS_WITH_INPUT => return Some(End::Gone),
                Ok(0) => {
                    self.input_ended_ms = Some(self.media.clock.now_ms());
                    self.media.stalled.borrow_mut().wait(&mut self.in_stalled, context);
                    return None;
                }
                Ok(bytes) => {
                    self.input_bytes += bytes;
                    if self.input_bytes > INPUT_MAX {
                        return Some(End::Flooding);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Some(End::Gone),
            }
        }
    }
}

impl<A> Drop for Delivery<A> {
    fn drop(&mut self) {
        self.rest.forget(&self.media);
        self.outlet.leave();
    }
}

impl Step {
    fn after(written: io::Result<usize>) -> Self {
        match written {
            Ok(bytes) => Self::Wrote(bytes),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Self::Full,
            Err(_) => Self::Gone,
        }
    }
}

/// What is left of a packet.
#[derive(Default)]
struct Rest {
    bytes: Vec<u8>,
    sent: usize,
}

impl Rest {
    fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Copies what lies between two positions, if there is memory for it.
    fn keep(&mut self, ring: &Ring, mut from: u64, to: u64, media: &Media) -> bool {
        let len = (to - from) as usize;
        if len == 0 {
            return true;
        }
        if !media.budget.take(len) {
            increment(&media.counts.buffer_shortages);
            return false;
        }
        self.bytes.reserve_exact(len);
        while from < to {
            let Some(bytes) = ring.slice(from) else { break };
            let bytes = &bytes[..bytes.len().min((to - from) as usize)];
            self.bytes.extend_from_slice(bytes);
            from += bytes.len() as u64;
        }
        true
    }

    fn advance(&mut self, bytes: usize, media: &Media) {
        self.sent += bytes;
        if self.is_empty() {
            self.forget(media);
        }
    }

    fn forget(&mut self, media: &Media) {
        media.budget.give(self.bytes.len());
        *self = Self::default();
    }
}

/// Another relay that is fed.
pub(crate) struct FedRelay;

impl Account for FedRelay {
    const ENDS_WITH_INPUT: bool = true;

    fn delivered(&self, media: &Media, bytes: usize, _: u64) {
        add(&media.counts.fed_bytes, bytes as u64);
    }
}
