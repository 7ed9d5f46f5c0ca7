//! One live channel as it comes from the source.

use std::rc::Rc;

use live::ChannelId;

use crate::feed::Feed;
use crate::metrics::{MediaCounts, add, increment};
use crate::outlet::{Outlet, Pushed};
use crate::reorder::{Outcome, Reorder, ReorderConfig};

/// A channel: its packets on their way into order, its viewers, and what is known of it.
pub(crate) struct Channel {
    pub id: ChannelId,
    pub outlet: Rc<Outlet>,
    /// Made with the first packet: viewers may wait for a channel that doesn't exist.
    reorder: Option<Box<Reorder>>,
    /// Whether it is among those that hold packets back.
    pub listed_as_holding: bool,
    /// Whether it is among those whose viewers are to be called.
    pub listed_as_fresh: bool,
    /// When a packet of it last came from the source, in unix milliseconds.
    pub seen_ms: u64,
    /// When payload of it was last passed on, in unix milliseconds; 0 for never.
    pub last_payload_ms: u64,
    payload_bytes: u64,
    rate: Rate,
}

/// Where a channel's packets go, and what counts them.
pub(crate) struct Sink<'a> {
    pub counts: &'a MediaCounts,
    pub feed: &'a Feed,
    pub now_ms: u64,
}

impl Channel {
    pub fn new(id: ChannelId, outlet: Outlet) -> Self {
        Self {
            id,
            outlet: Rc::new(outlet),
            reorder: None,
            listed_as_holding: false,
            listed_as_fresh: false,
            seen_ms: 0,
            last_payload_ms: 0,
            payload_bytes: 0,
            rate: Rate::default(),
        }
    }

    /// Whether the source has it.
    pub fn exists(&self) -> bool {
        self.reorder.is_some()
    }

    /// Has the channel come into being.
    pub fn create(&mut self, config: ReorderConfig) {
        self.reorder = Some(Box::new(Reorder::new(config)));
    }

    /// Takes a packet from the source and passes on what is due. Says whether viewers have something new.
    #[inline]
    pub fn insert(&mut self, sequence: u64, payload: &[u8], sink: &Sink<'_>) -> bool {
        let Some(reorder) = self.reorder.as_mut() else { return false };
        self.seen_ms = sink.now_ms;
        let mut passed = Passed::new(self.id, &self.outlet, sink);
        let outcome = reorder
            .insert(sequence, payload, sink.now_ms, |sequence, payload| passed.pass(sequence, payload));
        let bytes = passed.bytes;
        self.passed_on(bytes, outcome, sink)
    }

    /// Passes on what was held long enough. Says whether viewers have something new.
    pub fn expire(&mut self, sink: &Sink<'_>) -> bool {
        let Some(reorder) = self.reorder.as_mut() else { return false };
        let mut passed = Passed::new(self.id, &self.outlet, sink);
        let outcome = reorder.expire(sink.now_ms, |sequence, payload| passed.pass(sequence, payload));
        let bytes = passed.bytes;
        self.passed_on(bytes, outcome, sink)
    }

    /// Passes on all that is held. Says whether viewers have something new.
    pub fn flush(&mut self, sink: &Sink<'_>) -> bool {
        let Some(reorder) = self.reorder.as_mut() else { return false };
        let mut passed = Passed::new(self.id, &self.outlet, sink);
        let outcome = reorder.flush(|sequence, payload| passed.pass(sequence, payload));
        let bytes = passed.bytes;
        self.passed_on(bytes, outcome, sink)
    }

    /// The source was dialled anew.
    pub fn reconnected(&mut self) {
        if let Some(reorder) = self.reorder.as_mut() {
            reorder.reconnected();
        }
    }

    /// When [`Self::expire`] has something to do.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.reorder.as_ref()?.deadline_ms()
    }

    /// Payload bytes that are held back.
    #[inline]
    pub fn held_bytes(&self) -> usize {
        self.reorder.as_ref().map_or(0, |reorder| reorder.held_bytes())
    }

    /// Payload bits per second over the last second or so, measured whenever this is asked.
    pub fn bits_per_second(&mut self, now_ms: u64) -> u64 {
        self.rate.measure(self.payload_bytes, now_ms)
    }

    #[inline]
    fn passed_on(&mut self, bytes: u64, outcome: Outcome, sink: &Sink<'_>) -> bool {
        let counts = sink.counts;
        add(&counts.packets_released, u64::from(outcome.released));
        if outcome != (Outcome { released: outcome.released, ..Outcome::default() }) {
            add(&counts.packets_stray, u64::from(outcome.stray));
            add(&counts.packets_late, u64::from(outcome.late));
            add(&counts.packets_duplicate, u64::from(outcome.duplicate));
            add(&counts.packets_lost, u64::from(outcome.lost));
            add(&counts.channel_restarts, u64::from(outcome.reanchored));
        }
        if bytes == 0 {
            return false;
        }
        self.payload_bytes += bytes;
        self.last_payload_ms = sink.now_ms;
        true
    }
}

/// Gives released packets to viewers and to other relays.
struct Passed<'a> {
    id: ChannelId,
    outlet: &'a Outlet,
    watched: bool,
    sink: &'a Sink<'a>,
    bytes: u64,
}

impl<'a> Passed<'a> {
    #[inline]
    fn new(id: ChannelId, outlet: &'a Outlet, sink: &'a Sink<'a>) -> Self {
        Self { id, outlet, watched: outlet.readers() > 0, sink, bytes: 0 }
    }

    #[inline]
    fn pass(&mut self, sequence: u64, payload: &[u8]) {
        self.bytes += payload.len() as u64;
        if self.watched {
            match self.outlet.push(payload) {
                Pushed::Taken => {}
                Pushed::TooLarge => increment(&self.sink.counts.packets_oversized),
                Pushed::NoMemory => increment(&self.sink.counts.buffer_shortages),
            }
        }
        if self.sink.feed.is_wanted() {
            self.sink.feed.push(self.id, sequence, payload, self.sink.counts);
        }
    }
}

/// Bits per second, from a byte count that is looked at now and then.
#[derive(Debug, Default)]
struct Rate {
    since_ms: u64,
    bytes_then: u64,
    bits_per_second: u64,
}

/// So long is counted before the rate is reckoned anew.
const RATE_MS: u64 = 1_000;

impl Rate {
    fn measure(&mut self, bytes: u64, now_ms: u64) -> u64 {
        let elapsed_ms = now_ms.saturating_sub(self.since_ms);
        if elapsed_ms >= RATE_MS {
            self.bits_per_second = (bytes - self.bytes_then) * 8 * 1_000 / elapsed_ms;
            (self.since_ms, self.bytes_then) = (now_ms, bytes);
        }
        self.bits_per_second
    }
}
