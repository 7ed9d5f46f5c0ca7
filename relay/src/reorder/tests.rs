//! What the rules promise, case by case; `properties` holds them against a model.

mod properties;

use super::*;

/// A channel with its output, fed with packets whose payload names them.
pub(super) struct Bench {
    pub(super) reorder: Reorder,
    pub(super) out: Vec<(u64, Vec<u8>)>,
    pub(super) total: Outcome,
    pub(super) now_ms: u64,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self {
            reorder: Reorder::new(ReorderConfig::default()),
            out: Vec::new(),
            total: Outcome::default(),
            now_ms: 1_000_000,
        }
    }

    /// A channel that has delivered the numbers of a range, of run 0, and is past its start.
    fn after(range: std::ops::Range<u64>) -> Self {
        let mut bench = Self::new();
        bench.send(range, 0);
        bench.wait(100);
        bench.out.clear();
        bench.total = Outcome::default();
        bench
    }

    pub(super) fn insert(&mut self, sequence: u64, payload: &[u8]) {
        let out = &mut self.out;
        let outcome = self.reorder.insert(sequence, payload, self.now_ms, |sequence, payload| {
            out.push((sequence, payload.to_vec()))
        });
        self.add(outcome);
    }

    pub(super) fn send(&mut self, sequences: impl IntoIterator<Item = u64>, run: u8) {
        for sequence in sequences {
            self.insert(sequence, &payload(sequence, run));
        }
    }

    /// Sends with so many milliseconds after each packet.
    fn pace(&mut self, sequences: impl IntoIterator<Item = u64>, run: u8, step_ms: u64) {
        for sequence in sequences {
            self.insert(sequence, &payload(sequence, run));
            self.wait(step_ms);
        }
    }

    pub(super) fn wait(&mut self, ms: u64) {
        self.now_ms += ms;
        self.expire();
    }

    pub(super) fn expire(&mut self) {
        let out = &mut self.out;
        let outcome =
            self.reorder.expire(self.now_ms, |sequence, payload| out.push((sequence, payload.to_vec())));
        self.add(outcome);
    }

    fn add(&mut self, outcome: Outcome) {
        self.total.released += outcome.released;
        self.total.late += outcome.late;
        self.total.duplicate += outcome.duplicate;
        self.total.stray += outcome.stray;
        self.total.lost += outcome.lost;
        self.total.reanchored += outcome.reanchored;
    }

    fn numbers(&self) -> Vec<u64> {
        self.out.iter().map(|(sequence, _)| *sequence).collect()
    }

    fn assert_delivered(&self, expected: impl IntoIterator<Item = u64>, run: u8) {
        let expected: Vec<_> =
            expected.into_iter().map(|sequence| (sequence, payload(sequence, run))).collect();
        assert!(self.out == expected, "{:?}, total {:?}", self.numbers(), self.total);
    }
}

pub(super) fn payload(sequence: u64, run: u8) -> Vec<u8> {
    let mut payload = vec![run; 1 + (sequence % 400) as usize];
    payload.extend_from_slice(&sequence.to_be_bytes());
    payload
}

#[test]
fn a_channel_begins_at_the_lowest_of_its_first_packets() {
    let mut bench = Bench::new();
    bench.send([12, 10, 11, 14], 0);
    assert_eq!(bench.reorder.deadline_ms(), Some(bench.now_ms + 100));
    bench.wait(99);
    assert!(bench.out.is_empty());
    bench.wait(1);
    bench.assert_delivered([10, 11, 12], 0);
    bench.send([13], 0);
    bench.assert_delivered([10, 11, 12, 13, 14], 0);
    assert_eq!(bench.reorder.deadline_ms(), None);
}

#[test]
fn a_lost_packet_holds_the_others_for_200_ms() {
    let mut bench = Bench::after(0..50);
    bench.pace([50, 52, 53], 0, 10);
    bench.assert_delivered([50], 0);
    assert_eq!(bench.reorder.deadline_ms(), Some(bench.now_ms - 20 + 200));
    bench.wait(179);
    bench.assert_delivered([50], 0);
    bench.wait(1);
    bench.assert_delivered([50, 52, 53], 0);
    assert_eq!(bench.total.lost, 1);
    bench.send([51], 0);
    assert_eq!(bench.total.late, 1);
}

#[test]
fn each_of_several_gaps_has_its_own_time() {
    let mut bench = Bench::after(0..50);
    bench.pace([51], 0, 150);
    bench.pace([53], 0, 50);
    bench.assert_delivered([51], 0);
    bench.wait(149);
    bench.assert_delivered([51], 0);
    bench.wait(1);
    bench.assert_delivered([51, 53], 0);
}

