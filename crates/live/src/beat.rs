//! A relay's sign of life.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ChannelId;

/// How long a beat is kept, in seconds: longer than any segment that it speaks for.
const KEPT_S: u64 = 52 * 3_600;

/// A relay's sign of life, written about once a second.
///
/// It says that until `beat_ms` everything that was stored was still so: whoever had an open segment was being delivered, but
/// for the channels that are `quiet`, which last were at the time that stands with them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// The run of a relay. The partition key.
    pub task_id: String,
    /// Until when it speaks, in unix milliseconds.
    pub beat_ms: u64,
    /// Channels that had brought nothing for a while, and when they last had, in unix milliseconds.
    #[serde(default)]
    pub quiet: BTreeMap<ChannelId, u64>,
    /// When DynamoDB may remove it, in unix seconds.
    pub expires_at: u64,
}

impl Beat {
    /// The sort key of beats.
    pub(crate) const PART: &str = "beat";

    /// A beat that speaks until `beat_ms`.
    #[must_use]
    pub fn new(task_id: String, beat_ms: u64, quiet: BTreeMap<ChannelId, u64>) -> Self {
        Self { task_id, beat_ms, quiet, expires_at: beat_ms / 1_000 + KEPT_S }
    }
}
