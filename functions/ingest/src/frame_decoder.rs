//! ffmpeg, as the decoder of key frames that the packager doesn't decode itself.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join3;
use futures_util::stream::StreamExt as _;
use media::{Decoder, KeyFrameFilm};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStdin, Command};

/// A hundred frames of 4K take ten seconds. What takes longer isn't worth a picture.
const PATIENCE: Duration = Duration::from_secs(60);
/// All pictures of one film together: six posters, or a hundred thumbnails.
const MOST_BYTES: u64 = 64 << 20;
/// What is kept of what it complains about.
const MOST_SAID_BYTES: u64 = 2 << 10;

/// The first `ffmpeg` in the folders that `PATH` names; without one, films in H.264 alone get pictures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ffmpeg;

impl Decoder for Ffmpeg {
    async fn decode(&self, film: KeyFrameFilm<'_>, width: u32, height: u32) -> io::Result<Bytes> {
        let decoded = tokio::time::timeout(PATIENCE, run(film, width, height));
        let decoded = decoded.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        decoded.inspect_err(|error| tracing::warn!(%error, "no pictures"))
    }
}

async fn run(film: KeyFrameFilm<'_>, width: u32, height: u32) -> io::Result<Bytes> {
    let mut child = Command::new(program()?)
        // The film is a stranger's: the program has nothing of ours at hand, and opens nothing but its pipes.
        .env_clear()
        .args(["-nostdin", "-hide_banner", "-v", "error", "-threads", "1"])
        .args(["-f", "mov", "-protocol_whitelist", "pipe", "-noautorotate", "-i", "pipe:0"])
        .args(["-map", "0:v:0", "-vf", &format!("scale={width}:{height}:flags=area")])
        // One picture a second, as the frames come: one that can't be decoded is stood in for by the one before it.
        .args(["-fps_mode", "cfr", "-r", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (Some(stdin), Some(stdout), Some(mut stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other("ffmpeg has no pipes"));
    };
    let (mut pictures, mut said) = (Vec::new(), Vec::new());
    let reading = async { stdout.take(MOST_BYTES).read_to_end(&mut pictures).await };
    let listening = async {
        (&mut stderr).take(MOST_SAID_BYTES).read_to_end(&mut said).await?;
        // It has to be taken from the pipe all the same, or the program would wait.
        tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await
    };
    let (_, read, listened) = join3(feed(stdin, film), reading, listening).await;
    read.and(listened)?;
    let status = child.wait().await?;
    if pictures.is_empty() {
        let said = String::from_utf8_lossy(&said);
        return Err(io::Error::other(format!("ffmpeg decoded nothing ({status}): {}", said.trim())));
    }
    Ok(pictures.into())
}

/// It may have had enough, or died, before it has taken all: then what it gave tells.
async fn feed(mut stdin: ChildStdin, mut film: KeyFrameFilm<'_>) -> io::Result<()> {
    while let Some(piece) = film.next().await {
        stdin.write_all(&piece).await?;
    }
    stdin.shutdown().await
}

fn program() -> io::Result<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&folders).map(|folder| folder.join("ffmpeg"));
    let missing = || io::Error::new(io::ErrorKind::NotFound, "there is no ffmpeg in the folders of PATH");
    candidates.find(|candidate| candidate.is_file()).ok_or_else(missing)
}
