//! How many connections there are, and may be.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::task::AbortHandle;

/// All connections but the one to the channel source.
#[derive(Debug)]
pub(crate) struct Connections {
    open: Rc<Cell<usize>>,
    limit: usize,
}

/// A connection that is counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    open: Rc<Cell<usize>>,
}

impl Connections {
    pub fn new(limit: usize) -> Self {
        Self { open: Rc::default(), limit }
    }

    /// One more, if there may be.
    pub fn open(&self) -> Option<Connection> {
        (self.open.get() < self.limit).then(|| {
            self.open.set(self.open.get() + 1);
            Connection { open: Rc::clone(&self.open) }
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.open.get()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.set(self.open.get().saturating_sub(1));
    }
}

/// Those who haven't yet said what they want, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    tasks: Rc<RefCell<BTreeMap<u64, AbortHandle>>>,
    next: Cell<u64>,
}

/// A place among them, given up when it is dropped.
#[derive(Debug)]
pub(crate) struct Pending {
    number: u64,
    tasks: Rc<RefCell<BTreeMap<u64, AbortHandle>>>,
}

impl Handshakes {
    /// A place for somebody who has just come.
    pub fn place(&self) -> Pending {
        let number = self.next.replace(self.next.get() + 1);
        Pending { number, tasks: Rc::clone(&self.tasks) }
    }

    /// Takes in who has a place, and turns the one away who came first if there are more than `limit` then: whoever has something
    /// to say has said it long ago. Says whether somebody was turned away.
    pub fn enter(&self, number: u64, task: AbortHandle, limit: usize) -> bool {
        let mut tasks = self.tasks.borrow_mut();
        tasks.insert(number, task);
        let first = if tasks.len() > limit { tasks.pop_first() } else { None };
        drop(tasks);
        first.inspect(|(_, task)| task.abort()).is_some()
    }

    /// Turns all away.
    pub fn end(&self) {
        for task in self.tasks.take().into_values() {
            task.abort();
        }
    }
}

impl Pending {
    /// Which place it is.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.tasks.borrow_mut().remove(&self.number);
    }
}
