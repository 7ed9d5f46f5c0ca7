//! Relays that take their channels from relays.

use std::time::Duration;

use crate::packets::{LEN, frames, stream};
use crate::store::Store;
use crate::viewer::Viewer;
use crate::world::{Running, World, config};

/// A relay behind another one.
fn behind(relay: &Running, store: &Store) -> Running {
    let next = Running::start(config(relay.addresses.feed.expect("is open")), store);
    next.wait_until_ready();
    next
}

#[test]
fn three_relays_in_a_row_give_their_viewers_identical_streams() {
    let world = World::new();
    let (mut source, [mut first, mut first_other]) = world.begin(["zato01", "zato02"]);
    let second_relay = behind(&world, &world.store);
    let third_relay = behind(&second_relay, &world.store);
    world.wait_for("feeds", |feeds| feeds == 1);
    second_relay.wait_for("feeds", |feeds| feeds == 1);
    let watch =
        |relay: &Running, channel| Viewer::watch(relay.addresses.stream, &world.store.line("anna", channel));
    let mut second = watch(&second_relay, "zato01");
    let mut third = watch(&third_relay, "zato01");
    let mut third_other = watch(&third_relay, "zato02");
    second_relay.wait_for_viewers(1);
    third_relay.wait_for_viewers(2);
    // Out of order, twice, and with one missing: the first relay puts it in order, the others see nothing of it.
    let mut expected = Vec::new();
    for group in 0..100 {
        let from = group * 10;
        let order =
            [from, from + 3, from + 1, from + 2, from + 2, from + 9, from + 5, from + 6, from + 7, from + 8];
        source.send(&frames("zato01", order));
        source.send(&frames("zato01", [from + 4].into_iter().filter(|number| *number != 504)));
        source.send(&frames("zato02", [group]));
        expected.extend((from..from + 10).filter(|number| *number != 504));
    }
    let expected = stream("zato01", expected);
    for viewer in [&mut first, &mut second, &mut third] {
        viewer.expect(&expected);
    }
    first_other.expect(&stream("zato02", 0..100));
    third_other.expect(&stream("zato02", 0..100));
    assert_eq!(third_relay.wait_for("packets_duplicate", |_| true), 0);
}

#[test]
fn a_relay_that_loses_the_one_before_it_goes_on_when_that_is_back() {
    let world = World::new();
    let (mut source, [mut first]) = world.begin(["zato01"]);
    let second_relay = behind(&world, &world.store);
    let mut second = Viewer::watch(second_relay.addresses.stream, &world.store.line("anna", "zato01"));
    second_relay.wait_for_viewers(1);
    source.send(&frames("zato01", 0..100));
    second.receive(100 * LEN);
    source.close();
    let mut source = world.source.accept();
    source.send(&frames("zato01", 100..200));
    first.expect(&stream("zato01", 0..200));
    second.expect(&stream("zato01", 0..200));
    assert!(second_relay.is_ready(), "its own source was there all the time");
}

#[test]
fn a_fed_relay_that_never_reads_costs_the_others_nothing() {
    let world = World::with(|config| {
        config.patience.no_progress = Duration::from_millis(1_000);
        config.patience.send_buffer_bytes = 16 << 10;
    });
    let (source, [viewer]) = world.begin(["zato01"]);
    let viewer = viewer.keep_reading();
    let _stopped = Viewer::with_small_buffer(world.addresses.feed.expect("is open"));
    let second_relay = behind(&world, &world.store);
    let second =
        Viewer::watch(second_relay.addresses.stream, &world.store.line("anna", "zato01")).keep_reading();
    second_relay.wait_for_viewers(1);
    world.wait_for("feeds", |feeds| feeds == 2);
    let playing = source.play("zato01", 2);
    world.wait_for("feeds", |feeds| feeds == 1);
    let (_source, sent) = playing.stop();
    viewer.expect_to_the_end("zato01", sent);
    second.expect_to_the_end("zato01", sent);
}

#[test]
fn nothing_is_kept_for_relays_while_none_is_fed() {
    let world = World::new();
    let (mut source, [mut viewer]) = world.begin(["zato01"]);
    source.send(&frames("zato01", 0..50));
    viewer.expect(&stream("zato01", 0..50));
    assert!(world.wait_for("buffer_bytes", |bytes| bytes > 0) <= 2 << 20);
    let second_relay = behind(&world, &world.store);
    source.send(&frames("zato01", 50..100));
    world.wait_for("buffer_bytes", |bytes| bytes > 2 << 20);
    drop(second_relay);
    world.wait_for("buffer_bytes", |bytes| bytes <= 2 << 20);
}
