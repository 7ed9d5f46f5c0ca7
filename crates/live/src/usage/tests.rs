//! Usage against a model that marks every millisecond in a set.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{SegmentKey, ViewerId};

/// Noon of some day, in unix milliseconds; the beginning of an hour.
const NOW_MS: u64 = 1_790_078_400_000;

fn segment(hour_ms: u64, session: u64, intervals: &[(u64, u64)], open_since_ms: Option<u64>) -> Segment {
    let viewer_id: ViewerId = "anna".parse().expect("a viewer");
    let ends = intervals.iter().map(|interval| interval.1).chain(open_since_ms);
    Segment {
        viewer_id,
        key: SegmentKey { hour_ms, task_id: "task".to_owned(), session },
        channel: "zato01".parse().expect("a channel"),
        intervals: intervals.iter().copied().map(Interval::from).collect(),
        open_since_ms,
        seen_ms: ends.max().unwrap_or(hour_ms),
        version: 1,
        expires_at: Segment::expiry(hour_ms),
    }
}

fn beat(beat_ms: u64, quiet: &[(&str, u64)]) -> HashMap<String, Beat> {
    let quiet = quiet.iter().map(|(id, ms)| (id.parse().expect("a channel"), *ms)).collect();
    HashMap::from([("task".to_owned(), Beat::new("task".to_owned(), beat_ms, quiet))])
}

fn sum_ms(segments: &[Segment], beats: &HashMap<String, Beat>, now_ms: u64) -> u64 {
    delivered_ms(segments, beats, now_ms).values().sum()
}

#[test]
fn an_open_segment_of_a_living_relay_lasts_until_now_and_of_a_dead_one_until_half_a_second_after_its_last_beat()
 {
    let segments = [segment(NOW_MS, 0, &[], Some(NOW_MS + 1_000))];
    assert_eq!(sum_ms(&segments, &beat(NOW_MS + 9_800, &[]), NOW_MS + 10_000), 9_000);
    assert_eq!(sum_ms(&segments, &beat(NOW_MS + 9_800, &[]), NOW_MS + 99_000), 9_300);
    assert_eq!(sum_ms(&segments, &HashMap::new(), NOW_MS + 99_000), 0, "nothing is known but its beginning");
}

#[test]
fn a_quiet_channel_ends_open_segments_where_it_went_quiet() {
    let segments = [segment(NOW_MS, 0, &[], Some(NOW_MS + 1_000))];
    let quiet = beat(NOW_MS + 60_000, &[("zato01", NOW_MS + 5_000), ("zato02", NOW_MS)]);
    assert_eq!(sum_ms(&segments, &quiet, NOW_MS + 60_000), 4_000);
}

#[test]
fn the_next_hours_segment_ends_an_open_one() {
    let before = segment(NOW_MS - HOUR_MS, 0, &[], Some(NOW_MS - 10_000));
    let after = segment(NOW_MS, 0, &[(NOW_MS, NOW_MS + 3_000)], None);
    assert_eq!(sum_ms(&[after, before], &beat(NOW_MS + 60_000, &[]), NOW_MS + 60_000), 13_000);
}

#[test]
fn twenty_four_hours_are_clipped_to_the_millisecond() {
    let day_ago_ms = NOW_MS - DAY_MS;
    let segments = [segment(day_ago_ms, 0, &[(day_ago_ms + 100, day_ago_ms + 5_100)], None)];
    for (later_ms, left_ms) in [(0, 5_000), (100, 5_000), (101, 4_999), (5_099, 1), (5_100, 0), (9_000, 0)] {
        assert_eq!(sum_ms(&segments, &HashMap::new(), NOW_MS + later_ms), left_ms, "{later_ms}");
    }
}

