//! Who may watch, and who is closed without a byte.

use std::thread;
use std::time::Duration;

use crate::packets::{frames, stream};
use crate::store::{Mood, Store, now_s};
use crate::viewer::Viewer;
use crate::world::World;

/// Refuses this line, to a connection that is otherwise all right, while somebody else watches on.
#[track_caller]
fn refuses(lines: impl FnOnce(&Store) -> Vec<Vec<u8>>) {
    let world = World::new();
    let (mut source, [mut other]) = world.begin(["zato01"]);
    for (at, line) in lines(&world.store).into_iter().enumerate() {
        let mut refused = Viewer::connect(world.addresses.stream);
        refused.send(&line);
        let number = at as u64;
        source.send(&frames("zato01", [number]));
        refused.expect_refusal();
        other.expect(&stream("zato01", 0..=number));
    }
    assert_eq!(world.wait_for("viewers", |viewers| viewers == 1), 1);
}

#[test]
fn a_malformed_line_is_closed_without_a_byte() {
    refuses(|store| {
        let ticket = store.ticket("anna");
        [
            "\n".to_owned(),
            "anna\n".to_owned(),
            format!("anna zato1 {ticket}\n"),
            format!("anna zato001 {ticket}\n"),
            format!("{} zato01 {ticket}\n", "x".repeat(65)),
            format!("\u{e4}nna zato01 {ticket}\n"),
            "GET /live/zato01 HTTP/1.1\r\n".to_owned(),
            "x".repeat(300),
        ]
        .map(String::into_bytes)
        .to_vec()
    });
}

#[test]
fn a_bad_ticket_is_closed_without_a_byte() {
    refuses(|store| {
        let ticket = store.ticket("anna");
        let (before, after) = ticket.split_at(ticket.len() - 8);
        let flipped = if after.starts_with('A') { 'B' } else { 'A' };
        let forged = format!("{before}{flipped}{}", &after[1..]);
        let (_, rest) = ticket.split_once('.').expect("has an expiry");
        let extended = format!("{}.{rest}", now_s() + 90_000);
        let foreign = Store::new().ticket("anna");
        [String::new(), "1.k.s".to_owned(), forged, extended, foreign]
            .map(|ticket| format!("anna zato01 {ticket}\n").into_bytes())
            .to_vec()
    });
}

#[test]
fn an_expired_ticket_is_closed_without_a_byte() {
    refuses(|store| {
        let ticket = store.ticket_until("anna", now_s() - 62);
        vec![format!("anna zato01 {ticket}\n").into_bytes()]
    });
}

#[test]
fn a_ticket_of_another_user_is_closed_without_a_byte() {
    refuses(|store| vec![format!("anna zato01 {}\n", store.ticket("bert")).into_bytes()]);
}

#[test]
fn a_clock_that_is_a_little_off_does_no_harm() {
    let world = World::new();
    let (mut source, [mut other]) = world.begin(["zato01"]);
    let ticket = world.store.ticket_until("bert", now_s() - 50);
    let mut viewer = Viewer::watch(world.addresses.stream, &format!("bert zato01 {ticket}"));
    world.wait_for_viewers(2);
    source.send(&frames("zato01", 0..30));
    viewer.expect(&stream("zato01", 0..30));
    other.expect(&stream("zato01", 0..30));
}

#[test]
fn a_carriage_return_and_more_words_are_ignored() {
    let world = World::new();
    let (mut source, [mut plain]) = world.begin(["zato01"]);
    let line = world.store.line("bert", "zato01");
    let mut returned = Viewer::watch(world.addresses.stream, &format!("{line}\r"));
    let mut wordy = Viewer::watch(world.addresses.stream, &format!("{line} and more of it\r"));
    world.wait_for_viewers(3);
    source.send(&frames("zato01", 0..30));
    for viewer in [&mut plain, &mut returned, &mut wordy] {
        viewer.expect(&stream("zato01", 0..30));
    }
}

#[test]
fn a_line_may_come_in_pieces_and_with_more_behind_it() {
    let world = World::new();
    let (mut source, [mut plain]) = world.begin(["zato01"]);
    let mut viewer = Viewer::connect(world.addresses.stream);
    for byte in world.store.line("bert", "zato01").bytes() {
        viewer.send(&[byte]);
    }
    viewer.send(b"\nwhatever else there is to say\n");
    world.wait_for_viewers(2);
    source.send(&frames("zato01", 0..30));
    viewer.expect(&stream("zato01", 0..30));
    plain.expect(&stream("zato01", 0..30));
}

#[test]
fn who_has_as_many_sessions_as_allowed_gets_no_other() {
    let world = World::with(|config| config.max_sessions_per_viewer = 3);
    let (mut source, viewers) = world.begin(["zato01", "zato01", "zato02"]);
    world.watch("anna", "zato01").expect_refusal();
    let mut bert = world.watch("bert", "zato01");
    world.wait_for_viewers(4);
    // One that has ended counts no longer.
    let [mut first, second, _third] = viewers;
    second.reset();
    world.wait_for_viewers(3);
    let mut again = world.watch("anna", "zato01");
    world.wait_for_viewers(4);
    source.send(&frames("zato01", 0..30));
    for viewer in [&mut first, &mut bert, &mut again] {
        viewer.expect(&stream("zato01", 0..30));
    }
}

#[test]
fn without_tickets_two_words_are_enough_for_whoever_is_registered() {
    let world = World::with(|config| config.require_ticket = false);
    world.store.register("anna");
    let mut source = world.source.accept();
    world.wait_until_ready();
    Viewer::watch(world.addresses.stream, "bert zato01").expect_refusal();
    Viewer::watch(world.addresses.stream, &world.store.line("bert", "zato01")).expect_refusal();
    let mut anna = Viewer::watch(world.addresses.stream, "anna zato01");
    world.wait_for_viewers(1);
    // That anna is registered is remembered while the store is down; of others nothing is known.
    world.store.set_mood(Mood::Down);
    let mut again = Viewer::watch(world.addresses.stream, "anna zato01");
    world.wait_for_viewers(2);
    Viewer::watch(world.addresses.stream, "carl zato01").expect_refusal();
    source.send(&frames("zato01", 0..30));
    anna.expect(&stream("zato01", 0..30));
    again.expect(&stream("zato01", 0..30));
}

#[test]
fn a_relay_that_has_no_keys_yet_is_not_ready_and_admits_nobody() {
    let world = World::with_store(|store| store.set_mood(Mood::Down));
    let mut source = world.source.accept();
    world.wait_for("ticket_key_failures", |failures| failures > 0);
    assert!(world.get("/ready").1.contains("no ticket keys"));
    world.watch("anna", "zato01").expect_refusal();
    world.store.set_mood(Mood::Well);
    world.wait_until_ready();
    let mut viewer = world.watch("anna", "zato01");
    world.wait_for_viewers(1);
    source.send(&frames("zato01", 0..30));
    viewer.expect(&stream("zato01", 0..30));
    // Known keys stay in use without a store.
    world.store.set_mood(Mood::Down);
    thread::sleep(Duration::from_millis(10));
    let _second = world.watch("anna", "zato01");
    world.wait_for_viewers(2);
}
