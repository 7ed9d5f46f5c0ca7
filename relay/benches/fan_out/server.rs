//! The servers side by side: each is a process of its own, started for one round and ended after it.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::peers::Peers;
use crate::store::Store;
use crate::wire::CHANNEL;

const PATIENCE: Duration = Duration::from_secs(20);

/// What can be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Relay,
    Nats,
    Redis,
    RawLoop,
}

/// A server as a scenario wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contestant {
    pub name: &'static str,
    pub kind: Kind,
    /// The relay's FLUSH_INTERVAL_MS.
    pub flush_interval_ms: u32,
}

impl Contestant {
    /// Whether it is somebody else's server.
    pub fn is_peer(&self) -> bool {
        matches!(self.kind, Kind::Nats | Kind::Redis)
    }
}

pub const RELAY: Contestant = Contestant { name: "relay", kind: Kind::Relay, flush_interval_ms: 0 };
pub const RELAY_TICK: Contestant =
    Contestant { name: "relay, tick 100 ms", kind: Kind::Relay, flush_interval_ms: 100 };
pub const NATS: Contestant = Contestant { name: "nats", kind: Kind::Nats, flush_interval_ms: 0 };
pub const REDIS: Contestant = Contestant { name: "redis", kind: Kind::Redis, flush_interval_ms: 0 };
pub const RAW_LOOP: Contestant =
    Contestant { name: "raw 64 KB loop", kind: Kind::RawLoop, flush_interval_ms: 0 };

/// What is needed to start them.
pub struct Setup {
    pub relay: PathBuf,
    pub peers: Peers,
    pub store: Store,
    /// Where the servers' output goes.
    pub logs: PathBuf,
}

/// A running server.
pub struct Server {
    kind: Kind,
    process: Child,
    address: SocketAddr,
    /// The relay's source, and where it says whether it is ready.
    source: Option<(TcpListener, SocketAddr)>,
}

