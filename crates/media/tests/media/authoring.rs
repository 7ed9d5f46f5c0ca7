//! What validators of HLS and DASH complain of, computed again from the bytes that were written: durations,
//! bandwidths, codecs, byte ranges, and whether segments are as independent as they are said to be.

use dash_mpd_core::parse as parse_mpd;
use m3u8_rs::{
    AlternativeMediaType, MediaPlaylist, MediaPlaylistType, MediaSegment, VariantStream,
    parse_master_playlist_res, parse_media_playlist_res,
};
use shiguredo_mp4::Decode;
use shiguredo_mp4::boxes::SidxBox;

use crate::world::{Film, PACKAGED, ReadSample, package_sample};

/// Playlists tell microseconds, and their reader keeps them in 32 bits.
const ROUNDING_S: f64 = 0.00002;

/// Holds the playlists and the MPD of a film against its files.
pub fn check_authoring(name: &str, film: &Film) {
    check_master(name, film);
    check_dash(name, film);
}

/// Bytes and seconds of the segments of a playlist.
struct Listed {
    playlist: MediaPlaylist,
    segments: Vec<(u64, f64)>,
}

fn check_master(name: &str, film: &Film) {
    let text = film.manifest("master.m3u8");
    let master = parse_master_playlist_res(text.as_bytes()).expect("it parses");
    // Byte ranges take version 4, a map outside of I-frame playlists 6, and CMAF as Apple writes it 7.
    assert_eq!(master.version, Some(7), "{name}");
    let sounds: Vec<_> =
        master.alternatives.iter().filter(|media| media.media_type == AlternativeMediaType::Audio).collect();
    let mut names: Vec<&str> = sounds.iter().map(|media| media.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), sounds.len(), "{name}: names of a group differ");
    assert!(sounds.iter().filter(|media| media.default).count() <= 1, "{name}");
    assert!(sounds.iter().all(|media| media.autoselect && media.channels.is_some()), "{name}");
    let mut all_independent = true;
    let mut sound_rates = Vec::new();
    for sound in &sounds {
        let uri = sound.uri.as_deref().expect("sound has a playlist");
        let listed = check_media(name, film, uri);
        all_independent &= listed.playlist.independent_segments;
        sound_rates.push(rates(&listed.segments));
    }
    let loudest = sound_rates.into_iter().max().unwrap_or((0, 0));
    for variant in &master.variants {
        let listed = if variant.is_i_frame {
            check_key_frames(name, film, &variant.uri)
        } else {
            check_media(name, film, &variant.uri)
        };
        let (mut peak, mut mean) = rates(&listed.segments);
        if !variant.is_i_frame {
            all_independent &= listed.playlist.independent_segments;
            (peak, mean) = (peak + loudest.0, mean + loudest.1);
            assert!(near(variant.average_bandwidth.expect("it is told"), mean), "{name}: mean is {mean}");
            let group = sounds.first().map(|sound| sound.group_id.as_str());
            assert_eq!(variant.audio.as_deref(), group, "{name}");
        }
        assert!(near(variant.bandwidth, peak), "{name}: {variant:?}, peak is {peak}");
        check_codecs(name, film, variant, sounds.iter().filter_map(|sound| sound.uri.as_deref()));
    }
    assert_eq!(master.independent_segments, all_independent, "{name}");
    let has_video = film.files.contains_key("video.mp4");
    let key_frames = master.variants.iter().filter(|variant| variant.is_i_frame).count();
    let video_is_independent = has_video && film.manifest("video.m3u8").contains("INDEPENDENT");
    assert_eq!(key_frames, usize::from(video_is_independent), "{name}");
}

/// To within what decimals of durations take.
fn near(told: u64, computed: u64) -> bool {
    (told as f64 / computed.max(1) as f64 - 1.0).abs() < 0.001
}

