//! Puts the packets of one channel in order. No clock and no I/O: time is a parameter, and what is due goes to a function.
//!
//! A source numbers the packets of a channel upwards by one and sends them more or less in that order, repeats some and loses
//! some. One may join it anywhere, it may begin its numbers anew at any time, and a header may be corrupt. These are the rules.
//!
//! **In place.** The channel stands at the number that is due next. A packet with that number passes through, without a copy. One
//! less than `window` beyond it is held, and released when its turn comes:
//! - as soon as all before it are there;
//! - when a packet arrives `window` or more beyond the gap in front of it, yet less than `window` beyond the highest that is held;
//! - when it has been held for `hold_ms`. The numbers that are then still missing are given up and counted as lost.
//!
//! **Start.** The first packet seen needn't be the lowest. The first ones are held for `start_hold_ms`, or until one arrives
//! `window` beyond the lowest; the channel begins at the lowest.
//!
//! **Behind.** A 4-byte fingerprint of what was delivered is kept for each of the last `window` numbers. A packet with one of these is
//! a *duplicate* if the payload is the same, *late* if the number was given up, and dropped in both cases. So a reconnect that
//! repeats what was there delivers nothing twice. If the payload is another, it is a stray.
//!
//! **Strays** are packets whose number doesn't fit: far ahead of everything, far behind, from before the start, or with a payload
//! that contradicts the one known under this number. A stray is either a corrupt header or the first packet of a source that has begun
//! anew, so it is kept, in order of arrival, until that is clear. Strays less than half a window apart support each other.
//! - *By number:* strays that support each other, without a packet in place between, re-anchor the channel when they weigh
//!   enough. One whose predecessor is a stray, too, or which contradicts a payload weighs 4, another 1; what it takes is 4 for each
//!   packet that the channel has accepted since it began, plus 1, at most [`EVIDENCE_MAX`]: 15 to 16 packets in order,
//!   some 40 well shuffled, two if the channel has begun with a single packet, which may well have been the corrupt one.
//!   [`Reorder::reconnected`] lowers that to two or three packets.
//! - *By time:* two or more that support each other are believed when nothing was in place for `hold_ms` after the first of them,
//!   a lone one after `doubt_ms`. So a quiet channel recovers as well.
//! - *Back over the same numbers:* three or more that contradict what was delivered and lead up to the packet that is due next are
//!   believed when that one arrives, because then it belongs to them.
//! - A stray that has seen `doubt_ms` and packets in place is dropped. So a corrupt header, or many, change nothing.
//!
//! Nothing of a run that is believed is lost: what the old numbers still hold is released first, then the run is a new start, whose
//! hold counts from its first packet. If it is 15 packets or more, all in order, it begins at once. What is lost is a restart of one
//! or two packets before the next number, and the packets of one that begins at numbers that were given up, as far as these go.
//!
//! **Repeats** of what was delivered, and late packets, are no strays. But a source that has gone back and sends the very same
//! again would be silent until it has caught up: when such packets came in ascending order for `doubt_ms`, 16 or more, with nothing
//! in place, the channel re-anchors at the latest of them. One packet repeated for ever does nothing.
//!
//! **A lone packet ahead.** A corrupt number may lie within the window. When a packet has been held for `hold_ms`, and the 64
//! numbers on both sides of it are missing, it becomes a stray instead of taking the channel with it. What can't be seen is a
//! corrupt number whose turn comes before that: the packet is released under it, and the true one is dropped.
//!
//! **Bounds.** Held are at most `window` packets and 128 strays, none longer than `doubt_ms`; [`Reorder::deadline_ms`] is set as long
//! as anything is held. Numbers wrap around from `u64::MAX` to 0 like any others. Times may come from a clock that is set back: the wait
//! of what is held then goes on from there.

mod held;
mod outcome;
mod past;
mod restart;
mod start;
mod strays;
#[cfg(test)]
mod tests;

use held::Held;
pub use outcome::Outcome;
use past::{Known, Past};
use restart::{ALONE, Repeats};
use strays::Strays;

/// More than this no run of strays has to weigh.
pub const EVIDENCE_MAX: u32 = 60;

/// After a reconnect, a channel has as much credit as if it had accepted so many packets.
const CREDIT_RECONNECTED: u64 = 2;

