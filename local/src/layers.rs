//! What the template's layers bring functions on Lambda, for the functions here. The local AWS accepts layers and doesn't unpack
//! them, but functions inherit its `PATH`.

use std::ffi::OsString;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::film;
use crate::project::Project;

/// A folder with `ffmpeg`, the very program of the layer: `layers/ffmpeg` and `local/requirements.txt` name the same wheel.
///
/// # Errors
/// When the Python environment has no ffmpeg, or the folder can't be written.
pub async fn folder(project: &Project) -> Result<PathBuf> {
    let folder = project.kept().join("bin");
    let program = film::ffmpeg(project).await?;
    // `film::ffmpeg_command` says why GCONV_PATH.
    let script = format!("#!/bin/sh\nGCONV_PATH=/nonexistent exec '{}' \"$@\"\n", program.display());
    let file = folder.join("ffmpeg");
    if std::fs::read_to_string(&file).is_ok_and(|found| found == script) {
        return Ok(folder);
    }
    std::fs::create_dir_all(&folder)?;
    // Renamed into its place, because functions of another stack may be running it.
    let unfinished = tempfile::NamedTempFile::new_in(&folder)?;
    std::fs::write(unfinished.path(), script)?;
    std::fs::set_permissions(unfinished.path(), Permissions::from_mode(0o755))?;
    unfinished.persist(&file).with_context(|| format!("writing {}", file.display()))?;
    Ok(folder)
}

/// This process's `PATH` with that folder in front.
///
/// # Errors
/// As for [`folder`].
pub async fn path(project: &Project) -> Result<OsString> {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder(project).await?).chain(std::env::split_paths(&inherited));
    std::env::join_paths(folders).context("the folder of a layer can't be part of PATH")
}
