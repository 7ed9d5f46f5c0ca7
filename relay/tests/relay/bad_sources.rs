//! What a channel source may do, and what viewers must not notice.

use std::time::Duration;

use relay::config::Config;
use relay::frame::HEADER_LEN;

use crate::packets::{LEN, frame, frames, numbers, payload, stream};
use crate::source::Refusing;
use crate::store::Store;
use crate::viewer::Viewer;
use crate::world::{Running, World, config};

/// Puts packets in another order, none of them further than `window` places away, the same each time.
fn shuffled(numbers: impl IntoIterator<Item = u64>, window: u64) -> Vec<u64> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut keyed: Vec<_> = numbers
        .into_iter()
        .enumerate()
        .map(|(place, number)| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (place as u64 + state % window, number)
        })
        .collect();
    keyed.sort_by_key(|(place, _)| *place);
    keyed.into_iter().map(|(_, number)| number).collect()
}

/// A source that dies after `cut` bytes of a frame, and comes back with that frame.
fn dies_within_a_frame(cut: usize, reset: bool) {
    let world = World::new();
    let (mut source, [mut first, mut second]) = world.begin(["zato01", "zato02"]);
    source.send(&frames("zato01", 0..50));
    source.send(&frames("zato02", 0..50));
    first.receive(50 * LEN);
    second.receive(50 * LEN);
    source.send(&frames("zato01", [50])[..cut]);
    if reset {
        source.reset()
    } else {
        source.close()
    }
    let mut source = world.source.accept();
    source.send(&frames("zato01", 50..100));
    source.send(&frames("zato02", 50..100));
    first.expect(&stream("zato01", 0..100));
    second.expect(&stream("zato02", 0..100));
    assert_eq!(world.metric("viewers"), 2);
}

#[test]
fn a_source_killed_in_mid_header_costs_nothing_but_the_reconnect() {
    dies_within_a_frame(12, false);
    dies_within_a_frame(12, true);
}

#[test]
fn a_source_killed_in_mid_payload_costs_nothing_but_the_reconnect() {
    dies_within_a_frame(HEADER_LEN + 700, false);
    dies_within_a_frame(HEADER_LEN + 700, true);
}

#[test]
fn a_source_that_sends_one_byte_at_a_time_is_understood() {
    let world = World::new();
    let (mut source, [mut viewer]) = world.begin(["zato01"]);
    let sent: Vec<_> = (0..20).flat_map(|number| payload("zato01", number, 40)).collect();
    for number in 0..20 {
        source.send_in_pieces(&frame("zato01", number, &payload("zato01", number, 40)), 1);
    }
    viewer.expect(&sent);
}

#[test]
fn a_silent_source_is_dialled_anew() {
    let world = World::with(|config| config.patience.source_idle = Duration::from_millis(300));
    let (mut source, [mut viewer]) = world.begin(["zato01"]);
    source.send(&frames("zato01", 0..20));
    source.wait_until_hung_up();
    let mut again = world.source.accept();
    again.send(&frames("zato01", 20..40));
    viewer.expect(&stream("zato01", 0..40));
}

#[test]
fn a_source_that_sends_nothing_at_all_is_dialled_again_and_again() {
    let world = World::with(|config| config.patience.source_idle = Duration::from_millis(50));
    for _ in 0..5 {
        world.source.accept().wait_until_hung_up();
    }
}

#[test]
fn a_source_that_refuses_is_dialled_until_it_listens_and_viewers_may_wait_meanwhile() {
    let (source, store) = (Refusing::new(), Store::new());
    let relay = Running::start(Config { require_ticket: false, ..config(source.address()) }, &store);
    store.register("anna");
    let mut viewer = Viewer::watch(relay.addresses.stream, "anna zato01");
    relay.wait_for_viewers(1);
    assert!(!relay.is_ready());
    relay.wait_for("source_failures", |failures| failures > 3);
    let mut source = source.listen().accept();
    source.send(&frames("zato01", 0..30));
    viewer.expect(&stream("zato01", 0..30));
    assert!(relay.is_ready());
}

