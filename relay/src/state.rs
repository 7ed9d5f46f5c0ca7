//! What the two threads know of each other.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::metrics::Metrics;

/// A media thread that hasn't shown itself for so long is stuck: it does so four times a second.
const BEAT_MAX: Duration = Duration::from_secs(5);

/// How the relay is, for health and readiness.
pub(crate) struct State {
    start: Instant,
    beat_ms: AtomicU64,
    /// Whether the channel source is connected.
    pub source_connected: AtomicBool,
    /// Whether the relay is being shut down.
    pub draining: AtomicBool,
    /// Whether there are keys to verify tickets with, or none are needed.
    pub can_admit: AtomicBool,
    pub metrics: Metrics,
}

impl State {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            beat_ms: AtomicU64::new(0),
            source_connected: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            can_admit: AtomicBool::new(false),
            metrics: Metrics::new(),
        }
    }

    /// The media thread lives.
    pub fn beat(&self) {
        self.beat_ms.store(self.start.elapsed().as_millis() as u64, Relaxed);
    }

    /// Whether the media thread lives.
    pub fn is_alive(&self) -> bool {
        self.start.elapsed().saturating_sub(Duration::from_millis(self.beat_ms.load(Relaxed))) < BEAT_MAX
    }

    /// Why nobody should be sent here now; `None` if there is nothing in the way.
    pub fn hindrance(&self) -> Option<&'static str> {
        if self.draining.load(Relaxed) {
            Some("draining")
        } else if !self.source_connected.load(Relaxed) {
            Some("no channel source")
        } else if !self.can_admit.load(Relaxed) {
            Some("no ticket keys")
        } else {
            None
        }
    }
}
