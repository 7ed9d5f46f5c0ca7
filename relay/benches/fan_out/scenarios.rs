//! What is compared, and the bar for each.

use std::time::Duration;

use anyhow::Result;

use crate::publisher::Pace;
use crate::report::{Bar, Rounds, median, met, spread};
use crate::round::{Figures, Held, Load, Quantiles, alternate, hold, run};
use crate::server::{Contestant, NATS, RAW_LOOP, REDIS, RELAY, RELAY_TICK, Setup};

/// A packet of MPEG-TS as it goes over UDP, and a single one.
const TS_DATAGRAM: usize = 1316;
const TS_PACKET: usize = 188;
/// Half a second of a fast channel: a quarter of the relay's ring, so that nobody has to skip.
const AHEAD_BYTES: usize = 512 << 10;

/// As many viewers as one relay is to hold on this machine.
const CROWD: usize = 10_000;
/// A stream that is later than this has no live viewers any more.
const TOO_LATE_US: u32 = 1_000_000;

/// The scenarios by the names that the command line takes.
pub const ALL: [&str; 6] = ["saturated", "paced", "latency", "idle", "crowd", "stalled"];

/// What to run, and how often.
pub struct Plan<'a> {
    pub setup: &'a Setup,
    pub rounds: usize,
    /// False leaves the peers out: where they can't be had.
    pub peers: bool,
}

