//! Text tracks of every form, as ffmpeg writes them, and as nobody should.

use std::path::PathBuf;

use dash_mpd_core::parse as parse_mpd;
use m3u8_rs::{AlternativeMediaType, parse_master_playlist_res, parse_media_playlist_res};
use media::{Options, Plan, SubtitleProbe, Treatment, open, package};

use crate::conformance::make;
use crate::ffmpeg::decoded;
use crate::world::{MemorySource, MemoryStore, plan_of, small_options};

const PICTURE: &str = "-f lavfi -i testsrc2=s=128x72:r=25:d=8";
const H264: &str = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -bf 2 -g 50";
const VP9: &str = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 25 -b:v 100k";

/// What the films say, and when, in milliseconds.
const SAID: [(u64, u64, &str); 4] = [
    (500, 1_500, "Hello <i>there</i>"),
    (2_000, 3_250, "1 < 2 & 3 > 2 -->"),
    (3_250, 4_000, "Två rader\nand another"),
    (6_001, 7_999, "The end"),
];

/// The same as WebVTT has it.
fn expected() -> Vec<(u64, u64, String)> {
    let escaped = |text: &str| match text.starts_with("1 <") {
        true => text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
        false => text.to_owned(),
    };
    SAID.iter().map(|&(start, end, text)| (start, end, escaped(text))).collect()
}

/// The texts as a file of SubRip.
fn srt(name: &str) -> String {
    let clock = |ms: u64| format!("00:00:{:02},{:03}", ms / 1000, ms % 1000);
    let cues = SAID.iter().enumerate();
    let text: String = cues
        .map(|(index, (start, end, text))| {
            format!("{}\n{} --> {}\n{text}\n\n", index + 1, clock(*start), clock(*end))
        })
        .collect();
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.srt"));
    std::fs::write(&path, text).expect("it can be written");
    path.to_str().expect("it is text").to_owned()
}

fn film(name: &str, arguments: &[&str]) -> MemorySource {
    let text = srt(name);
    let path = make(name, &[&[PICTURE, "-i", &text][..], arguments].concat());
    MemorySource::new(std::fs::read(path).expect("ffmpeg wrote it"))
}

/// The cues of a WebVTT: start, end, words.
fn cues(text: &str) -> Vec<(u64, u64, String)> {
    let ms = |clock: &str| {
        let fields: Vec<u64> =
            clock.split([':', '.']).map(|field| field.parse().expect("a number")).collect();
        ((fields[0] * 60 + fields[1]) * 60 + fields[2]) * 1000 + fields[3]
    };
    let mut blocks = text.split("\n\n");
    assert!(blocks.next().expect("there is a head").starts_with("WEBVTT\n"));
    let cue = |block: &str| {
        let (times, words) = block.split_once('\n').expect("there are words");
        let (start, end) = times.split_once(" --> ").expect("there are times");
        let end = end.split(' ').next().expect("there is an end");
        (ms(start), ms(end), words.trim_end_matches('\n').to_owned())
    };
    blocks.map(cue).collect()
}

async fn texts(plan: &Plan, source: &MemorySource) -> Vec<(String, String)> {
    let files = plan.collect(source).subtitles().await.expect("it reads");
    let text = |body: &[u8]| String::from_utf8(body.to_vec()).expect("it is text");
    files.into_iter().map(|file| (file.name, text(&file.body))).collect()
}

async fn probed(source: &MemorySource) -> Vec<SubtitleProbe> {
    open(source).await.expect("it opens").probe().subtitles
}

