//! Where the static ffmpeg is. Other crates' tests and benchmarks include this file.

use std::path::{Path, PathBuf};

/// ffmpeg from `FFMPEG`, the project's own environment, or the path.
pub fn find_ffmpeg() -> PathBuf {
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
