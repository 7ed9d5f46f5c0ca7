//! What happens when nothing goes wrong.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::packets::{self, LEN, frames, stream};
use crate::viewer::Viewer;
use crate::world::{World, get};

const CHANNELS: [&str; 3] = ["zato01", "zato02", "zato03"];

#[test]
fn viewers_of_interleaved_channels_get_their_own_in_order() {
    let world = World::new();
    let (mut source, viewers) = world.begin(CHANNELS);
    for number in 0..500 {
        for channel in CHANNELS {
            source.send(&frames(channel, [number]));
        }
    }
    for (mut viewer, channel) in viewers.into_iter().zip(CHANNELS) {
        viewer.expect(&stream(channel, 0..500));
    }
}

#[test]
fn several_sessions_of_one_user_get_the_same_on_one_channel_and_on_two() {
    let world = World::new();
    let (mut source, viewers) = world.begin(["zato01", "zato01", "zato02"]);
    source.send(&frames("zato01", 0..100));
    source.send(&frames("zato02", 0..50));
    let [mut first, mut second, mut other] = viewers;
    first.expect(&stream("zato01", 0..100));
    second.expect(&stream("zato01", 0..100));
    other.expect(&stream("zato02", 0..50));
    assert_eq!(world.wait_for("delivered_bytes", |bytes| bytes > 0), 250 * LEN as u64);
}

#[test]
fn a_viewer_of_a_channel_that_does_not_exist_waits_in_silence_until_it_does() {
    let world = World::new();
    let (mut source, [mut early, mut other]) = world.begin(["new-01", "zato01"]);
    source.send(&frames("zato01", 0..50));
    other.expect(&stream("zato01", 0..50));
    early.expect_silence(Duration::from_millis(200));
    source.send(&frames("new-01", 7..60));
    early.expect(&stream("new-01", 7..60));
}

#[test]
fn a_viewer_begins_with_what_comes_next() {
    let world = World::new();
    let (mut source, [mut early]) = world.begin(["zato01"]);
    source.send(&frames("zato01", 0..100));
    early.receive(100 * LEN);
    let mut late = world.watch("bert", "zato01");
    world.wait_for_viewers(2);
    source.send(&frames("zato01", 100..200));
    late.expect(&stream("zato01", 100..200));
    early.expect(&stream("zato01", 0..200));
}

#[test]
fn a_viewer_over_http_gets_the_same_bytes() {
    let world = World::new();
    let (mut source, [mut over_tcp]) = world.begin(["zato01"]);
    let basic = BASE64_STANDARD.encode(format!("bert:{}", world.store.ticket("bert")));
    let mut over_http = Viewer::connect(world.addresses.http_stream.expect("is open"));
    over_http.send(format!("GET /live/zato01 HTTP/1.1\r\nAuthorization: Basic {basic}\r\n\r\n").as_bytes());
    world.wait_for_viewers(2);
    let sent = stream("zato01", 0..300);
    source.send(&frames("zato01", 0..300));
    over_tcp.expect(&sent);
    while !over_http.received.ends_with(&sent[sent.len() - LEN..]) {
        let len = over_http.received.len();
        over_http.receive(len + 1);
    }
    let head_len = over_http.received.len() - sent.len();
    let (head, body) = over_http.received.split_at(head_len);
    let head = String::from_utf8_lossy(head);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(
        head.contains("Content-Type: video/mp2t\r\n") && head.contains("Cache-Control: no-store\r\n"),
        "{head}"
    );
    assert!(body == sent);
}

#[test]
fn who_is_refused_over_http_is_told_why() {
    let world = World::new();
    let _source = world.source.accept();
    world.wait_until_ready();
    let http = world.addresses.http_stream.expect("is open");
    let (status, body) = get(http, "/live/zato01", "");
    assert_eq!(status, 403, "{body}");
    assert!(body.contains("not-allowed-to-watch"), "{body}");
    let forged = BASE64_STANDARD.encode("anna:1.k.s");
    assert_eq!(get(http, "/live/zato01", &format!("Authorization: Basic {forged}\r\n")).0, 403);
    assert_eq!(get(http, "/", "").0, 404);
    assert_eq!(world.metric("viewers"), 0);
}

#[test]
fn a_flush_interval_makes_few_large_writes_of_many_small_ones() {
    let world = World::with(|config| config.flush_interval = Duration::from_millis(100));
    let (mut source, [mut viewer]) = world.begin(["zato01"]);
    for number in 0..200 {
        source.send(&frames("zato01", [number]));
        std::thread::sleep(Duration::from_millis(1));
    }
    viewer.expect(&stream("zato01", 0..200));
    let writes = world.wait_for("delivered_writes", |writes| writes > 0);
    assert!(writes < 50, "{writes} writes for 200 packets");
}

#[test]
fn an_empty_payload_counts_as_a_packet_and_sends_nothing() {
    let world = World::new();
    let (mut source, [mut viewer]) = world.begin(["zato01"]);
    source.send(&frames("zato01", 0..20));
    source.send(&packets::frame("zato01", 20, b""));
    source.send(&frames("zato01", 21..40));
    viewer.expect(&stream("zato01", (0..20).chain(21..40)));
    assert_eq!(world.wait_for("packets_released", |packets| packets == 40), 40);
    assert_eq!(world.metric("packets_lost"), 0);
}

#[test]
fn payloads_of_a_megabyte_and_of_a_few_bytes_pass() {
    let world = World::with(|config| {
        config.channel_buffer_bytes = 32 << 20;
        config.max_buffer_bytes = 32 << 30;
    });
    let (mut source, [mut viewer]) = world.begin(["zato01"]);
    let mut sent = Vec::new();
    for number in 0..12 {
        let payload = packets::payload("zato01", number, if number % 2 == 0 { 1 << 20 } else { 22 });
        source.send(&packets::frame("zato01", number, &payload));
        sent.extend(payload);
    }
    viewer.expect(&sent);
}

#[test]
fn health_readiness_and_metrics_are_answered() {
    let world = World::new();
    assert_eq!(world.get("/health").0, 200);
    assert_eq!(world.get("/ready").0, 503, "there is no source yet");
    let source = world.source.accept();
    world.wait_until_ready();
    source.reset();
    let mut again = world.source.accept();
    again.send(&frames("zato01", 0..20));
    world.wait_until_ready();
    assert_eq!(world.wait_for("channels", |channels| channels == 1), 1);
    assert!(world.metric("source_connections") >= 2);
    assert_eq!(world.get("/nothing").0, 404);
}

#[test]
fn a_channel_that_is_gone_is_forgotten_when_nobody_watches_it() {
    let world = World::with(|config| config.patience.channel_idle = Duration::from_millis(300));
    let (mut source, [mut viewer]) = world.begin(["zato01"]);
    source.send(&frames("zato01", 0..20));
    source.send(&frames("zato02", 0..20));
    world.wait_for("channels", |channels| channels == 2);
    viewer.expect(&stream("zato01", 0..20));
    world.wait_for("channels", |channels| channels == 1);
    source.send(&frames("zato01", 20..40));
    viewer.expect(&stream("zato01", 0..40));
}