#[test]
fn a_packet_that_comes_when_its_gap_is_about_to_be_given_up_is_not_lost() {
    let mut bench = Bench::after(0..50);
    bench.send([51], 0);
    bench.now_ms += 10_000;
    bench.send([50], 0);
    bench.assert_delivered([50, 51], 0);
}

#[test]
fn a_packet_a_window_beyond_a_gap_gives_it_up() {
    let mut bench = Bench::after(0..50);
    bench.send(51..1074, 0);
    assert!(bench.out.is_empty());
    bench.send([1074], 0);
    bench.assert_delivered(51..1075, 0);
    assert_eq!(bench.total.lost, 1);
}

#[test]
fn duplicates_are_dropped_whether_delivered_or_held() {
    let mut bench = Bench::after(0..50);
    bench.send([49, 30, 51, 51, 50, 51], 0);
    bench.assert_delivered([50, 51], 0);
    assert_eq!(bench.total.duplicate, 4);
}

#[test]
fn numbers_wrap_around() {
    let mut bench = Bench::after(u64::MAX - 40..u64::MAX);
    bench.send([2, 0, u64::MAX, 1, u64::MAX - 1, 3], 0);
    bench.assert_delivered([u64::MAX, 0, 1, 2, 3], 0);
    assert_eq!(bench.total.duplicate, 1);
}

#[test]
fn a_restart_far_below_or_above_loses_nothing() {
    for start in [0, 40_000_000_000, 1_000_500, 998_000] {
        let mut bench = Bench::after(1_000_000..1_001_000);
        bench.send(start..start + 100, 1);
        bench.wait(200);
        bench.assert_delivered(start..start + 100, 1);
        assert!(bench.total.reanchored == 1, "{start}: {:?}", bench.total);
    }
}

#[test]
fn a_restart_within_the_window_is_recognised_by_its_other_payloads() {
    let mut bench = Bench::after(0..300);
    bench.send(0..16, 1);
    bench.assert_delivered(0..16, 1);
    bench.send(16..400, 1);
    bench.assert_delivered(0..400, 1);
}

#[test]
fn a_restart_shortly_before_the_next_number_loses_nothing() {
    let mut bench = Bench::after(0..300);
    bench.send(297..350, 1);
    bench.wait(100);
    bench.assert_delivered(297..350, 1);
    assert_eq!(bench.total.reanchored, 1);
}

#[test]
fn a_restart_before_the_number_at_which_one_joined_loses_nothing() {
    let mut bench = Bench::after(1_000..1_100);
    bench.send(500..600, 1);
    bench.assert_delivered(500..600, 1);
}

#[test]
fn a_shuffled_restart_begins_at_its_lowest() {
    let mut bench = Bench::after(100_000..100_300);
    let mut shuffled: Vec<u64> = (0..128).collect();
    for chunk in shuffled.chunks_mut(32) {
        chunk.reverse();
        chunk.swap(3, 17);
    }
    bench.pace(shuffled, 1, 1);
    bench.wait(100);
    bench.assert_delivered(0..128, 1);
}

#[test]
fn a_slow_channel_restarts_after_a_hold() {
    let mut bench = Bench::after(5_000..5_100);
    bench.pace([0, 1], 1, 90);
    assert!(bench.out.is_empty());
    bench.wait(20);
    bench.assert_delivered([0, 1], 1);
}

#[test]
fn a_channel_of_a_packet_every_other_second_restarts_as_well() {
    let mut bench = Bench::after(5_000..5_100);
    bench.pace(0..4, 1, 2_000);
    bench.assert_delivered(0..4, 1);
}

#[test]
fn after_a_reconnect_three_packets_restart_a_channel() {
    let mut bench = Bench::after(5_000..5_100);
    bench.reorder.reconnected();
    bench.send(0..3, 1);
    bench.wait(100);
    bench.assert_delivered(0..3, 1);
}

#[test]
fn a_reconnect_that_repeats_what_was_there_delivers_nothing_twice() {
    let mut bench = Bench::after(0..2_000);
    bench.reorder.reconnected();
    bench.send(1_400..2_100, 0);
    bench.assert_delivered(2_000..2_100, 0);
    assert_eq!((bench.total.duplicate, bench.total.reanchored), (600, 0));
}