#[tokio::test]
async fn text_of_every_form_is_carried_over() {
    for (name, arguments, codec) in [
        ("tx3g.mp4", vec![H264, "-c:s mov_text"], "tx3g"),
        ("timed-text.mov", vec![H264, "-c:s mov_text"], "text"),
        ("tx3g-fragments.mp4", vec![H264, "-c:s mov_text -movflags frag_keyframe+empty_moov"], "tx3g"),
        ("srt.mkv", vec![H264, "-c:s srt"], "S_TEXT/UTF8"),
        ("ass.mkv", vec![H264, "-c:s ass"], "S_TEXT/ASS"),
        ("webvtt.mkv", vec![H264, "-c:s webvtt"], "D_WEBVTT/SUBTITLES"),
        ("webvtt.webm", vec![VP9, "-c:s webvtt"], "D_WEBVTT/SUBTITLES"),
    ] {
        let source = film(name, &arguments);
        let found = probed(&source).await;
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert_eq!((found[0].codec.as_str(), found[0].left_out.as_deref()), (codec, None), "{name}");
        let plan = plan_of(&source).await;
        let files = texts(&plan, &source).await;
        assert_eq!(files.len(), 1, "{name}");
        assert_eq!(files[0].0, "subtitles-1.vtt");
        // Asked for alone, before anything has passed, it is the same.
        let alone = plan.subtitle(&source, "subtitles-1.vtt").await.expect("it reads").expect("it is there");
        assert_eq!(&alone.body[..], files[0].1.as_bytes(), "{name}");
        assert_eq!(plan.subtitle(&source, "subtitles-2.vtt").await.expect("it reads"), None);
        // ffmpeg itself drops or escapes some signs on the way into some forms.
        let plain = |text: &str| {
            ["<i>", "</i>", "&lt;", "&gt;", "&amp;", "\\", "<", ">", "&"]
                .iter()
                .fold(text.to_owned(), |text, sign| text.replace(sign, ""))
        };
        let (read, said) = (cues(&files[0].1), expected());
        assert_eq!(read.len(), said.len(), "{name}: {}", files[0].1);
        for (read, said) in read.iter().zip(&said) {
            // Centiseconds are all that one form has.
            let near = |a: u64, b: u64| a.abs_diff(b) <= if name.starts_with("ass") { 10 } else { 1 };
            // This writer of fragments does not tell when a text ends.
            let end = near(read.1, said.1) || name == "tx3g-fragments.mp4" && read.1 > read.0;
            assert!(near(read.0, said.0) && end, "{name}: {read:?}");
            // This writer escapes nothing, so that what stands between the signs is a tag.
            if !(codec.contains("WEBVTT") && said.2.starts_with("1 ")) {
                assert_eq!(plain(&read.2), plain(&said.2), "{name}");
            }
        }
        if ["tx3g.mp4", "timed-text.mov", "srt.mkv"].contains(&name) {
            assert_eq!(read, said, "{name}");
        }
        assert!(read[0].2.contains("<i>there</i>"), "{name}: {read:?}");
    }
}

#[tokio::test]
async fn subtitles_are_caught_in_the_pass() {
    let source = film(
        "caught.mp4",
        &[H264, "-b:v 3M -minrate 3M -maxrate 3M -bufsize 1M -x264-params nal-hrd=cbr", "-c:s mov_text"],
    );
    assert!(source.bytes.len() > 1 << 20, "the cues do not all lie in what is read for the index");
    let plan = plan_of(&source).await;
    for window_bytes in [1_000, 300_000] {
        let collector = plan.collect(&source);
        let options = Options { window_bytes, ..small_options() };
        let store = MemoryStore { part_bytes: options.part_bytes, ..MemoryStore::default() };
        package(&collector, &plan, &store, &options).await.expect("it packages");
        let before = source.reads();
        let files = collector.subtitles().await.expect("it reads");
        // The last may lie behind all that is packaged.
        assert!(source.reads() <= before + 1, "{}", source.reads() - before);
        let text = String::from_utf8(files[0].body.to_vec()).expect("it is text");
        assert_eq!(cues(&text), expected());
    }
}

