//! The memory that all channels may hold together.

use std::cell::Cell;

/// Bytes that are held of a given number. For one thread.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    held: Cell<usize>,
}

impl Budget {
    /// Nothing is held.
    pub fn new(limit: usize) -> Self {
        Self { limit, held: Cell::new(0) }
    }

    /// Whether so many bytes more may be held; if so they are counted.
    pub fn take(&self, bytes: usize) -> bool {
        let held = self.held.get() + bytes;
        let fits = held <= self.limit;
        if fits {
            self.held.set(held);
        }
        fits
    }

    /// Counts a change that has happened already.
    #[inline]
    pub fn change(&self, before: usize, after: usize) {
        self.held.set(self.held.get() + after - before);
    }

    /// Gives bytes back.
    pub fn give(&self, bytes: usize) {
        self.held.set(self.held.get().saturating_sub(bytes));
    }

    /// Bytes that are held.
    pub fn held(&self) -> usize {
        self.held.get()
    }

    /// Bytes that may still be held.
    pub fn free(&self) -> usize {
        self.limit.saturating_sub(self.held.get())
    }

    /// Whether more is held than may be.
    pub fn is_exceeded(&self) -> bool {
        self.held.get() > self.limit
    }
}