/// Peak and mean as RFC 8216 defines them: the peak is over runs of 0.5 to 1.5 target durations.
fn rates(segments: &[(u64, f64)]) -> (u64, u64) {
    let rate = |run: &[(u64, f64)]| {
        let (bytes, seconds) = run.iter().fold((0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        ((bytes as f64 * 8.0 / seconds).ceil() as u64, seconds)
    };
    let longest = segments.iter().map(|segment| segment.1).fold(0.0, f64::max);
    let target = longest.round().max(1.0);
    let (mean, _) = rate(segments);
    let runs = (0..segments.len())
        .flat_map(|first| (first + 1..=segments.len()).map(move |end| &segments[first..end]));
    let counted = runs.map(rate).filter(|(_, seconds)| (0.5 * target..=1.5 * target).contains(seconds));
    (counted.map(|(rate, _)| rate).fold(mean, u64::max), mean)
}

fn parsed(name: &str, film: &Film, uri: &str) -> MediaPlaylist {
    let text = film.manifest(uri);
    let playlist = parse_media_playlist_res(text.as_bytes()).expect("it parses");
    assert_eq!(playlist.version, Some(7), "{name}: {uri}");
    assert_eq!(playlist.playlist_type, Some(MediaPlaylistType::Vod), "{name}: {uri}");
    assert!(playlist.end_list && playlist.media_sequence == 0, "{name}: {uri}");
    let longest = playlist.segments.iter().map(|segment| f64::from(segment.duration)).fold(0.0, f64::max);
    assert_eq!(playlist.target_duration, (longest.round() as u64).max(1), "{name}: {uri}");
    let maps: Vec<_> = playlist.segments.iter().filter_map(|segment| segment.map.as_ref()).collect();
    let file = &film.files[&playlist.segments[0].uri];
    let map = maps.first().and_then(|map| map.byte_range.clone()).expect("there is a map with a range");
    assert_eq!((map.offset, &file[4..8]), (Some(0), &b"ftyp"[..]), "{name}: {uri}");
    assert_eq!(&file[map.length as usize + 4..map.length as usize + 8], b"sidx", "{name}: {uri}");
    playlist
}

fn bytes<'a>(film: &'a Film, segment: &MediaSegment) -> (u64, &'a [u8]) {
    let range = segment.byte_range.as_ref().expect("there is a range");
    let start = range.offset.expect("there is an offset");
    (start, &film.files[&segment.uri][start as usize..(start + range.length) as usize])
}

fn check_media(name: &str, film: &Film, uri: &str) -> Listed {
    let playlist = parsed(name, film, uri);
    let stem = uri.trim_end_matches(".m3u8");
    let timescale = sidx(film, stem).timescale;
    let mut samples = film.samples(stem).into_iter();
    let mut independent = true;
    let mut segments = Vec::new();
    let mut until = None;
    for segment in &playlist.segments {
        let (_, body) = bytes(film, segment);
        let moof = u32::from_be_bytes(body[..4].try_into().expect("four bytes")) as usize;
        let mdat = u32::from_be_bytes(body[moof..moof + 4].try_into().expect("four bytes")) as usize;
        assert_eq!((moof + mdat, &body[moof + 4..moof + 8]), (body.len(), &b"mdat"[..]), "{name}: {uri}");
        let at = body.windows(4).position(|kind| kind == b"trun").expect("there is a run") + 8;
        let count = u32::from_be_bytes(body[at..at + 4].try_into().expect("four bytes")) as usize;
        let these: Vec<ReadSample> = samples.by_ref().take(count).collect();
        // Every picture of it is shown after the first, which is one to start with, and after all before.
        let first = these[0].presented;
        independent &= these[0].sync && these.iter().all(|sample| sample.presented >= first);
        independent &= until.is_none_or(|until| first >= until);
        until = these.iter().map(|sample| sample.presented).max();
        let ticks: i64 = these.iter().map(|sample| i64::from(sample.duration)).sum();
        let seconds = ticks as f64 / f64::from(timescale);
        let told = f64::from(segment.duration);
        // Where rates vary, pictures are decoded and shown at different intervals.
        let tolerance = if stem.starts_with("video") { 0.2 } else { ROUNDING_S };
        assert!((told - seconds).abs() <= tolerance, "{name}: {uri} tells {told}, is {seconds}");
        segments.push((body.len() as u64, told));
    }
    assert_eq!(samples.count(), 0, "{name}: {uri} leaves samples out");
    assert_eq!(playlist.independent_segments, independent, "{name}: {uri}");
    Listed { playlist, segments }
}

/// Each range is of the head of a segment and of its first picture, whole.
fn check_key_frames(name: &str, film: &Film, uri: &str) -> Listed {
    let playlist = parsed(name, film, uri);
    assert!(playlist.i_frames_only, "{name}");
    let media = parsed(name, film, &uri.replace("-iframes", ""));
    let samples = film.samples(uri.trim_end_matches("-iframes.m3u8"));
    let mut frames = samples.iter().filter(|sample| sample.sync).peekable();
    let mut segments = Vec::new();
    assert_eq!(playlist.segments.len(), media.segments.len(), "{name}");
    for (frame, segment) in playlist.segments.iter().zip(&media.segments) {
        let ((start, head), (segment_start, body)) = (bytes(film, frame), bytes(film, segment));
        assert_eq!((start, frame.duration), (segment_start, segment.duration), "{name}");
        assert!(body.starts_with(head), "{name}");
        let found = frames.by_ref().find(|sample| head.ends_with(&sample.data));
        assert!(found.is_some(), "{name}: a range of {uri} holds no picture to start with");
        segments.push((head.len() as u64, f64::from(frame.duration)));
    }
    Listed { playlist, segments }
}

/// The codecs are those that the files describe, and all of them.
fn check_codecs<'a>(name: &str, film: &Film, variant: &VariantStream, sounds: impl Iterator<Item = &'a str>) {
    let stem = variant.uri.trim_end_matches(".m3u8").trim_end_matches("-iframes");
    let mut expected = vec![codec(&film.files[&format!("{stem}.mp4")])];
    if !variant.is_i_frame {
        for sound in sounds {
            let codec = codec(&film.files[&sound.replace(".m3u8", ".mp4")]);
            if !expected.contains(&codec) {
                expected.push(codec);
            }
        }
    }
    assert_eq!(variant.codecs, Some(expected.join(",")), "{name}");
    if stem.starts_with("video") {
        assert!(variant.resolution.is_some_and(|size| size.width > 0 && size.height > 0), "{name}");
        assert!(variant.is_i_frame || variant.frame_rate.is_some_and(|rate| rate > 0.0), "{name}");
    }
}

