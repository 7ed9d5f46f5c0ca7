//! Where packets are put in once and taken out by many readers, each at a position of its own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Context;

use crate::budget::Budget;
use crate::ring::Ring;
use crate::waiting::{Place, Waiting};

/// The smallest ring: a read turn and the burst of a shuffled channel shall fit.
const RING_MIN: usize = 128 * 1024;

/// A ring of packets that exists while it has readers, and the readers that have read all of it.
pub(crate) struct Outlet {
    ring: RefCell<Option<Ring>>,
    waiting: RefCell<Waiting>,
    readers: Cell<usize>,
    budget: Rc<Budget>,
    size: RingSize,
}

/// How large a ring is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingSize {
    /// At most so many bytes, rounded up to a power of two.
    pub largest: usize,
    /// At most the so-manieth part of the memory that is free, so that the first don't leave the last without any.
    pub part_of_free: usize,
}

impl Outlet {
    /// Without readers.
    pub fn new(budget: Rc<Budget>, size: RingSize) -> Self {
        Self { ring: RefCell::default(), waiting: RefCell::default(), readers: Cell::new(0), budget, size }
    }

    /// A reader comes. Where it begins: at what comes next.
    pub fn enter(&self) -> u64 {
        self.readers.set(self.readers.get() + 1);
        self.ring.borrow().as_ref().map_or(0, Ring::head)
    }

    /// A reader goes. The ring goes with the last one.
    pub fn leave(&self) {
        self.readers.set(self.readers.get().saturating_sub(1));
        if self.readers.get() == 0 {
            if let Some(ring) = self.ring.take() {
                self.budget.give(ring.capacity());
            }
            self.wake();
        } else if self.waiting.borrow().len() > 2 * self.readers.get() + 64 {
            // Readers of a channel that is silent come and go, and their wakers would stay.
            self.wake();
        }
    }

    /// How many read.
    #[inline]
    pub fn readers(&self) -> usize {
        self.readers.get()
    }

    /// Puts a packet in, for those who read. Says whether it was taken; not so if it is larger than the ring or if there is no
    /// memory for one.
    #[inline]
    pub fn push(&self, packet: &[u8]) -> Pushed {
        let mut ring = self.ring.borrow_mut();
        if ring.is_none() {
            *ring = self.make_ring();
        }
        let Some(ring) = ring.as_mut() else { return Pushed::NoMemory };
        if packet.len() > ring.capacity() {
            return Pushed::TooLarge;
        }
        ring.push(packet);
        Pushed::Taken
    }

    /// Calls those who wait for more.
    #[inline]
    pub fn wake(&self) {
        self.waiting.borrow_mut().wake();
    }

    /// Has this task called when there is more.
    #[inline]
    pub fn wait(&self, place: &mut Place, context: &Context<'_>) {
        self.waiting.borrow_mut().wait(place, context);
    }

    /// Looks at the ring, if there is one.
    #[inline]
    pub fn read<T>(&self, look: impl FnOnce(Option<&Ring>) -> T) -> T {
        look(self.ring.borrow().as_ref())
    }

    /// As large a ring as is allowed and as others leave room for.
    #[cold]
    fn make_ring(&self) -> Option<Ring> {
        let share = self.budget.free() / self.size.part_of_free;
        let mut capacity = self.size.largest.next_power_of_two();
        while capacity > share && capacity > RING_MIN {
            capacity /= 2;
        }
        self.budget.take(capacity).then(|| Ring::new(capacity))
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        if let Some(ring) = self.ring.take() {
            self.budget.give(ring.capacity());
        }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// Readers will get it.
    Taken,
    /// It is larger than the whole ring.
    TooLarge,
    /// There is no memory for a ring.
    NoMemory,
}
