//! A viewer as the wire contract has it: one line, then the stream.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter};
use tokio::net::TcpStream;
use tokio::time::{sleep_until, timeout};

use crate::client::Ticket;

/// What a viewer has got.
#[derive(Debug)]
pub struct Watched {
    /// Where it is.
    pub file: PathBuf,
    /// How much it is.
    pub bytes: u64,
    /// When the first and the last of it came.
    times: Option<(Instant, Instant)>,
}

impl Watched {
    /// From the first byte to the last.
    pub fn seconds(&self) -> f64 {
        self.times.map_or(0.0, |(first, last)| (last - first).as_secs_f64())
    }
}

/// Watches a channel for that long and keeps what comes in `file`.
pub async fn watch(ticket: &Ticket, channel: &str, duration: Duration, file: &Path) -> Result<Watched> {
    let address = (ticket.host.as_str(), ticket.port);
    let connected = timeout(Duration::from_secs(5), TcpStream::connect(address)).await;
    let mut connection = connected
        .context("no answer")?
        .with_context(|| format!("connecting to the relay at {}:{}", ticket.host, ticket.port))?;
    connection.write_all(format!("{} {channel} {}\n", ticket.user_id, ticket.ticket).as_bytes()).await?;
    let mut out = BufWriter::new(File::create(file).await?);
    let mut watched = Watched { file: file.to_owned(), bytes: 0, times: None };
    let mut buffer = vec![0; 256 * 1024];
    let end = sleep_until((Instant::now() + duration).into());
    tokio::pin!(end);
    loop {
        let read = tokio::select! {
            read = connection.read(&mut buffer) => read?,
            () = &mut end => break,
        };
        if read == 0 {
            bail!("the relay has closed the connection after {} bytes", watched.bytes);
        }
        let now = Instant::now();
        watched.times = Some((watched.times.map_or(now, |(first, _)| first), now));
        watched.bytes += read as u64;
        out.write_all(&buffer[..read]).await?;
    }
    out.flush().await?;
    Ok(watched)
}
