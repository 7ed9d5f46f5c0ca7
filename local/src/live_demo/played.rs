//! Whether a saved stream plays, and for how long.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use relay::channel_source::whole_pictures;
use tempfile::NamedTempFile;
use tokio::process::Command;

/// What ffmpeg has decoded without an error.
#[derive(Debug)]
pub struct Played {
    pictures: usize,
    /// From the first picture to the end of the last.
    pub seconds: f64,
}

impl Played {
    /// Decodes picture and sound of a transport stream that begins and ends anywhere. As any player does, it begins at the first key
    /// picture; what is missing at the beginning and at the end is no error.
    pub async fn file(mut ffmpeg: Command, file: &Path) -> Result<Self> {
        let saved = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        let whole = whole_pictures(&saved).context("there is no key picture in it")?;
        let mut cut = NamedTempFile::with_suffix(".ts")?;
        cut.write_all(&whole)?;
        ffmpeg.args(["-v", "error", "-xerror", "-nostdin", "-i"]).arg(cut.path());
        ffmpeg.args(["-map", "0:v", "-map", "0:a", "-f", "framecrc", "-"]);
        let played = ffmpeg.kill_on_drop(true).output().await.context("starting ffmpeg")?;
        let errors = String::from_utf8_lossy(&played.stderr);
        if !played.status.success() || !errors.is_empty() {
            bail!("{} does not play: {} {errors}", file.display(), played.status);
        }
        Self::counted(&String::from_utf8(played.stdout)?)
    }

    /// Reads what ffmpeg lists: the time base of each stream, and for each picture its stream, times and duration.
    fn counted(list: &str) -> Result<Self> {
        let mut bases = BTreeMap::new();
        let (mut pictures, mut first, mut end) = (0, None, 0);
        for line in list.lines() {
            if let Some((stream, base)) = line.strip_prefix("#tb ").and_then(|rest| rest.split_once(": ")) {
                let (numerator, denominator) = base.split_once('/').context("a time base")?;
                bases.insert(stream, numerator.parse::<f64>()? / denominator.parse::<f64>()?);
            } else if let [0, _, time, duration] = numbers(line)[..] {
                pictures += 1;
                first.get_or_insert(time);
                end = time + duration;
            }
        }
        ensure!(pictures > 0, "there is no picture in it");
        let base = bases.get("0").context("ffmpeg names no time base")?;
        Ok(Self { pictures, seconds: (end - first.unwrap_or_default()) as f64 * base })
    }
}

/// The first four numbers of a line.
fn numbers(line: &str) -> Vec<i64> {
    line.split(',').map_while(|field| field.trim().parse().ok()).take(4).collect()
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s, {} pictures", self.seconds, self.pictures)
    }
}

#[cfg(test)]
mod tests {
    use super::Played;

    #[test]
    fn the_pictures_in_ffmpegs_list_are_counted() {
        let list = "#tb 0: 1/25\n#tb 1: 1/48000\n0, 10, 10, 1, 777600, 0x1\n1, 0, 0, 1024, 4096, 0x2\n0, 11, 11, 1, 777600, 0x3\n";
        let played = Played::counted(list).expect("a list");
        assert_eq!(played.to_string(), "0.08 s, 2 pictures");
        assert!(Played::counted("#tb 0: 1/25\n").is_err());
    }
}
