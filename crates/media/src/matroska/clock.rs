//! Times. Matroska tells when frames are shown, rounded to its ticks (mostly milliseconds), and
//! nothing about when they are decoded. Players of segments want both, and steady ones.

use crate::MediaError;
use crate::boxes::damaged;
use crate::building::{Runs, TableBuilder};
use crate::rates::nominal;

const NS_PER_S: i128 = 1_000_000_000;

/// The clock of a picture track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PictureClock {
    /// Frames are shown on a grid; what the file tells is that, rounded.
    Steady { timescale: u32, frame: u32 },
    /// The file's own ticks.
    Ticks { timescale: u32, tick_ns: u64 },
}

/// What a picture track's times come to.
#[derive(Debug)]
pub(crate) struct PictureTimes {
    pub(crate) timescale: u32,
    pub(crate) durations: Runs,
    pub(crate) shifts: Runs,
}

/// Derives decode times from presentation times in decode order. Of the frames that were sent, the
/// earliest one is decoded at the earliest time, and so on: decode times are the presentation times
/// in ascending order. The shift between the two is negative for frames that are shown early, which
/// segments can express. `times` are ticks, `last` is how long the last frame is shown.
///
/// # Errors
/// Times that are further apart than a table can say.
pub(crate) fn picture_times(
    times: &[i64],
    tick_ns: u64,
    frame_ns: Option<u64>,
    last: Option<u64>,
) -> Result<PictureTimes, MediaError> {
    // Nearly sorted already, which this sort is quick at.
    let mut sorted = times.to_vec();
    sorted.sort();
    let clock = PictureClock::choose(&sorted, tick_ns, frame_ns);
    let first = sorted.first().copied().unwrap_or(0);
    let too_far = || damaged("its time stamps are too far apart");
    let mut pictures =
        PictureTimes { timescale: clock.timescale(), durations: Runs::default(), shifts: Runs::default() };
    let mut decoded = 0;
    for (index, &time) in times.iter().enumerate() {
        let shown = clock.at(time, first, tick_ns).ok_or_else(too_far)?;
        let next = match sorted.get(index + 1) {
            Some(&next) => clock.at(next, first, tick_ns).ok_or_else(too_far)?,
            None => decoded + clock.last_duration(last, frame_ns, tick_ns, pictures.durations.last()),
        };
        let duration = i32::try_from(next - decoded).map_err(|_| too_far())?;
        let shift = i32::try_from(shown - decoded).map_err(|_| too_far())?;
        pictures.durations.push(duration as u32);
        pictures.shifts.push(shift as u32);
        decoded = next;
    }
    Ok(pictures)
}

impl PictureClock {
    /// A grid, when all frames lie on one to within the rounding of the file's ticks.
    fn choose(sorted: &[i64], tick_ns: u64, frame_ns: Option<u64>) -> Self {
        let steady = Self::candidates(sorted, tick_ns, frame_ns)
            .into_iter()
            .flatten()
            .find(|&(frames, seconds)| fits(sorted, tick_ns, frames, seconds));
        if let Some((frames, seconds)) = steady {
            // Fine enough for the times of other tracks to be told in it.
            let finer = if seconds == 1 { 1000 } else { 1 };
            return Self::Steady { timescale: frames * finer, frame: seconds * finer };
        }
        match u32::try_from(NS_PER_S as u64 / tick_ns) {
            Ok(timescale) if timescale > 0 && (NS_PER_S as u64).is_multiple_of(tick_ns) => {
                Self::Ticks { timescale, tick_ns }
            }
            _ => Self::Ticks { timescale: 1_000_000, tick_ns: 1000 },
        }
    }

    /// Rates to try: the one that the track names, by its nominal value and as it is, and the mean.
    /// A mean that is near no nominal rate says that the rate varies.
    fn candidates(sorted: &[i64], tick_ns: u64, frame_ns: Option<u64>) -> [Option<(u32, u32)>; 3] {
        let span = sorted.last().zip(sorted.first()).map(|(last, first)| last.saturating_sub(*first));
        let ns = span.filter(|&span| span > 0).map(|span| span as f64 * tick_ns as f64);
        let mean = ns.map(|ns| NS_PER_S as f64 * (sorted.len() as f64 - 1.0) / ns);
        let named = frame_ns.map(|ns| NS_PER_S as f64 / ns as f64);
        let exact = named.filter(|rate| (0.1..1000.0).contains(rate));
        [
            named.and_then(nominal),
            exact.map(|rate| ((rate * 1000.0).round() as u32, 1000)),
            mean.and_then(nominal),
        ]
    }

    fn timescale(self) -> u32 {
        match self {
            Self::Steady { timescale, .. } | Self::Ticks { timescale, .. } => timescale,
        }
    }

    /// A time after the first, on this clock. `None` when that is out of all range.
    fn at(self, time: i64, first: i64, file_tick_ns: u64) -> Option<i64> {
        let ns = (i128::from(time) - i128::from(first)) * i128::from(file_tick_ns);
        match self {
            Self::Steady { timescale, frame } => {
                let frames = rounded(ns * i128::from(timescale), i128::from(frame) * NS_PER_S);
                i64::try_from(frames * i128::from(frame)).ok()
            }
            Self::Ticks { tick_ns, .. } => i64::try_from(rounded(ns, tick_ns.into())).ok(),
        }
    }

