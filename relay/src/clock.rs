//! What time it is, as all of the relay sees it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A system clock that is this far from ours was set; less is drift, which intervals shall not see as jumps.
const SET_MS: u64 = 1_000;

/// Unix time in milliseconds that runs as evenly as a monotonic clock does: the system's time at the start plus what has
/// passed since. It follows the system clock only when that was set.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    start_unix_ms: AtomicU64,
}

impl Clock {
    /// A clock that shows the system's time.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now(), start_unix_ms: AtomicU64::new(system_ms()) }
    }

    /// Unix time in milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.start_unix_ms.load(Relaxed) + millis(self.start.elapsed())
    }

    /// Follows the system clock if it was set since. To be called every second or so.
    pub fn follow_system(&self) {
        let system_ms = system_ms();
        if system_ms.abs_diff(self.now_ms()) > SET_MS {
            self.start_unix_ms.store(system_ms.saturating_sub(millis(self.start.elapsed())), Relaxed);
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

fn system_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
