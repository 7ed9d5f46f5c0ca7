use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use futures_util::future::{join, join3};
use media::{FeedReader, Source};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStderr, ChildStdin, Command};

use crate::EncodeError;

/// What is kept of what it says.
const MOST_SAID: usize = 8 << 10;

/// The program that encodes. It is run beside this one and talked to through pipes and files.
#[derive(Debug, Clone)]
pub struct Ffmpeg {
    program: PathBuf,
}

impl Ffmpeg {
    /// The program at a path.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into() }
    }

    /// The first `ffmpeg` in the folders that `PATH` names. `NotFound` when there is none.
    pub fn on_path() -> io::Result<Self> {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let candidates = std::env::split_paths(&folders).map(|folder| folder.join("ffmpeg"));
        let found = candidates.into_iter().find(|candidate| candidate.is_file());
        let missing = || io::Error::new(io::ErrorKind::NotFound, "there is no ffmpeg in the folders of PATH");
        found.map(Self::at).ok_or_else(missing)
    }

    /// Runs it with what `input` reads as its standard input. Answers what it complained about, which is
    /// nothing for a sound film. Dropping the future ends the program.
    pub(crate) async fn run<S: Source>(
        &self,
        arguments: &[OsString],
        input: FeedReader<'_, S>,
    ) -> Result<String, EncodeError> {
        let mut child = Command::new(&self.program)
            .args(["-nostdin", "-hide_banner", "-v", "error", "-y"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(stdin), Some(stderr)) = (child.stdin.take(), child.stderr.take()) else {
            return Err(io::Error::other("the encoder has no pipes").into());
        };
        let (fed, said, status) = join3(feed(stdin, input), listen(stderr), child.wait()).await;
        let (said, status) = (said?, status?);
        // With less to read it may have ended well, with less, or not: either is the source's failure.
        let taken = fed?;
        if !status.success() || !taken {
            return Err(EncodeError::encoder(format!("{status}: {}", said.trim())));
        }
        Ok(said)
    }
}

/// Writes all that the input reads. Answers whether all was taken; an error is the input's.
async fn feed<S: Source>(mut stdin: ChildStdin, mut input: FeedReader<'_, S>) -> io::Result<bool> {
    let mut next = input.next().await?;
    while let Some(bytes) = next {
        // What comes next is read while this is taken in.
        let write = async {
            for piece in &bytes {
                stdin.write_all(piece).await?;
            }
            Ok::<_, io::Error>(())
        };
        let (written, read) = join(write, input.next()).await;
        next = read?;
        if written.is_err() {
            return Ok(false);
        }
    }
    Ok(stdin.shutdown().await.is_ok())
}

async fn listen(mut stderr: ChildStderr) -> io::Result<String> {
    let mut said = Vec::new();
    let mut buffer = vec![0; MOST_SAID];
    loop {
        let read = stderr.read(&mut buffer).await?;
        if read == 0 {
            return Ok(String::from_utf8_lossy(&said).into_owned());
        }
        // It has to be taken from the pipe all the same, or the program would wait.
        let room = MOST_SAID - said.len();
        said.extend_from_slice(&buffer[..read.min(room)]);
    }
}