    /// How long the last frame is shown: what its block says, a frame, or as long as the one before.
    fn last_duration(self, last: Option<u64>, frame_ns: Option<u64>, file_tick_ns: u64, before: u32) -> i64 {
        let told =
            last.map(|ticks| i128::from(ticks) * i128::from(file_tick_ns)).or(frame_ns.map(i128::from));
        match self {
            Self::Steady { frame, .. } => frame.into(),
            Self::Ticks { tick_ns, timescale } => {
                let told = told.and_then(|ns| i64::try_from(rounded(ns, tick_ns.into())).ok());
                let before = Some(i64::from(before)).filter(|&before| before > 0);
                let hour = 3600 * i64::from(timescale);
                told.filter(|&ticks| ticks > 0).or(before).unwrap_or(i64::from(timescale) / 25).clamp(1, hour)
            }
        }
    }
}

/// Whether all times are those of a grid, each rounded to a tick, and no two fall together.
fn fits(sorted: &[i64], tick_ns: u64, frames: u32, seconds: u32) -> bool {
    let (frames, seconds) = (i128::from(frames), i128::from(seconds));
    let first = sorted.first().copied().unwrap_or(0);
    let mut before = None;
    frames > 0
        && sorted.iter().all(|&time| {
            let ns = (i128::from(time) - i128::from(first)) * i128::from(tick_ns);
            let frame = rounded(ns * frames, seconds * NS_PER_S);
            let off = ns - frame * seconds * NS_PER_S / frames;
            // Both this one and the first may be rounded by half a tick.
            off.abs() <= i128::from(tick_ns) && before.replace(frame) != Some(frame)
        })
}

/// A quotient, to the nearest.
fn rounded(value: i128, by: i128) -> i128 {
    (value + by / 2).div_euclid(by.max(1))
}

/// The clock of a sound track. Frames tell how long they are, so that one follows the other to the
/// sample; where the file's time stamps are far from that, sound is missing, and they are right.
#[derive(Debug)]
pub(crate) struct SoundClock {
    /// Samples a second.
    rate: u32,
    tick_ns: u64,
    /// The time of the first frame, in ticks.
    first: Option<i64>,
    /// Where the next frame is expected, in samples after the first.
    next: i64,
}

impl SoundClock {
    pub(crate) fn new(rate: u32, tick_ns: u64) -> Self {
        Self { rate, tick_ns, first: None, next: 0 }
    }

    /// A block begins at a time. Where it is not expected there, the frame before it is made to
    /// last until it. `frame` is the length of a frame in samples, where it tells.
    pub(crate) fn begin(&mut self, time: i64, frame: Option<u32>, tables: &mut TableBuilder) {
        let first = *self.first.get_or_insert(time);
        let ns = (i128::from(time) - i128::from(first)) * i128::from(self.tick_ns);
        let rate = i128::from(self.rate);
        let told = i64::try_from(rounded(ns * rate, NS_PER_S)).unwrap_or(i64::MAX);
        // Recordings stamp packets as they come, early and late by some milliseconds.
        let rounding = rounded(3 * i128::from(self.tick_ns) * rate, 2 * NS_PER_S);
        let tolerance = frame.map_or(0, |frame| i64::from(frame / 2).max(rounding as i64));
        let change = told.saturating_sub(self.next);
        if tables.samples > 0 && change.saturating_abs() > tolerance {
            self.next += tables.lengthen_last(change);
        }
    }

    /// The next frame lasts so many samples.
    pub(crate) fn push(&mut self, samples: u32, tables: &mut TableBuilder) {
        tables.durations.push(samples);
        self.next += i64::from(samples);
    }

    /// The first time, in ticks.
    pub(crate) fn first(&self) -> i64 {
        self.first.unwrap_or(0)
    }
}

/// Nanoseconds in units of a timescale, to the nearest.
pub(crate) fn ticks_of(ns: u64, timescale: u32) -> u64 {
    u64::try_from(rounded(i128::from(ns) * i128::from(timescale), NS_PER_S)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::PictureClock;

    const MS: u64 = 1_000_000;

    fn rounded_to_ms(frames: u32, seconds: u32, count: i64) -> Vec<i64> {
        let time = |index: i64| index as f64 * f64::from(seconds) / f64::from(frames) * 1000.0;
        (0..count).map(|index| time(index).round() as i64).collect()
    }

    #[test]
    fn rounded_times_become_steady_again_at_every_nominal_rate() {
        for (frames, seconds) in crate::rates::NOMINAL {
            let times = rounded_to_ms(frames, seconds, 5000);
            for frame_ns in [None, Some(1_000_000_000 * u64::from(seconds) / u64::from(frames))] {
                let clock = PictureClock::choose(&times, MS, frame_ns);
                let PictureClock::Steady { timescale, frame } = clock else {
                    panic!("{frames}/{seconds} is {clock:?}")
                };
                assert_eq!(timescale * seconds, frames * frame);
                assert_eq!(clock.at(times[4999], 0, MS), Some(4999 * i64::from(frame)));
            }
        }
    }

    #[test]
    fn frames_that_are_left_out_leave_the_others_where_they_are() {
        let mut times = rounded_to_ms(30_000, 1001, 300);
        times.retain(|time| time % 3 != 0);
        let clock = PictureClock::choose(&times, MS, Some(33_366_667));
        assert!(matches!(clock, PictureClock::Steady { timescale: 30_000, frame: 1001 }), "{clock:?}");
    }

    #[test]
    fn a_rate_that_varies_keeps_the_ticks_of_the_file() {
        let times: Vec<i64> = (0..500).map(|index| index * 33 + index % 7 * 4).collect();
        assert_eq!(
            PictureClock::choose(&times, MS, None),
            PictureClock::Ticks { timescale: 1000, tick_ns: MS }
        );
        // Also when the track names a rate that it doesn't keep.
        assert_eq!(
            PictureClock::choose(&times, MS, Some(33_333_333)),
            PictureClock::Ticks { timescale: 1000, tick_ns: MS }
        );
    }
}
