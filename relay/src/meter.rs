//! The time during which payload was being delivered to one session.
//!
//! A session is being delivered from one payload to the next as long as no more than [`PAUSE_MS`] lie between them; a longer
//! gap ends the interval at the payload before it, and none of the gap counts. So an interval's length is what a session is
//! charged, and a single payload with long gaps on both sides is an interval of no length.
//!
//! The clock is the wall clock, which may be set back. A step of at most [`PAUSE_MS`] back is waited out: the interval neither
//! shrinks nor grows until the clock has reached its end again. A larger step ends the interval where it is and starts a new one
//! at the new time; intervals may then overlap, and whoever adds them up unites them first.
//!
//! A session that flaps can't fill the memory: at most [`INTERVALS_MAX`] intervals are kept. Above that, the two neighbours
//! with the smallest gap between them become one that ends where the later ended and is as long as both were, so that no
//! delivered time is lost and no gap is charged; the earlier one merely moves later, by that gap. Neighbours within one hour go
//! first, because usage is recorded by the hour. Where a clock that is set back time and again has left no neighbours with a gap
//! between them, the oldest is forgotten.

use live::{HOUR_MS, Interval};

/// A gap longer than this isn't delivery.
pub const PAUSE_MS: u64 = 2_000;

/// So many intervals of one session are kept.
pub const INTERVALS_MAX: usize = 256;

/// Delivered time of one session.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    intervals: Vec<Interval>,
}

impl Meter {
    /// Notes that payload was written at this time.
    pub fn delivered(&mut self, now_ms: u64) {
        if let Some(last) = self.intervals.last_mut()
            && now_ms.abs_diff(last.end_ms) <= PAUSE_MS
        {
            last.end_ms = last.end_ms.max(now_ms);
            return;
        }
        if self.intervals.len() == INTERVALS_MAX {
            self.merge_nearest();
        }
        self.intervals.push(Interval { start_ms: now_ms, end_ms: now_ms });
    }

    /// When payload was last delivered, if it is remembered.
    #[must_use]
    pub fn last_ms(&self) -> Option<u64> {
        self.intervals.last().map(|last| last.end_ms)
    }

    /// The start of the interval that payload delivered now would belong to; `None` before the first payload and in a pause.
    #[must_use]
    pub fn open_since_ms(&self, now_ms: u64) -> Option<u64> {
        self.intervals
            .last()
            .filter(|last| now_ms.abs_diff(last.end_ms) <= PAUSE_MS)
            .map(|last| last.start_ms)
    }

    /// The intervals, oldest first; the last one may still grow.
    #[must_use]
    pub fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    /// Forgets the intervals that ended before this time. One that reaches beyond it stays whole.
    pub fn forget_before(&mut self, ms: u64) {
        self.intervals.retain(|interval| interval.end_ms >= ms);
        if self.intervals.is_empty() {
            self.intervals.shrink_to_fit();
        }
    }

    fn merge_nearest(&mut self) {
        let nearest = self
            .intervals
            .windows(2)
            .enumerate()
            // Only a clock that was set back makes neighbours that overlap: those have no gap to close.
            .filter_map(|(index, pair)| {
                let gap_ms = pair[1].start_ms.checked_sub(pair[0].end_ms)?;
                let crosses_hour = pair[0].start_ms / HOUR_MS != pair[1].end_ms / HOUR_MS;
                Some((crosses_hour, gap_ms, index))
            })
            .min();
        let (_, _, index) = nearest.unwrap_or_default();
        let earlier = self.intervals.remove(index);
        if nearest.is_some() {
            self.intervals[index].start_ms -= earlier.duration_ms();
        }
    }
}

#[cfg(test)]
mod tests;
