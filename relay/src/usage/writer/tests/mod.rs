//! The writer against a store that fails in every way, and readers against the truth.

mod fake_dynamodb;
mod relay;

use std::collections::HashMap;

use proptest::prelude::*;
use tokio::runtime::Builder;
use tokio::time::{Duration, Instant};

use fake_dynamodb::{FakeDynamoDb, Fate};
use relay::{Channel, Relay, STEP_MS, Script, Span, read};

/// Noon of some day, in unix milliseconds; the beginning of an hour.
const NOON_MS: u64 = 1_790_078_400_000;

/// A second, and what the writer takes to see that a gap of almost a pause was none.
const OFF_MS: u64 = 1_000 + 130;

const DAY_MS: u64 = 24 * 3_600_000;

fn in_virtual_time<T>(test: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime").block_on(test)
}

fn busy() -> Channel {
    Channel { every_ms: 20, silent: Vec::new() }
}

fn watching(lasts: Span) -> Script {
    Script { channel: 0, lasts, stuck: Vec::new() }
}

fn span(longest_ms: u64) -> impl Strategy<Value = Span> {
    (0..longest_ms / STEP_MS, 0..longest_ms / STEP_MS)
        .prop_map(|(a, b)| (a.min(b) * STEP_MS, a.max(b) * STEP_MS))
}

fn script(longest_ms: u64) -> impl Strategy<Value = Script> {
    let stuck = (0..longest_ms / STEP_MS, 1u64..300).prop_map(|(from, steps)| {
        let from_ms = from * STEP_MS;
        (from_ms, from_ms + steps * STEP_MS)
    });
    (0usize..2, span(longest_ms), prop::collection::vec(stuck, 0..3))
        .prop_map(|(channel, lasts, stuck)| Script { channel, lasts, stuck })
}

fn channel(longest_ms: u64) -> impl Strategy<Value = Channel> {
    let every_ms = prop_oneof![Just(20u64), Just(100), Just(1_000), Just(1_900)];
    (every_ms, prop::collection::vec(span(longest_ms), 0..2))
        .prop_map(|(every_ms, silent)| Channel { every_ms, silent })
}

