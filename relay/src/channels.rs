//! All live channels: who gets which frame, what they may hold, and when they are forgotten.

use std::rc::Rc;

use live::ChannelId;

use crate::budget::Budget;
use crate::channel::{Channel, Sink};
use crate::channels_index::ChannelsIndex;
use crate::frame::Header;
use crate::metrics::increment;
use crate::outlet::{Outlet, RingSize};
use crate::reorder::ReorderConfig;
use crate::usage::ChannelNow;

/// With the usual 512 MiB, the first 128 channels that are watched have rings of 2 MiB, the next 128 of 1 MiB, and so on.
const PART_OF_FREE: usize = 128;

/// The channels that the source has, and those that viewers wait for.
pub(crate) struct Channels {
    index: ChannelsIndex,
    /// By the index's numbers.
    channels: Vec<Option<Channel>>,
    /// Numbers of those that hold packets back, so that time can release them.
    holding: Vec<usize>,
    /// Numbers of those whose viewers are to be called.
    fresh: Vec<usize>,
    /// How many come from the source.
    existing: usize,
    limits: Limits,
    budget: Rc<Budget>,
}

/// What channels may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub max_channels: usize,
    pub channel_buffer_bytes: usize,
    pub channel_idle_ms: u64,
    pub reorder: ReorderConfig,
}

impl Channels {
    pub fn new(limits: Limits, budget: Rc<Budget>) -> Self {
        let (channels, holding, fresh) = (Vec::new(), Vec::new(), Vec::new());
        Self { index: ChannelsIndex::default(), channels, holding, fresh, existing: 0, limits, budget }
    }

    /// Takes a packet from the source.
    #[inline]
    pub fn insert(&mut self, header: &Header, payload: &[u8], sink: &Sink<'_>) {
        let Some(number) = self.index.find(header.channel).or_else(|| self.add(header.channel)) else {
            increment(&sink.counts.packets_over_channel_limit);
            return;
        };
        let Some(channel) = self.channels.get_mut(number).and_then(Option::as_mut) else { return };
        if !channel.exists() {
            if self.existing == self.limits.max_channels {
                increment(&sink.counts.packets_over_channel_limit);
                return;
            }
            self.existing += 1;
            channel.create(self.limits.reorder);
        }
        let held = channel.held_bytes();
        let fresh = channel.insert(header.sequence, payload, sink);
        if fresh && !channel.listed_as_fresh {
            channel.listed_as_fresh = true;
            self.fresh.push(number);
        }
        if !channel.listed_as_holding && channel.deadline_ms().is_some() {
            channel.listed_as_holding = true;
            self.holding.push(number);
        }
        self.budget.change(held, channel.held_bytes());
        if self.budget.is_exceeded() {
            increment(&sink.counts.buffer_shortages);
            self.release(sink, |channel, sink| channel.flush(sink));
        }
    }

    /// Passes on what was held long enough. Says whether anything is still held.
    pub fn expire(&mut self, sink: &Sink<'_>) -> bool {
        self.release(sink, |channel, sink| {
            channel.deadline_ms().is_some_and(|deadline_ms| deadline_ms <= sink.now_ms)
                && channel.expire(sink)
        });
        self.holds()
    }

    /// Whether anything is held back.
    pub fn holds(&self) -> bool {
        !self.holding.is_empty()
    }

    /// Calls the viewers of all channels that have something new.
    pub fn wake_viewers(&mut self) {
        for number in self.fresh.drain(..) {
            if let Some(channel) = self.channels.get_mut(number).and_then(Option::as_mut) {
                channel.listed_as_fresh = false;
                channel.outlet.wake();
            }
        }
    }

    /// The source was dialled anew.
    pub fn reconnected(&mut self) {
        for channel in self.channels.iter_mut().flatten() {
            channel.reconnected();
        }
    }

    /// Where a viewer finds a channel, whether it exists or not.
    pub fn outlet(&mut self, id: ChannelId) -> Rc<Outlet> {
        let number = self.index.find(id).unwrap_or_else(|| self.place(id));
        match self.channels.get(number).and_then(Option::as_ref) {
            Some(channel) => Rc::clone(&channel.outlet),
            // A number that is found has a channel.
            None => Rc::new(self.new_outlet()),
        }
    }

    /// Forgets channels that nobody watches and that the source has no longer. To be called every second or so.
    pub fn forget_idle(&mut self, now_ms: u64) {
        for number in 0..self.channels.len() {
            let Some(channel) = self.channels.get(number).and_then(Option::as_ref) else { continue };
            let idle = channel.seen_ms + self.limits.channel_idle_ms <= now_ms;
            if !idle || channel.outlet.readers() > 0 || channel.listed_as_holding || channel.listed_as_fresh {
                continue;
            }
            self.existing -= usize::from(channel.exists());
            self.index.remove(channel.id);
            self.channels[number] = None;
        }
    }

    /// All that come from the source.
    pub fn now(&mut self, now_ms: u64) -> Vec<ChannelNow> {
        let existing = self.channels.iter_mut().flatten().filter(|channel| channel.exists());
        let now = existing.map(|channel| ChannelNow {
            channel: channel.id,
            last_payload_ms: channel.last_payload_ms,
            bits_per_second: channel.bits_per_second(now_ms),
            viewers: channel.outlet.readers() as u64,
        });
        now.collect()
    }

    /// How many come from the source.
    pub fn existing(&self) -> usize {
        self.existing
    }

    fn release(&mut self, sink: &Sink<'_>, how: impl Fn(&mut Channel, &Sink<'_>) -> bool) {
        let mut still_holding = Vec::new();
        for number in std::mem::take(&mut self.holding) {
            let Some(channel) = self.channels.get_mut(number).and_then(Option::as_mut) else { continue };
            let held = channel.held_bytes();
            if how(channel, sink) && !channel.listed_as_fresh {
                channel.listed_as_fresh = true;
                self.fresh.push(number);
            }
            self.budget.change(held, channel.held_bytes());
            channel.listed_as_holding = channel.deadline_ms().is_some();
            if channel.listed_as_holding {
                still_holding.push(number);
            }
        }
        self.holding = still_holding;
    }

    /// Adds a channel that the source has, if there may be another.
    #[cold]
    fn add(&mut self, id: ChannelId) -> Option<usize> {
        (self.existing < self.limits.max_channels).then(|| self.place(id))
    }

    #[cold]
    fn place(&mut self, id: ChannelId) -> usize {
        let number = self.index.add(id);
        if number >= self.channels.len() {
            self.channels.resize_with(number + 1, || None);
        }
        self.channels[number] = Some(Channel::new(id, self.new_outlet()));
        number
    }

    fn new_outlet(&self) -> Outlet {
        let size = RingSize { largest: self.limits.channel_buffer_bytes, part_of_free: PART_OF_FREE };
        Outlet::new(Rc::clone(&self.budget), size)
    }
}
