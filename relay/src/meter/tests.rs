use proptest::prelude::*;

use super::*;

const START_MS: u64 = 1_760_000_000_000;

fn metered(times_ms: impl IntoIterator<Item = u64>) -> Meter {
    let mut meter = Meter::default();
    for time_ms in times_ms {
        meter.delivered(time_ms);
    }
    meter
}

fn intervals(meter: &Meter) -> Vec<(u64, u64)> {
    meter.intervals().iter().map(|interval| (interval.start_ms, interval.end_ms)).collect()
}

fn total_ms(meter: &Meter) -> u64 {
    meter.intervals().iter().map(Interval::duration_ms).sum()
}

#[test]
fn a_gap_of_two_seconds_counts_and_a_longer_one_does_not() {
    assert_eq!(intervals(&metered([0, 2_000, 4_000])), [(0, 4_000)]);
    assert_eq!(intervals(&metered([0, 2_000, 4_001, 5_000])), [(0, 2_000), (4_001, 5_000)]);
}

#[test]
fn a_session_is_open_until_two_seconds_after_its_last_payload() {
    let meter = metered([10_000, 11_000]);
    assert_eq!(meter.last_ms(), Some(11_000));
    assert_eq!(meter.open_since_ms(13_000), Some(10_000));
    assert_eq!(meter.open_since_ms(13_001), None);
    assert_eq!((Meter::default().last_ms(), Meter::default().open_since_ms(0)), (None, None));
}

#[test]
fn a_small_step_back_of_the_clock_is_waited_out() {
    assert_eq!(intervals(&metered([10_000, 11_000, 9_000, 10_500, 11_200])), [(10_000, 11_200)]);
}

#[test]
fn a_large_step_back_of_the_clock_starts_anew() {
    let meter = metered([10_000, 15_000, 16_000, 5_000, 6_000]);
    assert_eq!(intervals(&meter), [(10_000, 10_000), (15_000, 16_000), (5_000, 6_000)]);
    assert_eq!(meter.open_since_ms(6_100), Some(5_000));
}

#[test]
fn what_ended_is_forgotten_and_what_goes_on_stays_whole() {
    let mut meter = metered([0, 1_000, 10_000, 11_000, 20_000, 21_000]);
    meter.forget_before(10_500);
    assert_eq!(intervals(&meter), [(10_000, 11_000), (20_000, 21_000)]);
    meter.forget_before(u64::MAX);
    assert_eq!(meter.intervals(), []);
    assert_eq!(meter.intervals.capacity(), 0, "a quiet session costs nothing");
}

#[test]
fn a_session_that_flaps_for_a_day_keeps_its_time_in_bounded_memory() {
    let mut meter = Meter::default();
    let mut expected_ms = 0;
    let mut now_ms = START_MS;
    while now_ms < START_MS + 24 * HOUR_MS {
        for step_ms in [0, 400, 700] {
            meter.delivered(now_ms + step_ms);
        }
        expected_ms += 700;
        now_ms += 700 + 2_001 + now_ms % 977;
    }
    assert_eq!(meter.intervals().len(), INTERVALS_MAX);
    assert_eq!(total_ms(&meter), expected_ms);
    assert!(meter.intervals().windows(2).all(|pair| pair[0].end_ms + PAUSE_MS < pair[1].start_ms));
}

#[test]
fn intervals_are_merged_within_their_hour_first() {
    let mut meter = Meter::default();
    let hour = START_MS.next_multiple_of(HOUR_MS);
    // The smallest gap of all lies between two hours.
    for time_ms in [hour - 1_100, hour - 100, hour + 1_901, hour + 2_000] {
        meter.delivered(time_ms);
    }
    for index in 0..INTERVALS_MAX as u64 {
        meter.delivered(hour + 10_000 + index * 3_000);
    }
    assert_eq!(meter.intervals().len(), INTERVALS_MAX);
    assert_eq!(intervals(&meter)[..2], [(hour - 1_100, hour - 100), (hour + 1_901, hour + 2_000)]);
}

#[test]
fn a_clock_set_back_again_and_again_fills_no_memory() {
    let meter = metered((0..3 * INTERVALS_MAX as u64).map(|index| START_MS - index * 10_000));
    assert_eq!(meter.intervals().len(), INTERVALS_MAX);
    assert_eq!(meter.last_ms(), Some(START_MS - (3 * INTERVALS_MAX as u64 - 1) * 10_000));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// The model counts every millisecond by itself.
    #[test]
    fn delivered_time_is_the_sum_of_the_gaps_of_at_most_two_seconds(
        steps_ms in prop::collection::vec(
            prop_oneof![3 => 0..50_u64, 2 => 1_900..2_100_u64, 1 => 0..20_000_u64],
            0..200,
        ),
    ) {
        let mut meter = Meter::default();
        let mut now_ms = START_MS;
        let mut counted_ms = 0;
        let mut closed = 0;
        meter.delivered(now_ms);
        for step_ms in steps_ms {
            now_ms += step_ms;
            meter.delivered(now_ms);
            if step_ms <= 2_000 { counted_ms += step_ms } else { closed += 1 }
            prop_assert_eq!(total_ms(&meter), counted_ms);
            prop_assert_eq!(meter.intervals().len(), closed + 1);
            prop_assert_eq!(meter.last_ms(), Some(now_ms));
        }
    }

    #[test]
    fn no_clock_makes_more_time_than_passed_by_it_or_more_memory_than_allowed(
        steps_ms in prop::collection::vec(-5_000..5_000_i64, 0..2_000),
    ) {
        let mut meter = Meter::default();
        let mut now_ms = START_MS;
        let mut forward_ms = 0;
        for step_ms in steps_ms {
            now_ms = now_ms.saturating_add_signed(step_ms);
            meter.delivered(now_ms);
            forward_ms += u64::try_from(step_ms).unwrap_or(0);
            prop_assert!(total_ms(&meter) <= forward_ms);
            prop_assert!(meter.intervals().len() <= INTERVALS_MAX);
            prop_assert!(meter.intervals().iter().all(|interval| interval.start_ms <= interval.end_ms));
            prop_assert!(meter.last_ms().is_some_and(|last_ms| last_ms.abs_diff(now_ms) <= PAUSE_MS));
        }
    }
}
