//! Frame rates that have a name.

/// Frames in so many seconds.
pub(crate) const NOMINAL: [(u32, u32); 10] = [
    (24_000, 1001),
    (24, 1),
    (25, 1),
    (30_000, 1001),
    (30, 1),
    (48, 1),
    (50, 1),
    (60_000, 1001),
    (60, 1),
    (120, 1),
];

/// The nominal rate that a measured one is next to; 24 and 23.976 are a thousandth apart.
pub(crate) fn nominal(rate: f64) -> Option<(u32, u32)> {
    let distance = |(frames, seconds): (u32, u32)| (f64::from(frames) / f64::from(seconds) - rate).abs();
    NOMINAL.into_iter().find(|&nominal| distance(nominal) < 0.0005 * rate)
}
