//! What a receiver sees over several turns of a film: a small multiplexer makes it, a small demultiplexer that knows nothing of the
//! code under test looks at the result. That ffmpeg sees the same is tested end to end.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const VIDEO: u16 = 0x100;
const AUDIO: u16 = 0x101;
const FRAME: u64 = 3600;
const ADTS_FRAME: u64 = 1920;

/// Writes a film: a picture every 40 ms whose presentation is two later than its decoding, AAC with three frames a packet, a clock
/// reference with each picture, fill packets now and then.
struct Multiplexer {
    out: Vec<u8>,
    /// Permille by which the clock is slow: it says a later time than it is.
    slow: u64,
    counters: BTreeMap<u16, u8>,
}

impl Multiplexer {
    fn film(pictures: u64, start: u64, counter: u8, fill: usize) -> Vec<u8> {
        Self::slow_film(pictures, start, counter, fill, 0)
    }

    fn slow_film(pictures: u64, start: u64, counter: u8, fill: usize, slow: u64) -> Vec<u8> {
        let counters = [0, 0x1000, VIDEO, AUDIO].into_iter().map(|pid| (pid, counter)).collect();
        let mut film = Self { out: Vec::new(), slow, counters };
        let mut audio = 0;
        for picture in 0..pictures {
            if picture % 25 == 0 {
                film.tables();
            }
            let decoded = start + picture * FRAME;
            film.pes(
                VIDEO,
                0xe0,
                (decoded + 2 * FRAME, Some(decoded)),
                &vec![7; 500],
                Some(start + (decoded - start) * (1000 + film.slow) / 1000),
            );
            while audio <= picture * FRAME {
                let frames = [adts_frame(), adts_frame(), adts_frame()].concat();
                film.pes(AUDIO, 0xc0, (start + audio + 2 * FRAME, None), &frames, None);
                audio += 3 * ADTS_FRAME;
            }
            for _ in 0..fill {
                film.packet(NULL_PID, false, &[], &[0xff; 184]);
            }
        }
        film.out
    }

    fn tables(&mut self) {
        self.packet(0, true, &[], &[0, 0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 1, 2, 3, 4]);
        let streams = [0x1b, 0xe1, 0, 0xf0, 0, 0x0f, 0xe1, 1, 0xf0, 0];
        let map =
            [&[0, 2, 0xb0, 23, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0][..], &streams, &[1, 2, 3, 4]].concat();
        self.packet(0x1000, true, &[], &map);
    }

    fn pes(&mut self, pid: u16, id: u8, (pts, dts): (u64, Option<u64>), data: &[u8], clock: Option<u64>) {
        let mut unit = vec![0, 0, 1, id, 0, 0, 0x80];
        unit.extend(if dts.is_some() { [0xc0, 10] } else { [0x80, 5] });
        unit.extend(stamp(if dts.is_some() { 3 } else { 2 }, pts));
        unit.extend(dts.into_iter().flat_map(|dts| stamp(1, dts)));
        unit.extend(data);
        let reference = clock.map(|clock| (((clock % STAMP_MODULUS) << 15) | 0x7e00 | 123).to_be_bytes());
        let adaptation = reference.map_or(vec![], |bits| [&[0x50][..], &bits[2..]].concat());
        let (first, rest) = unit.split_at(unit.len().min(184 - if clock.is_some() { 8 } else { 0 }));
        self.packet(pid, true, &adaptation, first);
        for part in rest.chunks(184) {
            self.packet(pid, false, &[], part);
        }
    }

    /// A packet, filled up by its adaptation field.
    fn packet(&mut self, pid: u16, begins: bool, adaptation: &[u8], payload: &[u8]) {
        let counter = self.counters.entry(pid).or_default();
        let start = self.out.len();
        let stuffing = 184 - payload.len();
        let [high, low] = pid.to_be_bytes();
        let has_adaptation = if stuffing > 0 { 0x30 } else { 0x10 };
        self.out.extend([0x47, high | if begins { 0x40 } else { 0 }, low, has_adaptation | *counter & 15]);
        *counter = counter.wrapping_add(1);
        if stuffing > 0 {
            self.out.push(stuffing as u8 - 1);
            self.out.extend(if adaptation.is_empty() && stuffing > 1 { &[0] } else { adaptation });
            self.out.resize(start + 4 + stuffing, 0xff);
        }
        self.out.extend(payload);
        assert_eq!(self.out.len() - start, PACKET_LEN);
    }
}

fn stamp(prefix: u8, stamp: u64) -> [u8; 5] {
    let stamp = stamp % STAMP_MODULUS;
    [
        prefix << 4 | (stamp >> 30 << 1) as u8 | 1,
        (stamp >> 22) as u8,
        (stamp >> 15 << 1) as u8 | 1,
        (stamp >> 7) as u8,
        (stamp << 1) as u8 | 1,
    ]
}

/// An ADTS frame of 48 kHz, 100 bytes long.
fn adts_frame() -> Vec<u8> {
    let mut frame = vec![0xff, 0xf1, 0x4c, 0x80, 100 >> 3, (100 & 7) << 5 | 0x1f, 0xfc];
    frame.resize(100, 5);
    frame
}

