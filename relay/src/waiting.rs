//! Tasks that wait for one and the same thing.

use std::task::{Context, Waker};

/// The tasks to be woken once something happens. Each is in the list once, however often it is polled meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    wakers: Vec<Waker>,
    /// Counts the times that the list was emptied.
    round: u64,
}

/// What one task remembers of the list that it waits in.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// The round after the one in which it entered the list; 0 if it never did.
    round: u64,
}

impl Waiting {
    /// Has this task woken the next time.
    #[inline]
    pub fn wait(&mut self, place: &mut Place, context: &Context<'_>) {
        if place.round != self.round + 1 {
            place.round = self.round + 1;
            self.wakers.push(context.waker().clone());
        }
    }

    /// Wakes all.
    #[inline]
    pub fn wake(&mut self) {
        self.round += 1;
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
    }

    /// How many wait, those included that ended meanwhile.
    pub fn len(&self) -> usize {
        self.wakers.len()
    }
}
