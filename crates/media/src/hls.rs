//! HTTP Live Streaming, version 7 (RFC 8216): a master playlist, a playlist for each track whose
//! segments are byte ranges of its one file, and one of key frames over the same bytes.

use std::cmp::Reverse;
use std::fmt::Write;

use crate::geometry::rotation;
use crate::manifest::{
    bandwidth, channels, display_size, frame_rate, language_tag, peak_and_mean, target_seconds, video_range,
};
use crate::plan::PlannedTrack;
use crate::text::PlannedText;
use crate::{Manifest, TrackKind};

const CONTENT_TYPE: &str = "application/vnd.apple.mpegurl";
/// The group of all sound tracks.
const GROUP: &str = "audio";
/// The group of all subtitles.
const SUBTITLES: &str = "subtitles";

/// Players that have measured nothing yet begin with the first stream of the list. It is the best one
/// that most lines carry.
const FIRST_BITS: u64 = 3_000_000;

/// The playlists of all tracks, and the master playlist, which names them, last. Tracks come in the
/// order in which they are listed, pictures before sound.
pub(crate) fn playlists(tracks: &[&PlannedTrack], texts: &[PlannedText]) -> Vec<Manifest> {
    let mut playlists = Vec::with_capacity(2 * tracks.len() + 2);
    for planned in tracks {
        playlists.push(manifest(format!("{}.m3u8", planned.stem), media(planned)));
        if planned.track.kind == TrackKind::Video && planned.independent() {
            playlists.push(manifest(key_frames_name(planned), key_frames(planned)));
        }
    }
    let length = |planned: &PlannedTrack| planned.seconds(planned.starts.last().copied().unwrap_or(0));
    let seconds = tracks.iter().copied().map(length).fold(0.0, f64::max);
    playlists
        .extend(texts.iter().map(|text| manifest(format!("{}.m3u8", text.stem), subtitles(text, seconds))));
    playlists.push(manifest("master.m3u8".into(), master(tracks, texts)));
    playlists
}

fn manifest(name: String, text: String) -> Manifest {
    Manifest { name, content_type: CONTENT_TYPE, body: text.into() }
}

fn key_frames_name(planned: &PlannedTrack) -> String {
    format!("{}-iframes.m3u8", planned.stem)
}

