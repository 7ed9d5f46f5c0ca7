//! How long a viewer was delivered what, from the records.
//!
//! A segment that is open lasts as long as its relay says. Nobody decides whether a relay is alive: one that is says so every
//! second, and what one that died said last stays true.

use std::collections::{BTreeMap, HashMap};

use crate::{Beat, ChannelId, HOUR_MS, Interval, Segment};

/// Usage reaches back so far, in milliseconds.
pub const DAY_MS: u64 = 24 * HOUR_MS;

/// A relay that said a moment ago that it delivers is taken to go on for half a beat: on average that is what it did before
/// it died, and the error stays below a second either way.
pub const BEAT_REACH_MS: u64 = 500;

/// Delivered time in the 24 hours before `now_ms`, in milliseconds per channel. Sessions add up, also on one channel.
///
/// `segments` are one viewer's, in any order; `beats` are those of the relays, by task.
#[must_use]
pub fn delivered_ms(
    segments: &[Segment],
    beats: &HashMap<String, Beat>,
    now_ms: u64,
) -> BTreeMap<ChannelId, u64> {
    let mut sessions: BTreeMap<(&str, u64), Vec<&Segment>> = BTreeMap::new();
    for segment in segments {
        sessions.entry((&segment.key.task_id, segment.key.session)).or_default().push(segment);
    }
    let mut delivered_ms = BTreeMap::new();
    for ((task_id, _), mut segments) in sessions {
        segments.sort_by_key(|segment| segment.key.hour_ms);
        let channel = segments[0].channel;
        let mut intervals = session_intervals(&segments, beats.get(task_id), now_ms);
        let sum_ms = united_ms(&mut intervals, now_ms.saturating_sub(DAY_MS), now_ms);
        *delivered_ms.entry(channel).or_default() += sum_ms;
    }
    delivered_ms
}

/// Milliseconds in seconds, rounded to the nearest, without channels that come to none.
#[must_use]
pub fn whole_seconds(delivered_ms: BTreeMap<ChannelId, u64>) -> BTreeMap<ChannelId, u64> {
    let seconds = delivered_ms.into_iter().map(|(channel, ms)| (channel, (ms + 500) / 1_000));
    seconds.filter(|(_, seconds)| *seconds > 0).collect()
}

/// All intervals of a session, whose segments come in the order of their hours.
fn session_intervals(segments: &[&Segment], beat: Option<&Beat>, now_ms: u64) -> Vec<Interval> {
    let mut intervals = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        intervals.extend(&segment.intervals);
        let Some(start_ms) = segment.open_since_ms else { continue };
        // A relay writes a later hour only once what it wrote of the earlier is right.
        let later_ms = segments.get(index + 1).map(|later| later.key.hour_ms);
        let end_ms = later_ms.unwrap_or_else(|| open_end_ms(segment, beat, now_ms));
        intervals.push(Interval { start_ms, end_ms });
    }
    intervals
}

/// Until when an open segment lasted, as far as is known.
fn open_end_ms(segment: &Segment, beat: Option<&Beat>, now_ms: u64) -> u64 {
    let Some(beat) = beat else { return segment.seen_ms };
    let said_ms = now_ms.min(beat.beat_ms.saturating_add(BEAT_REACH_MS));
    let quiet_since_ms = beat.quiet.get(&segment.channel).copied();
    segment.seen_ms.max(quiet_since_ms.map_or(said_ms, |quiet_since_ms| said_ms.min(quiet_since_ms)))
}

/// How much of the time between two moments is in any of the intervals.
fn united_ms(intervals: &mut [Interval], from_ms: u64, to_ms: u64) -> u64 {
    intervals.sort_unstable();
    let (mut sum_ms, mut counted_to_ms) = (0, from_ms);
    for interval in intervals.iter() {
        if let Some(new) = interval.clipped(counted_to_ms, to_ms) {
            sum_ms += new.duration_ms();
            counted_to_ms = new.end_ms;
        }
    }
    sum_ms
}

#[cfg(test)]
mod tests;