/// RFC 6381, from the bytes of the description alone.
fn codec(file: &[u8]) -> String {
    let after = |kind: &[u8]| {
        let head = &file[..file.len().min(4096)];
        head.windows(kind.len()).position(|found| found == kind).map(|at| &head[at + kind.len()..])
    };
    if let Some(config) = after(b"avcC") {
        return format!("avc1.{:02x}{:02x}{:02x}", config[1], config[2], config[3]);
    }
    if let Some(config) = after(b"hvcC") {
        let flags = u32::from_be_bytes(config[2..6].try_into().expect("four bytes")).reverse_bits();
        let tier = if config[1] & 0x20 == 0 { 'L' } else { 'H' };
        let mut name = format!("hvc1.{}.{flags:X}.{tier}{}", config[1] & 31, config[12]);
        let constraints = &config[6..12];
        let length = constraints.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        constraints[..length].iter().for_each(|byte| name += &format!(".{byte:X}"));
        return name;
    }
    if let Some(config) = after(b"av1C") {
        let tier = if config[2] & 0x80 == 0 { 'M' } else { 'H' };
        let depth = 8 + (config[2] >> 6 & 1) * 2;
        return format!("av01.{}.{:02}{tier}.{depth:02}", config[1] >> 5, config[1] & 31);
    }
    if let Some(config) = after(b"vpcC") {
        return format!("vp09.{:02}.{:02}.{:02}", config[4], config[5], config[6] >> 4);
    }
    if let Some(config) = after(b"esds") {
        // The tag of the decoder's own description, its length in up to four bytes, and the object type.
        let at = config.windows(2).position(|tag| tag[0] == 5 && (tag[1] & 0x80 != 0 || tag[1] < 32));
        let description = &config[at.expect("there is a description") + 1..];
        let first = description.iter().position(|&byte| byte & 0x80 == 0).expect("a length ends") + 1;
        return format!("mp4a.40.{}", description[first] >> 3);
    }
    if after(b"dOps").is_some() { "opus".into() } else { "fLaC".into() }
}

