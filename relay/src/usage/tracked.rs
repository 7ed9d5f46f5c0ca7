//! One session as the writer knows it: what it was delivered, and what the table says of that.

use std::collections::BTreeMap;
use std::sync::Arc;

use live::{HOUR_MS, Interval, Segment, SegmentKey};

use super::rows::{Row, hour_of, rows};
use super::session::Record;
use crate::meter::{Meter, PAUSE_MS};

/// A session that was delivered nothing for so long, in milliseconds, is looked at more closely: either its channel is quiet,
/// or it is stuck alone and its segment must not stay open.
pub(super) const SILENT_MS: u64 = 400;

/// Nobody knows of a gap whether it is going to be a pause until it has lasted for [`PAUSE_MS`]; then none of it counts, and
/// before, all of it may. So for that time half a pause is taken to count, which is wrong by no more than that.
pub(super) const MAYBE_MS: u64 = PAUSE_MS / 2;

/// A payload reaches all who take it within so much, in milliseconds, unless they are stuck.
const TURN_MS: u64 = 50;

/// A session whose delivery starts and stops all the time costs so many writes at first, and then one every
/// [`ALLOWANCE_MS`]. Its segments are late then, never wrong for good.
const WRITES_AT_ONCE: u64 = 30;
const ALLOWANCE_MS: u64 = 60_000;

/// New segments for a new hour are spread over so much, in milliseconds. The old ones go on counting meanwhile.
const ROLL_MS: u64 = 60_000;

/// What the table says of one hour, as far as is known.
#[derive(Debug)]
struct Hour {
    hour_ms: u64,
    stored: Row,
    /// What was sent and not confirmed: the table may say this instead.
    doubtful: Option<Row>,
}

/// When nothing has changed since this was noted, there is nothing to do.
#[derive(Debug, PartialEq, Eq)]
struct Settled {
    intervals: usize,
    last_start_ms: u64,
    /// The end, unless it is open.
    last_end_ms: Option<u64>,
    hour_ms: u64,
}

/// A session and its segments.
#[derive(Debug)]
pub(super) struct Tracked {
    record: Arc<Record>,
    /// By hour, without those that are right and never change again.
    hours: Vec<Hour>,
    /// Hours that begin before this are right.
    right_before_ms: u64,
    version: u64,
    is_being_written: bool,
    allowance_from_ms: u64,
    /// What the allowance was before the write that is on its way.
    allowance_before_ms: u64,
    settled: Option<Settled>,
}

/// What there is to do for a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// The table counts on after this moment, and shouldn't.
    pub overcounted_from_ms: Option<u64>,
    /// Whether a segment is to be written now.
    pub is_wanting: bool,
    /// Whether it ended, and the table says all.
    pub is_done: bool,
    /// Whether it ended.
    pub is_over: bool,
}

/// How things are around a session when it is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub now_ms: u64,
    /// When its channel last brought payload, to whomever.
    pub channel_ms: u64,
    /// Whether nothing will be delivered any more, to nobody.
    pub is_end: bool,
}

impl Tracked {
    pub fn new(record: Arc<Record>, now_ms: u64) -> Self {
        let allowance_from_ms = now_ms.saturating_sub(WRITES_AT_ONCE * ALLOWANCE_MS);
        Self {
            record,
            hours: Vec::new(),
            right_before_ms: 0,
            version: 0,
            is_being_written: false,
            allowance_from_ms,
            allowance_before_ms: allowance_from_ms,
            settled: None,
        }
    }

    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Whether the table says, or may say, that it is being delivered.
    pub fn is_open_in_table(&self) -> bool {
        self.open_ends().next().is_some()
    }

    /// What there is to do.
    pub fn look(&mut self, moment: Moment) -> Look {
        let (look, _) = self.examine(moment);
        look
    }

    /// The segment that is to be written now, if one is.
    pub fn next_segment(&mut self, moment: Moment, task_id: &str) -> Option<Segment> {
        let (look, want) = self.examine(moment);
        let (hour_ms, row, seen_ms) = want.filter(|_| look.is_wanting)?;
        self.is_being_written = true;
        self.version += 1;
        // Whoever counts too much is corrected in any case; that is at most one write for each that was allowed.
        self.allowance_before_ms = self.allowance_from_ms;
        if look.overcounted_from_ms.is_none() {
            let oldest_ms = moment.now_ms.saturating_sub(WRITES_AT_ONCE * ALLOWANCE_MS);
            self.allowance_from_ms = self.allowance_from_ms.max(oldest_ms) + ALLOWANCE_MS;
        }
        self.settled = None;
        self.hour(hour_ms).doubtful = Some(row.clone());
        Some(self.segment(hour_ms, row, seen_ms, task_id))
    }

