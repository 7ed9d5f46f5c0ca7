//! DASH on-demand (ISO/IEC 23009-1, profile isoff-on-demand): players find the segments by the
//! `sidx` of each file.

use std::fmt::Write;

use crate::manifest::{bandwidth, channels, display_size, frame_rate, language_tag};
use crate::plan::PlannedTrack;
use crate::text::PlannedText;
use crate::{Manifest, TrackKind};

/// The MPD of all tracks.
pub(crate) fn manifest(tracks: &[PlannedTrack], texts: &[PlannedText]) -> Manifest {
    let length = |planned: &PlannedTrack| planned.seconds(planned.starts.last().copied().unwrap_or(0));
    let duration = tracks.iter().map(length).fold(0.0, f64::max);
    let longest = tracks
        .iter()
        .flat_map(|planned| (0..planned.segments.len()).map(|index| planned.segment_seconds(index)))
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
    for (index, planned) in tracks.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = adaptation_set(&mut text, index, planned);
    }
    for (index, subtitles) in texts.iter().enumerate() {
        let _ = subtitle_set(&mut text, tracks.len() + index, subtitles, duration);
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

fn adaptation_set(text: &mut String, index: usize, planned: &PlannedTrack) -> std::fmt::Result {
    let kind = match planned.track.kind {
        TrackKind::Video => "video",
        TrackKind::Audio => "audio",
    };
    let language = planned.track.language.as_deref().map(language_tag);
    let language = language.map(|language| format!(" lang=\"{language}\"")).unwrap_or_default();
    // Players trust this to mean that every segment can be decoded on its own.
    let entry = if planned.independent() { " startWithSAP=\"1\"" } else { "" };
    writeln!(
        text,
        "    <AdaptationSet id=\"{index}\" contentType=\"{kind}\" mimeType=\"{kind}/mp4\"{language} segmentAlignment=\"true\" subsegmentAlignment=\"true\"{}>",
        entry.replace("startWithSAP", "subsegmentStartsWithSAP"),
    )?;
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
    writeln!(text, "        </SegmentBase>\n      </Representation>\n    </AdaptationSet>")
}