/// So often, in packets, the memory for packets out of order is given back if it wasn't needed.
const REST_PACKETS: u64 = 4096;

/// How long and how far packets may be out of order.
#[derive(Clone, Copy, Debug)]
pub struct ReorderConfig {
    /// A missing packet is given up when one this many numbers beyond it arrives. Rounded up to a power of two, 64 at least.
    pub window: usize,
    /// A missing packet is given up so long after the first packet that waits for it, in milliseconds.
    pub hold_ms: u64,
    /// So long after the first packet of all, lower ones that come are still put before it, in milliseconds.
    pub start_hold_ms: u64,
    /// So long a single packet isn't believed that the numbers have begun anew, in milliseconds.
    pub doubt_ms: u64,
}

impl Default for ReorderConfig {
    fn default() -> Self {
        Self { window: 1024, hold_ms: 200, start_hold_ms: 100, doubt_ms: 1_000 }
    }
}

/// One channel's packets on their way into order.
pub struct Reorder {
    config: ReorderConfig,
    /// The number that is due; at the start, the lowest that is held.
    next: u64,
    /// Nothing is held, nothing is doubtful, and the start is over: whatever is in place just passes through.
    plain: bool,
    /// Lower packets may still come.
    starting: bool,
    /// When the start began.
    started_ms: u64,
    /// The highest number that is held, if any is.
    top: u64,
    held: Held,
    /// No packet that is held came earlier.
    held_since_ms: u64,
    strays: Strays,
    /// None of the strays is to be judged earlier.
    strays_due_ms: u64,
    past: Past,
    /// From this number on, `past` knows what happened.
    known_from: u64,
    /// The anchor has moved ahead by so little that what lies before it is late.
    skipped: bool,
    /// Packets accepted as in place.
    accepted: u64,
    /// As many had been accepted when the numbers began.
    anchored_at: u64,
    repeats: Repeats,
    /// The latest time that was told, and how far the clock was set back in all.
    latest_ms: u64,
    set_back_ms: u64,
}

impl Reorder {
    /// A channel of which nothing has been seen yet.
    #[must_use]
    pub fn new(config: ReorderConfig) -> Self {
        let window = config.window.max(ALONE as usize).next_power_of_two();
        Self {
            config: ReorderConfig { window, ..config },
            next: 0,
            plain: false,
            starting: true,
            started_ms: 0,
            top: 0,
            held: Held::default(),
            held_since_ms: 0,
            strays: Strays::new(window),
            strays_due_ms: 0,
            past: Past::new(window),
            known_from: 0,
            skipped: false,
            accepted: 0,
            anchored_at: 0,
            repeats: Repeats::default(),
            latest_ms: 0,
            set_back_ms: 0,
        }
    }

    /// Takes a packet and calls `out(sequence, payload)` for everything that is now due, in order. A packet in place passes
    /// through without a copy.
    #[inline]
    pub fn insert(
        &mut self,
        sequence: u64,
        payload: &[u8],
        now_ms: u64,
        mut out: impl FnMut(u64, &[u8]),
    ) -> Outcome {
        if self.plain && sequence == self.next {
            self.past.delivered(sequence, payload);
            self.next = sequence.wrapping_add(1);
            self.accepted += 1;
            out(sequence, payload);
            if sequence.is_multiple_of(REST_PACKETS) {
                self.held.rest();
            }
            return Outcome { released: 1, ..Outcome::default() };
        }
        self.insert_beside(sequence, payload, now_ms, &mut out)
    }

    /// Releases what has been held long enough, and judges the strays.
    pub fn expire(&mut self, now_ms: u64, mut out: impl FnMut(u64, &[u8])) -> Outcome {
        let mut outcome = Outcome::default();
        let now_ms = self.steady(now_ms);
        self.expire_due(now_ms, &mut outcome, &mut out);
        outcome
    }