/// A source that comes back with numbers that begin at `restart`: nothing of either run is lost.
fn restarts_at(restart: u64, reconnects: bool) {
    let world = World::new();
    let (mut source, [mut viewer, mut other]) = world.begin(["zato01", "zato02"]);
    source.send(&frames("zato01", 10_000..10_200));
    source.send(&frames("zato02", 0..100));
    viewer.receive(200 * LEN);
    if reconnects {
        source.close();
        source = world.source.accept();
    }
    source.send(&frames("zato01", restart..restart + 300));
    source.send(&frames("zato02", 100..200));
    viewer.expect(&stream("zato01", (10_000..10_200).chain(restart..restart + 300)));
    other.expect(&stream("zato02", 0..200));
    assert_eq!(world.wait_for("channel_restarts", |restarts| restarts > 0), 1);
}

#[test]
fn numbers_that_restart_lower_go_on_without_a_packet_lost() {
    restarts_at(0, true);
    restarts_at(3, false);
}

#[test]
fn numbers_that_restart_higher_go_on_without_a_packet_lost() {
    restarts_at(50_000_000, true);
    restarts_at(u64::MAX / 2, false);
}

#[test]
fn a_running_source_can_be_joined_at_any_number_even_in_a_shuffle() {
    for first in [0, 1, 4_711, u64::MAX - 5_000] {
        let world = World::new();
        let (mut source, [mut viewer]) = world.begin(["zato01"]);
        source.send(
            &shuffled(first..first + 400, 30)
                .into_iter()
                .flat_map(|n| frames("zato01", [n]))
                .collect::<Vec<_>>(),
        );
        viewer.expect(&stream("zato01", first..first + 400));
    }
}

#[test]
fn numbers_wrap_around_in_the_middle_of_a_shuffle() {
    let world = World::new();
    let (mut source, [mut viewer]) = world.begin(["zato01"]);
    let numbers: Vec<_> = (u64::MAX - 199..=u64::MAX).chain(0..200).collect();
    let sent: Vec<_> =
        shuffled(numbers.clone(), 30).into_iter().flat_map(|n| frames("zato01", [n])).collect();
    source.send(&sent);
    viewer.expect(&stream("zato01", numbers));
}

#[test]
fn packets_that_come_twice_or_late_are_sent_once() {
    let world = World::new();
    let (mut source, [mut viewer]) = world.begin(["zato01"]);
    for number in 0..300_u64 {
        source.send(&frames("zato01", [number]));
        source.send(&frames("zato01", [number, number.saturating_sub(7), number.saturating_sub(250)]));
    }
    viewer.expect(&stream("zato01", 0..300));
    assert_eq!(world.wait_for("packets_released", |packets| packets == 300), 300);
    world.wait_for("packets_duplicate", |packets| packets == 900);
}

#[test]
fn a_lost_packet_is_waited_for_and_then_given_up() {
    let world = World::new();
    let (mut source, [mut viewer, mut other]) = world.begin(["zato01", "zato02"]);
    let there = |number: &u64| !(100..103).contains(number) && *number != 250;
    source.send(&frames("zato01", (0..400).filter(there)));
    source.send(&frames("zato02", 0..100));
    viewer.expect(&stream("zato01", (0..400).filter(there)));
    other.expect(&stream("zato02", 0..100));
    assert_eq!(world.wait_for("packets_lost", |packets| packets == 4), 4);
    // The channel doesn't wait for them any more.
    source.send(&frames("zato01", 400..410));
    viewer.expect(&stream("zato01", (0..410).filter(there)));
}

#[test]
fn a_quiet_channel_does_not_wait_for_a_busy_one() {
    let world = World::new();
    let (mut source, [mut quiet]) = world.begin(["zato01"]);
    source.send(&frames("zato01", 0..20));
    quiet.receive(20 * LEN);
    for number in 20..25 {
        source.send(&frames("zato01", [number]));
        quiet.receive((number as usize + 1) * LEN);
    }
}