#[tokio::test]
async fn subtitles_move_with_the_pictures() {
    let whole = make("whole.mp4", &[PICTURE, "-i", &srt("whole"), H264, "-c:s mov_text"]);
    let whole_text = whole.to_str().expect("it is text");
    // A trim that leaves the pictures before it in the file, hidden by an edit list.
    let trimmed = make("trimmed.mp4", &["-ss 1.2 -i", whole_text, "-map 0 -c copy"]);
    // Sound that begins before the pictures, which have an empty edit or later time stamps then.
    let sound = "-f lavfi -i sine=d=11 -map 0 -map 1 -c:a aac -c:v copy";
    let late = make("late.mp4", &["-itsoffset 2.5 -i", whole_text, sound, "-c:s copy"]);
    let late_mkv = make("late.mkv", &["-itsoffset 2.5 -i", whole_text, sound, "-c:s srt"]);
    for path in [whole.clone(), trimmed, late, late_mkv] {
        let source = MemorySource::new(std::fs::read(&path).expect("ffmpeg wrote it"));
        let plan = plan_of(&source).await;
        let files = texts(&plan, &source).await;
        let film = crate::world::package_with(&source, &small_options()).await;
        let directory = crate::ffmpeg::on_disk(&film, &format!("moved-{:?}", path.file_name()));
        let pictures = decoded(&directory.join("video.mp4"), "0:v:0");
        let original = decoded(&whole, "0:v:0");
        // The picture that is shown when the last words begin, here and there.
        let (said_at, _, words) = cues(&files[0].1).pop().expect("there are cues");
        assert_eq!(words, "The end");
        let shown_at = |frames: &[crate::ffmpeg::Frame], ms: u64| {
            // The first picture is shown at 0, wherever this decoder's clock begins.
            let until = frames[0].seconds + ms as f64 / 1000.0 + 0.004;
            frames.iter().rfind(|frame| frame.seconds <= until).map(|frame| frame.hash.clone())
        };
        // A picture held from the start puts that clock off by one.
        let near = [5_961, 6_001].map(|ms| shown_at(&original, ms));
        assert!(near.contains(&shown_at(&pictures, said_at)), "{}: {said_at}", path.display());
    }
}

#[tokio::test]
async fn manifests_name_subtitles_by_language() {
    let text = srt("languages");
    let arguments = [
        PICTURE,
        "-i",
        &text,
        "-i",
        &text,
        "-map 0:v -map 1 -map 2",
        H264,
        "-c:s srt -metadata:s:s:0 language=swe -metadata:s:s:1 language=eng -metadata:s:s:1 title=\"Sign\"&<s>",
        "-disposition:s:0 default -disposition:s:1 forced",
    ];
    let path = make("languages.mkv", &arguments);
    let source = MemorySource::new(std::fs::read(path).expect("ffmpeg wrote it"));
    let found = probed(&source).await;
    let flags: Vec<_> = found.iter().map(|s| (s.language.as_deref(), s.default, s.forced)).collect();
    assert_eq!(flags, [(Some("swe"), true, false), (Some("eng"), false, true)]);
    let plan = plan_of(&source).await;
    let manifests = plan.manifests();
    let text = |name: &str| {
        let found = manifests.iter().find(|manifest| manifest.name == name).expect(name);
        String::from_utf8(found.body.to_vec()).expect("it is text")
    };
    let master = text("master.m3u8");
    let master = parse_master_playlist_res(master.as_bytes()).expect("it parses");
    let listed: Vec<_> = master
        .alternatives
        .iter()
        .filter(|listed| listed.media_type == AlternativeMediaType::Subtitles)
        .map(|l| {
            (
                l.language.clone().unwrap_or_default(),
                l.name.clone(),
                l.default,
                l.forced,
                l.uri.clone().unwrap_or_default(),
            )
        })
        .collect();
    let listed_as = |language: &str, name: &str, default, forced, uri: &str| {
        (language.to_owned(), name.to_owned(), default, forced, uri.to_owned())
    };
    assert_eq!(
        listed,
        [
            listed_as("sv", "sv", true, false, "subtitles-1.m3u8"),
            listed_as("en", "'Sign'&<s>", false, true, "subtitles-2.m3u8"),
        ]
    );
    assert!(
        master.variants.iter().filter(|v| !v.is_i_frame).all(|v| v.subtitles.as_deref() == Some("subtitles"))
    );
    let playlist = text("subtitles-2.m3u8");
    let playlist = parse_media_playlist_res(playlist.as_bytes()).expect("it parses");
    assert!(playlist.end_list && playlist.segments.len() == 1);
    assert_eq!(playlist.segments[0].uri, "subtitles-2.vtt");
    assert!((playlist.segments[0].duration - 8.0).abs() < 0.1);

    let mpd = parse_mpd(&text("manifest.mpd")).expect("it parses");
    let sets = mpd.periods[0].adaptations.iter().filter(|set| set.contentType.as_deref() == Some("text"));
    let listed: Vec<_> = sets
        .map(|set| {
            let roles: Vec<String> = set.Role.iter().filter_map(|role| role.value.clone()).collect();
            let base = set.representations[0].BaseURL[0].base.clone();
            (set.lang.clone(), set.mimeType.clone(), roles.join(" "), base)
        })
        .collect();
    let listed_as = |lang: &str, roles: &str, base: &str| {
        (Some(lang.to_owned()), Some("text/vtt".to_owned()), roles.to_owned(), base.to_owned())
    };
    assert_eq!(
        listed,
        [
            listed_as("sv", "subtitle main", "subtitles-1.vtt"),
            listed_as("en", "forced-subtitle", "subtitles-2.vtt")
        ]
    );
}

