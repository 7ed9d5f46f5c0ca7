//! The static ffmpeg: makes films, and is the decoder that outputs are compared with.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use crate::find_ffmpeg::find_ffmpeg;
use crate::world::Film;

pub static FFMPEG: LazyLock<PathBuf> = LazyLock::new(find_ffmpeg);

/// Runs it. What it has to complain about is in `stderr`.
pub fn run(arguments: &[&str]) -> Output {
    let output = Command::new(&*FFMPEG).args(["-nostdin", "-v", "warning"]).args(arguments).output();
    output.expect("ffmpeg runs")
}

/// Writes a film where ffmpeg can read it.
pub fn on_disk(film: &Film, name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&directory).expect("the directory can be made");
    for manifest in film.plan.manifests() {
        std::fs::write(directory.join(manifest.name), manifest.body).expect("it can be written");
    }
    for (name, bytes) in &film.files {
        std::fs::write(directory.join(name), bytes).expect("it can be written");
    }
    directory
}

/// The arguments that open a file, so that all its packets come: edit lists, which Matroska has not,
/// would hide some.
fn whole(file: &Path) -> Vec<&str> {
    let matroska =
        file.extension().is_some_and(|ending| ["mkv", "mka", "webm"].contains(&&*ending.to_string_lossy()));
    let file = file.to_str().expect("it is text");
    if matroska { vec!["-i", file] } else { vec!["-ignore_editlist", "1", "-i", file] }
}

/// SHA-256 of each packet of a stream, in order.
pub fn packets(file: &Path, stream: &str) -> Vec<String> {
    let hashing = ["-map", stream, "-c", "copy", "-f", "framehash", "-hash", "sha256", "-"];
    let output = run(&[&whole(file)[..], &hashing].concat());
    frames(&output).into_iter().map(|frame| frame.hash).collect()
}

/// A decoded frame or a packet.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// When it is shown.
    pub seconds: f64,
    pub hash: String,
}

/// The decoded frames of a stream, in the order in which they are shown.
pub fn decoded(input: &Path, stream: &str) -> Vec<Frame> {
    let input = input.to_str().expect("it is text");
    let output = run(&[
        "-i",
        input,
        "-map",
        stream,
        "-fps_mode",
        "passthrough",
        "-copyts",
        "-f",
        "framehash",
        "-hash",
        "md5",
        "-",
    ]);
    frames(&output)
}

fn frames(output: &Output) -> Vec<Frame> {
    let text = String::from_utf8_lossy(&output.stdout);
    let mut tick = 1.0;
    let mut frames = Vec::new();
    for line in text.lines() {
        if let Some(base) = line.strip_prefix("#tb 0: ") {
            let (over, under) = base.split_once('/').expect("it is a fraction");
            tick = over.parse::<f64>().expect("a number") / under.parse::<f64>().expect("a number");
        }
        // The fields are stream, dts, pts, duration, size, hash, and then what the container adds.
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        if let [_, _, pts, _, _, hash, ..] = fields[..]
            && !line.starts_with('#')
        {
            frames
                .push(Frame { seconds: pts.parse::<f64>().expect("a number") * tick, hash: hash.to_owned() });
        }
    }
    frames
}
