//! What viewers may do, and what others must not notice.

use std::net::Shutdown;
use std::time::Duration;

use crate::packets::{frames, stream};
use crate::source::Playing;
use crate::viewer::{Reading, Viewer};
use crate::world::World;

/// A channel that plays all the time, and a healthy viewer of it.
struct Healthy {
    world: World,
    playing: Playing,
    viewer: Reading,
}

impl Healthy {
    fn new(change: impl FnOnce(&mut relay::config::Config)) -> Self {
        let world = World::with(change);
        let (source, [viewer]) = world.begin(["zato01"]);
        Self { playing: source.play("zato01", 2), world, viewer: viewer.keep_reading() }
    }

    /// Plays a little longer; then the healthy viewer must have all of it.
    #[track_caller]
    fn still_is(self) {
        self.playing.play_on(20);
        let (_source, sent) = self.playing.stop();
        self.viewer.expect_to_the_end("zato01", sent);
        assert_eq!(self.world.metric("viewers_skipped"), 0);
    }
}

#[test]
fn half_a_line_is_closed_when_the_time_is_up() {
    let healthy = Healthy::new(|config| config.patience.handshake = Duration::from_millis(200));
    let mut half = Viewer::connect(healthy.world.addresses.stream);
    half.send(b"anna zat");
    half.expect_refusal();
    healthy.world.wait_for("handshakes_timed_out", |timed_out| timed_out == 1);
    healthy.still_is();
}

#[test]
fn no_line_is_closed_when_the_time_is_up_however_slowly_it_comes() {
    let healthy = Healthy::new(|config| config.patience.handshake = Duration::from_millis(300));
    let mut silent = Viewer::connect(healthy.world.addresses.stream);
    let mut slow = Viewer::connect(healthy.world.addresses.stream);
    // Each byte comes in time; the line doesn't.
    for byte in b"anna zato01 a-long-ticket-that-never-ends" {
        if slow.try_send(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    slow.expect_refusal();
    silent.expect_refusal();
    healthy.still_is();
}

#[test]
fn a_viewer_who_hangs_up_before_the_end_of_the_line_is_forgotten() {
    let healthy = Healthy::new(|_| {});
    let mut half = Viewer::connect(healthy.world.addresses.stream);
    half.send(b"anna zato01 ticket-without-an-end");
    half.stream.shutdown(Shutdown::Write).expect("closes its half");
    half.expect_refusal();
    healthy.world.wait_for("connections", |connections| connections == 1);
    healthy.still_is();
}

#[test]
fn two_thousand_slow_handshakes_keep_nobody_out() {
    let healthy = Healthy::new(|_| {});
    let stream = healthy.world.addresses.stream;
    let mut slow: Vec<_> = (0..2_000).map(|_| Viewer::connect(stream)).collect();
    healthy.world.wait_for("handshakes_pushed_out", |pushed_out| pushed_out >= 2_000 - 1_024);
    let mut prompt = healthy.world.watch("bert", "zato01");
    healthy.world.wait_for_viewers(2);
    prompt.receive(10_000);
    // Those who came first had to go; those who came last may still say what they want.
    slow[0].expect_refusal();
    let mut last = slow.pop().expect("there are many");
    last.send(format!("{}\n", healthy.world.store.line("carl", "zato01")).as_bytes());
    healthy.world.wait_for_viewers(3);
    last.receive(10_000);
    healthy.still_is();
}

#[test]
fn a_little_input_after_the_line_is_ignored_and_a_flood_is_not() {
    let healthy = Healthy::new(|_| {});
    let mut talkative = healthy.world.watch("bert", "zato01");
    let mut flooding = healthy.world.watch("carl", "zato01");
    healthy.world.wait_for_viewers(3);
    talkative.send(&[b'x'; 4_000]);
    let mut flooded = 0;
    while flooded < 1 << 20 && flooding.try_send(&[b'x'; 1_000]).is_ok() {
        flooded += 1_000;
    }
    healthy.world.wait_for("viewers_flooding", |flooding| flooding == 1);
    flooding.receive_all();
    talkative.receive(100_000);
    healthy.still_is();
}

#[test]
fn a_viewer_who_closes_their_half_still_gets_everything() {
    let world = World::new();
    let (mut source, [mut viewer]) = world.begin(["zato01"]);
    viewer.stream.shutdown(Shutdown::Write).expect("closes its half");
    source.send(&frames("zato01", 0..100));
    viewer.expect(&stream("zato01", 0..100));
}

#[test]
fn viewers_that_vanish_with_or_without_a_word_are_noticed() {
    let healthy = Healthy::new(|_| {});
    for _ in 0..20 {
        drop(healthy.world.watch("bert", "zato01"));
        let mut vanishing = healthy.world.watch("carl", "zato01");
        vanishing.receive(1);
        vanishing.reset();
        // On a channel where nothing is written, too.
        let silent = healthy.world.watch("dora", "none01");
        drop(healthy.world.watch("dora", "none01"));
        silent.reset();
    }
    healthy.world.wait_for("viewers_accepted", |accepted| accepted >= 21);
    healthy.world.wait_for("viewers", |viewers| viewers < 40);
    healthy.still_is();
}

#[test]
fn a_viewer_of_a_silent_channel_that_resets_is_noticed_after_having_closed_its_half() {
    let world = World::new();
    let (_source, [silent]) = world.begin(["none01"]);
    silent.stream.shutdown(Shutdown::Write).expect("closes its half");
    std::thread::sleep(Duration::from_millis(50));
    silent.reset();
    world.wait_for_viewers(0);
}

#[test]
fn more_connections_than_allowed_are_closed_and_the_others_stay() {
    let healthy = Healthy::new(|config| config.max_connections = 10);
    let stream = healthy.world.addresses.stream;
    let others: Vec<_> = (0..9).map(|_| healthy.world.watch("bert", "zato01")).collect();
    healthy.world.wait_for_viewers(10);
    let mut excess: Vec<_> = (0..50).map(|_| Viewer::connect(stream)).collect();
    for viewer in &mut excess {
        viewer.expect_refusal();
    }
    healthy.world.wait_for("connections_over_limit", |connections| connections == 50);
    drop(others);
    healthy.world.wait_for("connections", |connections| connections == 1);
    let mut next = healthy.world.watch("carl", "zato01");
    next.receive(10_000);
    healthy.still_is();
}
