//! Viewers that take too little: they lose whole packets, in the end the connection, and nobody else loses anything.

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use crate::packets::{LEN, frames, numbers};
use crate::viewer::Viewer;
use crate::world::{PATIENCE, World};

#[test]
fn a_slow_viewer_skips_whole_packets_and_gets_the_rest_undamaged() {
    let world = World::with(|config| {
        config.channel_buffer_bytes = 512 << 10;
        config.patience.send_buffer_bytes = 64 << 10;
        config.patience.skips = 1_000;
    });
    let (source, [healthy]) = world.begin(["zato01"]);
    let healthy = healthy.keep_reading();
    let mut slow = world.watch_little("bert", "zato01");
    world.wait_for_viewers(2);
    let playing = source.play("zato01", 1);
    // It reads in gulps that have nothing to do with packets, far less than comes.
    let mut gulp = [0; 1_000];
    let start = Instant::now();
    while world.metric("viewers_skipped") < 3 {
        let read = slow.stream.read(&mut gulp).expect("not closed");
        slow.received.extend_from_slice(&gulp[..read]);
        assert!(start.elapsed() < PATIENCE, "it never skipped");
        thread::sleep(Duration::from_millis(5));
    }
    let (mut source, mut sent) = playing.stop();
    // Once it keeps up, it gets what comes next.
    while sent == 0 || !numbers("zato01", &slow.received).0.ends_with(&[sent - 1]) {
        assert!(start.elapsed() < PATIENCE, "it never came back to live");
        source.send(&frames("zato01", [sent]));
        sent += 1;
        slow.receive_for(Duration::from_millis(50));
    }
    healthy.expect_to_the_end("zato01", sent);
    let (got, rest) = numbers("zato01", &slow.received);
    assert_eq!(rest, 0, "a packet was cut");
    let gaps = got.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    assert!(got.is_sorted_by(|a, b| a < b) && gaps >= 3, "{gaps} gaps");
    assert_eq!(gaps as u64, world.metric("viewers_skipped"));
}

#[test]
fn a_viewer_that_is_brought_back_to_live_too_often_is_sent_away() {
    let world = World::with(|config| {
        config.channel_buffer_bytes = 512 << 10;
        config.patience.send_buffer_bytes = 64 << 10;
        config.patience.skips = 3;
    });
    let (source, [healthy]) = world.begin(["zato01"]);
    let healthy = healthy.keep_reading();
    let mut slow = world.watch_little("bert", "zato01");
    world.wait_for_viewers(2);
    let playing = source.play("zato01", 1);
    let mut gulp = [0; 2_000];
    slow.stream.set_read_timeout(Some(PATIENCE)).expect("can time out");
    while let Ok(1..) = slow.stream.read(&mut gulp) {
        thread::sleep(Duration::from_millis(5));
    }
    world.wait_for("viewers_too_slow", |viewers| viewers == 1);
    assert_eq!(world.metric("viewers_skipped"), 2);
    let (_source, sent) = playing.stop();
    healthy.expect_to_the_end("zato01", sent);
}

#[test]
fn a_viewer_that_never_reads_is_sent_away_and_others_notice_nothing() {
    let world = World::with(|config| {
        config.patience.no_progress = Duration::from_millis(1_000);
        config.patience.send_buffer_bytes = 16 << 10;
    });
    let (source, [healthy]) = world.begin(["zato01"]);
    let healthy = healthy.keep_reading();
    let _stopped = world.watch_little("bert", "zato01");
    world.wait_for_viewers(2);
    let playing = source.play("zato01", 2);
    world.wait_for("viewers_too_slow", |viewers| viewers == 1);
    world.wait_for_viewers(1);
    playing.play_on(20);
    let (_source, sent) = playing.stop();
    healthy.expect_to_the_end("zato01", sent);
}

#[test]
fn a_viewer_that_reads_one_byte_at_a_time_is_sent_away_and_others_notice_nothing() {
    let world = World::with(|config| {
        config.patience.no_progress = Duration::from_millis(1_000);
        config.patience.send_buffer_bytes = 16 << 10;
    });
    let (source, [healthy]) = world.begin(["zato01"]);
    let healthy = healthy.keep_reading();
    let mut slow = world.watch_little("bert", "zato01");
    world.wait_for_viewers(2);
    let playing = source.play("zato01", 2);
    let start = Instant::now();
    while world.metric("viewers_too_slow") == 0 {
        assert!(start.elapsed() < PATIENCE, "it is still there");
        slow.stream.read_exact(&mut [0; 1]).expect("there is more than it reads");
        thread::sleep(Duration::from_millis(50));
    }
    let (_source, sent) = playing.stop();
    healthy.expect_to_the_end("zato01", sent);
}

#[test]
fn a_peer_that_acknowledges_nothing_is_given_up_by_the_kernel() {
    let world = World::with(|config| {
        config.patience.user_timeout = Duration::from_millis(1_000);
        config.patience.send_buffer_bytes = 16 << 10;
    });
    let (source, [healthy]) = world.begin(["zato01"]);
    let healthy = healthy.keep_reading();
    let _gone = world.watch_little("bert", "zato01");
    world.wait_for_viewers(2);
    let playing = source.play("zato01", 2);
    // Its window stays shut, which to the sender's kernel is as if it were gone.
    world.wait_for_viewers(1);
    assert_eq!(world.metric("viewers_too_slow"), 0, "the kernel was first");
    let (_source, sent) = playing.stop();
    healthy.expect_to_the_end("zato01", sent);
}

#[test]
fn one_stopped_viewer_among_a_hundred_costs_the_others_no_byte() {
    let world = World::with(|config| config.patience.send_buffer_bytes = 16 << 10);
    let (source, [first]) = world.begin(["zato01"]);
    let others = (0..98).map(|other| world.watch(&format!("bert-{other}"), "zato01"));
    let others: Vec<_> = others.chain([first]).map(Viewer::keep_reading).collect();
    let stopped = world.watch_little("carl", "zato01");
    world.wait_for_viewers(100);
    let playing = source.play("zato01", 1);
    playing.play_on(400);
    let (_source, sent) = playing.stop();
    for other in &others {
        other.expect_to_the_end("zato01", sent);
    }
    assert!(stopped.received.len() < LEN);
}
