//! Live channels: a relay of one's own beside the stack, and viewers that know what they should get.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use local::live::{Live, Relay, RelayPorts, Simulator};
use local::port::free_port;
use local::{Project, Stack};
use relay::channel_source::PatternPacket;
use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::person::Person;

/// A channel source with the test pattern and a relay that takes it from there. Both are the test's own, so that it may do with
/// them what it likes; the tables are those of the stack.
#[derive(Debug)]
pub struct Studio {
    /// The one channel that it has, which no other test has.
    pub channel: String,
    /// The source.
    pub source: Simulator,
    /// The relay; none while it is killed.
    pub relay: Option<Relay>,
    project: Project,
    name: String,
    ports: RelayPorts,
    environment: BTreeMap<String, String>,
}

impl Studio {
    /// Starts both. The source gets these arguments besides, the relay these variables.
    ///
    /// # Errors
    /// When the stack has nothing live, or one of them doesn't start.
    pub async fn open(stack: &Stack, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Self> {
        let project = Project::find()?;
        let channel = Uuid::new_v4().simple().to_string()[..6].to_owned();
        let mut given = vec!["--channels".to_owned(), channel.clone()];
        given.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let port = free_port(0)?;
        let source = Simulator::start(&project, &format!("channel-source-{channel}"), port, &given).await?;
        let mut environment = stack.live().map(Live::environment).context("nothing is live")?.clone();
        let own = [("CHANNEL_SOURCE_PORT", port.to_string()), ("DRAIN_SECONDS", "2".to_owned())];
        environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
        environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let name = format!("relay-{channel}");
        let mut studio =
            Self { channel, source, relay: None, project, name, ports: RelayPorts::free()?, environment };
        studio.start_relay().await?;
        Ok(studio)
    }

    /// Starts the relay, again at the same ports, and waits until it has the source.
    ///
    /// # Errors
    /// When it doesn't start.
    pub async fn start_relay(&mut self) -> Result<()> {
        let relay = Relay::start(&self.project, &self.name, self.ports, &self.environment).await?;
        let ready = format!("http://127.0.0.1:{}/ready", self.ports.server);
        self.relay = Some(relay);
        let started = Instant::now();
        while !reqwest::get(&ready).await.is_ok_and(|answer| answer.status().is_success()) {
            ensure!(
                started.elapsed() < Duration::from_secs(10),
                "the relay is not ready:\n{}",
                self.relay_says()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Kills the relay.
    pub fn kill_relay(&mut self) {
        if let Some(relay) = self.relay.take() {
            relay.kill();
        }
    }

    /// Sends the relay SIGTERM and waits until it has ended; says how long that took.
    ///
    /// # Errors
    /// When it ends with an error, or not within 25 seconds.
    pub async fn terminate_relay(&mut self) -> Result<Duration> {
        let mut relay = self.relay.take().context("the relay runs")?;
        let asked = Instant::now();
        relay.terminate();
        while asked.elapsed() < Duration::from_secs(25) {
            if let Some(status) = relay.ended() {
                ensure!(status.success(), "the relay ended with {status}:\n{}", relay.last_words());
                return Ok(asked.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("the relay does not end:\n{}", relay.last_words())
    }

    /// The end of the relay's log.
    #[must_use]
    pub fn relay_says(&self) -> String {
        self.relay.as_ref().map(Relay::last_words).unwrap_or_default()
    }

    /// Where the relay's viewers connect.
    #[must_use]
    pub fn ports(&self) -> RelayPorts {
        self.ports
    }

    /// Somebody watches the channel from now on.
    ///
    /// # Errors
    /// When the relay can't be reached.
    pub async fn watch(&self, ticket: &Ticket) -> Result<Viewer> {
        Viewer::connect(self.ports.stream, &ticket.line(&self.channel)).await
    }
}

/// What registering gave.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The viewer.
    pub viewer_id: String,
    /// The proof.
    pub ticket: String,
}

impl Ticket {
    /// What a viewer sends first.
    #[must_use]
    pub fn line(&self, channel: &str) -> String {
        format!("{} {channel} {}\n", self.viewer_id, self.ticket)
    }
}

impl Person {
    /// Registers a viewer nobody has had before.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn new_viewer(&self) -> Result<Ticket> {
        let viewer_id = format!("tv-{}", Uuid::new_v4().simple());
        let request = self.request(Method::POST, "/register").header("accept", "application/json");
        let answer = self.send(request.body(viewer_id.clone())).await?;
        ensure!(answer.status == 200, "registering: {} {}", answer.status, answer.json);
        let ticket = answer.json["ticket"].as_str().context("a ticket")?.to_owned();
        Ok(Ticket { viewer_id, ticket })
    }

    /// The seconds that the service has on a viewer's account for a channel.
    ///
    /// # Errors
    /// When it doesn't say.
    pub async fn usage(&self, viewer_id: &str, channel: &str) -> Result<u64> {
        let answer = self.get(&format!("/usage/{viewer_id}")).await?;
        ensure!(answer.status == 200, "usage: {} {}", answer.status, String::from_utf8_lossy(&answer.bytes));
        let sessions = answer.json["sessions"].as_object().context("sessions")?;
        sessions.get(channel).map_or(Ok(0), |seconds| seconds.as_u64().context("whole seconds"))
    }
}

/// A viewer that keeps what it gets, in a task of its own.
#[derive(Debug)]
pub struct Viewer {
    task: JoinHandle<()>,
    got: std::sync::Arc<std::sync::Mutex<Got>>,
}

/// What a viewer has got.
#[derive(Clone, Debug, Default)]
pub struct Got {
    /// All bytes.
    pub bytes: Vec<u8>,
    /// Stretches of time in which bytes came with at most two seconds between them.
    pub stretches: Vec<(Instant, Instant)>,
    /// Whether the connection has ended.
    pub closed: bool,
}

impl Viewer {
    /// Connects, says `line` and reads from then on.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn connect(port: u16, line: &str) -> Result<Self> {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        connection.write_all(line.as_bytes()).await?;
        let got = std::sync::Arc::new(std::sync::Mutex::new(Got::default()));
        let shared = std::sync::Arc::clone(&got);
        let task = tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let read = connection.read(&mut buffer).await.unwrap_or_default();
                let Ok(mut got) = shared.lock() else { return };
                if read == 0 {
                    got.closed = true;
                    return;
                }
                got.add(&buffer[..read]);
            }
        });
        Ok(Self { task, got })
    }

    /// What it has got so far.
    #[must_use]
    pub fn got(&self) -> Got {
        self.got.lock().map(|got| got.clone()).unwrap_or_default()
    }

    /// Waits until it has got at least so much.
    ///
    /// # Errors
    /// When that takes longer than ten seconds, or the connection ends before.
    pub async fn has(&self, bytes: usize) -> Result<()> {
        let asked = Instant::now();
        loop {
            let (len, closed) = self.got.lock().map(|got| (got.bytes.len(), got.closed)).unwrap_or_default();
            if len >= bytes {
                return Ok(());
            }
            ensure!(!closed, "closed after {len} bytes");
            ensure!(asked.elapsed() < Duration::from_secs(10), "only {len} bytes of {bytes} have come");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the relay has closed the connection.
    ///
    /// # Errors
    /// When it doesn't within that time.
    pub async fn is_closed(&mut self, within: Duration) -> Result<Got> {
        let ended = tokio::time::timeout(within, &mut self.task).await;
        ensure!(ended.is_ok(), "the connection stays open");
        Ok(self.got())
    }

    /// Hangs up.
    #[must_use]
    pub fn leave(self) -> Got {
        self.task.abort();
        self.got()
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Got {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let now = Instant::now();
        match self.stretches.last_mut() {
            Some((_, last)) if now - *last <= Duration::from_secs(2) => *last = now,
            _ => self.stretches.push((now, now)),
        }
    }

    /// For how long payload was delivered, in seconds: pauses of more than two seconds don't count.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.stretches.iter().map(|(first, last)| (*last - *first).as_secs_f64()).sum()
    }

    /// The packets of the test pattern in it, all of which must be whole, of that channel, and in order without a gap.
    ///
    /// # Errors
    /// What is wrong.
    pub fn packets(&self, channel: &str) -> Result<Vec<PatternPacket>> {
        let (packets, _begun) = PatternPacket::read_all(&self.bytes)?;
        for packet in &packets {
            ensure!(packet.channel.as_str() == channel, "a packet of {}", packet.channel);
        }
        for pair in packets.windows(2) {
            ensure!(pair[1].serial == pair[0].serial + 1, "{} after {}", pair[1].serial, pair[0].serial);
        }
        Ok(packets)
    }
}