impl Plan<'_> {
    /// Runs one scenario by its name.
    pub fn run(&self, scenario: &str) -> Result<()> {
        match scenario {
            "saturated" => {
                [TS_DATAGRAM, TS_PACKET].into_iter().try_for_each(|payload| self.saturated(payload))
            }
            "paced" => self.paced(),
            "latency" => self.latency(),
            "idle" => self.idle(),
            "crowd" => self.crowd(),
            "stalled" => self.stalled(),
            other => anyhow::bail!("there is no scenario {other}; there are {}", ALL.join(", ")),
        }
    }

    /// Interleaved: every round lets each contestant serve once, a different one first.
    fn rounds(&self, contestants: &[(Contestant, Load)]) -> Result<Rounds> {
        let contestants: Vec<&(Contestant, Load)> =
            contestants.iter().filter(|(contestant, _)| self.peers || !contestant.is_peer()).collect();
        let mut figures: Vec<Vec<Figures>> = contestants.iter().map(|_| Vec::new()).collect();
        for round in 0..self.rounds {
            for at in 0..contestants.len() {
                let index = (round + at) % contestants.len();
                let (contestant, load) = contestants[index];
                let got = run(*contestant, load, self.setup)?;
                eprintln!(
                    "  round {}: {}: {:.0} MB/s, {:.0} MB per CPU s, p99 {} µs, lost {}",
                    round + 1,
                    contestant.name,
                    got.payload_bytes as f64 / 1e6 / got.seconds,
                    got.megabytes_per_cpu_second(),
                    got.each_us.p99,
                    got.lost
                );
                figures[index].push(got);
            }
        }
        Ok(Rounds {
            contestants: contestants.into_iter().map(|(contestant, _)| *contestant).zip(figures).collect(),
        })
    }

    fn saturated(&self, payload_bytes: usize) -> Result<()> {
        println!("## Saturated: 1,000 viewers of one channel, packets of {payload_bytes} bytes\n");
        let load = Load {
            viewers: 1000,
            payload_bytes,
            pace: Pace::Saturated { ahead_bytes: AHEAD_BYTES },
            warm: Duration::from_millis(700),
            measured: Duration::from_secs(2),
            latency: false,
        };
        let rounds = self.rounds(&[RELAY, NATS, REDIS, RAW_LOOP].map(|contestant| (contestant, load)))?;
        rounds.print_cost();
        rounds.print_losses();
        let value = Figures::megabytes_per_cpu_second;
        rounds.print_ratio("MB per CPU s", (RELAY, NATS), value, Bar::AtLeast(4.0));
        rounds.print_ratio("MB per CPU s", (RELAY, REDIS), value, Bar::None);
        let floor = if payload_bytes == TS_DATAGRAM { Bar::AtLeast(0.7) } else { Bar::None };
        rounds.print_ratio("MB per CPU s", (RELAY, RAW_LOOP), value, floor);
        println!();
        Ok(())
    }

    fn paced(&self) -> Result<()> {
        println!("## Paced: 1,000 viewers of one channel, 50 packets/s of {TS_DATAGRAM} bytes\n");
        let load = steady(1000, 50.0);
        let rounds = self.rounds(&[RELAY, RELAY_TICK, NATS, REDIS].map(|contestant| (contestant, load)))?;
        rounds.print_cost();
        rounds.print_latency();
        rounds.print_losses();
        let value = Figures::packets_per_cpu_second;
        rounds.print_ratio("deliveries per CPU s", (RELAY, NATS), value, Bar::AtLeast(1.3));
        rounds.print_ratio("deliveries per CPU s", (RELAY_TICK, NATS), value, Bar::AtLeast(2.5));
        rounds.print_ratio("deliveries per CPU s", (RELAY, REDIS), value, Bar::None);
        println!();
        Ok(())
    }

    /// Half load is half of what NATS delivers when saturated, and, beside it, a channel at 50 packets a second.
    fn latency(&self) -> Result<()> {
        let mut full = steady(1000, 0.0);
        full.pace = Pace::Saturated { ahead_bytes: AHEAD_BYTES };
        full.latency = false;
        let reference = if self.peers { NATS } else { RELAY };
        let capacity = run(reference, &full, self.setup)?;
        let half = (capacity.packets as f64 / capacity.seconds / 1000.0 / 2.0).round();
        println!("## Latency: 1,000 viewers of one channel, packets of {TS_DATAGRAM} bytes, flush tick 0\n");
        println!("Half load is {half} packets/s: half of what {} delivers when saturated.\n", reference.name);
        for rate in [50.0, half] {
            println!("{rate} packets/s:\n");
            let load = steady(1000, rate);
            let rounds = self.rounds(&[RELAY, NATS, REDIS].map(|contestant| (contestant, load)))?;
            rounds.print_latency();
            rounds.print_cost();
            rounds.print_losses();
            rounds.print_ratio(
                "p99 at each viewer",
                (RELAY, NATS),
                |f| f64::from(f.each_us.p99),
                Bar::AtMost(1.0),
            );
            rounds.print_ratio(
                "p99 at the last viewer",
                (RELAY, NATS),
                |f| f64::from(f.last_us.p99),
                Bar::AtMost(1.0),
            );
            println!();
        }
        Ok(())
    }

    fn idle(&self) -> Result<()> {
        println!("## Idle: {CROWD} viewers of a channel on which nothing comes\n");
        println!("| | RSS MB, empty | RSS MB, with viewers | KB per viewer |\n|---|---|---|---|");
        let mut own = Vec::new();
        for contestant in [RELAY, NATS, REDIS].into_iter().filter(|c| self.peers || !c.is_peer()) {
            let held: Vec<Held> = (0..self.rounds.min(3))
                .map(|_| hold(contestant, CROWD, self.setup))
                .collect::<Result<_>>()?;
            let each = held.iter().map(|held| held.bytes_per_viewer() / 1024.0);
            if contestant == RELAY {
                own.extend(each.clone());
            }
            println!(
                "| {} | {} | {} | {} |",
                contestant.name,
                spread(held.iter().map(|held| held.empty_bytes as f64 / 1e6), 1),
                spread(held.iter().map(|held| held.idle_bytes as f64 / 1e6), 1),
                spread(each, 2),
            );
        }
        println!("\nKB per viewer of the relay — bar: at most 4, {}\n", met(median(own.into_iter()) <= 4.0));
        Ok(())
    }

    /// Faster and faster, until somebody misses something.
    fn crowd(&self) -> Result<()> {
        println!("## Crowd: {CROWD} viewers of one channel, packets of {TS_DATAGRAM} bytes\n");
        println!(
            "| | packets/s | deliveries/s | CPU % | each p99 ms | last p99 ms | packets of the viewer with fewest, with most | lost |"
        );
        println!("|---|---|---|---|---|---|---|---|");
        for contestant in [RELAY, RELAY_TICK, NATS].into_iter().filter(|c| self.peers || !c.is_peer()) {
            for rate in [5.0, 20.0, 80.0, 160.0, 320.0, 640.0] {
                let got = run(contestant, &steady(CROWD, rate), self.setup)?;
                println!(
                    "| {} | {rate} | {:.0} | {:.0} | {:.1} | {:.1} | {}, {} | {} |",
                    contestant.name,
                    got.packets as f64 / got.seconds,
                    got.server_cpu_seconds / got.seconds * 100.0,
                    f64::from(got.each_us.p99) / 1e3,
                    f64::from(got.last_us.p99) / 1e3,
                    got.fewest,
                    got.most,
                    got.lost,
                );
                if got.lost + got.disordered > 0 || got.ended > 0 || got.each_us.p99 > TOO_LATE_US {
                    break;
                }
            }
        }
        println!();
        Ok(())
    }

    /// The others' latency with and without one viewer that never reads, at a rate that soon fills its buffers.
    fn stalled(&self) -> Result<()> {
        println!("## One viewer that never reads, beside 1,000 that do\n");
        let load = Load {
            payload_bytes: 4 * TS_DATAGRAM,
            warm: Duration::from_secs(2),
            measured: Duration::from_secs(2),
            ..steady(1000, 100.0)
        };
        let rounds = alternate(RELAY, &load, self.rounds, self.setup)?;
        println!("| | each p50 µs | each p99 µs | slowest µs |\n|---|---|---|---|");
        for (at, name) in ["all read", "one more doesn't"].into_iter().enumerate() {
            let cells = [|q: &Quantiles| q.p50, |q: &Quantiles| q.p99, |q: &Quantiles| q.max]
                .map(|value| spread(rounds.iter().map(|round| f64::from(value(&round[at]))), 0));
            println!("| {name} | {} |", cells.join(" | "));
        }
        let ratios = rounds.iter().map(|[alone, beside]| f64::from(beside.p99) / f64::from(alone.p99));
        let median = median(ratios.clone());
        println!(
            "\np99 with it / without: {} — bar: at most 1.1, {}\n",
            spread(ratios, 2),
            met(median <= 1.1)
        );
        Ok(())
    }
}

fn steady(viewers: usize, per_second: f64) -> Load {
    Load {
        viewers,
        payload_bytes: TS_DATAGRAM,
        pace: Pace::Steady { per_second },
        warm: Duration::from_millis(700),
        measured: Duration::from_secs(3),
        latency: true,
    }
}