/// What a store does that is well on the whole: of three requests in a row, one may go wrong.
fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        6 => (1u64..60).prop_map(Fate::Answered),
        1 => Just(Fate::Lost),
        1 => Just(Fate::AnsweredWrongly),
    ];
    prop::collection::vec(fate.prop_map(|fate| [fate, Fate::Answered(5), Fate::Answered(20)]), 0..200)
        .prop_map(|fates| fates.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn after_a_kill_at_any_time_usage_is_within_a_second_of_the_truth(
        // The hour changes in the middle of most.
        start in 0u64..60,
        channels in [channel(60_000), channel(60_000)],
        scripts in prop::collection::vec(script(60_000), 1..6),
        kill in 1u64..(60_000 / STEP_MS),
        wait_ms in prop_oneof![Just(1u64), Just(90_000), Just(DAY_MS / 3)],
    ) {
        in_virtual_time(async {
            let database = FakeDynamoDb::default();
            let sessions = scripts.len();
            let start_ms = NOON_MS - start * 1_000;
            let mut relay = Relay::start(&database, start_ms, channels.to_vec(), scripts);
            relay.run_until(kill * STEP_MS).await;
            relay.kill();
            let truth = relay.truth(relay.now_ms());
            let said = read(&database, sessions, relay.now_ms() + wait_ms).await;
            for (truth_ms, said_ms) in truth.iter().zip(&said) {
                prop_assert!(truth_ms.abs_diff(*said_ms) <= OFF_MS, "truth {truth:?}, said {said:?}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn after_a_drain_usage_is_exact_whatever_single_requests_met(
        start in 0u64..60,
        channels in [channel(60_000), channel(60_000)],
        scripts in prop::collection::vec(script(60_000), 1..6),
        fates in fates(),
        end in 1u64..(60_000 / STEP_MS),
    ) {
        in_virtual_time(async {
            let database = FakeDynamoDb::default();
            database.fates(fates);
            let sessions = scripts.len();
            let mut relay = Relay::start(&database, NOON_MS - start * 1_000, channels.to_vec(), scripts);
            relay.run_until(end * STEP_MS).await;
            let took = relay.drain().await;
            prop_assert!(took < Duration::from_secs(5), "it took {took:?}");
            let said = read(&database, sessions, relay.now_ms() + 60_000).await;
            prop_assert_eq!(relay.truth(u64::MAX), said);
            prop_assert_eq!(relay.counters.rows_logged.get(), 0);
            Ok(())
        })?;
    }

    #[test]
    fn a_kill_while_single_requests_fail_costs_little_and_never_adds(
        channels in [channel(60_000), channel(60_000)],
        scripts in prop::collection::vec(script(60_000), 1..6),
        fates in fates(),
        kill in 1u64..(60_000 / STEP_MS),
    ) {
        in_virtual_time(async {
            let database = FakeDynamoDb::default();
            database.fates(fates);
            let sessions = scripts.len();
            let mut relay = Relay::start(&database, NOON_MS, channels.to_vec(), scripts);
            relay.run_until(kill * STEP_MS).await;
            relay.kill();
            let truth = relay.truth(relay.now_ms());
            let said = read(&database, sessions, relay.now_ms() + 60_000).await;
            for (truth_ms, said_ms) in truth.iter().zip(&said) {
                prop_assert!(*said_ms <= truth_ms + OFF_MS, "truth {truth:?}, said {said:?}");
                // A failure costs a beat a quarter of a second, and a segment the pause that the store is given.
                prop_assert!(said_ms + 1_500 >= *truth_ms, "truth {truth:?}, said {said:?}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_store_that_is_down_for_a_minute_loses_nothing_and_a_kill_meanwhile_adds_nothing(
        channels in [channel(150_000), channel(150_000)],
        scripts in prop::collection::vec(script(150_000), 1..6),
        down_s in 1u64..60,
        kill in prop::option::of(1u64..(150_000 / STEP_MS)),
    ) {
        in_virtual_time(async {
            let database = FakeDynamoDb::default();
            let down = Instant::now() + Duration::from_secs(down_s);
            database.down(down, down + Duration::from_secs(60));
            let sessions = scripts.len();
            let mut relay = Relay::start(&database, NOON_MS - 60_000, channels.to_vec(), scripts);
            let end_ms = kill.map_or(150_000, |kill| kill * STEP_MS);
            relay.run_until(end_ms).await;
            let truth = relay.truth(relay.now_ms());
            if kill.is_none() {
                relay.drain().await;
                let said = read(&database, sessions, relay.now_ms() + 60_000).await;
                prop_assert_eq!(truth, said);
                return Ok(());
            }
            relay.kill();
            let said = read(&database, sessions, relay.now_ms() + 60_000).await;
            // What could be known: all but the outage, and five seconds to come out of it.
            let is_down = (down_s * 1_000..(down_s + 65) * 1_000).contains(&end_ms);
            let known = if is_down { relay.truth(NOON_MS - 60_000 + down_s * 1_000) } else { truth.clone() };
            for ((truth_ms, known_ms), said_ms) in truth.iter().zip(&known).zip(&said) {
                prop_assert!(*said_ms <= truth_ms + OFF_MS, "truth {truth:?}, said {said:?}");
                prop_assert!(said_ms + OFF_MS >= *known_ms, "known {known:?}, said {said:?}");
            }
            Ok(())
        })?;
    }
}

#[test]
fn a_slow_store_is_late_by_its_own_latency_only() {
    in_virtual_time(async {
        let database = FakeDynamoDb::default();
        database.fates(vec![Fate::Answered(800); 10_000]);
        let mut relay = Relay::start(&database, NOON_MS, vec![busy()], vec![watching((0, 60_000)); 20]);
        relay.run_until(30_000).await;
        relay.kill();
        let truth = relay.truth(relay.now_ms());
        for (truth_ms, said_ms) in truth.iter().zip(read(&database, 20, relay.now_ms() + 60_000).await) {
            assert!(truth_ms.abs_diff(said_ms) <= 1_000 + 400, "truth {truth_ms}, said {said_ms}");
        }
    });
}

#[test]
fn answers_that_never_come_are_not_waited_for_and_their_writes_harm_nothing() {
    in_virtual_time(async {
        let database = FakeDynamoDb::default();
        database.fates([Fate::Answered(5), Fate::AnswerLost, Fate::AnswerLost, Fate::AnswerLost]);
        let mut relay = Relay::start(&database, NOON_MS, vec![busy()], vec![watching((0, 1_000))]);
        relay.run_until(20_000).await;
        relay.drain().await;
        assert_eq!(read(&database, 1, relay.now_ms()).await, relay.truth(u64::MAX));
    });
}

#[test]
fn what_cant_be_written_before_the_end_is_logged_and_counted() {
    in_virtual_time(async {
        let database = FakeDynamoDb::default();
        let start = Instant::now();
        database.down(start + Duration::from_secs(2), start + Duration::from_secs(3_600));
        let mut relay = Relay::start(&database, NOON_MS, vec![busy()], vec![watching((0, 90_000)); 7]);
        relay.run_until(5_000).await;
        let took = relay.drain().await;
        assert_eq!(took, Duration::from_secs(20), "it waits as long as it may and no longer");
        assert_eq!(relay.counters.rows_logged.get(), 7);
    });
}

#[test]
fn an_outage_costs_few_tries() {
    in_virtual_time(async {
        let database = FakeDynamoDb::default();
        let start = Instant::now();
        let mut relay = Relay::start(&database, NOON_MS, vec![busy()], vec![watching((0, 5_000)); 500]);
        relay.run_until(4_000).await;
        database.down(start + Duration::from_secs(4), start + Duration::from_secs(64));
        let before = database.attempts();
        relay.run_until(64_000).await;
        let tries = database.attempts() - before;
        // Beats and reports, a quarter of a second apart, and a segment every second or two.
        assert!(tries < 60 * 4 + 60 + 100, "{tries} tries");
        relay.run_until(68_000).await;
        assert_eq!(read(&database, 500, relay.now_ms()).await, relay.truth(u64::MAX));
    });
}

#[test]
fn a_viewer_all_day_is_a_row_an_hour_and_a_relay_a_beat_a_second() {
    in_virtual_time(async {
        let database = FakeDynamoDb::default();
        let (viewers, hours) = (100, 3);
        let channel = Channel { every_ms: 200, silent: Vec::new() };
        let script = watching((0, u64::MAX));
        let mut relay = Relay::start(&database, NOON_MS + 600_000, vec![channel], vec![script; viewers]);
        relay.step_ms = 200;
        relay.run_until(hours * 3_600_000).await;
        let (rows, others) = (database.puts("usage"), database.puts("relays"));
        assert_eq!(rows, viewers * (hours as usize + 1), "the first hour was begun in its middle");
        let (beats, reports) = (hours as usize * 3_600, hours as usize * 720);
        assert!(others.abs_diff(beats + reports) <= 10, "{others}");
        // 10,000 viewers on 4 relays for a day, in rows: 240,000 of usage, 345,600 beats, and 69,120 of channels.
        let a_day = 10_000 * 24 + 4 * 24 * (others / hours as usize);
        assert!((640_000..670_000).contains(&a_day), "{a_day}");
        let said = read(&database, viewers, relay.now_ms()).await;
        for (truth_ms, said_ms) in relay.truth(u64::MAX).iter().zip(said) {
            assert!(truth_ms.abs_diff(said_ms) <= 1_000, "truth {truth_ms}, said {said_ms}");
        }
    });
}

#[test]
fn a_session_that_stops_and_starts_all_the_time_writes_ever_less() {
    in_virtual_time(async {
        let database = FakeDynamoDb::default();
        // Half a second of delivery, three seconds of nothing, for an hour.
        let stuck = (0..1_030).map(|turn| (turn * 3_500 + 500, turn * 3_500 + 3_500)).collect();
        let script = Script { stuck, ..watching((0, 3_600_000)) };
        let mut relay = Relay::start(&database, NOON_MS, vec![busy()], vec![script]);
        relay.run_until(3_590_000).await;
        let rows = database.puts("usage");
        assert!(rows <= 2 * (30 + 61), "{rows} rows");
        relay.drain().await;
        let (truth, said) = (relay.truth(u64::MAX), read(&database, 1, relay.now_ms()).await);
        assert_eq!(truth, said);
    });
}

#[test]
fn a_source_that_is_gone_for_a_while_is_no_delivery_for_anybody() {
    in_virtual_time(async {
        for kill_ms in [20_100, 20_600, 21_900, 22_400, 25_000, 30_100, 33_000] {
            let database = FakeDynamoDb::default();
            let channel = Channel { every_ms: 20, silent: vec![(20_000, 30_000)] };
            let mut relay =
                Relay::start(&database, NOON_MS, vec![channel, busy()], vec![watching((0, 60_000)); 400]);
            relay.run_until(kill_ms).await;
            relay.kill();
            let truth = relay.truth(relay.now_ms());
            let said = read(&database, 400, relay.now_ms() + 60_000).await;
            let errors: HashMap<_, usize> =
                truth.iter().zip(&said).fold(HashMap::new(), |mut errors, (a, b)| {
                    *errors.entry(a.abs_diff(*b)).or_default() += 1;
                    errors
                });
            assert!(errors.keys().all(|error_ms| *error_ms <= 1_000), "killed at {kill_ms}: {errors:?}");
        }
    });
}
