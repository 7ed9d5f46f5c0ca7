//! Puts the packets of one channel in order.

use std::collections::BTreeMap;

/// How long and how far packets may be out of order.
#[derive(Clone, Copy, Debug)]
pub struct ReorderConfig {
    /// A missing packet is given up when one this many numbers beyond it arrives. A power of two.
    pub window: usize,
    /// A missing packet is given up so long after the first packet that waits for it.
    pub hold_ms: u64,
    /// So long after the first packet of all, lower ones that come are still put before it.
    pub start_hold_ms: u64,
}

impl Default for ReorderConfig {
    fn default() -> Self {
        Self { window: 1024, hold_ms: 200, start_hold_ms: 100 }
    }
}

/// What a call did, in packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Given to `out`.
    pub released: u32,
    /// Dropped because their turn was over.
    pub late: u32,
    /// Dropped because the same packet was there before.
    pub duplicate: u32,
    /// Numbers that were given up: nothing came under them in time.
    pub lost: u32,
    /// Times that the numbers began anew.
    pub reanchored: u32,
}

/// One channel's packets on their way into order.
pub struct Reorder {
    config: ReorderConfig,
    next: Option<u64>,
    held: BTreeMap<u64, Box<[u8]>>,
    held_bytes: usize,
    deadline_ms: Option<u64>,
}

impl Reorder {
    /// A channel of which nothing has been seen yet.
    #[must_use]
    pub fn new(config: ReorderConfig) -> Self {
        Self { config, next: None, held: BTreeMap::new(), held_bytes: 0, deadline_ms: None }
    }

    /// Takes a packet and calls `out(sequence, payload)` for everything that is now due, in order.
    pub fn insert(
        &mut self,
        sequence: u64,
        payload: &[u8],
        now_ms: u64,
        mut out: impl FnMut(u64, &[u8]),
    ) -> Outcome {
        let mut outcome = Outcome::default();
        if self.next.is_some_and(|next| sequence < next) {
            outcome.late = 1;
        } else if self.held.contains_key(&sequence) {
            outcome.duplicate = 1;
        } else {
            self.held.insert(sequence, payload.into());
            self.held_bytes += payload.len();
            let hold_ms = if self.next.is_none() { self.config.start_hold_ms } else { self.config.hold_ms };
            self.deadline_ms.get_or_insert(now_ms + hold_ms);
            self.release(&mut outcome, &mut out);
            while self.held.len() >= self.config.window {
                self.give_up(&mut outcome, &mut out);
            }
        }
        outcome
    }

    /// Releases what has been held long enough.
    pub fn expire(&mut self, now_ms: u64, mut out: impl FnMut(u64, &[u8])) -> Outcome {
        let mut outcome = Outcome::default();
        if self.deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms) {
            while !self.held.is_empty() {
                self.give_up(&mut outcome, &mut out);
            }
        }
        outcome
    }

    /// When [`Self::expire`] has something to do, in unix milliseconds; `None` while nothing is held.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<u64> {
        self.deadline_ms
    }

    /// Payload bytes that are held.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Says that the source connection is new: its numbers may have begun anew.
    pub fn reconnected(&mut self) {}

    /// Releases everything that is held, gaps or not: memory is short.
    pub fn flush(&mut self, mut out: impl FnMut(u64, &[u8])) -> Outcome {
        let mut outcome = Outcome::default();
        while !self.held.is_empty() {
            self.give_up(&mut outcome, &mut out);
        }
        outcome
    }

    fn give_up(&mut self, outcome: &mut Outcome, out: &mut impl FnMut(u64, &[u8])) {
        if let Some((&lowest, _)) = self.held.first_key_value() {
            outcome.lost += self.next.map_or(0, |next| lowest - next) as u32;
            self.next = Some(lowest);
        }
        self.release(outcome, out);
    }

    fn release(&mut self, outcome: &mut Outcome, out: &mut impl FnMut(u64, &[u8])) {
        while let Some(next) = self.next
            && let Some(payload) = self.held.remove(&next)
        {
            self.held_bytes -= payload.len();
            out(next, &payload);
            outcome.released += 1;
            self.next = Some(next.wrapping_add(1));
        }
        if self.held.is_empty() {
            self.deadline_ms = None;
        }
    }
}
