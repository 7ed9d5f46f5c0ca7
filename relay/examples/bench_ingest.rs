//! How many packets a second one core takes in: order alone, and the whole way from the bytes of the source connection to the
//! rings. Figures are the median and, in brackets, the best of the rounds, in packets per second of CPU time; beside each runs the
//! obvious alternative, interleaved with it. On a machine that does other things, the best says more.
//!
//! `cargo run --profile relay -p relay --example bench_ingest [rounds]`

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::collections::BTreeMap;
use std::hint::black_box;

use live::ChannelId;
use relay::channels_index::ChannelsIndex;
use relay::frame::{Decoder, Parsed, encode_header};
use relay::reorder::{Reorder, ReorderConfig};
use relay::ring::Ring;
use rustix::time::{ClockId, clock_gettime};

const NOW_MS: u64 = 1_760_000_000_000;
const SHUFFLE: u64 = 64;
const ORDERED_PACKETS: u64 = 2_000_000;
/// More than any cache holds.
const STREAM_BYTES: usize = 48 * 1024 * 1024;
const CHANNELS: usize = 400;

fn main() {
    let rounds = std::env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(7);
    println!("million packets per second of CPU time, median (and best) of {rounds} rounds");
    for payload_len in [16, 188, 1_316] {
        for shuffle in [1, SHUFFLE] {
            order(payload_len, shuffle, rounds);
        }
    }
    for payload_len in [188, 1_316] {
        for channels in [1, CHANNELS] {
            for shuffle in [1, SHUFFLE] {
                ingest(payload_len, channels, shuffle, rounds);
            }
        }
    }
}

fn order(payload_len: usize, shuffle: u64, rounds: usize) {
    let numbers = shuffled(ORDERED_PACKETS, shuffle);
    // Few enough to stay in the nearest cache, as a packet is that was just read.
    let payloads: Vec<Vec<u8>> = (0..16).map(|seed| noise(payload_len, seed)).collect();
    let payload = |number: u64| payloads[number as usize % payloads.len()].as_slice();
    let slots = || {
        let mut reorder = begun();
        seconds(|| {
            let mut released = 0;
            for &number in &numbers {
                reorder.insert(number + 1, payload(number), NOW_MS, |sequence, payload| {
                    released += 1;
                    black_box((sequence, payload));
                });
            }
            assert_eq!(released, ORDERED_PACKETS);
        })
    };
    let tree = || {
        let mut held: BTreeMap<u64, Box<[u8]>> = BTreeMap::new();
        let mut next = 0;
        seconds(|| {
            for &number in &numbers {
                if number == next {
                    black_box((number, payload(number)));
                    next += 1;
                } else {
                    held.insert(number, payload(number).into());
                }
                while let Some(first) = held.first_entry().filter(|first| *first.key() == next) {
                    black_box(first.remove_entry());
                    next += 1;
                }
            }
            assert_eq!(next, ORDERED_PACKETS);
        })
    };
    let [slots, tree] = rates(ORDERED_PACKETS, [&slots, &tree], rounds);
    println!("order   {payload_len:5} bytes, {:9}               {slots}   a BTreeMap  {tree}", name(shuffle));
}