impl Server {
    /// Starts one and waits until it takes connections.
    pub fn start(contestant: Contestant, viewers: usize, setup: &Setup) -> Result<Self> {
        let kind = contestant.kind;
        let port = free_port()?;
        let mut source = None;
        let mut command = match kind {
            Kind::Relay => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                let health_port = free_port()?;
                let mut command = Command::new(&setup.relay);
                command
                    .env("CHANNEL_SOURCE_HOST", "127.0.0.1")
                    .env("CHANNEL_SOURCE_PORT", listener.local_addr()?.port().to_string())
                    .env("STREAM_PORT", port.to_string())
                    .env("SERVER_PORT", health_port.to_string())
                    .env("HTTP_STREAM_PORT", "0")
                    .env("FLUSH_INTERVAL_MS", contestant.flush_interval_ms.to_string());
                setup.store.point(&mut command);
                source = Some((listener, (Ipv4Addr::LOCALHOST, health_port).into()));
                command
            }
            Kind::Nats => {
                let mut command = setup.peers.command(kind)?;
                command.args(["--addr", "127.0.0.1", "--port", &port.to_string()]);
                command
            }
            Kind::Redis => {
                let mut command = setup.peers.command(kind)?;
                command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
                command.args(["--save", "", "--appendonly", "no", "--maxclients", "15000"]);
                command.current_dir(&setup.logs);
                command
            }
            Kind::RawLoop => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["raw-loop", &port.to_string(), &viewers.to_string()]);
                command
            }
        };
        let log = setup.logs.join(format!("{}.log", contestant.name.replace([' ', ','], "-")));
        let log = File::create(log)?;
        let process = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{command:?} does not start"))?;
        let mut server = Self { kind, process, address: (Ipv4Addr::LOCALHOST, port).into(), source };
        server.wait_until_it_listens(contestant.name)?;
        Ok(server)
    }

    fn wait_until_it_listens(&mut self, name: &str) -> Result<()> {
        // The raw loop counts its connections, so it gets none that is no viewer; viewers wait for it themselves.
        let deadline = Instant::now() + PATIENCE;
        while self.kind != Kind::RawLoop && TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.process.try_wait()? {
                bail!("{name} ended with {status}; see its log");
            }
            ensure!(Instant::now() < deadline, "{name} does not listen; see its log");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// The connection on which packets are handed over; none for the raw loop.
    pub fn publishing_side(&self) -> Result<Option<TcpStream>> {
        match self.kind {
            Kind::RawLoop => Ok(None),
            Kind::Relay => {
                let (source, health) = self.source.as_ref().context("the relay has a source")?;
                source.set_nonblocking(true)?;
                let deadline = Instant::now() + PATIENCE;
                loop {
                    match source.accept() {
                        Ok((socket, _)) => {
                            socket.set_nonblocking(false)?;
                            wait_until_ready(*health, deadline)?;
                            return Ok(Some(socket));
                        }
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {
                            ensure!(
                                Instant::now() < deadline,
                                "the relay does not dial its source; see its log"
                            );
                            std::thread::sleep(Duration::from_millis(10));
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            Kind::Nats => {
                let mut socket = self.connect()?;
                read_line(&mut socket)?;
                socket.write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n")?;
                Ok(Some(socket))
            }
            Kind::Redis => Ok(Some(self.connect()?)),
        }
    }

    /// A viewer of the channel, whose next byte is the stream's.
    pub fn viewer(&self, index: usize, setup: &Setup) -> Result<TcpStream> {
        let mut socket = self.connect()?;
        match self.kind {
            Kind::RawLoop => {}
            Kind::Relay => socket.write_all(setup.store.viewer_line(index)?.as_bytes())?,
            Kind::Nats => {
                read_line(&mut socket)?;
                let ask = format!(
                    "CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\nSUB {CHANNEL} 1\r\nPING\r\n"
                );
                socket.write_all(ask.as_bytes())?;
                ensure!(read_line(&mut socket)?.starts_with("PONG"), "NATS refuses a subscription");
            }
            Kind::Redis => {
                socket.write_all(format!("SUBSCRIBE {CHANNEL}\r\n").as_bytes())?;
                let answer = format!("*3\r\n$9\r\nsubscribe\r\n${}\r\n{CHANNEL}\r\n:1\r\n", CHANNEL.len());
                let mut got = vec![0; answer.len()];
                socket.read_exact(&mut got)?;
                ensure!(got == answer.as_bytes(), "Redis refuses a subscription");
            }
        }
        Ok(socket)
    }

    /// Waits until the relay has let so many viewers in; the peers answer each themselves.
    pub fn wait_until_admitted(&self, viewers: usize) -> Result<()> {
        let Some((_, health)) = self.source.as_ref() else { return Ok(()) };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let metrics = get(*health, "/metrics")?;
            let count = metrics.lines().find_map(|line| line.strip_prefix("matinee_relay_viewers "));
            let count: usize = count.context("the relay counts its viewers")?.trim().parse()?;
            if count >= viewers {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the relay has admitted {count} of {viewers} viewers");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn connect(&self) -> Result<TcpStream> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match TcpStream::connect(self.address) {
                Ok(socket) => {
                    socket.set_read_timeout(Some(PATIENCE))?;
                    socket.set_nodelay(true)?;
                    return Ok(socket);
                }
                Err(error) => ensure!(Instant::now() < deadline, "{}: {error}", self.address),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// User and system time of the process so far.
    pub fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(self.process.id())
    }

    /// Resident memory of the process.
    pub fn rss_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// User and system time of a process so far, in seconds.
pub fn cpu_seconds(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in parentheses may hold anything; fields are counted from behind it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// A relay without keys for tickets refuses everybody, and says so.
fn wait_until_ready(health: SocketAddr, deadline: Instant) -> Result<()> {
    loop {
        let answer = get(health, "/ready")?;
        if answer.starts_with("HTTP/1.1 200") {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the relay does not get ready: {answer}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn get(health: SocketAddr, path: &str) -> Result<String> {
    let mut answer = String::new();
    let mut socket = TcpStream::connect(health)?;
    socket
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n").as_bytes())?;
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// One line, without reading beyond it: what follows belongs to the stream.
fn read_line(socket: &mut TcpStream) -> Result<String> {
    let mut line = String::new();
    // NATS says nothing more until it is asked, so a buffered reader keeps nothing back.
    BufReader::new(socket).read_line(&mut line)?;
    Ok(line)
}
