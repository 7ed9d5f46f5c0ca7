//! Films of many kinds, made on the spot: each is packaged, and what comes out has to decode without
//! a complaint, to the same pictures at the same times, from the very same packets.

use std::path::{Path, PathBuf};

use crate::authoring::check_authoring;
use crate::ffmpeg::{decoded, on_disk, packets, run};
use crate::manifests::{check_mpd, check_playlists};
use crate::world::{Film, MemorySource, package_with, small_options};

const PICTURE: &str = "-f lavfi -i testsrc2=s=128x72:r=25:d=1";
const TONE: &str = "-f lavfi -i sine=f=440:r=48000:d=1";
const H264: &str = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -bf 2 -g 12";
const VP9: &str = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 12 -b:v 100k";
const AAC: &str = "-c:a aac -b:a 64k -ac 2";
const OPUS: &str = "-c:a libopus -b:a 48k -ac 2";

/// Makes a film. The ending of the name decides the container.
pub fn make(name: &str, arguments: &[&str]) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    std::fs::create_dir_all(&directory).expect("the directory can be made");
    let path = directory.join(name);
    let mut words: Vec<&str> = arguments.iter().flat_map(|words| words.split_whitespace()).collect();
    words.extend(["-y", "-threads", "1", path.to_str().expect("it is text")]);
    let output = run(&words);
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    path
}

/// Packages a film and holds all that can be held against it.
async fn check(name: &str, arguments: &[&str]) -> Film {
    let path = make(name, arguments);
    let source = MemorySource::new(std::fs::read(&path).expect("it was made"));
    let film = package_with(&source, &small_options()).await;
    check_playlists(name, &film);
    check_mpd(&film);
    // The reader of samples knows Opus of two channels at most.
    if !name.starts_with("libopus-5.1") {
        check_authoring(name, &film);
    }
    let directory = on_disk(&film, &format!("conformance-{name}"));
    for manifest in ["master.m3u8", "manifest.mpd"] {
        let manifest = directory.join(manifest);
        let output =
            run(&["-xerror", "-i", manifest.to_str().expect("it is text"), "-map", "0", "-f", "null", "-"]);
        let text = String::from_utf8_lossy(&output.stderr);
        // It says this of sound that comes after all pictures, now and then, and decodes it.
        let harmless = |line: &&str| line.is_empty() || line.contains("trying to initialize anyway");
        let complaints: Vec<&str> = text.lines().filter(|line| !harmless(line)).collect();
        assert!(output.status.success() && complaints.is_empty(), "{name}: {complaints:?}");
    }
    let (mut videos, mut sounds) = (0, 0);
    for output in film.files.keys() {
        let (kind, count) = if output.starts_with("video") { ("v", &mut videos) } else { ("a", &mut sounds) };
        let stream = format!("0:{kind}:{count}");
        *count += 1;
        let (source, copied) = (packets(&path, &stream), packets(&directory.join(output), "0:0"));
        assert!(!source.is_empty() && source == copied, "{name}: {output} is not {stream}");
    }
    if videos > 0 {
        check_pictures(name, &path, &directory.join("video.mp4"));
        // Asked of another reader: ffmpeg moves all pictures later when some are shown early.
        assert_eq!(film.samples("video").iter().map(|sample| sample.presented).min(), Some(0), "{name}");
    }
    film
}

/// Pictures have to be the same, as far apart as they were to within a millisecond, which is what
/// Matroska rounds to. The first may be held from 0 on.
fn check_pictures(name: &str, source: &Path, output: &Path) {
    let (expected, found) = (decoded(source, "0:v:0"), decoded(output, "0:v:0"));
    assert_eq!(expected.len(), found.len(), "{name}");
    let (Some(last), Some(found_last)) = (expected.last(), found.last()) else {
        panic!("{name}: no picture")
    };
    for (index, (expected, found)) in expected.iter().zip(&found).enumerate() {
        assert_eq!(expected.hash, found.hash, "{name}: picture {index}");
        let off = (last.seconds - expected.seconds) - (found_last.seconds - found.seconds);
        assert!(index == 0 || off.abs() < 0.0016, "{name}: picture {index} is {off} s off");
    }
}

