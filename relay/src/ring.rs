//! A channel's latest bytes: one flat ring that every viewer of the channel reads at a position of its own.
//!
//! Positions are byte offsets since the ring was made, u64, so they never wrap in practice and a viewer that was overtaken
//! simply holds a position below [`Ring::tail`]. Payloads lie in it back to back, because the stream that viewers get has no
//! framing and one `write` shall take as much as is there. Where each packet begins is kept beside the bytes, in 4 bytes a
//! packet.

use std::collections::VecDeque;

/// At least so many bytes of capacity for each packet: what is kept about boundaries can't outgrow an eighth of the ring,
/// even if packets of one byte come. A ring of such packets holds fewer bytes.
const BYTES_PER_PACKET_MIN: usize = 32;

/// Positions of starts are kept as u32, so a ring must be shorter than what these can tell apart.
const CAPACITY_MAX: usize = 1 << 30;

/// A flat ring of bytes that overwrites its oldest.
pub struct Ring {
    bytes: Box<[u8]>,
    /// One past the last byte.
    head: u64,
    /// The oldest position that can be read.
    tail: u64,
    /// The low halves of the positions where the packets begin that begin at or after `tail`, in order.
    starts: VecDeque<u32>,
    /// Packets that were larger than the ring.
    oversized: u64,
}

impl Ring {
    /// A ring of `capacity` bytes, rounded up to a power of two, at most 1 GiB.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(BYTES_PER_PACKET_MIN, CAPACITY_MAX).next_power_of_two();
        Self {
            bytes: vec![0; capacity].into_boxed_slice(),
            head: 0,
            tail: 0,
            starts: VecDeque::new(),
            oversized: 0,
        }
    }

    /// Bytes that it can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Appends a packet and overwrites the oldest bytes with it. A packet larger than the ring is dropped whole and counted,
    /// an empty one leaves no trace.
    #[inline]
    pub fn push(&mut self, packet: &[u8]) {
        if packet.is_empty() {
            return;
        }
        let capacity = self.bytes.len();
        if packet.len() > capacity {
            self.oversized += 1;
            return;
        }
        let at = self.offset(self.head);
        let before_wrap = packet.len().min(capacity - at);
        let (first, second) = packet.split_at(before_wrap);
        self.bytes[at..at + first.len()].copy_from_slice(first);
        self.bytes[..second.len()].copy_from_slice(second);
        self.starts.push_back(self.head as u32);
        self.head += packet.len() as u64;
        self.tail = self.tail.max(self.head.saturating_sub(capacity as u64));
        while let Some(&start) = self.starts.front()
            && self.position(start) < self.tail
        {
            self.starts.pop_front();
        }
        if self.starts.len() > capacity / BYTES_PER_PACKET_MIN {
            self.starts.pop_front();
            self.tail = self.starts.front().map_or(self.head, |&start| self.position(start));
        }
    }

    /// One past the last byte: where a new viewer starts. Always a packet boundary.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The oldest position that can still be read; not necessarily a packet boundary, so that a packet that was sent by half
    /// can be finished as long as its rest is there.
    #[must_use]
    pub fn tail(&self) -> u64 {
        self.tail
    }

    /// How many packets were dropped because they are larger than the ring.
    #[must_use]
    pub fn oversized(&self) -> u64 {
        self.oversized
    }

    /// The bytes from a position on that lie together, up to the head or to the end of the memory; empty exactly at the head.
    /// `None` where they were overwritten, or were never written.
    #[must_use]
    pub fn slice(&self, from: u64) -> Option<&[u8]> {
        if from < self.tail || from > self.head {
            return None;
        }
        let at = self.offset(from);
        let len = (self.bytes.len() - at).min((self.head - from) as usize);
        Some(&self.bytes[at..at + len])
    }

    /// The first packet boundary at or after a position: where a packet that was sent by half ends. A position that was
    /// overwritten gives the first boundary that can be read, one beyond the head the head.
    #[must_use]
    pub fn boundary_at_or_after(&self, position: u64) -> u64 {
        let index = self.starts.partition_point(|&start| self.position(start) < position);
        self.starts.get(index).map_or(self.head, |&start| self.position(start))
    }

    /// Whether a packet begins at a position that can still be read, or will.
    #[must_use]
    pub fn is_boundary(&self, position: u64) -> bool {
        position >= self.tail && position <= self.head && self.boundary_at_or_after(position) == position
    }

    /// Where a position lies in memory.
    fn offset(&self, position: u64) -> usize {
        position as usize & (self.bytes.len() - 1)
    }

    /// The position of a start, which is never further behind the head than a u32 can say.
    fn position(&self, start: u32) -> u64 {
        self.head - u64::from((self.head as u32).wrapping_sub(start))
    }
}

#[cfg(test)]
mod tests;