#[test]
fn a_source_that_goes_back_over_the_very_same_is_followed_after_a_second() {
    let mut bench = Bench::after(0..600);
    bench.pace(0..200, 0, 20);
    bench.assert_delivered(50..200, 0);
    assert_eq!(bench.total.reanchored, 1);
}

#[test]
fn one_packet_repeated_for_ever_is_delivered_once() {
    let mut bench = Bench::after(0..600);
    bench.pace([599; 100], 0, 100);
    bench.pace((580..600).cycle().take(400), 0, 100);
    assert!(bench.out.is_empty());
    assert_eq!(bench.total.reanchored, 0);
}

#[test]
fn a_corrupt_header_changes_nothing() {
    for corrupt in [0, 3_000, 990_000, 999_950, 1_000_300, 1_002_500, u64::MAX, 1 << 60] {
        let mut bench = Bench::after(1_000_000..1_000_100);
        bench.send([corrupt], 9);
        bench.pace(1_000_100..1_000_200, 0, 20);
        bench.assert_delivered(1_000_100..1_000_200, 0);
        let total = bench.total;
        assert!((total.reanchored, total.stray + total.late) == (0, 1), "{corrupt}: {total:?}");
        assert_eq!(bench.reorder.held_bytes(), 0);
    }
}

#[test]
fn a_corrupt_header_at_the_very_start_costs_none_of_the_good_packets() {
    for corrupt in [0, 1_000_000_000, u64::MAX] {
        let mut bench = Bench::new();
        bench.send([corrupt], 9);
        bench.pace(5_000..5_100, 0, 20);
        bench.out.retain(|(sequence, _)| *sequence != corrupt);
        bench.assert_delivered(5_000..5_100, 0);
    }
}

#[test]
fn a_lone_packet_at_the_end_is_not_held_for_good() {
    let mut bench = Bench::after(0..100);
    bench.send([7_000_000], 0);
    assert!(bench.reorder.deadline_ms().is_some());
    bench.wait(1_000);
    bench.assert_delivered([7_000_000], 0);
    assert_eq!(bench.reorder.deadline_ms(), None);
    bench.pace(100..110, 0, 20);
    assert_eq!(bench.numbers()[1..], (100..110).collect::<Vec<_>>());
}

#[test]
fn many_lost_packets_in_a_row_are_only_a_gap() {
    let mut bench = Bench::after(0..100);
    bench.pace(600..620, 0, 20);
    bench.assert_delivered(600..620, 0);
    assert_eq!((bench.total.lost, bench.total.reanchored), (500, 0));
}

#[test]
fn flushing_releases_what_is_held_and_keeps_the_place() {
    let mut bench = Bench::after(0..100);
    bench.send([102, 105, 9_000], 0);
    assert_eq!(
        bench.reorder.held_bytes(),
        [102, 105, 9_000].map(|sequence| payload(sequence, 0).len()).iter().sum::<usize>()
    );
    let mut flushed = Vec::new();
    let outcome = bench.reorder.flush(|sequence, _| flushed.push(sequence));
    assert_eq!(flushed, [102, 105]);
    assert_eq!((outcome.released, outcome.lost, outcome.stray), (2, 4, 1));
    assert_eq!((bench.reorder.held_bytes(), bench.reorder.deadline_ms()), (0, None));
    bench.send([106], 0);
    bench.assert_delivered([106], 0);
}

#[test]
fn flushing_at_the_start_begins() {
    let mut bench = Bench::new();
    bench.send([7, 5], 0);
    let mut flushed = Vec::new();
    bench.reorder.flush(|sequence, _| flushed.push(sequence));
    assert_eq!(flushed, [5, 7]);
    bench.send([8], 0);
    bench.assert_delivered([8], 0);
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_longer() {
    let mut bench = Bench::after(0..100);
    bench.send([101], 0);
    bench.now_ms -= 900_000;
    bench.expire();
    assert_eq!(bench.reorder.deadline_ms(), Some(bench.now_ms + 200));
    bench.wait(200);
    bench.assert_delivered([101], 0);
}

#[test]
fn an_empty_payload_is_a_packet_like_any_other() {
    let mut bench = Bench::new();
    for sequence in [1, 0, 3, 2] {
        bench.insert(sequence, &[]);
    }
    bench.wait(100);
    assert_eq!(bench.numbers(), [0, 1, 2, 3]);
}

#[test]
fn memory_for_packets_out_of_order_is_given_back() {
    let mut bench = Bench::after(0..100);
    bench.send((100..1_100).rev(), 0);
    bench.send(1_100..20_000, 0);
    assert_eq!(bench.reorder.held.memory_bytes(), 0);
}
