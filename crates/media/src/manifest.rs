//! What playlists and the MPD have in common.

use crate::plan::PlannedTrack;
use crate::rates::nominal;

/// Peak and mean bits a second, from the real bytes of the segments. The peak is that of RFC 8216: of all
/// runs of segments that last 0.5 to 1.5 target durations, because a short segment alone tells nothing of
/// what a player has to keep up with.
pub(crate) fn bandwidth(planned: &PlannedTrack) -> (u64, u64) {
    let segments = (0..planned.segments.len())
        .map(|index| (planned.segments[index].size_bytes(), planned.listed_seconds(index)));
    peak_and_mean(&segments.collect::<Vec<_>>())
}

/// The same of any segments, told by their bytes and seconds.
pub(crate) fn peak_and_mean(segments: &[(u64, f64)]) -> (u64, u64) {
    let rate = |bytes: u64, seconds: f64| {
        if seconds > 0.0 { (bytes as f64 * 8.0 / seconds).ceil() as u64 } else { 0 }
    };
    let target = target_seconds(segments.iter().map(|&(_, seconds)| seconds)) as f64;
    let whole = segments.iter().fold((0, 0.0), |(bytes, seconds), one| (bytes + one.0, seconds + one.1));
    let mean = rate(whole.0, whole.1);
    let mut peak = mean;
    for first in 0..segments.len() {
        let mut run = (0, 0.0);
        for &(bytes, seconds) in &segments[first..] {
            run = (run.0 + bytes, run.1 + seconds);
            if run.1 > 1.5 * target {
                break;
            }
            if run.1 >= 0.5 * target {
                peak = peak.max(rate(run.0, run.1));
            }
        }
    }
    (peak, mean)
}

/// The target duration of a playlist: durations are compared with it after rounding to whole seconds.
pub(crate) fn target_seconds(segments: impl Iterator<Item = f64>) -> u64 {
    (segments.fold(0.0, f64::max).round() as u64).max(1)
}

/// What HLS calls a range of brightness beyond the ordinary; `None` for the ordinary one.
pub(crate) fn video_range(planned: &PlannedTrack) -> Option<&'static str> {
    match planned.codec.transfer? {
        16 => Some("PQ"),
        18 => Some("HLG"),
        _ => None,
    }
}

/// Pixels as displayed, before rotation.
pub(crate) fn display_size(planned: &PlannedTrack) -> (u32, u32) {
    crate::geometry::display_size(&planned.track, &planned.codec)
}

/// Frames a second as a fraction: the mean, or the nominal rate that it is closest to.
pub(crate) fn frame_rate(planned: &PlannedTrack) -> Option<(u64, u64)> {
    let first = planned.segments.first()?.counted.time;
    let last = &planned.segments.last()?.counted;
    let ticks = last.time + last.duration - first;
    let exact = (planned.samples() * u64::from(planned.track.timescale), ticks.max(1));
    let rate = exact.0 as f64 / exact.1 as f64;
    let near = nominal(rate).map(|(frames, seconds)| (frames.into(), seconds.into()));
    Some(near.unwrap_or(((rate * 1000.0).round() as u64, 1000)))
}

/// A language as BCP 47 wants it: two letters where there are two.
pub(crate) fn language_tag(code: &str) -> &str {
    SHORT.iter().find(|(long, _)| *long == code).map_or(code, |(_, short)| short)
}

/// A language as ISO 639-2 has it. `None` where that is not known.
pub(crate) fn three_letters(tag: &str) -> Option<&str> {
    let primary = tag.split('-').next().unwrap_or_default();
    match primary.len() {
        3 => Some(primary),
        _ => SHORT.iter().find(|(_, short)| *short == primary).map(|(long, _)| *long),
    }
}

/// Whether a text has the form of a language's tag, and says something.
pub(crate) fn is_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let primary = parts.next().unwrap_or_default();
    let known = (2..=3).contains(&primary.len()) && primary.bytes().all(|byte| byte.is_ascii_lowercase());
    let part =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    known && primary != "und" && text.len() <= 35 && parts.all(part)
}

/// Codes of ISO 639-2, and those of two letters for the same.
const SHORT: [(&str, &str); 46] = [
    ("ara", "ar"),
    ("bul", "bg"),
    ("cat", "ca"),
    ("ces", "cs"),
    ("cze", "cs"),
    ("zho", "zh"),
    ("chi", "zh"),
    ("dan", "da"),
    ("deu", "de"),
    ("ger", "de"),
    ("nld", "nl"),
    ("dut", "nl"),
    ("ell", "el"),
    ("gre", "el"),
    ("eng", "en"),
    ("est", "et"),
    ("fas", "fa"),
    ("per", "fa"),
    ("fin", "fi"),
    ("fra", "fr"),
    ("fre", "fr"),
    ("heb", "he"),
    ("hin", "hi"),
    ("hrv", "hr"),
    ("hun", "hu"),
    ("ind", "id"),
    ("isl", "is"),
    ("ita", "it"),
    ("jpn", "ja"),
    ("kor", "ko"),
    ("lav", "lv"),
    ("lit", "lt"),
    ("nor", "no"),
    ("pol", "pl"),
    ("por", "pt"),
    ("ron", "ro"),
    ("rum", "ro"),
    ("rus", "ru"),
    ("slk", "sk"),
    ("slv", "sl"),
    ("spa", "es"),
    ("swe", "sv"),
    ("tha", "th"),
    ("tur", "tr"),
    ("ukr", "uk"),
    ("vie", "vi"),
];

/// Channels of a track's sound, at least one.
pub(crate) fn channels(planned: &PlannedTrack) -> u16 {
    planned.codec.channels.max(1)
}
