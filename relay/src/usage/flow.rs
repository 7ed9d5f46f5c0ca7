//! How many writes are on their way at once, and how long to wait after failures.

/// So many at most. At DynamoDB's few milliseconds, that is thousands a second.
const MOST: usize = 32;

/// The first and the longest pause after a failure, in milliseconds.
const PAUSE_MS: (u64, u64) = (100, 2_000);

/// Slows down while the store is in trouble, to a single try every two seconds, and is as fast as ever soon after.
#[derive(Debug)]
pub(super) struct Flow {
    limit: usize,
    in_flight: usize,
    pause_ms: u64,
    not_before_ms: u64,
}

impl Flow {
    pub fn new() -> Self {
        Self { limit: MOST, in_flight: 0, pause_ms: 0, not_before_ms: 0 }
    }

    /// Whether another write may begin.
    pub fn has_room(&self, now_ms: u64) -> bool {
        // A clock that was set back must not make a pause of it.
        let is_pause = now_ms < self.not_before_ms && self.not_before_ms - now_ms <= PAUSE_MS.1;
        self.in_flight < self.limit && !is_pause
    }

    /// Notes that one begins.
    pub fn begin(&mut self) {
        self.in_flight += 1;
    }

    /// Notes that one came through.
    pub fn succeeded(&mut self) {
        self.in_flight -= 1;
        self.limit = (self.limit * 2).min(MOST);
        (self.pause_ms, self.not_before_ms) = (0, 0);
    }

    /// Notes that one failed.
    pub fn failed(&mut self, now_ms: u64) {
        self.in_flight -= 1;
        // Those that were on their way together fail together; they are one failure.
        if now_ms >= self.not_before_ms {
            self.limit = (self.limit / 2).max(1);
            self.pause_ms = (self.pause_ms * 2).clamp(PAUSE_MS.0, PAUSE_MS.1);
            self.not_before_ms = now_ms + fastrand::u64(self.pause_ms / 2..=self.pause_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_in_trouble_is_tried_one_by_one_and_ever_more_seldom() {
        let mut flow = Flow::new();
        let (mut now_ms, mut tries) = (0, 0);
        while now_ms < 60_000 {
            while flow.has_room(now_ms) {
                flow.begin();
                tries += 1;
            }
            while flow.in_flight > 0 {
                flow.failed(now_ms);
            }
            now_ms += 10;
        }
        assert!((50..200).contains(&tries), "{tries}");
        flow.begin();
        flow.succeeded();
        for _ in 0..5 {
            flow.begin();
            flow.succeeded();
        }
        let mut together = 0;
        while flow.has_room(now_ms) {
            flow.begin();
            together += 1;
        }
        assert_eq!(together, MOST);
    }
}
