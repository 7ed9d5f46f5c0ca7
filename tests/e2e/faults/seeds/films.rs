//! What is sent in scenarios, and an ffmpeg that does nothing twice.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;
use encode::Ffmpeg;
use tempfile::TempDir;
use tests::{Film, sample};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::super::sandbox::encoding;

/// The films of a scenario, by their index: two that play and one that does once it is encoded, one that is none, one that is broken. How
/// many will play.
pub const PLAYABLE: usize = 3;
/// The one whose sound browsers don't play.
pub const ENCODED: usize = 2;
/// The one that is none, which is seen as it arrives. That the other is broken is seen when it is packaged.
pub const TEXT: usize = 3;
/// The one that is broken.
pub const BROKEN: usize = 4;

pub async fn films() -> Result<Vec<Film>> {
    static TO_BE_ENCODED: OnceCell<Film> = OnceCell::const_new();
    let encoded = TO_BE_ENCODED.get_or_try_init(encoding::film).await?.clone();
    let sound = sample("audio_only.m4a")?;
    let mut text = Film::of("film.mp4", b"This is no film.".to_vec());
    text.bytes.extend(Uuid::now_v7().as_bytes());
    let mut broken = sample("audio_only.m4a")?;
    // Its tables are gone, and what it begins with is still that of a film.
    broken.bytes.truncate(20_000);
    broken.bytes.iter_mut().skip(40).for_each(|byte| *byte = 0);
    broken.bytes.extend(Uuid::now_v7().as_bytes());
    Ok(vec![sound.clone().made_unique(), sound.made_unique(), encoded.made_unique(), text, broken])
}

/// The real ffmpeg, which is asked once for each input and keeps what it made of it: scenarios encode the same film thousands of times.
pub async fn remembering_ffmpeg() -> Result<Ffmpeg> {
    static KEPT: OnceCell<TempDir> = OnceCell::const_new();
    let kept = KEPT.get_or_try_init(async || {
        let folder = tempfile::tempdir()?;
        let program = local::layers::folder(&local::Project::find()?).await?.join("ffmpeg");
        let script = SCRIPT.replace("FFMPEG", &program.display().to_string());
        let path = folder.path().join("ffmpeg");
        std::fs::write(&path, script)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        anyhow::Ok(folder)
    });
    Ok(Ffmpeg::at(kept.await?.path().join("ffmpeg")))
}

/// Arguments and input name what is kept. The arguments that are paths are outputs, in another folder each time.
const SCRIPT: &str = r#"#!/bin/bash
set -u
here=${0%/*}
input=$(mktemp "$here/input.XXXXXX")
cat > "$input"
names=() outputs=()
for argument; do
    case $argument in
        /*) outputs+=("$argument"); names+=("${argument##*/}") ;;
        *) names+=("$argument") ;;
    esac
done
kept=$here/$({ printf '%s\n' "${names[@]}"; cat "$input"; } | sha256sum | cut -c -64)
if [ ! -d "$kept" ]; then
    work=$(mktemp -d "$here/work.XXXXXX")
    "FFMPEG" "$@" < "$input" 2> "$work/said"
    echo $? > "$work/status"
    for output in "${outputs[@]}"; do
        if [ -f "$output" ]; then cp "$output" "$work/"; fi
    done
    # Somebody else may have been faster, with the same.
    mv -T "$work" "$kept" 2> /dev/null || rm -r "$work"
fi
rm "$input"
for output in "${outputs[@]}"; do
    if [ -f "$kept/${output##*/}" ]; then cp "$kept/${output##*/}" "$output"; fi
done
cat "$kept/said" >&2
exit "$(cat "$kept/status")"
"#;