/// Plays packets and gives, of each stream, the steps from one decoding time to the next, and of the clock those from one
/// reference to the next, all 90,000 a second. Panics at a wrong counter.
fn steps(packets: &[u8]) -> BTreeMap<&'static str, Vec<u64>> {
    let mut counters = BTreeMap::new();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    let mut steps: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (number, packet) in packets.chunks_exact(PACKET_LEN).enumerate() {
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        if pid == NULL_PID {
            continue;
        }
        if let Some(before) = counters.insert(pid, packet[3] & 15) {
            assert_eq!(packet[3] & 15, (before + 1) & 15, "packet {number} of process id {pid:#x}");
        }
        let mut step = |what, now: u64| {
            if let Some(before) = last.insert(what, now) {
                steps.entry(what).or_default().push((now + STAMP_MODULUS - before) % STAMP_MODULUS);
            }
        };
        let stuffing = if packet[3] & 0x20 == 0 { 0 } else { usize::from(packet[4]) + 1 };
        if stuffing > 7 && packet[5] & 0x10 != 0 {
            let base = packet[6..10].iter().fold(0, |base, byte| base << 8 | u64::from(*byte));
            assert_eq!((packet[10] & 0x7f, packet[11]), (0x7e, 123), "the extension stays");
            step("clock", base << 1 | u64::from(packet[10] >> 7));
        }
        if (VIDEO..=AUDIO).contains(&pid) && packet[1] & 0x40 != 0 {
            let unit = &packet[4 + stuffing..];
            assert_eq!(unit[..3], [0, 0, 1]);
            let read = |at: usize| {
                assert!(unit[at] & 1 == 1 && unit[at + 2] & 1 == 1 && unit[at + 4] & 1 == 1, "marker bits");
                let part = |at: usize| u64::from(u16::from_be_bytes([unit[at], unit[at + 1]]) >> 1);
                u64::from(unit[at] >> 1 & 7) << 30 | part(at + 1) << 15 | part(at + 3)
            };
            if pid == VIDEO {
                assert_eq!((read(9) + STAMP_MODULUS - read(14)) % STAMP_MODULUS, 2 * FRAME, "of one picture");
                step("video", read(14));
            } else {
                step("audio", read(9));
            }
        }
    }
    steps
}

fn played(film: &Film, packets: u64) -> Vec<u8> {
    let mut out = Vec::new();
    (0..packets).for_each(|number| film.write_packet(number, &mut out));
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_film_goes_on_without_a_seam(
        // Whole multiples of what both streams' steps divide, so that no stream ends before the other.
        halves in 1..8_u64, start in prop_oneof![Just(0), STAMP_MODULUS - 200_000..STAMP_MODULUS], counter in 0..16_u8, fill in 0..3_usize,
    ) {
        let pictures = halves * 8;
        let film = Film::new(Multiplexer::film(pictures, start, counter, fill)).unwrap();
        prop_assert_eq!(film.turn, (pictures * FRAME).next_multiple_of(3 * ADTS_FRAME));
        let seam = film.turn - (pictures - 1) * FRAME;
        let steps = steps(&played(&film, film.packets * 4));
        for (at, step) in steps["video"].iter().enumerate() {
            prop_assert_eq!(*step, if (at as u64 + 1).is_multiple_of(pictures) { seam } else { FRAME });
        }
        prop_assert!(steps["audio"].iter().all(|step| *step == 3 * ADTS_FRAME));
        prop_assert!(steps["clock"].iter().all(|step| *step == FRAME || *step == seam));
    }

    #[test]
    fn packets_are_due_in_order_and_a_turn_takes_the_films_duration(pictures in 2..60_u64, fill in 0..3_usize) {
        let film = Film::new(Multiplexer::film(pictures, 0, 0, fill)).unwrap();
        let due: Vec<_> = (0..film.packets * 3).map(|number| film.due(number)).collect();
        prop_assert!(due.is_sorted());
        let whole = film.packets as usize;
        for number in 0..whole {
            let turn = due[number + whole] - due[number];
            prop_assert!(turn.abs_diff(film.duration()) <= Duration::from_nanos(1));
        }
    }
}

#[test]
fn a_clock_that_takes_longer_than_the_film_is_quickened_and_no_pause_arises() {
    for start in [0, STAMP_MODULUS - 100_000] {
        let film = Film::new(Multiplexer::slow_film(48, start, 0, 0, 4)).unwrap();
        assert_eq!(film.turn, 48 * FRAME);
        let mut out = played(&film, film.packets * 3);
        // The extension is no longer what the multiplexer wrote.
        for packet in out.chunks_exact_mut(PACKET_LEN) {
            if packet[3] & 0x20 != 0 && packet[4] >= 7 && packet[5] & 0x10 != 0 {
                (packet[10], packet[11]) = (packet[10] & 0x80 | 0x7e, 123);
            }
        }
        let steps = steps(&out);
        assert!(steps["video"].iter().all(|step| *step == FRAME));
        assert!(steps["clock"].iter().all(|step| step.abs_diff(FRAME) < 20), "{:?}", steps["clock"]);
    }
}

#[test]
fn the_first_turn_is_the_film_itself() {
    let bytes = Multiplexer::film(30, 1000, 3, 1);
    let film = Film::new(bytes.clone()).unwrap();
    assert_eq!(played(&film, film.packets), bytes);
}

#[test]
fn what_cannot_be_repeated_is_refused_with_the_reason() {
    let film = Multiplexer::film(30, 0, 0, 0);
    let refusal = |bytes: Vec<u8>| format!("{:#}", Film::new(bytes).unwrap_err());
    assert!(refusal(vec![]).contains("whole transport packets"));
    assert!(refusal(film[..1000].to_vec()).contains("whole transport packets"));
    assert!(refusal(vec![0x47; 188 * 4]).contains("tables"));
    assert!(refusal([&film[..188 * 4], &[0; 188]].concat()).contains("sync byte"));
    assert!(refusal(film[..188 * 3].to_vec()).contains("clock"));
    assert!(refusal([&film[..], &film[..]].concat()).contains("backwards"), "joined as files are");
}