#[test]
fn a_shuffle_wider_than_the_window_loses_packets_but_never_order() {
    let world = World::with(|config| {
        config.reorder.window = 64;
        config.reorder.hold_ms = 50;
    });
    let (mut source, [mut viewer, mut other]) = world.begin(["zato01", "zato02"]);
    let order = shuffled(0..3_000, 400);
    source.send(&order.into_iter().flat_map(|number| frames("zato01", [number])).collect::<Vec<_>>());
    source.send(&frames("zato02", 0..100));
    source.send(&frames("zato01", 3_000..3_100));
    other.expect(&stream("zato02", 0..100));
    while !viewer.received.ends_with(&stream("zato01", [3_099])) {
        let len = viewer.received.len();
        viewer.receive(len + 1);
    }
    let (got, rest) = numbers("zato01", &viewer.received);
    assert_eq!(rest, 0);
    assert!(got.is_sorted_by(|a, b| a < b), "out of order");
    assert!(got.len() > 500, "only {} of 3100 packets", got.len());
}

#[test]
fn one_corrupt_header_changes_nothing() {
    let world = World::with(|config| config.reorder.doubt_ms = 300);
    let (mut source, [mut viewer]) = world.begin(["zato01"]);
    source.send(&frames("zato01", 0..100));
    // A number far off, one far behind, and an id that is none.
    source.send(&frame("zato01", 0xdead_beef_0000, &payload("zato01", 1, 100)));
    source.send(&frames("zato01", 100..150));
    let mut corrupt = frames("zato01", [9_999]);
    corrupt[7] = 0x03;
    source.send(&corrupt);
    source.send(&frames("zato01", 150..300));
    viewer.expect(&stream("zato01", 0..300));
    assert_eq!(world.wait_for("packets_unprintable", |packets| packets == 1), 1);
    // Long after it, too.
    world.wait_for("packets_stray", |packets| packets == 1);
    source.send(&frames("zato01", 300..400));
    viewer.expect(&stream("zato01", 0..400));
    assert_eq!(world.metric("channel_restarts"), 0);
}

#[test]
fn a_length_of_four_gigabytes_ends_the_connection_and_takes_no_memory() {
    let world = World::new();
    let (mut source, [mut viewer]) = world.begin(["zato01"]);
    source.send(&frames("zato01", 0..50));
    let mut header = frames("zato02", [0])[..HEADER_LEN].to_vec();
    header[19..].copy_from_slice(&u32::MAX.to_be_bytes());
    source.send(&header);
    source.wait_until_hung_up();
    let mut source = world.source.accept();
    source.send(&frames("zato01", 50..100));
    viewer.expect(&stream("zato01", 0..100));
    assert!(world.wait_for("buffer_bytes", |bytes| bytes > 0) < 16 << 20);
}

#[test]
fn what_is_no_channel_source_is_hung_up_on() {
    let world = World::new();
    let (mut source, [mut viewer]) = world.begin(["zato01"]);
    source.send(&frames("zato01", 0..50));
    // Three headers in a row with possible lengths and impossible channels.
    for _ in 0..3 {
        let mut nonsense = frames("zato01", [0]);
        nonsense[5..11].copy_from_slice(b"a b\x00\x01\x02");
        source.send(&nonsense);
    }
    source.wait_until_hung_up();
    let mut source = world.source.accept();
    source.send(&frames("zato01", 50..100));
    viewer.expect(&stream("zato01", 0..100));
}

#[test]
fn unprintable_channel_ids_are_passed_over() {
    let world = World::new();
    let (mut source, [mut viewer]) = world.begin(["zato01"]);
    for number in 0..100 {
        let mut unprintable = frames("zato02", [number]);
        unprintable[5 + (number % 6) as usize] = [0, 0x1f, b' ', 0x7f, 0x80, 0xff][(number / 7 % 6) as usize];
        source.send(&unprintable);
        source.send(&frames("zato01", [number]));
    }
    viewer.expect(&stream("zato01", 0..100));
    assert_eq!(world.wait_for("packets_unprintable", |packets| packets == 100), 100);
    assert_eq!(world.metric("channels"), 1);
}

