//! Viewers as a test wants them.

use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use crate::packets;
use crate::world::PATIENCE;

/// A viewer that reads all the time.
pub struct Reading {
    received: Arc<Mutex<Vec<u8>>>,
    thread: JoinHandle<()>,
}

impl Reading {
    /// Receives the rest of what was sent of a channel, packets `0..sent`, without a gap from wherever it joined.
    #[track_caller]
    pub fn expect_to_the_end(&self, channel: &str, sent: u64) {
        let (start, last) = (Instant::now(), packets::stream(channel, [sent - 1]));
        while !self.received().ends_with(&last) {
            assert!(!self.thread.is_finished(), "closed after {} bytes", self.received().len());
            assert!(start.elapsed() < PATIENCE, "the end didn't come in time");
            thread::sleep(Duration::from_millis(5));
        }
        let received = self.received();
        let first = packets::numbers(channel, &received[..packets::LEN]).0[0];
        assert!(*received == packets::stream(channel, first..sent), "the stream differs");
    }

    /// All that came until the relay closed.
    #[track_caller]
    pub fn receive_all(self) -> Vec<u8> {
        self.thread.join().expect("reads to the end");
        self.received.lock().map(|mut received| mem::take(&mut *received)).expect("nobody panics")
    }

    fn received(&self) -> MutexGuard<'_, Vec<u8>> {
        self.received.lock().expect("nobody panics")
    }
}

/// A connection to the relay.
pub struct Viewer {
    pub stream: TcpStream,
    pub received: Vec<u8>,
}

impl Viewer {
    /// Connects and says nothing.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connects");
        stream.set_nodelay(true).expect("can send at once");
        Self { stream, received: Vec::new() }
    }

    /// Connects with a receive buffer so small that it is full soon.
    pub fn with_small_buffer(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(4096).expect("can be small");
        socket.connect(&address.into()).expect("connects");
        Self { stream: socket.into(), received: Vec::new() }
    }

    /// Connects and sends a line.
    pub fn watch(address: SocketAddr, line: &str) -> Self {
        let mut viewer = Self::connect(address);
        viewer.send(format!("{line}\n").as_bytes());
        viewer
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the relay listens");
    }

    /// Sends to a relay that may have closed.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads until it has so many bytes in all.
    pub fn receive(&mut self, len: usize) -> &[u8] {
        let start = Instant::now();
        while self.received.len() < len {
            assert!(start.elapsed() < PATIENCE, "{} of {len} bytes came in time", self.received.len());
            assert!(self.read(), "closed after {} of {len} bytes", self.received.len());
        }
        &self.received
    }

    /// Reads what comes in so long.
    pub fn receive_for(&mut self, how_long: Duration) {
        let start = Instant::now();
        while start.elapsed() < how_long {
            assert!(self.read(), "closed after {} bytes", self.received.len());
        }
    }

    /// Reads until the relay closes.
    pub fn receive_all(&mut self) -> &[u8] {
        let start = Instant::now();
        while self.read() {
            assert!(start.elapsed() < PATIENCE, "not closed in time");
        }
        &self.received
    }

    /// Receives exactly these bytes of a stream, and nothing beyond them for a moment.
    #[track_caller]
    pub fn expect(&mut self, expected: &[u8]) {
        self.receive(expected.len());
        assert_eq!(self.received.len(), expected.len(), "more came than was sent");
        if self.received != expected {
            let at = self.received.iter().zip(expected).position(|(a, b)| a != b);
            panic!("the stream differs from byte {at:?} on");
        }
    }

    /// Is closed without ever having got a byte.
    #[track_caller]
    pub fn expect_refusal(&mut self) {
        assert_eq!(self.receive_all().len(), 0);
    }

    /// Gets nothing for so long, yet isn't closed.
    #[track_caller]
    pub fn expect_silence(&mut self, how_long: Duration) {
        self.stream.set_read_timeout(Some(how_long)).expect("can time out");
        match self.stream.read(&mut [0; 64]) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            other => panic!("not silent: {other:?}"),
        }
    }

    /// Reads all the time from now on, as viewers do.
    pub fn keep_reading(self) -> Reading {
        let received = Arc::new(Mutex::new(Vec::new()));
        let thread = thread::spawn({
            let received = Arc::clone(&received);
            let mut viewer = self;
            move || {
                while viewer.read() {
                    received.lock().expect("nobody panics").append(&mut viewer.received);
                }
            }
        });
        Reading { received, thread }
    }

    /// Vanishes with a reset.
    pub fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("can reset");
    }

    /// Reads what is there, waits for more if nothing is. Says whether the connection is still open.
    fn read(&mut self) -> bool {
        self.stream.set_read_timeout(Some(Duration::from_millis(20))).expect("can time out");
        let mut buffer = [0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(read) => {
                self.received.extend_from_slice(&buffer[..read]);
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => true,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("read: {error}"),
        }
    }
}
