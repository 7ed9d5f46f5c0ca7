//! The record of what one session was delivered in one hour.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{ChannelId, InvalidName, ViewerId};

/// Segments are by the hour of the clock, in UTC.
pub const HOUR_MS: u64 = 3_600_000;

/// How long a segment is kept after its hour began, in seconds. Usage reaches back a day; the rest is for whoever has a
/// question about yesterday's. Nothing relies on when it is removed.
const KEPT_S: u64 = 50 * 3_600;

/// A time of uninterrupted delivery, in unix milliseconds. In records a list of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct Interval {
    /// When its first payload was delivered.
    pub start_ms: u64,
    /// When its last payload was delivered.
    pub end_ms: u64,
}

impl Interval {
    /// How long it is.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        self.end_ms.saturating_sub(self.start_ms)
    }

    /// The part of it between two moments, if that has any length.
    #[must_use]
    pub fn clipped(&self, from_ms: u64, to_ms: u64) -> Option<Self> {
        let clipped = Self { start_ms: self.start_ms.max(from_ms), end_ms: self.end_ms.min(to_ms) };
        (clipped.start_ms < clipped.end_ms).then_some(clipped)
    }
}

impl From<(u64, u64)> for Interval {
    fn from((start_ms, end_ms): (u64, u64)) -> Self {
        Self { start_ms, end_ms }
    }
}

impl From<Interval> for (u64, u64) {
    fn from(interval: Interval) -> Self {
        (interval.start_ms, interval.end_ms)
    }
}

/// Names a segment among those of its viewer. As text `{hour's start in unix seconds, 10 digits}#{task}#{session}`, which
/// sorts by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SegmentKey {
    /// When its hour began, in unix milliseconds: a multiple of [`HOUR_MS`].
    pub hour_ms: u64,
    /// The run of a relay that the session was on.
    pub task_id: String,
    /// The session's number on that relay.
    pub session: u64,
}

impl fmt::Display for SegmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}#{}", Self::hour_prefix(self.hour_ms), self.task_id, self.session)
    }
}

impl SegmentKey {
    /// How the keys of an hour begin.
    #[must_use]
    pub fn hour_prefix(hour_ms: u64) -> String {
        format!("{:010}#", hour_ms / 1_000)
    }
}

impl FromStr for SegmentKey {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (hour_s, rest) = text.split_once('#').ok_or(InvalidName)?;
        // The name of a task is whatever its operator gave it.
        let (task_id, session) = rest.rsplit_once('#').ok_or(InvalidName)?;
        let hour_s: u64 = hour_s.parse().map_err(|_| InvalidName)?;
        let session = session.parse().map_err(|_| InvalidName)?;
        Ok(Self { hour_ms: hour_s.saturating_mul(1_000), task_id: task_id.to_owned(), session })
    }
}

impl TryFrom<String> for SegmentKey {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<SegmentKey> for String {
    fn from(key: SegmentKey) -> Self {
        key.to_string()
    }
}

/// What one session was delivered in one hour. Its values are absolute: to write it again changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Whose session it is. The partition key.
    pub viewer_id: ViewerId,
    /// The sort key.
    #[serde(rename = "segment")]
    pub key: SegmentKey,
    /// What was watched.
    pub channel: ChannelId,
    /// The intervals that have ended, within the hour.
    pub intervals: Vec<Interval>,
    /// Since when it is being delivered; absent when it is not. How long then follows from the relay's [`Beat`](crate::Beat),
    /// or, once there is a segment for a later hour, lasted until that hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_since_ms: Option<u64>,
    /// The last delivery that was known when this was written: an open interval lasted so long at least.
    pub seen_ms: u64,
    /// Rises with every writing, so that one that was held up on its way replaces nothing newer.
    pub version: u64,
    /// When DynamoDB may remove it, in unix seconds.
    pub expires_at: u64,
}

impl Segment {
    /// When the segment of an hour may be removed, in unix seconds.
    #[must_use]
    pub fn expiry(hour_ms: u64) -> u64 {
        hour_ms / 1_000 + KEPT_S
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_whatever_the_task_is_called() {
        for task_id in ["a", "", "relay#1", "3f0c2d5e-9a41-4b7e-8f65-1c2d3e4f5a6b"] {
            let key = SegmentKey { hour_ms: 1_790_002_800_000, task_id: task_id.to_owned(), session: 7 };
            assert_eq!(key.to_string(), format!("1790002800#{task_id}#7"));
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        for wrong in ["", "1790002800", "1790002800#a", "x#a#1", "1#a#x"] {
            assert_eq!(wrong.parse::<SegmentKey>(), Err(InvalidName), "{wrong:?}");
        }
    }
}
