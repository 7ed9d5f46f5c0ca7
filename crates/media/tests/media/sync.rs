//! Whether sound and picture stay together, and whether nothing is lost, by films in which both
//! change at once: the picture turns from black to white at the instant at which a tone begins.

use std::path::{Path, PathBuf};

use crate::conformance::make;
use crate::ffmpeg::{on_disk, run};
use crate::world::{Film, MemorySource, package_with, small_options};

/// When picture and sound change.
const CHANGE_S: f64 = 0.6;
const RATE: f64 = 48_000.0;

const BLACK_THEN_WHITE: &str =
    "-f lavfi -i color=black:s=64x36:r=25:d=1.2,drawbox=c=white:t=fill:enable='gte(t,0.6-0.001)'";
const SILENCE_THEN_TONE: &str = "-f lavfi -i aevalsrc=gte(t\\,0.6)*sin(2*PI*1000*t):s=48000:d=1.2";
const H264: &str = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -bf 2 -g 8 -sc_threshold 0";

/// When the picture turns white on the output's timeline, and when the tone begins.
fn changes(film: &Film, directory: &Path) -> (f64, f64) {
    let timescale = f64::from(timescale(film, "video"));
    let mut shown: Vec<i64> = film.samples("video").iter().map(|sample| sample.presented).collect();
    shown.sort_unstable();
    let pictures = raw(&directory.join("video.mp4"), &["-pix_fmt", "gray", "-f", "rawvideo"]);
    let pictures: Vec<&[u8]> = pictures.chunks_exact(64 * 36).collect();
    assert_eq!(pictures.len(), shown.len());
    let white = pictures.iter().position(|picture| picture[1000] > 128).expect("it turns white");
    // As decoded, without what the edit list does to it: the first sample is that of the first packet.
    let sound = raw(&directory.join("audio.mp4"), &["-ac", "1", "-f", "s16le"]);
    let tone =
        sound.chunks_exact(2).position(|sample| i16::from_le_bytes([sample[0], sample[1]]).abs() > 3000);
    let first = film.samples("audio")[0].presented as f64 - crate::timing::media_time(film, "audio") as f64;
    (shown[white] as f64 / timescale, (tone.expect("there is a tone") as f64 + first) / RATE)
}

fn raw(file: &Path, format: &[&str]) -> Vec<u8> {
    let file = file.to_str().expect("it is text");
    let input = ["-flags2", "+skip_manual", "-ignore_editlist", "1", "-i", file, "-fps_mode", "passthrough"];
    run(&[&input[..], format, &["-"]].concat()).stdout
}

fn timescale(film: &Film, stem: &str) -> u32 {
    let (init, _) = film.segments(&format!("{stem}.m3u8"));
    let at = init.windows(4).position(|kind| kind == b"mdhd").expect("there is a clock") + 4;
    // Version 0: after flags and two dates; version 1 has dates of 64 bits.
    let at = at + if init[at] == 1 { 20 } else { 12 };
    u32::from_be_bytes(init[at..at + 4].try_into().expect("four bytes"))
}

async fn package_file(name: &str, path: &PathBuf) -> (Film, PathBuf) {
    let film =
        package_with(&MemorySource::new(std::fs::read(path).expect("it was made")), &small_options()).await;
    let directory = on_disk(&film, &format!("sync-{name}"));
    (film, directory)
}

const FRAME_S: f64 = 0.04;
/// What an encoder's window does to a sudden tone.
const BLUR_S: f64 = 0.003;

#[tokio::test]
async fn sound_and_picture_change_at_the_same_instant() {
    for (name, codecs) in [
        ("aac.mp4", "-c:a aac"),
        ("opus.mp4", "-c:a libopus"),
        ("aac-fragments.mp4", "-c:a aac -movflags +frag_keyframe+delay_moov"),
        ("aac.mov", "-c:a aac"),
        ("aac.mkv", "-c:a aac"),
        ("opus.mkv", "-c:a libopus"),
        ("flac.mkv", "-c:a flac"),
    ] {
        let path = make(&format!("sync-{name}"), &[BLACK_THEN_WHITE, SILENCE_THEN_TONE, H264, codecs]);
        let (film, directory) = package_file(name, &path).await;
        let (white, tone) = changes(&film, &directory);
        // Neither may be off by more than a frame of the other, and the encoder's own delay is no excuse.
        assert!((white - tone).abs() < FRAME_S / 2.0 + BLUR_S, "{name}: white at {white}, tone at {tone}");
        assert!((white - CHANGE_S).abs() < FRAME_S, "{name}: white at {white}");
    }
}

#[tokio::test]
async fn what_was_moved_or_trimmed_by_an_edit_list_stays_together() {
    let base = make("sync-base.mp4", &[BLACK_THEN_WHITE, SILENCE_THEN_TONE, H264, "-c:a aac"]);
    let base = base.to_str().expect("it is text");
    for ending in ["mp4", "mov", "mkv"] {
        for (name, offsets, tone_after_white) in [
            ("trimmed", ["-ss 0.4", "-ss 0.4"], 0.0),
            ("late-sound", ["", "-itsoffset 0.2"], 0.2),
            ("late-picture", ["-itsoffset 0.2", ""], -0.2),
        ] {
            let name = format!("{name}.{ending}");
            let [first, second] = offsets;
            let copied = [
                first,
                "-i",
                base,
                second,
                "-i",
                base,
                "-map 0:v -map 1:a -c copy -avoid_negative_ts make_non_negative",
            ];
            let path = make(&format!("sync-{name}"), &copied);
            let (film, directory) = package_file(&name, &path).await;
            let (white, tone) = changes(&film, &directory);
            let off = tone - white - tone_after_white;
            // Copying may itself move one track by part of a frame of the other.
            assert!(off.abs() < FRAME_S, "{name}: white at {white}, tone at {tone}");
        }
    }
}
