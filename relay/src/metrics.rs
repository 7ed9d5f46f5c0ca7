//! What the relay counts, in Prometheus' text format.
//!
//! The media thread counts in plain cells ([`MediaCounts`]) and publishes them a few times a second, so that counting a packet
//! is an addition. What the second thread counts, it counts in [`Metrics`] directly.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Declares what the media thread counts: the cell, the published metric and its help text under one name.
macro_rules! media_metrics {
    (counters { $($counter:ident: $counter_help:literal,)* } gauges { $($gauge:ident: $gauge_help:literal,)* }) => {
        /// The media thread's own numbers, see [`Metrics::publish`].
        #[derive(Debug, Default)]
        pub struct MediaCounts {
            $(#[doc = $counter_help] pub $counter: Cell<u64>,)*
            $(#[doc = $gauge_help] pub $gauge: Cell<u64>,)*
        }

        #[derive(Default)]
        struct Published {
            $($counter: Counter,)*
            $($gauge: Gauge,)*
        }

        impl Published {
            fn register(&self, registry: &mut Registry) {
                $(registry.register(stringify!($counter), $counter_help, self.$counter.clone());)*
                $(registry.register(stringify!($gauge), $gauge_help, self.$gauge.clone());)*
            }

            fn publish(&self, counts: &MediaCounts) {
                $(self.$counter.inner().store(counts.$counter.get(), Relaxed);)*
                $(self.$gauge.set(counts.$gauge.get() as i64);)*
            }
        }
    };
}

media_metrics! {
    counters {
        source_bytes: "Bytes read from the channel source, headers included",
        source_connections: "Connections to the channel source that were made",
        source_failures: "Connections to the channel source that couldn't be made or that ended",
        packets: "Packets read from the channel source",
        packets_unprintable: "Packets ignored for the bytes of their channel id",
        packets_over_channel_limit: "Packets ignored because there are MAX_CHANNELS other channels",
        packets_released: "Packets put in order and passed on",
        packets_late: "Packets dropped because their turn was over",
        packets_stray: "Packets dropped because their number fitted nowhere",
        packets_duplicate: "Packets dropped because they had come before",
        packets_lost: "Numbers given up because no packet came under them in time",
        packets_oversized: "Packets dropped because they are larger than their channel's buffer",
        channel_restarts: "Times that a channel's numbers began anew",
        buffer_shortages: "Times that MAX_BUFFER_BYTES kept something from being held",
        delivered_bytes: "Payload bytes written to viewers",
        delivered_writes: "Writes to viewers that took something",
        fed_bytes: "Bytes written to other relays",
        viewers_accepted: "Viewers that began to watch",
        viewers_refused: "Viewers turned away: a malformed line, no right to watch, too many sessions",
        viewers_skipped: "Times that a slow viewer was brought back to live",
        viewers_too_slow: "Viewers sent away for taking too little",
        viewers_flooding: "Viewers sent away for sending too much",
        viewers_panicked: "Viewers lost to a fault of the relay",
        handshakes_timed_out: "Connections closed because they didn't say in time what they want",
        handshakes_pushed_out: "Connections closed because too many others were about to say what they want",
        connections_over_limit: "Connections closed because there were MAX_CONNECTIONS others",
        accept_failures: "Times that a connection couldn't be accepted, for want of file descriptors mostly",
    }
    gauges {
        source_connected: "Whether the channel source is connected",
        draining: "Whether the relay is being shut down",
        channels: "Channels that the channel source has",
        channels_watched: "Channels with viewers",
        viewers: "Viewers now",
        feeds: "Other relays that take their channels from this one, now",
        connections: "Connections of viewers and other relays, those included that haven't said yet what they want",
        buffer_bytes: "Bytes held for all channels, in and out of order",
    }
}

/// All metrics of a relay.
pub struct Metrics {
    media: Published,
    /// Rows of usage that were written.
    pub usage_writes: Counter,
    /// Writes of usage, beats or channels that failed; they are tried again.
    pub usage_write_failures: Counter,
    /// Rows of usage that could not be written before the end and were logged instead.
    pub usage_rows_logged: Counter,
    /// Reads of the ticket keys that failed; the known ones stay in use.
    pub ticket_key_failures: Counter,
    /// Look-ups of registered viewers that failed.
    pub registration_failures: Counter,
    registry: Registry,
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("matinee_relay");
        let media = Published::default();
        media.register(&mut registry);
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        Self {
            media,
            usage_writes: counter("usage_writes", "Rows of usage that were written"),
            usage_write_failures: counter(
                "usage_write_failures",
                "Writes of usage, beats or channels that failed",
            ),
            usage_rows_logged: counter(
                "usage_rows_logged",
                "Rows of usage that could not be written before the end and were logged instead",
            ),
            ticket_key_failures: counter("ticket_key_failures", "Reads of the ticket keys that failed"),
            registration_failures: counter(
                "registration_failures",
                "Look-ups of registered viewers that failed",
            ),
            registry,
        }
    }

    /// Takes over what the media thread has counted.
    pub fn publish(&self, counts: &MediaCounts) {
        self.media.publish(counts);
    }

    /// Viewers now.
    #[must_use]
    pub fn viewers(&self) -> u64 {
        self.media.viewers.get().max(0) as u64
    }

    /// Bytes sent since the start, to viewers and to other relays.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.media.delivered_bytes.get() + self.media.fed_bytes.get()
    }

    /// Everything in the text format of Prometheus (OpenMetrics).
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Adds to a number of the media thread.
#[inline]
pub(crate) fn add(count: &Cell<u64>, amount: u64) {
    count.set(count.get() + amount);
}

/// Adds one to a number of the media thread.
#[inline]
pub(crate) fn increment(count: &Cell<u64>) {
    add(count, 1);
}

/// Takes one from a gauge of the media thread.
pub(crate) fn decrement(count: &Cell<u64>) {
    count.set(count.get().saturating_sub(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_media_thread_counts_is_published() {
        let metrics = Metrics::new();
        let counts = MediaCounts::default();
        add(&counts.packets, 7);
        increment(&counts.viewers);
        metrics.publish(&counts);
        metrics.usage_writes.inc();
        let text = metrics.encode().expect("encodes");
        for line in
            ["matinee_relay_packets_total 7", "matinee_relay_viewers 1", "matinee_relay_usage_writes_total 1"]
        {
            assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
        }
    }
}
