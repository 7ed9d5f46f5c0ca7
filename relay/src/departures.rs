//! Who is to leave when the relay is shut down, one after the other.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Waker};

/// Everybody who takes something from the relay, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Departures {
    seated: Rc<RefCell<BTreeMap<u64, Rc<Told>>>>,
    next: Cell<u64>,
    /// Who comes now must leave at once. Until then nobody looks at what they were told: with thousands of readers, each
    /// further place in memory that a delivery looks at is a place that the processor waits for.
    over: Rc<Cell<bool>>,
    /// Nobody may finish anything.
    now: Rc<Cell<bool>>,
}

#[derive(Debug, Default)]
struct Told {
    leave: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// One of them. Given up when it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    number: u64,
    told: Rc<Told>,
    /// Whether the task to call is known.
    waits: Cell<bool>,
    over: Rc<Cell<bool>>,
    now: Rc<Cell<bool>>,
    seated: Rc<RefCell<BTreeMap<u64, Rc<Told>>>>,
}

impl Departures {
    /// Somebody comes.
    pub fn seat(&self) -> Seat {
        let number = self.next.replace(self.next.get() + 1);
        let told = Rc::new(Told { leave: Cell::new(self.over.get()), waker: RefCell::default() });
        self.seated.borrow_mut().insert(number, Rc::clone(&told));
        Seat {
            number,
            told,
            waits: Cell::new(false),
            over: Rc::clone(&self.over),
            now: Rc::clone(&self.now),
            seated: Rc::clone(&self.seated),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.seated.borrow().len()
    }

    /// From now on nobody may stay who comes.
    pub fn begin(&self) {
        self.over.set(true);
    }

    /// Tells those who came first of those not yet told to leave, as many as given.
    pub fn tell(&self, how_many: usize) {
        let seated = self.seated.borrow();
        for told in seated.values().filter(|told| !told.leave.get()).take(how_many) {
            told.tell();
        }
    }

    /// Tells all to leave without finishing anything.
    pub fn tell_all_at_once(&self) {
        self.begin();
        self.now.set(true);
        for told in self.seated.borrow().values() {
            told.tell();
        }
    }
}

impl Told {
    fn tell(&self) {
        self.leave.set(true);
        // Kept: who finishes a packet may have to be told once more not to.
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl Seat {
    /// Whether even a packet that was sent by half is not to be finished.
    #[inline]
    pub fn must_leave_at_once(&self) -> bool {
        self.now.get()
    }

    /// Whether it is time to leave.
    #[inline]
    pub fn must_leave(&self) -> bool {
        self.over.get() && self.told.leave.get()
    }

    /// Has this task called when it is time. The task must be the same each time.
    #[inline]
    pub fn wait(&self, context: &Context<'_>) {
        if !self.waits.replace(true) {
            self.told.waker.replace(Some(context.waker().clone()));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seated.borrow_mut().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_came_first_leave_first_and_latecomers_dont_stay() {
        let departures = Departures::default();
        let seats = [departures.seat(), departures.seat(), departures.seat()];
        departures.begin();
        departures.tell(2);
        assert_eq!(seats.each_ref().map(Seat::must_leave), [true, true, false]);
        assert!(departures.seat().must_leave());
        drop(seats);
        assert_eq!(departures.len(), 0);
    }
}