#[tokio::test]
async fn every_frame_rate_keeps_its_times() {
    for rate in ["24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60", "120"] {
        let picture = format!("-f lavfi -i testsrc2=s=128x72:r={rate}:d=1");
        let name = format!("rate-{}", rate.replace('/', "-"));
        check(&format!("{name}.mp4"), &[&picture, TONE, H264, AAC]).await;
        let film = check(&format!("{name}.mkv"), &[&picture, TONE, H264, AAC]).await;
        let mut over_under = rate.split('/').map(|number| number.parse::<f64>().expect("a number"));
        let rate = over_under.next().expect("a number") / over_under.next().unwrap_or(1.0);
        let master = film.manifest("master.m3u8");
        assert!(master.contains(&format!("FRAME-RATE={rate:.3}")), "{master}");
    }
}

#[tokio::test]
async fn rates_without_a_name_and_varying_ones_keep_their_times_too() {
    for ending in ["mp4", "mkv"] {
        for rate in ["15", "12.5", "29.5"] {
            let picture = format!("-f lavfi -i testsrc2=s=128x72:r={rate}:d=1");
            check(&format!("rate-{rate}.{ending}"), &[&picture, TONE, H264, AAC]).await;
        }
        let dropped = "-vf select='not(mod(floor(n/5),2))+not(mod(n,3))' -fps_mode vfr";
        check(&format!("varying.{ending}"), &[PICTURE, TONE, H264, dropped, AAC]).await;
    }
}

#[tokio::test]
async fn every_profile_and_depth_is_carried() {
    for (profile, pixels) in [
        ("baseline", "yuv420p"),
        ("main", "yuv420p"),
        ("high10", "yuv420p10le"),
        ("high422", "yuv422p10le"),
        ("high444", "yuv444p"),
    ] {
        let frames = if profile == "baseline" { 0 } else { 3 };
        let codec = format!(
            "-c:v libx264 -preset veryfast -profile:v {profile} -pix_fmt {pixels} -bf {frames} -g 12"
        );
        check(&format!("{profile}.mp4"), &[PICTURE, TONE, &codec, AAC]).await;
    }
    let hevc = "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=12:bframes=2:open-gop=0";
    for ending in ["mp4", "mkv"] {
        check(&format!("hevc.{ending}"), &[PICTURE, TONE, hevc, "-pix_fmt yuv420p", AAC]).await;
        check(&format!("hevc10.{ending}"), &[PICTURE, TONE, hevc, "-pix_fmt yuv420p10le -tag:v hvc1", AAC])
            .await;
        let av1 = "-c:v libaom-av1 -cpu-used 8 -usage realtime -g 12 -b:v 100k";
        check(&format!("av1.{ending}"), &[PICTURE, TONE, av1, OPUS]).await;
    }
    for (profile, pixels) in [(0, "yuv420p"), (1, "yuv444p"), (2, "yuv420p10le")] {
        let film =
            check(&format!("vp9-{profile}.webm"), &[PICTURE, TONE, VP9, "-pix_fmt", pixels, OPUS]).await;
        assert!(film.manifest("master.m3u8").contains(&format!("vp09.0{profile}.")));
    }
}

#[tokio::test]
async fn long_groups_and_single_frames_are_carried() {
    let slow = "-f lavfi -i testsrc2=s=64x36:r=5:d=12";
    for ending in ["mp4", "mkv"] {
        let long = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -bf 3 -g 1000";
        check(&format!("long.{ending}"), &[slow, long]).await;
        check(&format!("one.{ending}"), &[PICTURE, H264, "-frames:v 1"]).await;
        let one = "-f lavfi -i testsrc2=s=128x72:r=25:d=0.04";
        check(&format!("one-with-sound.{ending}"), &[one, TONE, H264, AAC]).await;
        check(&format!("pyramid.{ending}"), &[
            PICTURE,
            "-c:v libx264 -preset veryfast -pix_fmt yuv420p -bf 8 -b_strategy 2 -g 20 -x264-params b-pyramid=strict",
        ])
        .await;
    }
}

