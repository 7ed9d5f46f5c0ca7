//! How long the ladder of a film takes with 1 to 1,000 workers under the limits of Lambda and SQS: a
//! simulation, the same each time. One command, from the project's folder:
//!
//!     cargo run -p encode --example simulate_workers
//!
//! What it assumes is in the constants below. What it leaves out: retries, other films in the queue,
//! and an account whose limit of functions at a time (1,000 where nothing else was agreed) is shared.

#![allow(clippy::print_stdout)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Core-seconds for a second of 1080p at 24 frames with three renditions: what `bench_ladder` measured.
const CORE_SECONDS: f64 = 1.05;
/// A core of the machine that measured, in Lambda's vCPUs, which are slower hyperthreads: an assumption
/// on the safe side.
const VCPUS_PER_CORE: f64 = 2.0;
/// Lambda gives a vCPU for so many MB of memory.
const MB_PER_VCPU: f64 = 1_769.0;
const MEMORY_MB: f64 = 5_308.0;
/// What of the vCPUs is used: the encoders wait for each other at the start and the end of a piece.
const USED: f64 = 0.85;
/// A function may run for so long.
const MOST_SECONDS: f64 = 900.0;
/// Fetching the program and ffmpeg, and starting, for the first piece of each worker.
const COLD_START_SECONDS: f64 = 2.0;
/// Reading the tables of the film, starting ffmpeg, writing the results, counting down.
const EACH_PIECE_SECONDS: f64 = 1.5;
/// A piece: the first packaged segment, of 4 s, that begins after 30 s.
const PIECE_SECONDS: f64 = 32.0;
/// An SQS event source starts with so many workers, and adds so many a second (300 a minute).
const FIRST_WORKERS: usize = 5;
const WORKERS_PER_SECOND: f64 = 5.0;
/// Bits a second of all renditions together, at most.
const OUTPUT_BITS: f64 = 6_800_000.0;
/// What one function reads and writes at a time, between S3 and itself.
const BYTES_PER_SECOND: f64 = 50_000_000.0;
/// Reading the tables of a result, of which 16 are read side by side.
const TABLES_SECONDS: f64 = 0.08;
const TABLES_AT_ONCE: f64 = 16.0;
const RENDITIONS: f64 = 3.0;
/// us-east-1, x86, for a GB of memory and a second.
const DOLLARS_PER_GB_SECOND: f64 = 0.000_016_666_7;

const FILMS: [(&str, f64); 6] = [
    ("1 min", 60.0),
    ("10 min", 600.0),
    ("30 min", 1_800.0),
    ("1 h", 3_600.0),
    ("2 h", 7_200.0),
    ("4 h", 14_400.0),
];
const WORKERS: [usize; 8] = [1, 2, 5, 10, 30, 100, 300, 1_000];

/// What a film took.
struct Run {
    wall_seconds: f64,
    /// Of all functions together.
    busy_seconds: f64,
    most_at_once: usize,
}

fn main() {
    let vcpus = MEMORY_MB / MB_PER_VCPU;
    println!(
        "{vcpus:.1} vCPUs a worker; a piece of {PIECE_SECONDS} s takes {:.0} s\n",
        piece_seconds(PIECE_SECONDS)
    );
    let columns: Vec<String> = WORKERS.iter().map(ToString::to_string).collect();
    println!("| film | {} | most at once | $ |", columns.join(" | "));
    println!("|---|{}", "---|".repeat(WORKERS.len() + 2));
    for (name, seconds) in FILMS {
        let runs: Vec<Run> = WORKERS.iter().map(|&workers| simulate(seconds, workers)).collect();
        let times: Vec<String> = runs.iter().map(|run| clock(run.wall_seconds)).collect();
        let Some(last) = runs.last() else { continue };
        let dollars = last.busy_seconds * MEMORY_MB / 1_024.0 * DOLLARS_PER_GB_SECOND;
        println!("| {name} | {} | {} | {dollars:.2} |", times.join(" | "), last.most_at_once);
    }
}

fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds / 3_600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds % 3_600 / 60, seconds % 60),
    }
}

fn piece_seconds(film_seconds: f64) -> f64 {
    let vcpus = MEMORY_MB / MB_PER_VCPU * USED;
    EACH_PIECE_SECONDS + film_seconds * CORE_SECONDS * VCPUS_PER_CORE / vcpus
}

/// When a worker is there at the earliest, in seconds after the first message.
fn arrival(worker: usize) -> f64 {
    worker.saturating_sub(FIRST_WORKERS - 1) as f64 / WORKERS_PER_SECOND
}

fn simulate(film_seconds: f64, most_workers: usize) -> Run {
    let whole = (film_seconds / PIECE_SECONDS).floor();
    let mut pieces = vec![PIECE_SECONDS; whole as usize];
    let rest = film_seconds - whole * PIECE_SECONDS;
    match pieces.last_mut() {
        // What is left joins the last piece when it is short.
        Some(last) if rest < 15.0 => *last += rest,
        _ => pieces.push(rest),
    }
    // Milliseconds at which workers are free, the earliest first; floats have no order.
    let mut free: BinaryHeap<Reverse<u64>> = BinaryHeap::new();
    let (mut workers, mut end, mut busy) = (0, 0.0_f64, 0.0);
    for piece in pieces {
        let idle = free.peek().map(|Reverse(at)| *at as f64 / 1_000.0);
        let new = (workers < most_workers).then(|| arrival(workers));
        let (start, cold) = match (idle, new) {
            (Some(idle), Some(new)) if new < idle => (new, true),
            (Some(idle), _) => (idle, false),
            (None, new) => (new.unwrap_or(0.0), true),
        };
        if cold {
            workers += 1
        } else {
            free.pop();
        }
        let took = piece_seconds(piece) + if cold { COLD_START_SECONDS } else { 0.0 };
        assert!(took < MOST_SECONDS, "a piece takes longer than a function may run");
        free.push(Reverse(((start + took) * 1_000.0) as u64));
        (end, busy) = (end.max(start + took), busy + took);
    }
    let results = RENDITIONS * whole.max(1.0);
    let assembly = (results / TABLES_AT_ONCE).ceil() * TABLES_SECONDS
        + film_seconds * OUTPUT_BITS / 8.0 / BYTES_PER_SECOND
        + EACH_PIECE_SECONDS;
    assert!(assembly < MOST_SECONDS, "assembling takes longer than a function may run");
    Run { wall_seconds: end + assembly, busy_seconds: busy + assembly, most_at_once: workers }
}
