//! DASH on-demand (ISO/IEC 23009-1, profile isoff-on-demand): players find the segments by the
//! `sidx` of each file.

use std::fmt::Write;

use crate::manifest::{bandwidth, channels, display_size, frame_rate, language_tag};
use crate::plan::PlannedTrack;
use crate::text::PlannedText;
use crate::{Manifest, TrackKind};

/// The MPD of all tracks. Pictures of one codec are one set, which players switch within: their
/// segments begin at the same times.
pub(crate) fn manifest(tracks: &[&PlannedTrack], texts: &[PlannedText]) -> Manifest {
    let length = |planned: &PlannedTrack| planned.seconds(planned.starts.last().copied().unwrap_or(0));
    let duration = tracks.iter().copied().map(length).fold(0.0, f64::max);
    let longest = tracks
        .iter()
        .flat_map(|&planned| (0..planned.segments.len()).map(|index| planned.segment_seconds(index)))
        .fold(0.0, f64::max);
    let mut text = format!(
        concat!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
            "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" ",
            "profiles=\"urn:mpeg:dash:profile:isoff-on-demand:2011\" ",
            "mediaPresentationDuration=\"PT{:.3}S\" maxSegmentDuration=\"PT{:.3}S\" minBufferTime=\"PT2S\">\n",
            "  <Period id=\"0\" start=\"PT0S\">\n"
        ),
        duration, longest
    );
    let sets = sets(tracks);
    for (index, set) in sets.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = adaptation_set(&mut text, index, set);
    }
    for (index, subtitles) in texts.iter().enumerate() {
        let _ = subtitle_set(&mut text, sets.len() + index, subtitles, duration);
    }
    text.push_str("  </Period>\n</MPD>\n");
    Manifest { name: "manifest.mpd".into(), content_type: "application/dash+xml", body: text.into() }
}

fn subtitle_set(text: &mut String, index: usize, subtitles: &PlannedText, seconds: f64) -> std::fmt::Result {
    let language = subtitles.language.as_deref();
    let language = language.map(|language| format!(" lang=\"{language}\"")).unwrap_or_default();
    writeln!(
        text,
        "    <AdaptationSet id=\"{index}\" contentType=\"text\" mimeType=\"text/vtt\"{language}>"
    )?;
    let escaped = subtitles.label.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    writeln!(text, "      <Label>{escaped}</Label>")?;
    let mut role = |value: &str| {
        writeln!(text, "      <Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"{value}\"/>")
    };
    role(if subtitles.forced { "forced-subtitle" } else { "subtitle" })?;
    if subtitles.default {
        role("main")?;
    }
    writeln!(
        text,
        "      <Representation id=\"{}\" bandwidth=\"{}\">\n        <BaseURL>{}</BaseURL>\n      </Representation>\n    </AdaptationSet>",
        subtitles.stem,
        subtitles.bandwidth(seconds),
        subtitles.file_name()
    )
}

/// Tracks that can stand in for each other: pictures of one codec, and each sound on its own.
fn sets<'a>(tracks: &[&'a PlannedTrack]) -> Vec<Vec<&'a PlannedTrack>> {
    let mut sets: Vec<Vec<&PlannedTrack>> = Vec::new();
    for &planned in tracks {
        let alike = |set: &&mut Vec<&PlannedTrack>| {
            planned.track.kind == TrackKind::Video
                && set[0].track.kind == TrackKind::Video
                && family(set[0]) == family(planned)
                && set[0].independent() == planned.independent()
        };
        match sets.iter_mut().find(alike) {
            Some(set) => set.push(planned),
            None => sets.push(vec![planned]),
        }
    }
    sets
}

/// The codec without its profile and level.
fn family(planned: &PlannedTrack) -> &str {
    planned.codec.name.split('.').next().unwrap_or_default()
}

fn adaptation_set(text: &mut String, index: usize, set: &[&PlannedTrack]) -> std::fmt::Result {
    let Some(first) = set.first() else { return Ok(()) };
    let kind = match first.track.kind {
        TrackKind::Video => "video",
        TrackKind::Audio => "audio",
    };
    let language = first.track.language.as_deref().map(language_tag);
    let language = language.map(|language| format!(" lang=\"{language}\"")).unwrap_or_default();
    // Players trust this to mean that every segment can be decoded on its own.
    let entry = if first.independent() { " subsegmentStartsWithSAP=\"1\"" } else { "" };
    writeln!(
        text,
        "    <AdaptationSet id=\"{index}\" contentType=\"{kind}\" mimeType=\"{kind}/mp4\"{language} segmentAlignment=\"true\" subsegmentAlignment=\"true\"{entry}>",
    )?;
    set.iter().try_for_each(|planned| representation(text, planned))?;
    writeln!(text, "    </AdaptationSet>")
}

fn representation(text: &mut String, planned: &PlannedTrack) -> std::fmt::Result {
    let (peak, _) = bandwidth(planned);
    write!(
        text,
        "      <Representation id=\"{}\" codecs=\"{}\" bandwidth=\"{}\"",
        planned.stem,
        planned.codec.name,
        peak.max(1)
    )?;
    match planned.track.kind {
        TrackKind::Video => {
            let (width, height) = display_size(planned);
            write!(text, " width=\"{width}\" height=\"{height}\"")?;
            match frame_rate(planned) {
                Some((frames, 1)) => write!(text, " frameRate=\"{frames}\"")?,
                Some((frames, seconds)) => write!(text, " frameRate=\"{frames}/{seconds}\"")?,
                None => {}
            }
            writeln!(text, ">")?;
        }
        TrackKind::Audio => {
            if planned.codec.sample_rate > 0 {
                write!(text, " audioSamplingRate=\"{}\"", planned.codec.sample_rate)?;
            }
            writeln!(text, ">")?;
            writeln!(
                text,
                "        <AudioChannelConfiguration schemeIdUri=\"urn:mpeg:dash:23003:3:audio_channel_configuration:2011\" value=\"{}\"/>",
                channels(planned)
            )?;
        }
    }
    writeln!(text, "        <BaseURL>{}</BaseURL>", planned.file_name())?;
    writeln!(
        text,
        "        <SegmentBase indexRange=\"{}-{}\" timescale=\"{}\">",
        planned.init_bytes,
        planned.header.len() - 1,
        planned.track.timescale
    )?;
    writeln!(text, "          <Initialization range=\"0-{}\"/>", planned.init_bytes - 1)?;
    writeln!(text, "        </SegmentBase>\n      </Representation>")
}