#[test]
fn five_thousand_channels_are_carried_and_more_than_are_allowed_ignored() {
    let world = World::with(|config| config.max_channels = 5_000);
    let (mut source, [mut first, mut last, mut excess]) = world.begin(["c00000", "c04999", "c05000"]);
    let channels: Vec<_> = (0..5_200).map(|number| format!("c{number:05}")).collect();
    let burst = |from: u64| -> Vec<u8> {
        let one = |channel: &String| -> Vec<u8> {
            (from..from + 5)
                .flat_map(|number| frame(channel, number, &payload(channel, number, 100)))
                .collect()
        };
        channels.iter().flat_map(one).collect()
    };
    let sent =
        |channel: &str| -> Vec<u8> { (0..20).flat_map(|number| payload(channel, number, 100)).collect() };
    for from in [0, 5, 10, 15] {
        source.send(&burst(from));
    }
    first.expect(&sent("c00000"));
    last.expect(&sent("c04999"));
    excess.expect_silence(Duration::from_millis(100));
    world.wait_for("channels", |channels| channels == 5_000);
    world.wait_for("packets_over_channel_limit", |packets| packets == 200 * 20);
    // Only watched channels have a buffer.
    assert!(world.metric("buffer_bytes") < 8 << 20);
}

#[test]
fn when_memory_is_short_held_packets_go_first_and_healthy_channels_go_on() {
    let world = World::with(|config| {
        config.max_buffer_bytes = 1 << 20;
        config.reorder.hold_ms = 60_000;
    });
    let (mut source, [mut viewer]) = world.begin(["zato01"]);
    source.send(&frames("zato01", 0..50));
    viewer.receive(50 * LEN);
    // Forty channels that each wait for a packet, with far more behind it than may be held.
    for channel in 0..40 {
        let channel = format!("gap-{channel:02}");
        source.send(&frames(&channel, (0..20).chain(21..60)));
    }
    source.send(&frames("zato01", 50..100));
    viewer.expect(&stream("zato01", 0..100));
    world.wait_for("buffer_shortages", |shortages| shortages > 0);
    assert!(world.metric("buffer_bytes") <= 1 << 20);
}

#[test]
fn a_partition_between_relay_and_source_is_noticed_and_overcome() {
    let world = World::with(|config| config.patience.source_idle = Duration::from_secs(2));
    let (source, [viewer]) = world.begin(["zato01"]);
    let viewer = viewer.keep_reading();
    let playing = source.play("zato01", 2);
    playing.play_on(200);
    let (mut partitioned, sent) = playing.stop();
    // Nothing is closed, nothing arrives; then the network is back, and so is the old connection, too late.
    let mut source = world.source.accept();
    assert!(!partitioned.still_delivers(&frames("zato01", [sent])));
    source.send(&frames("zato01", sent..sent + 100));
    viewer.expect_to_the_end("zato01", sent + 100);
}

#[test]
fn the_same_packets_again_after_a_reconnect_are_sent_once() {
    let world = World::new();
    let (mut source, [mut viewer]) = world.begin(["zato01"]);
    source.send(&frames("zato01", 0..200));
    viewer.receive(200 * LEN);
    source.close();
    let mut source = world.source.accept();
    source.send(&frames("zato01", 100..300));
    viewer.expect(&stream("zato01", 0..300));
}

#[test]
fn a_frame_split_at_any_byte_is_understood() {
    let world = World::new();
    let (mut source, [mut viewer]) = world.begin(["zato01"]);
    let mut sent = Vec::new();
    for (number, cut) in (1..HEADER_LEN + 60).enumerate() {
        let payload = payload("zato01", number as u64, 60);
        let frame = frame("zato01", number as u64, &payload);
        source.send(&frame[..cut]);
        std::thread::sleep(Duration::from_micros(300));
        source.send(&frame[cut..]);
        sent.extend(payload);
    }
    viewer.expect(&sent);
}