    /// Notes that the table says now what [`Self::next_segment`] gave.
    pub fn stored(&mut self, hour_ms: u64) {
        self.is_being_written = false;
        let hour = self.hour(hour_ms);
        if let Some(row) = hour.doubtful.take() {
            hour.stored = row;
        }
    }

    /// Notes that nobody knows whether the table says what [`Self::next_segment`] gave.
    pub fn failed(&mut self) {
        self.is_being_written = false;
        self.allowance_from_ms = self.allowance_before_ms;
    }

    /// All segments that the table doesn't say, when it is too late to write them.
    pub fn unwritten(&mut self, now_ms: u64, task_id: &str) -> Vec<Segment> {
        let (wanted, seen_ms) = {
            let meter = self.record.meter();
            (self.wanted(&meter, State::Ended), meter.last_ms().unwrap_or(now_ms))
        };
        self.version += 1;
        let unwritten = wanted.into_iter().filter(|(hour_ms, row)| !self.says(*hour_ms, row, false));
        unwritten.map(|(hour_ms, row)| self.segment(hour_ms, row, seen_ms, task_id)).collect()
    }

    fn examine(&mut self, moment: Moment) -> (Look, Option<(u64, Row, u64)>) {
        // In this order: what the meter says after the end is final.
        let is_over = moment.is_end || self.record.is_over();
        let record = Arc::clone(&self.record);
        let mut meter = record.meter();
        let state = if is_over { State::Ended } else { state(&meter, moment) };
        let is_open = state == State::Open;
        let settled = settled(&meter, state);
        let nothing = Look { is_over, ..Look::default() };
        if self.settled.is_some() && self.settled == settled {
            return (Look { is_done: is_over, ..nothing }, None);
        }
        let wanted = self.wanted(&meter, state);
        let has_later = |hour_ms: u64| wanted.range(hour_ms + 1..).any(|(_, row)| !row.is_empty());
        let want = wanted.iter().find(|(hour_ms, row)| !self.says(**hour_ms, row, has_later(**hour_ms)));
        let overcounted_from_ms = self.overcounted_from_ms(&meter, is_open);
        let Some((&hour_ms, row)) = want else {
            if !self.is_being_written {
                self.settle(&mut meter, settled);
            }
            return (
                Look { overcounted_from_ms, is_done: is_over && !self.is_being_written, ..nothing },
                None,
            );
        };
        let may_wait = overcounted_from_ms.is_none() && !is_over;
        let is_due =
            !may_wait || (self.is_allowed(moment.now_ms) && !self.is_early(hour_ms, row, moment.now_ms));
        let seen_ms = meter.last_ms().unwrap_or(moment.now_ms);
        let look = Look { overcounted_from_ms, is_wanting: is_due && !self.is_being_written, ..nothing };
        (look, Some((hour_ms, row.clone(), seen_ms)))
    }

    /// What the table should say of each hour that may not be right yet.
    fn wanted(&self, meter: &Meter, state: State) -> BTreeMap<u64, Row> {
        let last = meter.intervals().len().saturating_sub(1);
        let intervals = meter.intervals().iter().enumerate().map(|(index, interval)| {
            let maybe_ms = if index == last { state.maybe_ms() } else { 0 };
            // Not beyond the hour: what may have to be taken back belongs to one segment.
            let end_ms = (interval.end_ms + maybe_ms).min(hour_of(interval.end_ms) + HOUR_MS);
            Interval { start_ms: interval.start_ms, end_ms }
        });
        let mut wanted = rows(intervals, state == State::Open, self.right_before_ms);
        // Pieces of hours that are right are not asked for again.
        wanted.retain(|hour_ms, _| *hour_ms >= self.right_before_ms);
        for hour in &self.hours {
            wanted.entry(hour.hour_ms).or_default();
        }
        wanted
    }

    /// Whether the table surely says this of an hour. `has_later` tells whether a later hour will be written anyway.
    fn says(&self, hour_ms: u64, row: &Row, has_later: bool) -> bool {
        let Some(index) = self.hours.iter().position(|hour| hour.hour_ms == hour_ms) else {
            return row.is_empty();
        };
        let hour = &self.hours[index];
        if hour.doubtful.is_some() {
            return false;
        }
        if hour.stored == *row {
            return true;
        }
        // An open segment lasts until the next one's hour, as readers have it; so it needs no end of its own.
        let next_ms =
            self.hours[index + 1..].iter().find(|next| !next.stored.is_empty()).map(|next| next.hour_ms);
        let end_ms = next_ms.or(has_later.then_some(hour_ms + HOUR_MS));
        hour.stored.open_since_ms.is_some() && end_ms.is_some_and(|end_ms| hour.stored.ended(end_ms) == *row)
    }

