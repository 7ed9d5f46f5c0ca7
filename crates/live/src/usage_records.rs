//! Usage, as the function that tells it reads it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, ensure};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use items::{Item, from_item, string};

use crate::{Beat, ChannelId, DAY_MS, HOUR_MS, Segment, SegmentKey, ViewerId, delivered_ms, whole_seconds};

/// DynamoDB answers so many items in one batch.
const BATCH: usize = 100;

/// How often the rest of a batch is asked for.
const TRIES: usize = 5;

/// The tables of segments and beats.
#[derive(Clone, Debug)]
pub struct UsageRecords {
    client: Client,
    usage: String,
    relays: String,
}

impl UsageRecords {
    /// The records in these tables.
    #[must_use]
    pub fn new(client: Client, usage: impl Into<String>, relays: impl Into<String>) -> Self {
        Self { client, usage: usage.into(), relays: relays.into() }
    }

    /// How many seconds of which channel a viewer was delivered in the 24 hours before `now_ms`, to the nearest. One round trip,
    /// and a second while something is being delivered.
    ///
    /// # Errors
    /// When DynamoDB doesn't answer, or an item is no record.
    pub async fn seconds(&self, viewer: &ViewerId, now_ms: u64) -> anyhow::Result<BTreeMap<ChannelId, u64>> {
        Ok(whole_seconds(self.delivered_ms(viewer, now_ms).await?))
    }

    /// The same in milliseconds.
    ///
    /// # Errors
    /// As for [`Self::seconds`].
    pub async fn delivered_ms(
        &self,
        viewer: &ViewerId,
        now_ms: u64,
    ) -> anyhow::Result<BTreeMap<ChannelId, u64>> {
        let segments = self.segments(viewer, now_ms).await?;
        let open = segments.iter().filter(|segment| segment.open_since_ms.is_some());
        let tasks: BTreeSet<_> = open.map(|segment| segment.key.task_id.as_str()).collect();
        let beats = self.beats(&tasks).await?;
        Ok(delivered_ms(&segments, &beats, now_ms))
    }

    /// The segments that the last 24 hours may touch. An open one goes on for up to a minute after its hour, until the next
    /// hour's is written, so the hour before counts too.
    async fn segments(&self, viewer: &ViewerId, now_ms: u64) -> anyhow::Result<Vec<Segment>> {
        let from_ms = now_ms.saturating_sub(DAY_MS) / HOUR_MS * HOUR_MS;
        let mut pages = self
            .client
            .query()
            .table_name(&self.usage)
            // `segment` is a reserved word.
            .key_condition_expression("viewer_id = :viewer AND #segment >= :from")
            .expression_attribute_names("#segment", "segment")
            .expression_attribute_values(":viewer", string(viewer))
            .expression_attribute_values(
                ":from",
                string(SegmentKey::hour_prefix(from_ms.saturating_sub(HOUR_MS))),
            )
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut segments = Vec::new();
        while let Some(item) = pages.try_next().await.context("reading usage")? {
            segments.push(from_item(item)?);
        }
        Ok(segments)
    }

    async fn beats(&self, tasks: &BTreeSet<&str>) -> anyhow::Result<HashMap<String, Beat>> {
        let mut beats = HashMap::new();
        let keys: Vec<_> = tasks.iter().map(|task_id| beat_key(task_id)).collect();
        for keys in keys.chunks(BATCH) {
            let mut wanted = keys.to_vec();
            for _ in 0..TRIES {
                let request =
                    KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build()?;
                let found = self
                    .client
                    .batch_get_item()
                    .request_items(&self.relays, request)
                    .send()
                    .await
                    .context("reading beats")?;
                for item in found.responses.unwrap_or_default().into_values().flatten() {
                    let beat: Beat = from_item(item)?;
                    beats.insert(beat.task_id.clone(), beat);
                }
                let rest = found.unprocessed_keys.unwrap_or_default().remove(&self.relays);
                wanted = rest.map(|rest| rest.keys).unwrap_or_default();
                if wanted.is_empty() {
                    break;
                }
            }
            ensure!(wanted.is_empty(), "DynamoDB doesn't answer all beats");
        }
        Ok(beats)
    }
}

fn beat_key(task_id: &str) -> Item {
    Item::from([
        ("task_id".to_owned(), AttributeValue::S(task_id.to_owned())),
        ("part".to_owned(), string(Beat::PART)),
    ])
}
