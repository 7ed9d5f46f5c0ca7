//! The frames on their way to whoever connects.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::broadcast::{self, Receiver, Sender, error::RecvError};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::Frames;

/// A client that is so many ticks behind has lost its connection to now.
const TICKS_KEPT: usize = 512;

/// Whoever was stopped or had no CPU for so long goes on from there: sending what was missed would be a burst that no live
/// source sends.
const LATE_MAX: Duration = Duration::from_millis(500);

/// A listening channel source.
#[derive(Debug)]
pub struct ChannelSource {
    listener: TcpListener,
    clock: Clock,
}

/// How time passes in a stream: with the wall clock, without drift, in ticks.
#[derive(Debug)]
pub struct Clock {
    frames: Frames,
    /// What is due within a tick is sent together; zero sends each frame when it is due.
    tick: Duration,
    start: Instant,
}

impl ChannelSource {
    /// Listens at `address`; port 0 is any that is free. The stream begins now.
    ///
    /// # Errors
    /// When the address is taken or none of this machine's.
    pub async fn bind(address: impl ToSocketAddrs, frames: Frames, tick: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, clock: Clock { frames, tick, start: Instant::now() } })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system doesn't say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown`.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let (ticks, _) = broadcast::channel(TICKS_KEPT);
        let mut clients = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = self.clock.tick(&ticks) => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((connection, peer)) => {
                        info!(%peer, "a client has connected");
                        clients.spawn(serve(connection, peer, ticks.subscribe()));
                    }
                    Err(error) => warn!(%error, "a client could not be accepted"),
                },
                Some(_) = clients.join_next() => {}
                () = &mut shutdown => return,
            }
        }
    }
}

impl Clock {
    /// Waits for the next tick and sends what is due. It may be dropped while it waits: nothing is lost by that.
    async fn tick(&mut self, ticks: &Sender<Bytes>) {
        sleep_until(self.start + self.next_tick()).await;
        let late = self.start.elapsed().saturating_sub(self.next_tick());
        if late > LATE_MAX {
            warn!(late_ms = late.as_millis() as u64, "time was lost; the stream goes on from where it was");
            self.start += late;
        }
        let now = self.start.elapsed();
        let anybody = ticks.receiver_count() > 0;
        let mut out = Vec::new();
        while self.frames.next_due() <= now {
            self.frames.write_next(anybody.then_some(&mut out));
        }
        if !out.is_empty() {
            let _nobody_any_more = ticks.send(out.into());
        }
    }

    /// The end of the tick in which the next frame is due.
    fn next_tick(&self) -> Duration {
        let due = self.frames.next_due();
        if self.tick.is_zero() {
            return due;
        }
        let count = due.as_nanos().div_ceil(self.tick.as_nanos());
        u32::try_from(count).ok().and_then(|count| self.tick.checked_mul(count)).unwrap_or(due)
    }
}

/// Sends ticks until the client is gone. What it says is ignored.
async fn serve(mut connection: TcpStream, peer: SocketAddr, mut ticks: Receiver<Bytes>) {
    let _kept_slow = connection.set_nodelay(true);
    let (mut input, mut output) = connection.split();
    let mut ignored = [0; 1024];
    let why = loop {
        tokio::select! {
            tick = ticks.recv() => match tick {
                Ok(bytes) => if let Err(error) = output.write_all(&bytes).await {
                    break error.to_string();
                },
                Err(RecvError::Lagged(_)) => break "it is too slow".to_owned(),
                Err(RecvError::Closed) => break "the source ends".to_owned(),
            },
            read = input.read(&mut ignored) => if !matches!(read, Ok(1..)) {
                break "it has closed".to_owned();
            },
        }
    };
    info!(%peer, why, "a client is gone");
}
