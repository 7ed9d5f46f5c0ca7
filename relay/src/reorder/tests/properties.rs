//! Orders against a model that is slow and obviously right, and laws that hold whatever comes.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::{Bench, payload};
use crate::reorder::ReorderConfig;

/// The rules for a source that doesn't begin anew, over numbers that don't wrap.
#[derive(Default)]
struct Model {
    config: ReorderConfig,
    next: Option<i64>,
    started_ms: u64,
    /// When each that is held came.
    held: BTreeMap<i64, u64>,
    out: Vec<i64>,
}

impl Model {
    fn insert(&mut self, number: i64, now_ms: u64) {
        let window = self.config.window as i64;
        if self.next.is_none() {
            match self.held.keys().next() {
                None => self.started_ms = now_ms,
                Some(lowest) if number >= lowest + window => self.begin(),
                Some(_) => {}
            }
        }
        if self.next.is_none_or(|next| number >= next) {
            if let Some(next) = self.next
                && number >= next + window
            {
                self.release_before(number - window + 1);
            }
            self.held.entry(number).or_insert(now_ms);
            self.release_ready();
        }
        self.expire(now_ms);
    }

    fn expire(&mut self, now_ms: u64) {
        if self.next.is_none() {
            if self.held.is_empty() || now_ms < self.started_ms + self.config.start_hold_ms {
                return;
            }
            self.begin();
        }
        let hold_ms = self.config.hold_ms;
        let waits_long = |(_, arrived_ms): &(&i64, &u64)| **arrived_ms + hold_ms <= now_ms;
        if let Some((&number, _)) = self.held.iter().rev().find(waits_long) {
            self.release_before(number);
        }
    }

    fn begin(&mut self) {
        self.next = self.held.keys().next().copied();
        self.release_ready();
    }

    fn release_before(&mut self, number: i64) {
        let later = self.held.split_off(&number);
        self.out.extend(self.held.keys());
        self.held = later;
        self.next = Some(number);
        self.release_ready();
    }

    fn release_ready(&mut self) {
        while let Some(next) = self.next
            && self.held.remove(&next).is_some()
        {
            self.out.push(next);
            self.next = Some(next + 1);
        }
    }
}

/// The numbers from 0 on in an order in which none is more than `width` places away from its own, some repeated, some
/// missing (never 60 in a row).
fn stream(length: usize, width: i64, loss: f64) -> impl Strategy<Value = Vec<i64>> {
    let packet = (0..width, prop::bool::weighted(loss), prop::bool::weighted(0.05), 1..300_i64);
    prop::collection::vec(packet, length).prop_map(|packets| {
        let mut sent = Vec::new();
        for (number, (shift, lost, repeated, later)) in (0..).zip(packets) {
            if lost && number % 60 > 0 {
                continue;
            }
            sent.push((number + shift, number));
            if repeated {
                sent.push((number + shift + later, number));
            }
        }
        sent.sort_by_key(|(place, _)| *place);
        sent.into_iter().map(|(_, number)| number).collect()
    })
}

/// As [`stream`], shuffled within at most `width_max` and up to a third of it lost.
fn any_stream(length: usize, width_max: i64) -> impl Strategy<Value = Vec<i64>> {
    (1..width_max, 0.0..0.3).prop_flat_map(move |(width, loss)| stream(length, width, loss))
}

fn numbers(bench: &Bench, base: u64) -> Vec<i64> {
    bench.out.iter().map(|(sequence, _)| sequence.wrapping_sub(base) as i64).collect()
}

/// A number to begin with, half of the time one after which the numbers wrap around.
fn base() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), (0..3_000_u64).prop_map(|before| u64::MAX - before)]
}

#[derive(Clone, Debug)]
enum Restart {
    At(u64),
    Off(i64),
}

