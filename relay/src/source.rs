//! The connection to the channel source: dialled for ever, read in turns.

use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{self, TcpStream};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use crate::channel::Sink;
use crate::config::Config;
use crate::frame::{Decoder, FrameError, HEADER_LEN, Parsed};
use crate::media::Media;
use crate::metrics::{add, increment};
use crate::socket;

/// The most that one `read` asks for, in bytes. It stays in the processor's cache until it lies in the rings.
const READ_BYTES: usize = 64 * 1024;

/// Viewers have their turn after so many bytes at the earliest, if more are there. A turn of one `read` would leave the end of what
/// a source sends in pieces of 64 KB to the next one, and a few hundred bytes for everybody cost as many writes as 64 KB do.
const TURN_BYTES_MIN: usize = 256 * 1024;

/// After so many bytes viewers have their turn, whatever the number of packets.
const TURN_BYTES_MAX: usize = 512 * 1024;

/// Takes packets from the channel source for ever, through all its failures, and through one of ours: a packet that we can't
/// bear costs the connection, not the relay.
pub(crate) async fn run(media: Rc<Media>) {
    loop {
        let taking = spawn_local(take(Rc::clone(&media)));
        if let Err(fault) = taking.await {
            error!(%fault, "the source's task failed");
        }
        media.source_connected(false);
        sleep(media.config.patience.source_pause.1).await;
    }
}

async fn take(media: Rc<Media>) {
    let config = Rc::clone(&media.config);
    let mut buffer = Buffer::new(config.max_payload_bytes);
    let mut pause = Pause::new(&config);
    loop {
        match connect(&config).await {
            Ok(stream) => {
                increment(&media.counts.source_connections);
                info!(source = %peer(&stream), "source connected");
                media.source_connected(true);
                media.channels.borrow_mut().reconnected();
                let packets_before = media.counts.packets.get();
                let end = read(&media, &stream, &mut buffer).await;
                media.source_connected(false);
                warn!(reason = %end, "source lost");
                if media.counts.packets.get() != packets_before {
                    pause = Pause::new(&config);
                }
            }
            Err(error) => {
                let Config { source_host: host, source_port: port, .. } = &*config;
                warn!(source = %format_args!("{host}:{port}"), %error, "source not reached");
            }
        }
        increment(&media.counts.source_failures);
        sleep(pause.next()).await;
    }
}

async fn connect(config: &Config) -> io::Result<TcpStream> {
    let connect = async {
        let mut failure = io::Error::from(ErrorKind::AddrNotAvailable);
        // Resolved anew each time: a source may have moved.
        for address in net::lookup_host((config.source_host.as_str(), config.source_port)).await? {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    socket::prepare_source(&stream)?;
                    return Ok(stream);
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    };
    match timeout(config.patience.source_connect, connect).await {
        Ok(connected) => connected,
        Err(_) => Err(ErrorKind::TimedOut.into()),
    }
}

fn peer(stream: &TcpStream) -> String {
    stream.peer_addr().map_or_else(|_| "unknown".to_owned(), |address| address.to_string())
}

/// Why a connection to the source ended.
#[derive(Debug, thiserror::Error)]
enum SourceEnd {
    #[error("it closed the connection")]
    Closed,
    #[error("it has sent nothing for {0:?}")]
    Silent(Duration),
    #[error("{0}")]
    Broken(#[from] FrameError),
    #[error("{0}")]
    Failed(#[from] io::Error),
}

/// Reads frames until the connection can't be read any further.
async fn read(media: &Rc<Media>, stream: &TcpStream, buffer: &mut Buffer) -> SourceEnd {
    buffer.clear();
    let mut decoder = Decoder::new(media.config.max_payload_bytes);
    let idle = media.config.patience.source_idle;
    loop {
        match timeout(idle, stream.readable()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.into(),
            Err(_) => return SourceEnd::Silent(idle),
        }
        let end = turn(media, stream, buffer, &mut decoder);
        media.turn_over();
        match end {
            Ok(Turn::Drained) => {}
            // To the end of the queue: everybody who was called has one turn, then the source has.
            Ok(Turn::Full) => next_turn().await,
            Err(end) => return end,
        }
    }
}

enum Turn {
    /// Nothing more is there.
    Drained,
    /// Perhaps more is there.
    Full,
}

/// Takes so many packets that a write to each viewer is worth its while, and no more than is there.
fn turn(
    media: &Media,
    stream: &TcpStream,
    buffer: &mut Buffer,
    decoder: &mut Decoder,
) -> Result<Turn, SourceEnd> {
    let sink = Sink { counts: &media.counts, feed: &media.feed, now_ms: media.clock.now_ms() };
    let (mut packets, mut bytes) = (0, 0);
    while (packets < media.config.packet_batch_size || bytes < TURN_BYTES_MIN) && bytes < TURN_BYTES_MAX {
        match stream.try_read(buffer.space()) {
            Ok(0) => return Err(SourceEnd::Closed),
            Ok(read) => {
                buffer.filled(read);
                bytes += read;
                add(&media.counts.source_bytes, read as u64);
                packets += parse(media, buffer, decoder, &sink)?;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Turn::Drained),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Turn::Full)
}

/// Hands on the whole frames that are in the buffer. Says how many.
fn parse(
    media: &Media,
    buffer: &mut Buffer,
    decoder: &mut Decoder,
    sink: &Sink<'_>,
) -> Result<usize, FrameError> {
    let mut channels = media.channels.borrow_mut();
    let (mut packets, mut unprintable, mut at) = (0, 0, 0);
    let input = buffer.filled_bytes();
    let parsed = loop {
        match decoder.parse(&input[at..]) {
            Parsed::Frame { header, payload, len } => {
                channels.insert(&header, payload, sink);
                packets += 1;
                at += len;
            }
            Parsed::Skipped { len } => {
                unprintable += 1;
                at += len;
            }
            Parsed::Incomplete { .. } => break Ok(packets),
            Parsed::Broken(error) => break Err(error),
        }
    };
    buffer.consume(at);
    add(&sink.counts.packets, packets as u64);
    add(&sink.counts.packets_unprintable, unprintable);
    parsed
}

/// Lets every other task that is ready have its turn.
async fn next_turn() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if yielded {
            return std::task::Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

/// What was read and isn't handed on yet: less than a frame, between turns.
struct Buffer {
    bytes: Box<[u8]>,
    filled: usize,
}

impl Buffer {
    fn new(max_payload: usize) -> Self {
        Self { bytes: vec![0; TURN_BYTES_MAX + HEADER_LEN + max_payload].into_boxed_slice(), filled: 0 }
    }

    fn clear(&mut self) {
        self.filled = 0;
    }

    fn space(&mut self) -> &mut [u8] {
        let end = (self.filled + READ_BYTES).min(self.bytes.len());
        &mut self.bytes[self.filled..end]
    }

    fn filled(&mut self, bytes: usize) {
        self.filled += bytes;
    }

    fn filled_bytes(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// What is left moves to the front: part of one frame, and only if something before it was consumed.
    fn consume(&mut self, bytes: usize) {
        if bytes > 0 {
            self.bytes.copy_within(bytes..self.filled, 0);
            self.filled -= bytes;
        }
    }
}

/// How long to wait before the source is dialled again: twice as long each time, and never as long as other relays wait.
struct Pause {
    next: Duration,
    longest: Duration,
}

impl Pause {
    fn new(config: &Config) -> Self {
        let (next, longest) = config.patience.source_pause;
        Self { next, longest }
    }

    fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}
