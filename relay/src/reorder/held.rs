//! The packets that wait for lower ones.

use std::mem;

/// The smallest table, and the largest that a channel keeps when nothing waits any more.
const SLOTS_MIN: usize = 64;
const SLOTS_KEPT: usize = 256;

/// So many buffers wait for their next packet, none larger than this, so that a packet out of order usually costs no allocation
/// and thousands of channels still cost little. A bundle of seven MPEG-TS packets fits.
const SPARES_MAX: usize = 64;
const SPARE_BYTES_MAX: usize = 1_536;

struct Packet {
    sequence: u64,
    payload: Vec<u8>,
    arrived_ms: u64,
}

/// A table of slots in which a number's place is its low bits. The owner sees to it that all numbers in it lie within the span
/// that it tells when it puts one in, so that no two of them share a slot. A channel in order has no table at all.
#[derive(Default)]
pub(super) struct Held {
    slots: Vec<Option<Packet>>,
    count: usize,
    bytes: usize,
    spares: Vec<Vec<u8>>,
    used_lately: bool,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Payload bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The payload under a number.
    pub(super) fn get(&self, sequence: u64) -> Option<&[u8]> {
        self.packet(sequence).map(|packet| packet.payload.as_slice())
    }

    /// When the packet under a number came.
    pub(super) fn arrived_ms(&self, sequence: u64) -> Option<u64> {
        self.packet(sequence).map(|packet| packet.arrived_ms)
    }

    /// The earliest time at which one of the packets came.
    pub(super) fn earliest_ms(&self) -> Option<u64> {
        self.slots.iter().flatten().map(|packet| packet.arrived_ms).min()
    }

    /// Keeps a copy of a packet whose slot is free. `span` is how many numbers lie between the lowest and the highest that are
    /// or will be looked for, both included.
    #[inline]
    pub(super) fn put(&mut self, sequence: u64, payload: &[u8], arrived_ms: u64, span: usize) {
        let mut buffer = self.spares.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(payload);
        self.put_owned(sequence, buffer, arrived_ms, span);
    }

    /// As [`Self::put`], without a copy.
    #[inline]
    pub(super) fn put_owned(&mut self, sequence: u64, payload: Vec<u8>, arrived_ms: u64, span: usize) {
        if span > self.slots.len() {
            self.grow(span);
        }
        self.used_lately = true;
        self.count += 1;
        self.bytes += payload.len();
        let index = self.index(sequence);
        debug_assert!(self.slots[index].is_none());
        self.slots[index] = Some(Packet { sequence, payload, arrived_ms });
    }

    /// Takes a packet out; its buffer comes back by [`Self::recycle`].
    #[inline]
    pub(super) fn take(&mut self, sequence: u64) -> Option<Vec<u8>> {
        let index = self.index(sequence);
        let packet = self.slots.get_mut(index)?.take_if(|packet| packet.sequence == sequence)?;
        self.count -= 1;
        self.bytes -= packet.payload.len();
        Some(packet.payload)
    }

    /// Keeps a buffer for the next packet.
    #[inline]
    pub(super) fn recycle(&mut self, buffer: Vec<u8>) {
        if self.spares.len() < SPARES_MAX && buffer.capacity() <= SPARE_BYTES_MAX {
            self.spares.push(buffer);
        }
        if self.count == 0 && self.slots.len() > SLOTS_KEPT {
            self.slots = Vec::new();
        }
    }

    /// Called now and then: gives all memory back when nothing was out of order since the last time.
    pub(super) fn rest(&mut self) {
        if !mem::take(&mut self.used_lately) && self.count == 0 {
            self.free();
        }
    }

    /// Gives all memory back. To be called when nothing is held.
    pub(super) fn free(&mut self) {
        debug_assert_eq!(self.count, 0);
        *self = Self::default();
    }

    fn packet(&self, sequence: u64) -> Option<&Packet> {
        self.slots.get(self.index(sequence))?.as_ref().filter(|packet| packet.sequence == sequence)
    }

    /// Without a table, an index that isn't in it.
    #[inline]
    fn index(&self, sequence: u64) -> usize {
        sequence as usize & self.slots.len().wrapping_sub(1)
    }

    #[cold]
    fn grow(&mut self, span: usize) {
        let mut wider = Vec::new();
        wider.resize_with(span.next_power_of_two().max(SLOTS_MIN), || None);
        for packet in mem::replace(&mut self.slots, wider).into_iter().flatten() {
            let index = self.index(packet.sequence);
            self.slots[index] = Some(packet);
        }
    }
}

#[cfg(test)]
impl Held {
    /// What it takes beside itself.
    pub(super) fn memory_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Option<Packet>>()
            + self.bytes
            + self.spares.iter().map(Vec::capacity).sum::<usize>()
    }
}