#[test]
fn sessions_on_one_channel_count_each_and_none_is_left_out_before_the_sum_is_rounded() {
    let interval = |ms| (NOW_MS, NOW_MS + ms);
    let seconds = |durations_ms: &[u64]| {
        let segments: Vec<_> = (0..)
            .zip(durations_ms)
            .map(|(session, ms)| segment(NOW_MS, session, &[interval(*ms)], None))
            .collect();
        whole_seconds(delivered_ms(&segments, &HashMap::new(), NOW_MS + HOUR_MS)).into_values().next()
    };
    assert_eq!(seconds(&[10_000, 10_000]), Some(20));
    assert_eq!(seconds(&[300, 300]), Some(1));
    assert_eq!(seconds(&[1_499]), Some(1));
    assert_eq!(seconds(&[1_500]), Some(2));
    assert_eq!(seconds(&[499]), None);
}

/// An hour of the model is 40 steps of a minute and a half, so that a day is few enough of them to mark each.
const STEP_MS: u64 = HOUR_MS / 40;

#[derive(Clone, Debug)]
struct Row {
    hour: u64,
    session: u64,
    intervals: Vec<(u64, u64)>,
    open_since: Option<u64>,
    seen: u64,
}

fn row() -> impl Strategy<Value = Row> {
    let interval = (0u64..40, 0u64..40).prop_map(|(a, b)| (a.min(b), a.max(b)));
    (0u64..28, 0u64..3, prop::collection::vec(interval, 0..4), prop::option::of(0u64..40), 0u64..40).prop_map(
        |(hour, session, intervals, open_since, seen)| Row { hour, session, intervals, open_since, seen },
    )
}

/// Steps that a row stands for, marked one by one.
fn mark(
    row: &Row,
    next_hour: Option<u64>,
    beat: Option<(u64, Option<u64>)>,
    now: u64,
    marked: &mut BTreeSet<u64>,
) {
    let hour = row.hour * 40;
    for &(start, end) in &row.intervals {
        marked.extend(hour + start..hour + end);
    }
    if let Some(start) = row.open_since {
        let seen = hour + row.seen;
        let end = match (next_hour, beat) {
            (Some(next), _) => next * 40,
            (None, None) => seen,
            (None, Some((beat, quiet))) => seen.max(now.min(beat).min(quiet.unwrap_or(u64::MAX))),
        };
        marked.extend(hour + start..end);
    }
}

proptest! {
    #[test]
    fn usage_is_what_a_set_of_marked_steps_holds(
        rows in prop::collection::vec(row(), 0..12),
        beat_at in prop::option::of((0u64..1_200, prop::option::of(0u64..1_200))),
        now in 900u64..1_200,
    ) {
        // One row for each session and hour, as the key has it.
        let mut rows = rows;
        rows.sort_by_key(|row| (row.session, row.hour));
        rows.dedup_by_key(|row| (row.session, row.hour));
        let base_ms = NOW_MS - 2 * DAY_MS;
        let at = |step: u64| base_ms + step * STEP_MS;
        let segments: Vec<_> = rows
            .iter()
            .map(|row| {
                let hour = row.hour * 40;
                let intervals: Vec<_> =
                    row.intervals.iter().map(|&(start, end)| (at(hour + start), at(hour + end))).collect();
                let open_since_ms = row.open_since.map(|start| at(hour + start));
                let seen_ms = at(hour + row.seen);
                Segment { seen_ms, ..segment(at(hour), row.session, &intervals, open_since_ms) }
            })
            .collect();
        let beats = beat_at.map_or_else(HashMap::new, |(beat_step, quiet)| {
            let quiet: Vec<_> = quiet.map(|step| ("zato01", at(step))).into_iter().collect();
            beat(at(beat_step) - BEAT_REACH_MS, &quiet)
        });
        let mut steps = 0;
        for session in 0..3 {
            let mut marked = BTreeSet::new();
            let rows: Vec<_> = rows.iter().filter(|row| row.session == session).collect();
            for (index, row) in rows.iter().enumerate() {
                mark(row, rows.get(index + 1).map(|row| row.hour), beat_at, now, &mut marked);
            }
            steps += marked.range(now.saturating_sub(960)..now).count() as u64;
        }
        prop_assert_eq!(sum_ms(&segments, &beats, at(now)), steps * STEP_MS);
    }
}
