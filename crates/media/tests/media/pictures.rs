//! Posters and thumbnails.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use bytes::Bytes;
use futures_util::stream::StreamExt;
use media::{Decoder, KeyFrameFilm, Manifest, NoDecoder, Options, package};

use crate::conformance::make;
use crate::ffmpeg::{FFMPEG, run};
use crate::outputs::jpeg_size;
use crate::world::{MemorySource, MemoryStore, plan_of, sample_path, small_options};

/// ffmpeg in a process of its own.
pub struct Ffmpeg;

impl Decoder for Ffmpeg {
    async fn decode(&self, film: KeyFrameFilm<'_>, width: u32, height: u32) -> std::io::Result<Bytes> {
        let film: Vec<Bytes> = film.collect().await;
        let mut child = Command::new(&*FFMPEG)
            .args(["-v", "error", "-noautorotate", "-i", "pipe:0", "-vf", &format!("scale={width}:{height}")])
            .args(["-fps_mode", "cfr", "-r", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().expect("there is a pipe");
        let feeder = std::thread::spawn(move || film.iter().try_for_each(|piece| stdin.write_all(piece)));
        let output = child.wait_with_output()?;
        feeder.join().expect("it does not panic")?;
        Ok(output.stdout.into())
    }
}

/// The pixels of a JPEG, as another decoder sees them.
fn pixels(name: &str, jpeg: &[u8]) -> Vec<[u8; 3]> {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.jpg"));
    std::fs::write(&path, jpeg).expect("it can be written");
    let file = path.to_str().expect("it is text");
    let decoded = run(&["-i", file, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]).stdout;
    decoded.chunks_exact(3).map(|rgb| [rgb[0], rgb[1], rgb[2]]).collect()
}

fn read(path: PathBuf) -> MemorySource {
    MemorySource::new(std::fs::read(path).expect("ffmpeg wrote it"))
}

/// Scenes of plain colours, one after the other, with key frames two a second; the last is a test card.
fn scenes(name: &str, colours: &[(&str, f64)], size: &str, encoder: &[&str]) -> MemorySource {
    let mut arguments: Vec<String> = Vec::new();
    let mut add = |source: String| arguments.extend(["-f".into(), "lavfi".into(), "-i".into(), source]);
    for (colour, seconds) in colours {
        add(match *colour {
            "card" => format!("testsrc2=size={size}:rate=10:duration={seconds}"),
            colour => format!("color={colour}:size={size}:rate=10:duration={seconds}"),
        });
    }
    let inputs: String =
        (0..colours.len()).map(|index| format!("[{index}:v]format=yuv420p[v{index}];")).collect();
    let named: String = (0..colours.len()).map(|index| format!("[v{index}]")).collect();
    arguments.extend(["-filter_complex".into(), format!("{inputs}{named}concat=n={}[v]", colours.len())]);
    arguments.extend(["-map", "[v]", "-g", "5"].map(String::from));
    arguments.extend(encoder.iter().map(|argument| (*argument).to_owned()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    read(make(name, &arguments))
}

const H264: [&str; 6] = ["-c:v", "libx264", "-preset", "ultrafast", "-threads", "1"];

#[tokio::test]
async fn a_poster_is_neither_black_nor_white_where_the_film_is_not() {
    // At 10, 20, 35 and 5 % there is nothing to see.
    let colours = [("black", 3.0), ("white", 3.0), ("blue", 3.0), ("card", 11.0)];
    let source = scenes("poster-dull.mp4", &colours, "320x180", &H264);
    let poster =
        plan_of(&source).await.poster(&source, &NoDecoder).await.expect("it reads").expect("there is one");
    assert_eq!(jpeg_size(&poster), (320, 180));
    let pixels = pixels("poster-dull", &poster);
    let colours: std::collections::HashSet<[u8; 3]> =
        pixels.iter().map(|rgb| rgb.map(|value| value / 64)).collect();
    assert!(colours.len() > 10, "{colours:?}");
    // Where there is nothing better, a dull one is better than none.
    let source = scenes("poster-black.mp4", &[("black", 4.0)], "320x180", &H264);
    assert!(plan_of(&source).await.poster(&source, &NoDecoder).await.expect("it reads").is_some());
}

#[tokio::test]
async fn a_poster_costs_one_read_of_one_frame_where_the_film_is_lively() {
    let source = scenes("poster-lively.mp4", &[("card", 60.0)], "640x360", &H264);
    let plan = plan_of(&source).await;
    let (reads, bytes) = (source.reads(), source.bytes_read());
    plan.poster(&source, &NoDecoder).await.expect("it reads").expect("there is one");
    assert_eq!(source.reads() - reads, 1);
    assert!(source.bytes_read() - bytes < 100_000);
}

#[tokio::test]
async fn what_is_not_h264_is_decoded_by_another() {
    for name in ["vp9_opus.mp4", "hevc_hvc1_aac.mp4", "hevc_hev1_aac.mp4", "av1_opus.mp4", "vp9_opus.webm"] {
        let source = MemorySource::sample(name);
        let plan = plan_of(&source).await;
        let poster = plan.poster(&source, &Ffmpeg).await.expect("it reads").expect(name);
        assert_eq!(jpeg_size(&poster), (320, 180), "{name}");
        let own = pixels(&format!("poster-{name}"), &poster);
        // The same frame out of the source, as ffmpeg shows it.
        let path = sample_path(name);
        let path = path.to_str().expect("it is text");
        let first = run(&["-i", path, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]).stdout;
        let apart: u64 =
            own.iter().flatten().zip(&first).map(|(&a, &b)| u64::from(a.abs_diff(b))).sum::<u64>();
        assert!(apart / (first.len() as u64) < 6, "{name}: {}", apart as f64 / first.len() as f64);
        let thumbnails = plan.collect(&source).thumbnails(&Ffmpeg).await.expect("it reads");
        check(&thumbnails, (160, 90));
    }
}

#[tokio::test]
async fn a_film_that_is_encoded_has_pictures_before() {
    let encoders: [(&str, &[&str]); 2] =
        [("prores.mov", &["-c:v", "prores_ks"]), ("mpeg2.mp4", &["-c:v", "mpeg2video", "-q:v", "3"])];
    for (name, encoder) in encoders {
        let source = scenes(name, &[("black", 1.0), ("card", 3.0)], "320x180", encoder);
        let movie = media::open(&source).await.expect("it opens");
        let plan = movie.encoding().expect("it has to be encoded").plan;
        let poster = plan.poster(&source, &Ffmpeg).await.expect("it reads").expect(name);
        assert_eq!(jpeg_size(&poster), (320, 180), "{name}");
        assert!(pixels(&format!("poster-{name}"), &poster).iter().any(|pixel| pixel[0] > 200), "{name}");
        let thumbnails = plan.collect(&source).thumbnails(&Ffmpeg).await.expect("it reads");
        check(&thumbnails, (160, 90));
    }
}

/// The tiles of each cue: start and end in milliseconds, file, x and y.
fn tiles(files: &[Manifest]) -> Vec<(u64, u64, String, usize, usize)> {
    let text = files.last().filter(|file| file.name == media::THUMBNAILS).expect("the WebVTT comes last");
    let text = String::from_utf8(text.body.to_vec()).expect("it is text");
    let mut blocks = text.split("\n\n");
    assert_eq!(blocks.next(), Some("WEBVTT"));
    let ms = |clock: &str| {
        let fields: Vec<u64> =
            clock.split([':', '.']).map(|field| field.parse().expect("a number")).collect();
        ((fields[0] * 60 + fields[1]) * 60 + fields[2]) * 1000 + fields[3]
    };
    let cue = |block: &str| {
        let (times, target) = block.trim().split_once('\n').expect("there are two lines");
        let (start, end) = times.split_once(" --> ").expect("there are times");
        let (file, place) = target.split_once("#xywh=").expect("there is a place");
        let numbers: Vec<usize> = place.split(',').map(|number| number.parse().expect("a number")).collect();
        (ms(start), ms(end), file.to_owned(), numbers[0], numbers[1])
    };
    blocks.map(cue).collect()
}

/// Times without a hole, and places within the sprites.
fn check(files: &[Manifest], (width, height): (usize, usize)) {
    let tiles = tiles(files);
    let mut before = 0;
    for (start, end, file, x, y) in &tiles {
        assert_eq!(*start, before);
        assert!(end > start);
        let sprite = files.iter().find(|found| found.name == *file).expect("the sprite is there");
        let (sprite_width, sprite_height) = jpeg_size(&sprite.body);
        assert!(x + width <= sprite_width.into() && y + height <= sprite_height.into(), "{file} {x},{y}");
        before = *end;
    }
    assert!(!tiles.is_empty());
}

#[tokio::test]
async fn each_thumbnail_shows_its_time() {
    let colours = [("red", 10.0), ("lime", 10.0), ("blue", 10.0), ("white", 10.0)];
    let source = scenes("thumbnails.mp4", &colours, "320x240", &H264);
    let plan = plan_of(&source).await;
    let files = plan.collect(&source).thumbnails(&NoDecoder).await.expect("it reads");
    check(&files, (160, 120));
    let tiles = tiles(&files);
    assert_eq!(tiles.len(), 40);
    assert_eq!(tiles.last().map(|tile| tile.1), Some(40_000));
    assert_eq!(files.len(), 3);
    for (start, _, file, x, y) in tiles {
        let sprite = &files.iter().find(|found| found.name == file).expect("it is there").body;
        let width = usize::from(jpeg_size(sprite).0);
        let middle = pixels(&format!("tile-{file}"), sprite)[(y + 60) * width + x + 80];
        let expected = [[254, 0, 0], [0, 255, 0], [0, 0, 254], [255, 255, 255]][start as usize / 10_000];
        let apart = middle.iter().zip(expected).map(|(&a, b): (&u8, i32)| (i32::from(a) - b).abs()).max();
        assert!(apart < Some(25), "{start}: {middle:?} {expected:?}");
    }
}

#[tokio::test]
async fn thumbnails_come_out_of_the_pass_without_another_read() {
    let source = scenes("thumbnails-pass.mp4", &[("card", 30.0)], "640x360", &H264);
    let plan = plan_of(&source).await;
    let read_again = plan.collect(&source).thumbnails(&NoDecoder).await.expect("it reads");
    assert!(tiles(&read_again).len() >= 30);
    for window_bytes in [3_000, 100_000, 10 << 20] {
        let before = source.bytes_read();
        let collector = plan.collect(&source);
        let options = Options { window_bytes, ..small_options() };
        let store = MemoryStore { part_bytes: options.part_bytes, ..MemoryStore::default() };
        package(&collector, &plan, &store, &options).await.expect("it packages");
        let passed = source.bytes_read() - before;
        assert!(passed <= source.bytes.len() as u64);
        let files = collector.thumbnails(&NoDecoder).await.expect("it reads");
        // What was read on the way to the index costs nothing either.
        assert_eq!(source.bytes_read() - before, passed, "with windows of {window_bytes}");
        assert_eq!(files, read_again);
    }
}

#[tokio::test]
async fn thumbnails_stand_as_the_picture_does() {
    let arguments = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=10:duration=3", "-pix_fmt", "yuv420p"];
    let upright = make("upright.mp4", &[&arguments[..], &H264].concat());
    let upright = upright.to_str().expect("it is text");
    let turned = read(make("turned-tiles.mp4", &["-display_rotation", "90", "-i", upright, "-c", "copy"]));
    let plan = plan_of(&turned).await;
    let files = plan.collect(&turned).thumbnails(&NoDecoder).await.expect("it reads");
    check(&files, (90, 160));
}

#[tokio::test]
async fn sound_has_no_thumbnails_and_frames_that_do_not_decode_have_none() {
    let source = MemorySource::sample("audio_only.m4a");
    let plan = plan_of(&source).await;
    assert_eq!(plan.collect(&source).thumbnails(&Ffmpeg).await.expect("it reads"), []);
    let source = MemorySource::sample("vp9_opus.mp4");
    let plan = plan_of(&source).await;
    assert_eq!(plan.collect(&source).thumbnails(&NoDecoder).await.expect("it reads"), []);
}