#[tokio::test]
async fn pictures_of_text_are_left_out_with_the_reason() {
    let source = film("dvbsub.mkv", &["-s:s 128x72", H264, "-c:s srt"]);
    let mut bytes = source.bytes.to_vec();
    let at = bytes.windows(11).position(|id| id == b"S_TEXT/UTF8").expect("it is there");
    bytes[at..at + 11].copy_from_slice(b"S_HDMV/PGS\0");
    let source = MemorySource::new(bytes);
    let found = probed(&source).await;
    assert_eq!(found[0].codec, "S_HDMV/PGS");
    assert!(found[0].left_out.as_deref().is_some_and(|reason| reason.contains("pictures of text")));
    let plan = plan_of(&source).await;
    assert!(texts(&plan, &source).await.is_empty());
    assert!(!plan.manifests().iter().any(|manifest| manifest.name.starts_with("subtitles")));
}

#[tokio::test]
async fn chapters_are_no_subtitles() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("chapters.txt");
    std::fs::write(&path, ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=4000\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=4000\nEND=8000\ntitle=Two\n").expect("it can be written");
    let made =
        make("chapters.mp4", &[PICTURE, "-i", path.to_str().expect("it is text"), "-map_metadata 1", H264]);
    let source = MemorySource::new(std::fs::read(made).expect("ffmpeg wrote it"));
    assert!(source.bytes.windows(4).any(|kind| kind == b"chap"));
    assert_eq!(probed(&source).await, []);
}

#[tokio::test]
async fn a_damaged_text_track_costs_itself_only() {
    let source = film("damaged-text.mp4", &[H264, "-c:s mov_text"]);
    let entry = source.bytes.windows(4).position(|kind| kind == b"tx3g").expect("there is an entry");
    let table =
        source.bytes[entry..].windows(4).position(|kind| kind == b"stsz").expect("there is a table") + entry;
    for (at, value) in [(table + 12, 0xffff_ffff_u32), (table + 8, 0x7fff_ffff), (entry - 4, 0xffff)] {
        let mut bytes = source.bytes.to_vec();
        bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        let damaged = MemorySource::new(bytes);
        let movie = open(&damaged).await.expect("the film is as good as before");
        assert!(matches!(movie.treatment(), Treatment::Package(_)));
        let Treatment::Package(plan) = movie.treatment() else { continue };
        assert!(texts(&plan, &damaged).await.is_empty());
    }
}
