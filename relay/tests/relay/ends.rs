//! The relay's own end, in this process.

use std::thread;
use std::time::{Duration, Instant};

use crate::packets::{LEN, frames, numbers};
use crate::store::Mood;
use crate::viewer::Viewer;
use crate::world::{PATIENCE, World};

#[test]
fn a_drain_under_load_ends_every_stream_at_the_end_of_a_packet() {
    let mut world = World::with(|config| config.drain = Duration::from_millis(1_500));
    let (source, [viewer]) = world.begin(["zato01"]);
    let viewers = (0..150).map(|other| world.watch(&format!("bert-{other}"), "zato01"));
    let viewers: Vec<_> = viewers.chain([viewer]).map(Viewer::keep_reading).collect();
    world.wait_for_viewers(151);
    let playing = source.play("zato01", 1);
    playing.play_on(100);
    let start = Instant::now();
    world.relay.drain();
    let ends: Vec<_> = viewers
        .into_iter()
        .map(|viewer| {
            thread::spawn(move || {
                let stream = viewer.receive_all();
                let (got, rest) = numbers("zato01", &stream);
                assert_eq!(rest, 0, "a packet was cut");
                assert!(got.windows(2).all(|pair| pair[1] == pair[0] + 1), "a packet is missing");
                Instant::now()
            })
        })
        .collect();
    let mut ends: Vec<_> = ends.into_iter().map(|end| end.join().expect("well ended") - start).collect();
    ends.sort();
    world.relay.wait_for_end();
    // Not all at once.
    assert!(ends[150] - ends[0] > Duration::from_millis(700), "{:?} to {:?}", ends[0], ends[150]);
    drop(playing);
}

#[test]
fn a_draining_relay_is_not_ready_and_takes_nobody() {
    let mut world = World::with(|config| config.drain = Duration::from_secs(3));
    let (mut source, [mut viewer]) = world.begin(["zato01"]);
    let mut others: Vec<_> = (0..200).map(|other| world.watch(&format!("bert-{other}"), "zato01")).collect();
    world.wait_for_viewers(201);
    source.send(&frames("zato01", 0..20));
    world.wait_for("delivered_bytes", |bytes| bytes == 201 * 20 * LEN as u64);
    world.relay.drain();
    let start = Instant::now();
    while world.is_ready() {
        assert!(start.elapsed() < PATIENCE, "still ready");
    }
    assert_eq!(world.get("/health").0, 200);
    let refused = std::net::TcpStream::connect(world.addresses.stream);
    assert!(refused.is_err(), "still listens");
    for other in &mut others {
        assert_eq!(other.receive_all().len(), 20 * LEN);
    }
    assert_eq!(viewer.receive_all().len(), 20 * LEN);
    world.relay.wait_for_end();
}

#[test]
fn a_relay_without_viewers_ends_at_once() {
    let mut world = World::with(|config| config.drain = Duration::from_secs(3_600));
    let _source = world.source.accept();
    world.wait_until_ready();
    let start = Instant::now();
    world.relay.drain();
    world.relay.wait_for_end();
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn a_viewer_that_takes_nothing_does_not_hold_up_the_end() {
    let mut world = World::with(|config| config.patience.send_buffer_bytes = 16 << 10);
    let (source, [_healthy]) = world.begin(["zato01"]);
    let _stopped = world.watch_little("bert", "zato01");
    world.wait_for_viewers(2);
    let playing = source.play("zato01", 4);
    playing.play_on(400);
    let start = Instant::now();
    world.relay.drain();
    world.relay.wait_for_end();
    assert!(start.elapsed() < PATIENCE);
    drop(playing);
}

#[test]
fn a_store_that_is_down_does_not_hold_up_the_end_for_ever() {
    let mut world = World::with(|config| config.patience.usage_at_end = Duration::from_millis(500));
    let (mut source, [mut viewer]) = world.begin(["zato01"]);
    source.send(&frames("zato01", 0..20));
    viewer.receive(20 * LEN);
    world.store.set_mood(Mood::Down);
    let start = Instant::now();
    world.relay.drain();
    world.relay.wait_for_end();
    assert!(start.elapsed() < PATIENCE);
}