fn sidx(film: &Film, stem: &str) -> SidxBox {
    let file = &film.files[&format!("{stem}.mp4")];
    let at = file.windows(4).position(|kind| kind == b"sidx").expect("there is an index") - 4;
    SidxBox::decode(&file[at..]).expect("it is well-formed").0
}

fn check_dash(name: &str, film: &Film) {
    let mpd = parse_mpd(&film.manifest("manifest.mpd")).expect("it parses");
    assert_eq!(mpd.profiles.as_deref(), Some("urn:mpeg:dash:profile:isoff-on-demand:2011"), "{name}");
    assert_eq!((mpd.mpdtype.as_deref(), mpd.periods.len()), (Some("static"), 1), "{name}");
    let (mut longest, mut end) = (0.0, 0.0);
    let sets = mpd.periods[0].adaptations.iter().filter(|set| set.contentType.as_deref() != Some("text"));
    for set in sets {
        let [representation] = &set.representations[..] else { panic!("{name}: one representation each") };
        let stem = representation.id.as_deref().expect("it has an id");
        assert_eq!(representation.BaseURL[0].base, format!("{stem}.mp4"), "{name}");
        let index = sidx(film, stem);
        let base = representation.SegmentBase.as_ref().expect("there is a base");
        assert_eq!(base.timescale, Some(index.timescale.into()), "{name}");
        let times = index.references.iter().map(|reference| {
            let seconds = f64::from(reference.subsegment_duration) / f64::from(index.timescale);
            (u64::from(reference.referenced_size), seconds)
        });
        let segments: Vec<(u64, f64)> = times.collect();
        let seconds: f64 = segments.iter().map(|segment| segment.1).sum();
        longest = segments.iter().map(|segment| segment.1).fold(longest, f64::max);
        end = f64::max(end, index.earliest_presentation_time as f64 / f64::from(index.timescale) + seconds);
        // After the buffer of two seconds that the MPD asks for, a line of this rate never keeps it waiting.
        let bandwidth = representation.bandwidth.expect("it is told") as f64;
        let buffered = mpd.minBufferTime.expect("it is told").as_secs_f64();
        assert!(
            bandwidth * (seconds + buffered) >= film.files[&format!("{stem}.mp4")].len() as f64 * 8.0 * 0.98
        );
        let told = film.manifest(&format!("{stem}.m3u8")).contains("INDEPENDENT");
        assert_eq!(set.subsegmentStartsWithSAP, told.then_some(1), "{name}");
        assert!(index.references.iter().all(|reference| reference.starts_with_sap == told), "{name}");
        assert_eq!(representation.codecs, Some(codec(&film.files[&format!("{stem}.mp4")])), "{name}");
        assert_eq!(
            set.mimeType.as_deref(),
            Some(if stem.starts_with("video") { "video/mp4" } else { "audio/mp4" })
        );
    }
    let duration = mpd.mediaPresentationDuration.expect("it is told").as_secs_f64();
    assert!((duration - end).abs() <= 0.001, "{name}: lasts {end}, tells {duration}");
    let most = mpd.maxSegmentDuration.expect("it is told").as_secs_f64();
    assert!((most - longest).abs() <= 0.001, "{name}: up to {longest}, tells {most}");
}

#[tokio::test]
async fn what_manifests_tell_is_what_the_files_hold() {
    for (name, _) in PACKAGED {
        check_authoring(name, &package_sample(name).await);
    }
}
