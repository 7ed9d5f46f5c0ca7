//! A film in a transport stream, played without end: when it is over it begins again, later, so that a player goes on as if
//! the film had never ended.
//!
//! In its `k`th turn, every clock reference and time stamp is `k` times the film's duration later, and the counter of each process
//! id is `k` times further than the film leaves it. A packet is therefore a function of its number alone, and the film's own
//! irregularities stay as they are.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::transport_stream::{
    self as ts, CLOCK_PER_STAMP, NULL_PID, PACKET_LEN, PIDS, Packet, Programme, STAMP_MODULUS,
};

/// AAC in ADTS frames (ISO/IEC 13818-1, table 2-34).
const AAC: u8 = 0x0f;

/// A film and what repeating it takes.
#[derive(Debug)]
pub struct Film {
    bytes: Vec<u8>,
    packets: u64,
    /// How far a turn takes the counter of each process id.
    counter_steps: Vec<u8>,
    /// Which process ids carry PES packets.
    has_stamps: Vec<bool>,
    /// A turn's duration, 90,000 a second.
    turn: u64,
    /// Numbers of packets with a clock reference, and how long after the first one it is, 27,000,000 a second.
    clock: Vec<(u64, u64)>,
}

impl Film {
    /// Bytes of a transport packet.
    pub const PACKET_LEN: usize = PACKET_LEN;

    /// Reads a film.
    ///
    /// # Errors
    /// When the file can't be read, or [`Film::new`] can't repeat it.
    pub fn read(file: &Path) -> Result<Self> {
        let bytes = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        Self::new(bytes).with_context(|| format!("{} can't be repeated", file.display()))
    }

    /// Looks through the first programme of a transport stream.
    ///
    /// # Errors
    /// When it is no transport stream of whole packets, has no tables, no clock or no time stamps, or its clock goes backwards.
    pub fn new(mut bytes: Vec<u8>) -> Result<Self> {
        ensure!(
            !bytes.is_empty() && bytes.len().is_multiple_of(PACKET_LEN),
            "it is not made of whole transport packets"
        );
        let programme = Programme::find(&bytes).context("it has no tables")?;
        let mut counters: Vec<Option<(u8, u8)>> = vec![None; PIDS];
        let mut has_stamps = vec![false; PIDS];
        let mut spans: Vec<Span> = programme.streams.iter().map(|_| Span::default()).collect();
        for stream in &programme.streams {
            has_stamps[usize::from(stream.pid)] = true;
        }
        let mut clock = Vec::new();
        for (number, bytes) in bytes.chunks_exact(PACKET_LEN).enumerate() {
            let packet = Packet::new(bytes).with_context(|| format!("packet {number} has no sync byte"))?;
            if packet.has_payload() && packet.pid() != NULL_PID {
                let (first, counter) = (packet.counter(), packet.counter());
                counters[usize::from(packet.pid())].get_or_insert((first, counter)).1 = counter;
            }
            if packet.pid() == programme.clock_pid
                && let Some(reference) = packet.clock()
            {
                clock.push((number as u64, reference));
            }
            for (stream, span) in programme.streams.iter().zip(&mut spans) {
                if packet.pid() == stream.pid {
                    span.add(packet, stream.stream_type == AAC)?;
                }
            }
        }
        from_its_first(&mut clock)?;
        let longest = spans.iter().filter_map(Span::duration).max().context("it has no time stamps")?;
        let turn = longest.max(quicken(&mut bytes, &mut clock, longest));
        Ok(Self {
            packets: (bytes.len() / PACKET_LEN) as u64,
            bytes,
            counter_steps: counters
                .into_iter()
                .map(|counters| counters.map_or(0, |(first, last)| (last + 1).wrapping_sub(first) & 0x0f))
                .collect(),
            has_stamps,
            turn,
            clock,
        })
    }

    /// How long a turn takes.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.turn * 100_000 / 9)
    }

    /// Appends the `number`th packet since the beginning of the first turn.
    pub fn write_packet(&self, number: u64, out: &mut Vec<u8>) {
        let (turn, at) = (number / self.packets, (number % self.packets) as usize * PACKET_LEN);
        let Ok(mut packet) = <[u8; PACKET_LEN]>::try_from(&self.bytes[at..at + PACKET_LEN]) else { return };
        let pid = Packet::new(&packet).map_or(NULL_PID, Packet::pid);
        if turn > 0 && pid != NULL_PID {
            let shift = (u128::from(turn) * u128::from(self.turn) % u128::from(STAMP_MODULUS)) as u64;
            ts::advance_counter(&mut packet, self.counter_steps[usize::from(pid)].wrapping_mul(turn as u8));
            ts::shift_clock(&mut packet, shift);
            if self.has_stamps[usize::from(pid)] {
                ts::shift_stamps(&mut packet, shift);
            }
        }
        out.extend_from_slice(&packet);
    }

    /// When the `number`th packet is sent, from the beginning of the first turn: as its clock says, evenly between two references.
    #[must_use]
    pub fn due(&self, number: u64) -> Duration {
        let (turn, number) = (number / self.packets, number % self.packets);
        let next = self.clock.partition_point(|(reference, _)| *reference <= number);
        // Before the first and after the last reference, the rate of the nearest two goes on.
        let next = next.clamp(1, self.clock.len() - 1);
        let ((from, from_clock), (to, to_clock)) = (self.clock[next - 1], self.clock[next]);
        let within = i128::from(number) - i128::from(from);
        let rate = i128::from(to_clock - from_clock);
        let clock = i128::from(from_clock) + within * rate / i128::from(to - from);
        let whole_turn = i128::from(self.turn * CLOCK_PER_STAMP);
        let clock = i128::from(turn) * whole_turn + clock.clamp(0, whole_turn);
        Duration::from_nanos(u64::try_from(clock * 1000 / 27).unwrap_or(u64::MAX))
    }
}

