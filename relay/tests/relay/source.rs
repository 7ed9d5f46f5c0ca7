//! A channel source that does what a test tells it.

use std::io::{ErrorKind, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use crate::packets;
use crate::world::PATIENCE;

/// Where a relay finds its channels.
pub struct Source {
    listener: TcpListener,
}

impl Source {
    pub fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").expect("binds") }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("has an address")
    }

    /// The next connection of a relay.
    pub fn accept(&self) -> Connection {
        self.listener.set_nonblocking(true).expect("can be non-blocking");
        let start = Instant::now();
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).expect("can block");
                    stream.set_nodelay(true).expect("can send at once");
                    return Connection { stream };
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    assert!(start.elapsed() < PATIENCE, "no relay came");
                    thread::sleep(Duration::from_millis(2));
                }
                Err(error) => panic!("accept: {error}"),
            }
        }
    }
}

/// A source that refuses connections, on an address that nobody else gets.
pub struct Refusing {
    socket: Socket,
}

impl Refusing {
    pub fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("binds");
        Self { socket }
    }

    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().ok().and_then(|address| address.as_socket()).expect("has an address")
    }

    /// Refuses no longer.
    pub fn listen(self) -> Source {
        self.socket.listen(16).expect("listens");
        Source { listener: self.socket.into() }
    }
}

/// A relay's connection to the source.
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the relay reads");
    }

    /// Sends in pieces that can't be read together.
    pub fn send_in_pieces(&mut self, bytes: &[u8], piece: usize) {
        for piece in bytes.chunks(piece) {
            self.send(piece);
        }
    }

    /// Ends in an orderly way: everything sent arrives.
    pub fn close(self) {
        self.stream.shutdown(Shutdown::Both).expect("closes");
    }

    /// Ends like a process that was killed with unread input, or a machine that came back: with a reset.
    pub fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("can reset");
    }

    /// Whether the relay has hung up.
    pub fn wait_until_hung_up(&mut self) {
        use std::io::Read;
        self.stream.set_read_timeout(Some(PATIENCE)).expect("can time out");
        match self.stream.read(&mut [0; 1]) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("the relay has not hung up: {other:?}"),
        }
    }

    /// Whether somebody still takes what is sent.
    pub fn still_delivers(&mut self, bytes: &[u8]) -> bool {
        // The first write to a connection that the other side has closed still succeeds.
        let mut delivers = true;
        for _ in 0..10 {
            delivers &= self.stream.write_all(bytes).is_ok();
            thread::sleep(Duration::from_millis(5));
        }
        delivers
    }

    /// Goes on sending a channel, from packet 0, until told to stop.
    pub fn play(mut self, channel: &'static str, per_millisecond: u64) -> Playing {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = thread::spawn({
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            move || {
                while !stop.load(SeqCst) {
                    let from = sent.load(SeqCst);
                    self.send(&packets::frames(channel, from..from + per_millisecond));
                    sent.store(from + per_millisecond, SeqCst);
                    thread::sleep(Duration::from_millis(1));
                }
                self
            }
        });
        Playing { stop, sent, thread }
    }
}

/// A channel that is being sent all the time.
pub struct Playing {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: JoinHandle<Connection>,
}

impl Playing {
    /// How many packets were sent.
    pub fn sent(&self) -> u64 {
        self.sent.load(SeqCst)
    }

    /// Waits until so many packets more were sent.
    pub fn play_on(&self, packets: u64) {
        let until = self.sent() + packets;
        let start = Instant::now();
        while self.sent() < until {
            assert!(start.elapsed() < PATIENCE, "the source is held up: the relay doesn't read");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Stops; gives the connection and the number of packets that were sent.
    pub fn stop(self) -> (Connection, u64) {
        self.stop.store(true, SeqCst);
        let connection = self.thread.join().expect("plays on");
        (connection, self.sent.load(SeqCst))
    }
}
