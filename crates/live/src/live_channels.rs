//! Which channels are live now, on which relays.

use std::collections::BTreeMap;

use anyhow::Context as _;
use aws_sdk_dynamodb::Client;
use items::{from_item, number, string};
use serde::{Deserialize, Serialize};

use crate::ChannelId;

/// What a relay says older than this is no longer so, in milliseconds.
const FRESH_MS: u64 = 20_000;

/// How long a row is kept, in seconds.
const KEPT_S: u64 = 3_600;

/// A channel as one relay has it, or as all of them have it together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelNow {
    /// Payload that came lately, in bits per second.
    pub bits_per_second: u64,
    /// Sessions that watch it.
    pub viewers: u64,
}

/// Some of the channels of one relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelsRow {
    /// The run of a relay. The partition key.
    pub task_id: String,
    /// `channels#` and three digits. The sort key.
    pub part: String,
    /// When it was so, in unix milliseconds.
    pub at_ms: u64,
    /// The channels.
    pub channels: BTreeMap<ChannelId, ChannelNow>,
    /// When DynamoDB may remove it, in unix seconds.
    pub expires_at: u64,
}

impl ChannelsRow {
    /// How the sort keys begin.
    pub(crate) const PREFIX: &str = "channels#";

    /// So many channels fit a row: 64 KB of the 400 that an item may have.
    pub const CHANNELS_MAX: usize = 1_000;

    /// The row with that number of a relay, as things are at `at_ms`.
    #[must_use]
    pub fn new(
        task_id: String,
        number: usize,
        at_ms: u64,
        channels: BTreeMap<ChannelId, ChannelNow>,
    ) -> Self {
        let part = format!("{}{number:03}", Self::PREFIX);
        Self { task_id, part, at_ms, channels, expires_at: at_ms / 1_000 + KEPT_S }
    }
}

/// The table of relays, for whoever wants to know what is live.
#[derive(Clone, Debug)]
pub struct LiveChannels {
    client: Client,
    relays: String,
}

impl LiveChannels {
    /// The channels in this table.
    #[must_use]
    pub fn new(client: Client, relays: impl Into<String>) -> Self {
        Self { client, relays: relays.into() }
    }

    /// The channels that are live now. The table holds a few rows for each relay of the last days, so it is read whole.
    ///
    /// # Errors
    /// When DynamoDB doesn't answer, or an item is no record.
    pub async fn now(&self, now_ms: u64) -> anyhow::Result<BTreeMap<ChannelId, ChannelNow>> {
        let mut pages = self
            .client
            .scan()
            .table_name(&self.relays)
            .filter_expression("begins_with(part, :channels) AND at_ms >= :oldest")
            .expression_attribute_values(":channels", string(ChannelsRow::PREFIX))
            .expression_attribute_values(":oldest", number(now_ms.saturating_sub(FRESH_MS)))
            .into_paginator()
            .items()
            .send();
        let mut rows = Vec::new();
        while let Some(item) = pages.try_next().await.context("reading the live channels")? {
            rows.push(from_item(item)?);
        }
        Ok(together(rows, now_ms))
    }
}

/// The channels of all relays together: viewers add up, and the rate is the highest that a relay sees, since all take the
/// same.
fn together(rows: impl IntoIterator<Item = ChannelsRow>, now_ms: u64) -> BTreeMap<ChannelId, ChannelNow> {
    let mut together = BTreeMap::new();
    for row in rows.into_iter().filter(|row| row.at_ms + FRESH_MS >= now_ms) {
        for (channel, now) in row.channels {
            let sum: &mut ChannelNow = together.entry(channel).or_default();
            sum.viewers += now.viewers;
            sum.bits_per_second = sum.bits_per_second.max(now.bits_per_second);
        }
    }
    together
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(task: &str, at_ms: u64, channels: &[(&str, u64, u64)]) -> ChannelsRow {
        let channels = channels.iter().map(|(id, bits_per_second, viewers)| {
            let now = ChannelNow { bits_per_second: *bits_per_second, viewers: *viewers };
            (id.parse().expect("a channel"), now)
        });
        ChannelsRow::new(task.to_owned(), 0, at_ms, channels.collect())
    }

    #[test]
    fn viewers_of_all_relays_add_up_and_old_rows_say_nothing() {
        let rows = [
            row("a", 100_000, &[("zato01", 2_000, 3), ("zato02", 1_000, 0)]),
            row("b", 99_000, &[("zato01", 2_100, 4)]),
            row("dead", 79_999, &[("zato01", 9_000, 9), ("zato09", 1, 1)]),
        ];
        let channels: Vec<_> = together(rows, 100_000)
            .into_iter()
            .map(|(id, now)| (id.to_string(), now.bits_per_second, now.viewers))
            .collect();
        assert_eq!(channels, [("zato01".to_owned(), 2_100, 7), ("zato02".to_owned(), 1_000, 0)]);
    }
}