/// Makes clock references relative to the first one, through the clock's wrap-around.
fn from_its_first(clock: &mut [(u64, u64)]) -> Result<()> {
    ensure!(clock.len() > 1, "it has no clock");
    let (mut before, mut since) = (clock[0].1, 0);
    for (number, reference) in clock {
        let step =
            (*reference + STAMP_MODULUS * CLOCK_PER_STAMP - before) % (STAMP_MODULUS * CLOCK_PER_STAMP);
        // More than a minute between two references is a step backwards, or a cut.
        ensure!(step < 60 * 27_000_000, "its clock jumps at packet {number}");
        since += step;
        before = *reference;
        *reference = since;
    }
    Ok(())
}

/// Multiplexers of a constant rate send the last pictures later than the first ones, so that the clock takes some milliseconds
/// longer than the film. Rather than to have a pause in every turn, the clock is made to run that little faster.
///
/// Answers the duration of a turn by the clock, 90,000 a second: that of the film, if less than 1 % had to be made up for.
fn quicken(bytes: &mut [u8], clock: &mut [(u64, u64)], film: u64) -> u64 {
    let Some((_, end)) = clock.last().copied() else { return film };
    let turn = end + end / (clock.len() as u64 - 1);
    let wanted = film * CLOCK_PER_STAMP;
    if turn <= wanted || turn - wanted > wanted / 100 {
        return turn.div_ceil(CLOCK_PER_STAMP);
    }
    for (number, since) in clock {
        let quicker = (u128::from(*since) * u128::from(wanted) / u128::from(turn)) as u64;
        let at = *number as usize * PACKET_LEN;
        if let Some(packet) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            ts::turn_back_clock(packet, *since - quicker);
        }
        *since = quicker;
    }
    film
}

/// The stretch of time that one stream fills.
#[derive(Default)]
struct Span {
    last: Option<u64>,
    /// From the first time stamp to the last.
    length: u64,
    /// The longest time between two.
    longest_step: u64,
    /// Of AAC, the unit that began last: how long it plays can be counted.
    unit: Vec<u8>,
}

impl Span {
    fn add(&mut self, packet: Packet<'_>, is_aac: bool) -> Result<()> {
        if let Some((decoded, _)) = packet.stamps().map_err(|_| anyhow::anyhow!("time stamps are split"))? {
            if let Some(last) = self.last {
                let step = (decoded + STAMP_MODULUS - last) % STAMP_MODULUS;
                if step > STAMP_MODULUS / 2 {
                    bail!("the time stamps of process id {} go backwards", packet.pid());
                }
                self.length += step;
                self.longest_step = self.longest_step.max(step);
            }
            self.last = Some(decoded);
            self.unit.clear();
        }
        if is_aac {
            self.unit.extend_from_slice(packet.elementary());
        }
        Ok(())
    }

    /// From the beginning of the first unit to the end of the last; none without time stamps.
    fn duration(&self) -> Option<u64> {
        self.last?;
        Some(self.length + adts_duration(&self.unit).unwrap_or(self.longest_step))
    }
}

/// How long AAC in ADTS frames plays, 90,000 a second (ISO/IEC 14496-3, 1.A.2.2); none if it isn't made of whole frames.
fn adts_duration(mut frames: &[u8]) -> Option<u64> {
    const RATES: [u64; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
    ];
    let (mut samples, mut rate) = (0, None);
    while let [0xff, sync, third, fourth, fifth, sixth, seventh, ..] = *frames {
        let length = usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth >> 5);
        if sync & 0xf0 != 0xf0 || length < 7 {
            return None;
        }
        rate = Some(*RATES.get(usize::from(third >> 2 & 0x0f))?);
        samples += 1024 * (u64::from(seventh & 3) + 1);
        frames = frames.get(length..)?;
    }
    (frames.is_empty() && samples > 0).then(|| Some(samples * 90_000 / rate?)).flatten()
}

#[cfg(test)]
mod tests;
