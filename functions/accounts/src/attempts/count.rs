//! The rule, without a clock and without storage.

use std::num::NonZeroU64;

/// How many attempts are too many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// So many within the window lock.
    pub attempts: usize,
    /// Attempts count together when they lie within this time, in milliseconds.
    pub window_ms: u64,
    /// A lock lasts so long, from the attempt on that brought it, in milliseconds. As long as the window at least.
    pub lock_ms: u64,
}

/// What is known about the attempts on one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// When attempts were made that haven't succeeded, in unix milliseconds, oldest first.
    pub attempts_ms: Vec<u64>,
    /// Until when nobody gets in, in unix milliseconds.
    pub locked_until_ms: u64,
}

impl Count {
    /// The count with one more attempt. One that is the last of too many is still made; the lock holds for those after it.
    ///
    /// # Errors
    /// The account is locked for so many milliseconds more. The attempt doesn't count, and doesn't make the lock longer.
    pub fn with_attempt(&self, now_ms: u64, rule: Rule) -> Result<Self, NonZeroU64> {
        if let Some(left_ms) = NonZeroU64::new(self.locked_until_ms.saturating_sub(now_ms)) {
            return Err(left_ms);
        }
        // A time that lies ahead was taken by another clock; it counts until the window has passed it.
        let counts = |at_ms: &u64| at_ms.saturating_add(rule.window_ms) > now_ms;
        let mut attempts_ms: Vec<u64> = self.attempts_ms.iter().copied().filter(counts).collect();
        attempts_ms.push(now_ms);
        if attempts_ms.len() < rule.attempts {
            return Ok(Self { attempts_ms, locked_until_ms: 0 });
        }
        // After the lock the count begins anew: what led to it lies outside the window by then.
        Ok(Self { attempts_ms: Vec::new(), locked_until_ms: now_ms + rule.lock_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW_MS: u64 = 1_790_000_000_000;
    const RULE: Rule = Rule { attempts: ATTEMPTS, window_ms: WINDOW_MS, lock_ms: LOCK_MS };
    const ATTEMPTS: usize = 5;
    const WINDOW_MS: u64 = 60_000;
    const LOCK_MS: u64 = 60_000;

    fn after(attempts_ms: &[u64]) -> Count {
        attempts_ms
            .iter()
            .fold(Count::default(), |count, at_ms| count.with_attempt(NOW_MS + at_ms, RULE).unwrap_or(count))
    }

    fn left_ms(count: &Count, at_ms: u64) -> Option<u64> {
        count.with_attempt(NOW_MS + at_ms, RULE).err().map(NonZeroU64::get)
    }

    #[test]
    fn the_fifth_attempt_within_a_minute_locks_for_a_minute_from_then() {
        let four = after(&[0, 1_000, 2_000, 3_000]);
        assert_eq!(left_ms(&four, 59_999), None, "the fifth is still made");
        let five = after(&[0, 1_000, 2_000, 3_000, 59_999]);
        assert_eq!(left_ms(&five, 59_999), Some(60_000));
        assert_eq!(left_ms(&five, 119_998), Some(1));
        assert_eq!(left_ms(&five, 119_999), None);
    }

    #[test]
    fn five_attempts_in_a_little_more_than_a_minute_lock_nothing() {
        assert_eq!(left_ms(&after(&[0, 1_000, 2_000, 3_000, 60_000]), 60_001), None);
    }

    #[test]
    fn a_lock_isnt_made_longer_by_those_who_run_against_it() {
        let count = after(&[0, 0, 0, 0, 0, 10_000, 20_000, 59_999]);
        assert_eq!(left_ms(&count, 60_000), None);
    }

    #[test]
    fn after_a_lock_the_count_begins_anew() {
        let count = after(&[0, 0, 0, 0, 0, 60_000, 60_000, 60_000, 60_000]);
        assert_eq!(left_ms(&count, 60_000), None, "the fifth after the lock");
    }

    proptest! {
        /// Held against the rule read from the whole history: an attempt is refused exactly when one of the 60 seconds before it
        /// was the fifth of a minute, counted from the end of the lock before.
        #[test]
        fn never_more_than_five_attempts_are_made_in_a_minute(mut steps in prop::collection::vec(0u64..30_000, 1..60)) {
            let mut count = Count::default();
            let (mut now_ms, mut made, mut since) = (NOW_MS, Vec::new(), 0);
            for step in steps.drain(..) {
                now_ms += step;
                let locked = made.len() >= since + ATTEMPTS
                    && made[made.len() - 1] + LOCK_MS > now_ms
                    && made[made.len() - ATTEMPTS] + WINDOW_MS > made[made.len() - 1];
                match count.with_attempt(now_ms, RULE) {
                    Ok(next) => {
                        prop_assert!(!locked, "made although locked");
                        if next.locked_until_ms == 0 && count.locked_until_ms != 0 {
                            since = made.len();
                        }
                        made.push(now_ms);
                        count = next;
                    }
                    Err(left_ms) => {
                        prop_assert!(locked, "refused although open");
                        prop_assert!(left_ms.get() <= LOCK_MS);
                    }
                }
            }
            for six in made.windows(ATTEMPTS + 1) {
                prop_assert!(six[ATTEMPTS] - six[0] >= WINDOW_MS);
            }
        }
    }
}
