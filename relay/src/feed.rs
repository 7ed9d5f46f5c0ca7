//! The frames of all channels once more, in order, for other relays that take this one as their channel source.

use std::cell::RefCell;
use std::rc::Rc;

use live::ChannelId;

use crate::budget::Budget;
use crate::frame::{HEADER_LEN, encode_header};
use crate::metrics::{MediaCounts, increment};
use crate::outlet::{Outlet, Pushed, RingSize};

/// How much of all channels is kept for relays that read late.
const RING: RingSize = RingSize { largest: 16 << 20, part_of_free: 4 };

/// One ring for all channels, kept only while somebody is fed.
pub(crate) struct Feed {
    pub outlet: Rc<Outlet>,
    /// Header and payload must lie together to be one packet of the ring: who is too slow skips whole frames.
    frame: RefCell<Vec<u8>>,
}

impl Feed {
    /// Nobody is fed yet.
    pub fn new(budget: Rc<Budget>) -> Self {
        Self { outlet: Rc::new(Outlet::new(budget, RING)), frame: RefCell::default() }
    }

    /// Whether somebody is fed.
    #[inline]
    pub fn is_wanted(&self) -> bool {
        self.outlet.readers() > 0
    }

    /// Passes a packet on.
    pub fn push(&self, channel: ChannelId, sequence: u64, payload: &[u8], counts: &MediaCounts) {
        let mut frame = self.frame.borrow_mut();
        frame.clear();
        frame.reserve(HEADER_LEN + payload.len());
        frame.extend_from_slice(&encode_header(channel, sequence, payload.len()));
        frame.extend_from_slice(payload);
        match self.outlet.push(&frame) {
            Pushed::Taken => {}
            Pushed::TooLarge => increment(&counts.packets_oversized),
            Pushed::NoMemory => increment(&counts.buffer_shortages),
        }
    }
}
