//! What an independent decoder makes of the outputs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::world::{Film, PACKAGED, package_sample, sample_path};

/// ffmpeg from `FFMPEG`, the project's own environment, or the path.
fn ffmpeg() -> PathBuf {
    if let Some(given) = std::env::var_os("FFMPEG") {
        return given.into();
    }
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.matinee");
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&on_path).map(|directory| directory.join("ffmpeg"));
    let found = find_in(&project, 0).into_iter().chain(on_path).find(|candidate| candidate.is_file());
    found.expect(
        "these tests compare with ffmpeg. `python3 -m venv .matinee/ffmpeg && .matinee/ffmpeg/bin/pip install \
         imageio-ffmpeg` in the project's folder brings one; or set FFMPEG to a binary",
    )
}

/// The binary of the package imageio-ffmpeg in any virtual environment below a directory.
fn find_in(directory: &Path, depth: usize) -> Option<PathBuf> {
    let entries = std::fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path());
    let mut entries: Vec<PathBuf> = entries.collect();
    entries.sort();
    let is_it = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        directory.ends_with("imageio_ffmpeg/binaries") && name.starts_with("ffmpeg-")
    };
    if let Some(found) = entries.iter().find(|path| is_it(path)) {
        return Some(found.clone());
    }
    let environment = ["lib", "lib64", "site-packages", "imageio_ffmpeg", "binaries"];
    let leads_there = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        depth < 2 || environment.contains(&name) || name.starts_with("python3")
    };
    entries.iter().filter(|path| path.is_dir() && leads_there(path)).find_map(|path| find_in(path, depth + 1))
}

fn run(arguments: &[&str]) -> Output {
    let output = Command::new(ffmpeg()).args(["-nostdin", "-v", "warning"]).args(arguments).output();
    output.expect("ffmpeg runs")
}

/// Writes a film where ffmpeg can read it.
fn on_disk(film: &Film, name: &str) -> PathBuf {
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

#[tokio::test]
async fn every_film_decodes_whole_without_a_warning() {
    for (name, _) in PACKAGED {
        let directory = on_disk(&package_sample(name).await, name);
        let master = directory.join("master.m3u8");
        let output = run(&["-i", master.to_str().expect("it is text"), "-f", "null", "-"]);
        let warnings = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && warnings.is_empty(), "{name}: {warnings}");
    }
}

/// SHA-256 of each packet of a stream, in order.
fn packets(file: &Path, stream: &str) -> Vec<String> {
    let matroska = file.extension().is_some_and(|ending| ending == "mkv" || ending == "webm");
    let file = file.to_str().expect("it is text");
    // Edit lists, which Matroska has not, would drop packets that a container carries.
    let input: &[&str] = if matroska { &["-i", file] } else { &["-ignore_editlist", "1", "-i", file] };
    let hashing = ["-map", stream, "-c", "copy", "-f", "framehash", "-hash", "sha256", "-"];
    let output = run(&[input, &hashing].concat());
    let text = String::from_utf8(output.stdout).expect("it is text");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    // The fields are stream, dts, pts, duration, size, hash, and then what the container adds.
    lines.filter_map(|line| line.split(',').nth(5)).map(|hash| hash.trim().to_owned()).collect()
}

#[tokio::test]
async fn elementary_streams_are_copied_bit_for_bit() {
    for (name, has_video) in PACKAGED {
        let directory = on_disk(&package_sample(name).await, &format!("copied-{name}"));
        let tracks = [("0:v:0", "video.mp4"), ("0:a:0", "audio.mp4")];
        for (stream, output) in tracks.into_iter().skip(usize::from(!has_video)) {
            let (source, copied) =
                (packets(&sample_path(name), stream), packets(&directory.join(output), "0:0"));
            // Sound that starts late is led in by silence.
            let lead_in = copied.len() - source.len();
            assert_eq!(lead_in > 0, name.contains("trim_delay") && output == "audio.mp4", "{name}");
            assert!(!source.is_empty() && copied[lead_in..] == source[..], "{name}: {output}");
        }
    }
}
