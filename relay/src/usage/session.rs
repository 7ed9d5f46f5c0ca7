//! The sessions that are being delivered, as the media thread and the writer of usage share them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use live::{ChannelId, ViewerId};

use crate::meter::Meter;

/// One viewer watching one channel over one connection. It ends when it is told to or when its viewer's side drops it.
#[derive(Debug)]
pub struct Session {
    record: Arc<Record>,
    registry: Arc<Registry>,
}

/// What the writer sees of a session.
#[derive(Debug)]
pub(super) struct Record {
    pub number: u64,
    pub viewer: ViewerId,
    pub channel: ChannelId,
    meter: Mutex<Meter>,
    is_over: AtomicBool,
}

#[derive(Debug, Default)]
struct Registry {
    begun: AtomicU64,
    /// Those that the writer doesn't know yet.
    new: Mutex<Vec<Arc<Record>>>,
    open: Mutex<HashMap<ViewerId, usize>>,
}

/// The sessions of a relay.
#[derive(Clone, Debug, Default)]
pub struct Sessions(Arc<Registry>);

impl Session {
    /// Notes that payload was written at this time, in unix milliseconds.
    pub fn delivered(&self, now_ms: u64) {
        self.record.meter().delivered(now_ms);
    }

    /// Says that nothing more is delivered. Repeating it changes nothing.
    pub fn end(&self) {
        if self.record.is_over.swap(true, Ordering::Release) {
            return;
        }
        if let Entry::Occupied(mut open) = locked(&self.registry.open).entry(self.record.viewer.clone()) {
            *open.get_mut() -= 1;
            if *open.get() == 0 {
                open.remove();
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

impl Record {
    /// Its delivered time, which nobody adds to meanwhile.
    pub fn meter(&self) -> MutexGuard<'_, Meter> {
        locked(&self.meter)
    }

    /// Whether nothing more will be delivered. What the meter says after this was true is final.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}

impl Sessions {
    /// Begins a session.
    #[must_use]
    pub fn start(&self, viewer: ViewerId, channel: ChannelId) -> Arc<Session> {
        let registry = &self.0;
        let record = Arc::new(Record {
            number: registry.begun.fetch_add(1, Ordering::Relaxed),
            viewer,
            channel,
            meter: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        *locked(&registry.open).entry(record.viewer.clone()).or_default() += 1;
        locked(&registry.new).push(Arc::clone(&record));
        Arc::new(Session { record, registry: Arc::clone(registry) })
    }

    /// How many sessions a viewer has now.
    #[must_use]
    pub fn open_count(&self, viewer: &ViewerId) -> usize {
        locked(&self.0.open).get(viewer).copied().unwrap_or(0)
    }

    /// Those that began since this was last asked.
    pub(super) fn take_new(&self) -> Vec<Arc<Record>> {
        mem::take(&mut locked(&self.0.new))
    }
}

/// A panic while such a lock was held can't have left anything by half: each holder makes one change.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_counts_until_it_ends_or_is_dropped() {
        let sessions = Sessions::default();
        let viewer: ViewerId = "anna".parse().expect("a viewer");
        let channel: ChannelId = "zato01".parse().expect("a channel");
        let first = sessions.start(viewer.clone(), channel);
        let second = sessions.start(viewer.clone(), channel);
        assert_eq!(sessions.open_count(&viewer), 2);
        first.end();
        first.end();
        assert_eq!(sessions.open_count(&viewer), 1);
        drop((first, second));
        assert_eq!(sessions.open_count(&viewer), 0);
        assert_eq!(sessions.take_new().len(), 2, "the writer still learns of them");
        assert!(sessions.take_new().is_empty());
    }
}
