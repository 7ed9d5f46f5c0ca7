//! What was delivered under the latest numbers.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

/// Of longer payloads, so many bytes at both ends stand for the whole: 256 in all are a whole MPEG-TS packet and more than one
/// of a bundle of seven, and reading more would cost more than ordering.
const END_LEN: usize = 128;

const GIVEN_UP: u32 = 0;

/// What is known about a number whose turn is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// This payload was delivered under it.
    Delivered,
    /// Another payload was delivered under it.
    OtherDelivered,
    /// Nothing came in time.
    GivenUp,
}

/// Fingerprints of the latest payloads, 4 bytes each, one for each number of the window.
pub(super) struct Past {
    /// Empty until something was delivered.
    prints: Vec<u32>,
    window: usize,
}

impl Past {
    pub(super) fn new(window: usize) -> Self {
        Self { prints: Vec::new(), window }
    }

    /// This payload was delivered under this number.
    #[inline]
    pub(super) fn delivered(&mut self, sequence: u64, payload: &[u8]) {
        self.note(sequence, fingerprint(payload));
    }

    /// The turn of this number is over without a packet.
    pub(super) fn given_up(&mut self, sequence: u64) {
        self.note(sequence, GIVEN_UP);
    }

    /// All numbers up to the next one are as good as given up.
    pub(super) fn give_up_all(&mut self) {
        self.prints.fill(GIVEN_UP);
    }

    /// What is known about one of the latest `window` numbers.
    pub(super) fn compare(&self, sequence: u64, payload: &[u8]) -> Known {
        match self.prints.get(sequence as usize & (self.window - 1)).copied() {
            None | Some(GIVEN_UP) => Known::GivenUp,
            Some(print) if print == fingerprint(payload) => Known::Delivered,
            Some(_) => Known::OtherDelivered,
        }
    }

    #[inline]
    fn note(&mut self, sequence: u64, print: u32) {
        let index = sequence as usize & (self.window - 1);
        if let Some(place) = self.prints.get_mut(index) {
            *place = print;
        } else {
            self.prints = vec![GIVEN_UP; self.window];
            self.prints[index] = print;
        }
    }
}

/// Never [`GIVEN_UP`]. Different payloads have the same one in 4 billion, and no decision hangs on a single packet.
#[inline]
fn fingerprint(payload: &[u8]) -> u32 {
    let mut hasher = FixedState::with_seed(0).build_hasher();
    if payload.len() <= 2 * END_LEN {
        hasher.write(payload);
    } else {
        hasher.write(&payload[..END_LEN]);
        hasher.write(&payload[payload.len() - END_LEN..]);
    }
    hasher.write_usize(payload.len());
    (hasher.finish() >> 32) as u32 | 1
}
