//! A store that is down, slow, or fails after having done what it was asked: no stream notices, and no usage is lost.

use std::time::Duration;

use crate::packets::{frames, stream};
use crate::store::Mood;
use crate::world::World;

/// How far the record may be from the truth, in milliseconds: a second.
const TOLERANCE_MS: u64 = 1_000;

/// Plays through a store's bad mood. The healthy stream must be whole, and what is recorded in the end true.
fn plays_through(mood: Mood) {
    let mut world = World::new();
    let (source, [viewer]) = world.begin(["zato01"]);
    let viewer = viewer.keep_reading();
    let start = std::time::Instant::now();
    let playing = source.play("zato01", 1);
    playing.play_on(100);
    world.store.set_mood(mood);
    let calls = world.store.calls();
    playing.play_on(1_200);
    assert!(world.store.calls() > calls, "the store isn't called");
    world.store.set_mood(Mood::Well);
    playing.play_on(100);
    let (_source, sent) = playing.stop();
    let played_ms = start.elapsed().as_millis() as u64;
    viewer.expect_to_the_end("zato01", sent);
    assert_eq!(world.metric("viewers"), 1);
    world.relay.drain();
    world.relay.wait_for_end();
    let recorded_ms = world.store.recorded_ms("anna");
    assert!(
        recorded_ms.abs_diff(played_ms) < TOLERANCE_MS,
        "{recorded_ms} ms are recorded of {played_ms} ms"
    );
}

#[test]
fn a_store_that_is_down_stops_no_stream_and_loses_no_usage() {
    plays_through(Mood::Down);
}

#[test]
fn a_slow_store_stops_no_stream_and_loses_no_usage() {
    plays_through(Mood::Slow(Duration::from_millis(700)));
}

#[test]
fn a_store_that_fails_after_committing_counts_nothing_twice() {
    plays_through(Mood::FailsAfterCommitting);
}

#[test]
fn a_store_that_is_down_from_the_beginning_stops_no_viewer_that_has_a_ticket() {
    let world = World::new();
    let (mut source, [mut early]) = world.begin(["zato01"]);
    world.store.set_mood(Mood::Down);
    let mut late = world.watch("bert", "zato01");
    world.wait_for_viewers(2);
    source.send(&frames("zato01", 0..50));
    early.expect(&stream("zato01", 0..50));
    late.expect(&stream("zato01", 0..50));
}