    /// When [`Self::expire`] may have something to do; `None` while nothing is held.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<u64> {
        self.due_ms().map(|due_ms| due_ms.saturating_sub(self.set_back_ms))
    }

    /// Payload bytes that are held, strays included.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held.bytes() + self.strays.bytes()
    }

    /// Says that the source connection is new: its numbers may have begun anew.
    pub fn reconnected(&mut self) {
        self.anchored_at = self.anchored_at.max(self.accepted.saturating_sub(CREDIT_RECONNECTED));
    }

    /// Releases everything that is held in place, gaps or not, drops the strays and gives all memory back that held them: memory
    /// is short.
    pub fn flush(&mut self, mut out: impl FnMut(u64, &[u8])) -> Outcome {
        let mut outcome = Outcome::default();
        self.release_all(&mut outcome, &mut out);
        for stray in self.strays.take_all() {
            self.count_dropped(stray.sequence, &mut outcome);
        }
        self.held.free();
        self.settle();
        outcome
    }

    /// Everything but the usual case.
    fn insert_beside(
        &mut self,
        sequence: u64,
        payload: &[u8],
        now_ms: u64,
        out: &mut impl FnMut(u64, &[u8]),
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let now_ms = self.steady(now_ms);
        if self.starting {
            self.insert_at_start(sequence, payload, now_ms, &mut outcome, out);
        } else {
            self.insert_running(sequence, payload, now_ms, &mut outcome, out);
        }
        if self.due_ms().is_some_and(|due_ms| due_ms <= now_ms) {
            self.expire_due(now_ms, &mut outcome, out);
        } else {
            self.settle();
        }
        outcome
    }

    fn insert_running(
        &mut self,
        sequence: u64,
        payload: &[u8],
        now_ms: u64,
        outcome: &mut Outcome,
        out: &mut impl FnMut(u64, &[u8]),
    ) {
        let window = self.window();
        let ahead = sequence.wrapping_sub(self.next);
        if ahead == 0 {
            if self.follows_strays(sequence) {
                self.keep_stray(sequence, payload, now_ms, true, outcome);
                self.reanchor(sequence, now_ms, outcome, out);
                return;
            }
            self.accepted += 1;
            self.deliver(sequence, payload, outcome, out);
            self.release_ready(outcome, out);
        } else if ahead < window {
            match self.held.get(sequence) {
                None => self.hold(sequence, payload, now_ms),
                Some(known) if known == payload => outcome.duplicate += 1,
                Some(_) => self.doubt(sequence, payload, now_ms, true, outcome, out),
            }
        } else if !self.held.is_empty() && sequence.wrapping_sub(self.top) < window {
            self.advance(sequence.wrapping_sub(window - 1), outcome, out);
            self.release_ready(outcome, out);
            self.insert_running(sequence, payload, now_ms, outcome, out);
        } else {
            let behind = self.next.wrapping_sub(sequence);
            if behind > window || behind > self.next.wrapping_sub(self.known_from) {
                self.doubt(sequence, payload, now_ms, false, outcome, out);
                return;
            }
            match self.past.compare(sequence, payload) {
                Known::OtherDelivered => self.doubt(sequence, payload, now_ms, true, outcome, out),
                known if self.has_gone_back(sequence, now_ms) => {
                    self.keep_stray(sequence, payload, now_ms, known == Known::Delivered, outcome);
                    self.reanchor(sequence, now_ms, outcome, out);
                }
                Known::Delivered => outcome.duplicate += 1,
                Known::GivenUp => outcome.late += 1,
            }
        }
    }

    /// Keeps a packet in place until its turn comes.
    #[inline]
    fn hold(&mut self, sequence: u64, payload: &[u8], now_ms: u64) {
        if self.held.is_empty() {
            self.top = sequence;
            self.held_since_ms = now_ms;
        } else if sequence.wrapping_sub(self.next) > self.top.wrapping_sub(self.next) {
            self.top = sequence;
        }
        self.accepted += 1;
        let span = self.top.wrapping_sub(self.next) as usize + 1;
        self.held.put(sequence, payload, now_ms, span);
    }

    #[inline]
    fn deliver(
        &mut self,
        sequence: u64,
        payload: &[u8],
        outcome: &mut Outcome,
        out: &mut impl FnMut(u64, &[u8]),
    ) {
        self.past.delivered(sequence, payload);
        self.next = sequence.wrapping_add(1);
        outcome.released += 1;
        out(sequence, payload);
    }

    /// Releases what is held without a gap before it.
    #[inline]
    fn release_ready(&mut self, outcome: &mut Outcome, out: &mut impl FnMut(u64, &[u8])) {
        while !self.held.is_empty()
            && let Some(payload) = self.held.take(self.next)
        {
            self.deliver(self.next, &payload, outcome, out);
            self.held.recycle(payload);
        }
    }

    /// Moves on to a number, releases what is held before it and gives the rest up.
    fn advance(&mut self, to: u64, outcome: &mut Outcome, out: &mut impl FnMut(u64, &[u8])) {
        while self.next != to {
            self.release_ready_until(to, outcome, out);
            if self.next != to {
                self.past.given_up(self.next);
                self.next = self.next.wrapping_add(1);
                outcome.lost += 1;
            }
        }
    }

    fn release_ready_until(&mut self, to: u64, outcome: &mut Outcome, out: &mut impl FnMut(u64, &[u8])) {
        while self.next != to
            && let Some(payload) = self.held.take(self.next)
        {
            self.deliver(self.next, &payload, outcome, out);
            self.held.recycle(payload);
        }
    }

    /// Releases all that is held in place, and gives up what is missing between.
    fn release_all(&mut self, outcome: &mut Outcome, out: &mut impl FnMut(u64, &[u8])) {
        if self.held.is_empty() {
            return;
        }
        if self.starting {
            self.begin(outcome, out);
        }
        if !self.held.is_empty() {
            self.advance(self.top.wrapping_add(1), outcome, out);
        }
    }

    fn expire_due(&mut self, now_ms: u64, outcome: &mut Outcome, out: &mut impl FnMut(u64, &[u8])) {
        loop {
            if self.starting && !self.held.is_empty() && self.started_ms + self.config.start_hold_ms <= now_ms
            {
                self.begin(outcome, out);
            }
            if !self.starting && !self.held.is_empty() {
                self.expire_held(now_ms, outcome, out);
            }
            let (hold_ms, doubt_ms) = (self.config.hold_ms, self.config.doubt_ms);
            match self.strays.believable(self.accepted, now_ms, hold_ms, doubt_ms) {
                Some(around) => self.reanchor(around, now_ms, outcome, out),
                None => break,
            }
        }
        self.drop_strays(now_ms, outcome);
        self.settle();
    }

    /// Gives up the gaps in front of packets that have been held long enough.
    fn expire_held(&mut self, now_ms: u64, outcome: &mut Outcome, out: &mut impl FnMut(u64, &[u8])) {
        let hold_ms = self.config.hold_ms;
        let waits_long = |arrived_ms: u64| arrived_ms + hold_ms <= now_ms;
        if !waits_long(self.held_since_ms) {
            return;
        }
        // From the top down, because what waits behind the highest gap that is given up waits behind all others.
        let mut sequence = self.top;
        while sequence != self.next {
            if let Some(arrived_ms) = self.held.arrived_ms(sequence)
                && waits_long(arrived_ms)
            {
                if !self.is_alone(sequence) {
                    break;
                }
                self.estrange(sequence, arrived_ms, outcome);
            }
            sequence = sequence.wrapping_sub(1);
        }
        if sequence != self.next {
            self.advance(sequence, outcome, out);
        }
        self.release_ready(outcome, out);
        self.held_since_ms = self.held.earliest_ms().unwrap_or(now_ms);
    }

    /// A lower bound of when something is to be done, on the steady clock.
    fn due_ms(&self) -> Option<u64> {
        let held = (!self.held.is_empty()).then(|| {
            if self.starting {
                self.started_ms + self.config.start_hold_ms
            } else {
                self.held_since_ms + self.config.hold_ms
            }
        });
        let strays = (!self.strays.is_empty()).then_some(self.strays_due_ms);
        match (held, strays) {
            (Some(held), Some(strays)) => Some(held.min(strays)),
            (held, strays) => held.or(strays),
        }
    }

    #[inline]
    fn settle(&mut self) {
        self.plain = !self.starting && self.held.is_empty() && self.strays.is_empty();
    }

    /// The time on a clock that is never set back.
    #[inline]
    fn steady(&mut self, now_ms: u64) -> u64 {
        self.set_back_ms += self.latest_ms.saturating_sub(now_ms);
        self.latest_ms = now_ms;
        now_ms + self.set_back_ms
    }

    fn window(&self) -> u64 {
        self.config.window as u64
    }
}