fn restart() -> impl Strategy<Value = Restart> {
    prop_oneof![
        any::<u64>().prop_map(Restart::At),
        Just(Restart::At(0)),
        (-2_000..900_i64).prop_map(Restart::Off),
        (-20..20_i64).prop_map(Restart::Off),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Packet { jitter: i64, skip: u64, again: bool },
    Corrupt(u64),
    Restart(u64),
    Reconnect,
    Wait(u64),
    SetBack(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let skip = prop_oneof![20 => Just(1_u64), 2 => 0..5_u64, 1 => 0..3_000_u64];
    let jitter = prop_oneof![10 => Just(0_i64), 5 => -50..50_i64, 1 => -1_500..1_500_i64];
    prop_oneof![
        100 => (jitter, skip, any::<bool>())
            .prop_map(|(jitter, skip, again)| Step::Packet { jitter, skip, again }),
        4 => any::<u64>().prop_map(Step::Corrupt),
        1 => prop_oneof![any::<u64>(), 0..2_000_u64].prop_map(Step::Restart),
        1 => Just(Step::Reconnect),
        10 => (0..300_u64).prop_map(Step::Wait),
        1 => (0..2_000_u64).prop_map(Step::SetBack),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shuffles_within_the_window_come_out_as_in_the_model(sent in any_stream(3_000, 600), base in base()) {
        let mut bench = Bench::new();
        let mut model = Model::default();
        for number in sent {
            bench.insert(base.wrapping_add_signed(number), &payload(number as u64, 0));
            model.insert(number, bench.now_ms);
        }
        bench.wait(200);
        model.expire(bench.now_ms);
        prop_assert_eq!(numbers(&bench, base), model.out);
        prop_assert_eq!(bench.reorder.deadline_ms(), None);
        prop_assert_eq!(bench.total.reanchored, 0);
    }

    #[test]
    fn holds_end_when_they_do_in_the_model(
        sent in any_stream(1_500, 40),
        steps in prop::collection::vec((0..30_u64, any::<bool>()), 1_500),
        base in base(),
    ) {
        let mut bench = Bench::new();
        let mut model = Model::default();
        // A packet from before the start would be a stray and not late, so it starts in order.
        for (number, (step_ms, expires)) in (-64..0).chain(sent).zip(steps) {
            bench.insert(base.wrapping_add_signed(number), &payload(number as u64, 0));
            model.insert(number, bench.now_ms);
            bench.now_ms += step_ms;
            if expires {
                bench.expire();
                model.expire(bench.now_ms);
                prop_assert!(bench.reorder.deadline_ms().is_none_or(|due_ms| due_ms > bench.now_ms));
            }
            prop_assert_eq!(bench.out.len(), model.out.len());
        }
        prop_assert_eq!(numbers(&bench, base), model.out);
    }

    #[test]
    fn corrupt_headers_change_nothing_but_themselves(
        sent in (1..60_i64).prop_flat_map(|width| stream(800, width, 0.0)),
        corrupt in prop::collection::hash_map(0..800_usize, any::<u64>(), 0..30),
        corrupt_first in prop::option::of(any::<u64>()),
        base in any::<u64>(),
        // So short that a hold never ends while its packet is still to come.
        step_ms in 0..3_u64,
    ) {
        let far = |sequence: &&u64| (sequence.wrapping_sub(base) as i64).unsigned_abs() > 5_000;
        let mut bench = Bench::new();
        for sequence in corrupt_first.iter().filter(far) {
            bench.insert(*sequence, b"corrupt");
        }
        for (place, number) in sent.iter().enumerate() {
            for sequence in corrupt.get(&place).iter().copied().filter(far) {
                bench.insert(*sequence, b"corrupt");
            }
            bench.insert(base.wrapping_add_signed(*number), &payload(*number as u64, 0));
            // All that the shuffle may put before the first packets shall come before the start is over.
            if place > 100 {
                bench.wait(step_ms);
            }
        }
        bench.wait(200);
        bench.out.retain(|(_, payload)| payload != b"corrupt");
        let mut expected = sent;
        expected.sort_unstable();
        expected.dedup();
        prop_assert_eq!(numbers(&bench, base), expected);
    }

    #[test]
    fn restarts_anywhere_lose_next_to_nothing(
        runs in prop::collection::vec((restart(), 150..400_u64, any::<bool>()), 2..8),
        step_ms in 0..30_u64,
    ) {
        let mut bench = Bench::new();
        let mut place: u64 = 1 << 40;
        for ((restart, length, reconnects), run) in runs.into_iter().zip(0..) {
            let start = match restart {
                Restart::At(sequence) => sequence,
                Restart::Off(distance) => place.wrapping_add_signed(distance),
            };
            place = start.wrapping_add(length);
            if reconnects {
                bench.reorder.reconnected();
            }
            let late = bench.total.late;
            let mut sent = Vec::new();
            for offset in 0..length {
                let sequence = start.wrapping_add(offset);
                sent.push((sequence, payload(sequence, run)));
                bench.insert(sequence, &payload(sequence, run));
                bench.wait(step_ms);
            }
            bench.wait(1_000);
            // One or two that contradict what was there aren't enough when the third is in place, and what comes under
            // numbers that were given up is late.
            let lost = sent.len() - bench.out.len();
            prop_assert!(lost <= 2 + (bench.total.late - late) as usize, "run {} lost {}: {:?}", run, lost, bench.total);
            let mut sent = sent.iter();
            prop_assert!(bench.out.iter().all(|got| sent.any(|packet| packet == got)), "out of order");
            bench.out.clear();
        }
    }

    #[test]
    fn whatever_comes_is_counted_once_ordered_between_restarts_and_held_for_a_time(
        steps in prop::collection::vec(step(), 1..1_500),
    ) {
        let mut bench = Bench::new();
        let mut inserted: u32 = 0;
        let mut sent: HashMap<u64, Vec<u8>> = HashMap::new();
        let mut place: u64 = 500;
        let mut breaks = 0;
        for step in steps {
            let from = bench.out.len();
            let mut packet = |sequence: u64, again: bool| {
                let fresh = [sequence.to_be_bytes(), u64::from(inserted).to_be_bytes()].concat();
                let payload = sent.get(&sequence).filter(|_| again).cloned().unwrap_or(fresh);
                sent.insert(sequence, payload.clone());
                inserted += 1;
                bench.insert(sequence, &payload);
            };
            match step {
                Step::Packet { jitter, skip, again } => {
                    place = place.wrapping_add(skip);
                    packet(place.wrapping_add_signed(jitter), again);
                }
                Step::Corrupt(sequence) => packet(sequence, false),
                Step::Restart(sequence) => place = sequence,
                Step::Reconnect => bench.reorder.reconnected(),
                Step::Wait(ms) => {
                    bench.now_ms += ms;
                    bench.expire();
                }
                Step::SetBack(ms) => {
                    bench.now_ms -= ms;
                    bench.expire();
                }
            }
            breaks += bench.out[from.saturating_sub(1)..]
                .windows(2)
                .filter(|pair| pair[1].0.wrapping_sub(pair[0].0) as i64 <= 0)
                .count();
            prop_assert!(breaks <= bench.total.reanchored as usize, "out of order without a restart");
            for (sequence, payload) in &bench.out[from..] {
                prop_assert_eq!(&payload[..8], sequence.to_be_bytes());
            }
            prop_assert_eq!(bench.reorder.deadline_ms().is_some(), bench.reorder.held_bytes() > 0);
        }
        let mut rounds = 0;
        while let Some(due_ms) = bench.reorder.deadline_ms() {
            bench.now_ms = bench.now_ms.max(due_ms);
            bench.expire();
            rounds += 1;
            prop_assert!(rounds < 1_000, "nothing comes of its deadlines");
        }
        let total = bench.total;
        prop_assert_eq!(total.released as usize, bench.out.len());
        prop_assert_eq!(total.released + total.late + total.duplicate + total.stray, inserted);
    }
}