#[tokio::test]
async fn every_form_of_mp4_is_read() {
    for (name, flags) in [
        ("faststart", "-movflags +faststart"),
        ("negative", "-movflags +negative_cts_offsets"),
        ("clock", "-video_track_timescale 12345"),
        ("fragments", "-movflags +frag_keyframe+empty_moov+default_base_moof"),
        ("short-fragments", "-movflags +empty_moov -frag_duration 100000"),
        ("fragments-negative", "-movflags +frag_keyframe+empty_moov+negative_cts_offsets"),
        ("sidx", "-movflags +dash+global_sidx+frag_keyframe"),
        ("cmaf", "-movflags +cmaf+frag_keyframe -frag_duration 300000"),
    ] {
        check(&format!("{name}.mp4"), &[PICTURE, TONE, H264, AAC, flags]).await;
    }
    check("quicktime.mov", &[PICTURE, TONE, H264, AAC]).await;
}

#[tokio::test]
async fn every_form_of_matroska_is_read() {
    for (name, flags) in [
        ("plain.mkv", ""),
        ("live.mkv", "-f matroska -live 1"),
        ("pipe.mkv", "-seekable 0"),
        ("clusters.mkv", "-cluster_time_limit 100"),
        ("void.mkv", "-reserve_index_space 5000"),
        ("cues-first.mkv", "-cues_to_front 1"),
        ("no-checksums.mkv", "-write_crc32 0"),
    ] {
        check(name, &[PICTURE, TONE, H264, AAC, flags]).await;
    }
    for (name, flags) in [("plain.webm", ""), ("live.webm", "-f webm -live 1"), ("pipe.webm", "-seekable 0")]
    {
        check(name, &[PICTURE, TONE, VP9, OPUS, flags]).await;
    }
}

#[tokio::test]
async fn every_sound_is_carried() {
    for rate in [8000, 11_025, 16_000, 22_050, 32_000, 44_100, 88_200, 96_000] {
        let film = check(&format!("aac-{rate}.m4a"), &[TONE, AAC, "-ar", &rate.to_string()]).await;
        let mpd = film.manifest("manifest.mpd");
        assert!(mpd.contains(&format!("audioSamplingRate=\"{rate}\"")), "{mpd}");
    }
    for (channels, layout) in [(1, "mono"), (2, "stereo"), (6, "5.1")] {
        for (ending, codec) in
            [("m4a", "aac"), ("mka", "aac"), ("mka", "libopus"), ("mp4", "libopus"), ("mka", "flac")]
        {
            let name = format!("{codec}-{layout}.{ending}");
            let format = format!("-af aformat=channel_layouts={layout} -c:a {codec}");
            let film = check(&name, &[TONE, &format]).await;
            let master = film.manifest("manifest.mpd");
            assert!(
                master.contains(&format!("configuration:2011\" value=\"{channels}\"")),
                "{name}: {master}"
            );
        }
    }
}

#[tokio::test]
async fn every_language_is_offered() {
    let two = "-map 0:v -map 1:a -map 1:a -metadata:s:a:0 language=deu -metadata:s:a:1 language=fra";
    for name in ["languages.mp4", "languages.mkv"] {
        let film = check(name, &[PICTURE, TONE, H264, AAC, two]).await;
        let master = film.manifest("master.m3u8");
        assert!(master.contains("LANGUAGE=\"de\",DEFAULT=YES"), "{master}");
        assert!(master.contains("LANGUAGE=\"fr\",DEFAULT=NO"), "{master}");
    }
}