    /// Since when segments have no end that readers would know, if the table says or may say so.
    fn open_ends(&self) -> impl Iterator<Item = u64> {
        let last = self.hours.iter().rposition(|hour| !hour.stored.is_empty()).unwrap_or(0);
        let rows = self.hours[last..].iter().flat_map(|hour| [Some(&hour.stored), hour.doubtful.as_ref()]);
        rows.flatten().filter_map(|row| row.open_since_ms)
    }

    fn overcounted_from_ms(&self, meter: &Meter, is_open: bool) -> Option<u64> {
        let intervals = meter.intervals();
        self.open_ends()
            .filter_map(|since_ms| {
                let within = |interval: &Interval| (interval.start_ms..=interval.end_ms).contains(&since_ms);
                match intervals.iter().rposition(within) {
                    Some(index) if is_open && index + 1 == intervals.len() => None,
                    Some(index) => Some(intervals[index].end_ms),
                    None => Some(since_ms),
                }
            })
            .min()
    }

    /// Whether a segment for a new hour can wait, because that of the last goes on counting.
    fn is_early(&self, hour_ms: u64, row: &Row, now_ms: u64) -> bool {
        let goes_on = row.intervals.is_empty() && row.open_since_ms == Some(hour_ms);
        let before = self.hours.last().is_some_and(|hour| hour.stored.open_since_ms.is_some());
        // A multiplicative hash, so that sessions that began together don't roll together.
        let turn_ms = self.record.number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        goes_on && before && now_ms < hour_ms + turn_ms % ROLL_MS
    }

    fn is_allowed(&self, now_ms: u64) -> bool {
        self.allowance_from_ms + ALLOWANCE_MS <= now_ms
    }

    fn settle(&mut self, meter: &mut Meter, settled: Option<Settled>) {
        self.settled = settled;
        if let Some(last) = self.hours.pop() {
            self.hours.clear();
            self.right_before_ms = last.hour_ms;
            meter.forget_before(last.hour_ms);
            self.hours.push(last);
        }
    }

    fn hour(&mut self, hour_ms: u64) -> &mut Hour {
        let index = self.hours.partition_point(|hour| hour.hour_ms < hour_ms);
        if self.hours.get(index).is_none_or(|hour| hour.hour_ms != hour_ms) {
            self.hours.insert(index, Hour { hour_ms, stored: Row::default(), doubtful: None });
        }
        &mut self.hours[index]
    }

    fn segment(&self, hour_ms: u64, row: Row, seen_ms: u64, task_id: &str) -> Segment {
        Segment {
            viewer_id: self.record.viewer.clone(),
            key: SegmentKey { hour_ms, task_id: task_id.to_owned(), session: self.record.number },
            channel: self.record.channel,
            intervals: row.intervals,
            open_since_ms: row.open_since_ms,
            seen_ms,
            version: self.version,
            expires_at: Segment::expiry(hour_ms),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is being delivered, or its channel is quiet.
    Open,
    /// It takes nothing while others of its channel do. That may become a pause.
    Stuck,
    /// It ended, has a pause, or hasn't begun.
    Ended,
}

impl State {
    fn maybe_ms(self) -> u64 {
        if self == Self::Stuck { MAYBE_MS } else { 0 }
    }
}

fn state(meter: &Meter, moment: Moment) -> State {
    let Some(last_ms) = meter.last_ms() else { return State::Ended };
    if moment.now_ms.abs_diff(last_ms) > PAUSE_MS {
        State::Ended
    } else if moment.now_ms.saturating_sub(last_ms) > SILENT_MS && moment.channel_ms > last_ms + TURN_MS {
        State::Stuck
    } else {
        State::Open
    }
}

fn settled(meter: &Meter, state: State) -> Option<Settled> {
    let last = meter.intervals().last()?;
    Some(Settled {
        intervals: meter.intervals().len(),
        last_start_ms: last.start_ms,
        last_end_ms: (state != State::Open).then_some(last.end_ms + state.maybe_ms()),
        hour_ms: hour_of(last.end_ms),
    })
}
