//! Delivered time, cut by the hour.

use std::collections::BTreeMap;

use live::{HOUR_MS, Interval};

/// What the segment of one hour says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub intervals: Vec<Interval>,
    pub open_since_ms: Option<u64>,
}

impl Row {
    /// Whether it says nothing, as if it didn't exist.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The same without an open end: what was open lasted until `end_ms`.
    pub fn ended(&self, end_ms: u64) -> Self {
        let open = self.open_since_ms.map(|start_ms| Interval { start_ms, end_ms });
        Self { intervals: self.intervals.iter().copied().chain(open).collect(), open_since_ms: None }
    }
}

/// The hour that a moment is in, by its beginning.
pub(super) fn hour_of(ms: u64) -> u64 {
    ms / HOUR_MS * HOUR_MS
}

/// What the segments should say of these intervals, from the hour that begins at `from_ms` on. With `is_open`, the last
/// interval goes on; it is open in the hour of its end so far.
pub(super) fn rows(
    intervals: impl ExactSizeIterator<Item = Interval>,
    is_open: bool,
    from_ms: u64,
) -> BTreeMap<u64, Row> {
    let mut rows: BTreeMap<u64, Row> = BTreeMap::new();
    let last = intervals.len().saturating_sub(1);
    for (index, interval) in intervals.enumerate() {
        let goes_on = is_open && index == last;
        let mut start_ms = interval.start_ms.max(from_ms);
        loop {
            let hour_ms = hour_of(start_ms);
            if goes_on && interval.end_ms < hour_ms + HOUR_MS {
                rows.entry(hour_ms).or_default().open_since_ms = Some(start_ms);
                break;
            }
            let end_ms = interval.end_ms.min(hour_ms + HOUR_MS);
            if start_ms < end_ms {
                rows.entry(hour_ms).or_default().intervals.push(Interval { start_ms, end_ms });
            }
            start_ms = hour_ms + HOUR_MS;
            if !goes_on && start_ms >= interval.end_ms {
                break;
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON_MS: u64 = 1_790_078_400_000;

    fn cut(intervals: &[(u64, u64)], is_open: bool) -> Vec<(u64, Row)> {
        let intervals =
            intervals.iter().map(|&(start, end)| Interval::from((NOON_MS + start, NOON_MS + end)));
        rows(intervals, is_open, 0).into_iter().collect()
    }

    fn row(intervals: &[(u64, u64)], open_since: Option<u64>) -> Row {
        Row {
            intervals: intervals
                .iter()
                .map(|&(start, end)| Interval::from((NOON_MS + start, NOON_MS + end)))
                .collect(),
            open_since_ms: open_since.map(|ms| NOON_MS + ms),
        }
    }

    #[test]
    fn an_interval_is_cut_at_the_hour() {
        let next = NOON_MS + HOUR_MS;
        assert_eq!(
            cut(&[(10, 20), (30, HOUR_MS + 5)], false),
            [(NOON_MS, row(&[(10, 20), (30, HOUR_MS)], None)), (next, row(&[(HOUR_MS, HOUR_MS + 5)], None))]
        );
        assert_eq!(
            cut(&[(30, HOUR_MS + 5)], true),
            [(NOON_MS, row(&[(30, HOUR_MS)], None)), (next, row(&[], Some(HOUR_MS)))]
        );
    }

    #[test]
    fn an_open_interval_that_ends_with_the_hour_is_open_in_the_next() {
        assert_eq!(
            cut(&[(30, HOUR_MS)], true),
            [(NOON_MS, row(&[(30, HOUR_MS)], None)), (NOON_MS + HOUR_MS, row(&[], Some(HOUR_MS)))]
        );
        assert_eq!(cut(&[(30, HOUR_MS)], false), [(NOON_MS, row(&[(30, HOUR_MS)], None))]);
    }

    #[test]
    fn a_single_delivery_is_open_but_leaves_nothing_when_it_has_ended() {
        assert_eq!(cut(&[(5, 5)], true), [(NOON_MS, row(&[], Some(5)))]);
        assert!(cut(&[(5, 5)], false).is_empty());
    }
}