fn master(tracks: &[&PlannedTrack], texts: &[PlannedText]) -> String {
    let mut text = "#EXTM3U\n#EXT-X-VERSION:7\n".to_owned();
    if tracks.iter().all(|planned| planned.independent()) {
        text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    for subtitles in texts {
        let yes = |is: bool| if is { "YES" } else { "NO" };
        let language = subtitles.language.as_deref();
        let language = language.map(|language| format!(",LANGUAGE=\"{language}\"")).unwrap_or_default();
        line(
            &mut text,
            format_args!(
                "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"{SUBTITLES}\",NAME=\"{}\"{language},DEFAULT={},AUTOSELECT=YES,FORCED={},URI=\"{}.m3u8\"",
                subtitles.label,
                yes(subtitles.default),
                yes(subtitles.forced),
                subtitles.stem
            ),
        );
    }
    let texts = !texts.is_empty();
    let is_picture = |planned: &&PlannedTrack| planned.track.kind == TrackKind::Video;
    let (mut videos, sounds): (Vec<&PlannedTrack>, Vec<&PlannedTrack>) =
        tracks.iter().copied().partition(is_picture);
    if videos.is_empty() {
        sounds.iter().for_each(|sound| stream(&mut text, sound, &[], texts));
        return text;
    }
    videos.sort_by_key(|video| (bandwidth(video).0 > FIRST_BITS, Reverse(bandwidth(video).0)));
    for (index, sound) in sounds.iter().enumerate() {
        let language = sound.track.language.as_deref().map(language_tag);
        let name = match language {
            Some(language) if sounds.len() > 1 => format!("{language} {}", index + 1),
            Some(language) => language.to_owned(),
            None => format!("Audio {}", index + 1),
        };
        let language = language.map(|language| format!(",LANGUAGE=\"{language}\"")).unwrap_or_default();
        let default = if index == 0 { "YES" } else { "NO" };
        line(
            &mut text,
            format_args!(
                "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{GROUP}\",NAME=\"{name}\"{language},DEFAULT={default},AUTOSELECT=YES,CHANNELS=\"{}\",URI=\"{}.m3u8\"",
                channels(sound),
                sound.stem
            ),
        );
    }
    videos.iter().for_each(|video| stream(&mut text, video, &sounds, texts));
    for video in videos.iter().filter(|video| video.independent()) {
        let (width, height) = shown_size(video);
        line(
            &mut text,
            format_args!(
                "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={},CODECS=\"{}\",RESOLUTION={width}x{height}{},URI=\"{}\"",
                key_frame_bandwidth(video),
                video.codec.name,
                range_attribute(video),
                key_frames_name(video)
            ),
        );
    }
    text
}

/// One `EXT-X-STREAM-INF` with the playlist that it describes. A client of it fetches the loudest
/// of the sound tracks at most.
fn stream(text: &mut String, main: &PlannedTrack, sounds: &[&PlannedTrack], texts: bool) {
    let (mut peak, mut mean) = bandwidth(main);
    let mut codecs = vec![main.codec.name.as_str()];
    if let Some((sound_peak, sound_mean)) = sounds.iter().map(|sound| bandwidth(sound)).max() {
        (peak, mean) = (peak + sound_peak, mean + sound_mean);
    }
    for sound in sounds {
        if !codecs.contains(&sound.codec.name.as_str()) {
            codecs.push(&sound.codec.name);
        }
    }
    let codecs = codecs.join(",");
    let mut attributes = format!("BANDWIDTH={peak},AVERAGE-BANDWIDTH={mean},CODECS=\"{codecs}\"");
    if main.track.kind == TrackKind::Video {
        let (width, height) = shown_size(main);
        // Writing to a String cannot fail.
        let _ = write!(attributes, ",RESOLUTION={width}x{height}");
        if let Some((frames, seconds)) = frame_rate(main) {
            let _ = write!(attributes, ",FRAME-RATE={:.3}", frames as f64 / seconds as f64);
        }
        attributes.push_str(&range_attribute(main));
    }
    if !sounds.is_empty() {
        let _ = write!(attributes, ",AUDIO=\"{GROUP}\"");
    }
    if texts {
        let _ = write!(attributes, ",SUBTITLES=\"{SUBTITLES}\"");
    }
    line(text, format_args!("#EXT-X-STREAM-INF:{attributes}\n{}.m3u8", main.stem));
}

fn range_attribute(video: &PlannedTrack) -> String {
    video_range(video).map(|range| format!(",VIDEO-RANGE={range}")).unwrap_or_default()
}

fn shown_size(video: &PlannedTrack) -> (u32, u32) {
    let (width, height) = display_size(video);
    match rotation(&video.track.header.matrix) {
        90 | 270 => (height, width),
        _ => (width, height),
    }
}

fn media(planned: &PlannedTrack) -> String {
    let mut text = media_header(planned);
    if planned.independent() {
        text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    map(&mut text, planned);
    for (index, segment) in planned.segments.iter().enumerate() {
        byte_range(&mut text, planned, index, segment.size_bytes());
    }
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

/// Subtitles are one segment, as long as the film.
fn subtitles(text: &PlannedText, seconds: f64) -> String {
    format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:{seconds:.6},\n{}\n#EXT-X-ENDLIST\n",
        (seconds.round() as u64).max(1),
        text.file_name()
    )
}

fn media_header(planned: &PlannedTrack) -> String {
    let target = target_seconds((0..planned.segments.len()).map(|index| planned.listed_seconds(index)));
    format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n"
    )
}

fn map(text: &mut String, planned: &PlannedTrack) {
    line(
        text,
        format_args!("#EXT-X-MAP:URI=\"{}\",BYTERANGE=\"{}@0\"", planned.file_name(), planned.init_bytes),
    );
}

fn byte_range(text: &mut String, planned: &PlannedTrack, index: usize, bytes: u64) {
    line(
        text,
        format_args!(
            "#EXTINF:{:.6},\n#EXT-X-BYTERANGE:{bytes}@{}\n{}",
            planned.listed_seconds(index),
            planned.segments[index].position,
            planned.file_name()
        ),
    );
}

/// The header and the first frame of each segment.
fn key_frames(planned: &PlannedTrack) -> String {
    let mut text = media_header(planned);
    text.push_str("#EXT-X-I-FRAMES-ONLY\n");
    map(&mut text, planned);
    for index in 0..planned.segments.len() {
        byte_range(&mut text, planned, index, key_frame_bytes(planned, index));
    }
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

fn key_frame_bytes(planned: &PlannedTrack, index: usize) -> u64 {
    let segment = &planned.segments[index];
    u64::from(segment.header_bytes) + u64::from(segment.counted.first_size)
}

fn key_frame_bandwidth(planned: &PlannedTrack) -> u64 {
    let frames = (0..planned.segments.len())
        .map(|index| (key_frame_bytes(planned, index), planned.listed_seconds(index)));
    peak_and_mean(&frames.collect::<Vec<_>>()).0
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{content}");
}