#[tokio::test]
async fn colours_and_the_shape_of_pixels_are_kept() {
    let tags = "-color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -color_range tv";
    let hevc = format!(
        "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -tag:v hvc1 {tags} -x265-params log-level=none:keyint=12"
    );
    for name in ["hdr.mp4", "hdr.mkv"] {
        let film = check(name, &[PICTURE, TONE, &hevc, AAC]).await;
        let (init, _) = film.segments("video.m3u8");
        let at = init.windows(4).position(|found| found == b"colr").expect("colours are told") + 4;
        assert_eq!(&init[at..at + 11], b"nclx\x00\x09\x00\x10\x00\x09\x00", "{name}");
        assert_eq!(film.manifest("master.m3u8").matches("VIDEO-RANGE=PQ").count(), 2, "{name}");
    }
    for name in ["wide.mp4", "wide.mkv", "wide.mov"] {
        let film = check(name, &[PICTURE, TONE, H264, "-vf setsar=3/2", AAC]).await;
        let (init, _) = film.segments("video.m3u8");
        let at = init.windows(4).position(|found| found == b"pasp").expect("pixels have a shape") + 4;
        assert_eq!(init[at..at + 8], [0, 0, 0, 3, 0, 0, 0, 2], "{name}");
        assert!(film.manifest("master.m3u8").contains("RESOLUTION=192x72"), "{name}");
    }
}

#[tokio::test]
async fn a_turned_picture_stays_turned() {
    let upright = make("upright.mp4", &[PICTURE, TONE, H264, AAC]);
    let upright = upright.to_str().expect("it is text");
    for (degrees, clockwise) in [(90, 270), (180, 180), (-90, 90)] {
        for ending in ["mp4", "mkv", "mov"] {
            let name = format!("turned-{clockwise}.{ending}");
            let path = make(&name, &["-display_rotation", &degrees.to_string(), "-i", upright, "-c copy"]);
            let source = MemorySource::new(std::fs::read(path).expect("it was made"));
            let probe = media::open(&source).await.expect("it opens").probe();
            assert_eq!(probe.video().and_then(|video| video.rotation), Some(clockwise), "{name}");
            let film = package_with(&source, &small_options()).await;
            let directory = on_disk(&film, &format!("conformance-{name}"));
            // It tells of the turn that it finds, counter-clockwise.
            let told = run(&["-v", "info", "-i", directory.join("video.mp4").to_str().expect("it is text")]);
            let told = String::from_utf8_lossy(&told.stderr);
            let expected = format!("rotation of {}", if degrees == 180 { -180 } else { degrees });
            assert!(told.contains(&expected), "{name}: {told}");
        }
    }
}

#[tokio::test]
async fn what_segments_do_not_carry_is_told_before_the_film_is_gone_through() {
    use media::Treatment::{Progressive, Refuse};
    let vp8 = "-c:v libvpx -deadline realtime -b:v 100k";
    for (name, codecs, word, plays) in [
        ("vp8.webm", [vp8, "-c:a libopus"], "VP8", true),
        ("mp3.mkv", [H264, "-c:a libmp3lame"], "MP3", true),
        ("ac3.mkv", [H264, "-c:a ac3"], "AC-3", false),
        ("mpeg2.mkv", ["-c:v mpeg2video", "-c:a aac"], "MPEG-2", false),
        ("ac3.mp4", [H264, "-c:a ac3"], "AC-3", true),
    ] {
        let path = make(name, &[PICTURE, TONE, codecs[0], codecs[1]]);
        let source = MemorySource::new(std::fs::read(path).expect("it was made"));
        let movie = media::open(&source).await.expect("it opens");
        assert_eq!((source.reads(), movie.probe().tracks.len()), (1, 2), "{name}");
        match movie.treatment() {
            Progressive { reason } => assert!(plays && reason.contains(word), "{name}: {reason}"),
            Refuse { reason } => assert!(!plays && reason.contains(word), "{name}: {reason}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}