fn ingest(payload_len: usize, channels: usize, shuffle: u64, rounds: usize) {
    let frame_len = payload_len + 23;
    let each = (STREAM_BYTES / frame_len / channels) as u64;
    let packets = each * channels as u64;
    let stream = stream(payload_len, channels, each, shuffle);
    let whole = || {
        let mut decoder = Decoder::new(1 << 20);
        let mut index = ChannelsIndex::default();
        let mut states: Vec<(Reorder, Ring)> = Vec::new();
        for channel in 0..channels {
            index.add(id(channel));
            states.push((begun(), warm_ring(channels)));
        }
        seconds(|| {
            let mut input = stream.as_slice();
            let mut released = 0;
            while let Parsed::Frame { header, payload, len } = decoder.parse(input) {
                let Some((reorder, ring)) =
                    index.find(header.channel).and_then(|channel| states.get_mut(channel))
                else {
                    break;
                };
                reorder.insert(header.sequence, payload, NOW_MS, |_, payload| {
                    released += 1;
                    ring.push(payload);
                });
                input = &input[len..];
            }
            assert_eq!(released, packets);
        })
    };
    // What no relay can do without: the bytes get from the one place to the other.
    let copy = || {
        let mut rings: Vec<Vec<u8>> = vec![vec![1; ring_bytes(channels)]; channels];
        let offset_max = ring_bytes(channels) - payload_len;
        seconds(|| {
            for (number, frame) in stream.chunks_exact(frame_len).enumerate() {
                let offset = number / channels * payload_len % offset_max;
                rings[number % channels][offset..offset + payload_len].copy_from_slice(&frame[23..]);
            }
            black_box(&mut rings);
        })
    };
    let [whole, copy] = rates(packets, [&whole, &copy], rounds);
    println!(
        "ingest  {payload_len:5} bytes, {:9} {channels:4} channels {whole}   a bare copy {copy}",
        name(shuffle)
    );
}

/// A channel that is past its start and waits for number 1.
fn begun() -> Reorder {
    let mut reorder = Reorder::new(ReorderConfig::default());
    reorder.insert(0, &[], NOW_MS - 1_000, |_, _| {});
    reorder.expire(NOW_MS, |_, _| {});
    reorder
}

/// A ring whose memory was touched before.
fn warm_ring(channels: usize) -> Ring {
    let mut ring = Ring::new(ring_bytes(channels));
    ring.push(&vec![1; ring_bytes(channels)]);
    ring
}

/// The size by default, or a smaller one, so that hundreds fit into any machine.
fn ring_bytes(channels: usize) -> usize {
    if channels == 1 { 2 * 1024 * 1024 } else { 256 * 1024 }
}

fn stream(payload_len: usize, channels: usize, each: u64, shuffle: u64) -> Vec<u8> {
    let numbers: Vec<Vec<u64>> = (0..channels).map(|_| shuffled(each, shuffle)).collect();
    let payload = noise(payload_len, 1);
    let mut stream = Vec::with_capacity(channels * each as usize * (payload_len + 23));
    for place in 0..each as usize {
        for (channel, numbers) in numbers.iter().enumerate() {
            stream.extend_from_slice(&encode_header(id(channel), numbers[place] + 1, payload_len));
            stream.extend_from_slice(&payload);
        }
    }
    stream
}

fn id(channel: usize) -> ChannelId {
    ChannelId::from_bytes(std::array::from_fn(|index| b'a' + (channel >> (2 * index) & 3) as u8))
        .unwrap_or_else(|| unreachable!("letters are printable"))
}

/// The numbers from 0 on, none moved by as many places as `width`.
fn shuffled(count: u64, width: u64) -> Vec<u64> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut places: Vec<(u64, u64)> = (0..count)
        .map(|number| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (number + random % width, number)
        })
        .collect();
    places.sort_unstable();
    places.into_iter().map(|(_, number)| number).collect()
}

fn noise(length: usize, seed: u64) -> Vec<u8> {
    shuffled(length as u64, seed + 7).into_iter().map(|number| (number * 31 + seed) as u8).collect()
}

fn name(shuffle: u64) -> &'static str {
    if shuffle == 1 { "in order" } else { "shuffled" }
}

/// The rates of candidates, taken in turns so that what else the machine does falls on all alike.
fn rates<const N: usize>(packets: u64, candidates: [&dyn Fn() -> f64; N], rounds: usize) -> [String; N] {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..rounds {
        for (candidate, times) in candidates.iter().zip(&mut times) {
            times.push(candidate());
        }
    }
    times.map(|mut times: Vec<f64>| {
        times.sort_unstable_by(f64::total_cmp);
        let rate = |seconds: f64| packets as f64 / seconds / 1e6;
        format!("{:6.1} ({:6.1})", rate(times[times.len() / 2]), rate(times[0]))
    })
}

/// The CPU time that this thread spends on it.
fn seconds(run: impl FnOnce()) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let before = now();
    run();
    now() - before
}
