//! A relay in this process, on free ports, with everything around it.

use std::net::SocketAddr;
use std::ops::Deref;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use relay::config::{Config, Listen};
use relay::relay::{Addresses, Relay};
use tokio::sync::oneshot;

use crate::source::{Connection, Source};
use crate::store::Store;
use crate::viewer::Viewer;

/// So long is waited for what must happen. Far longer than it ever takes: nothing depends on it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A relay, its source and its store.
pub struct World {
    pub relay: Running,
    pub source: Source,
    pub store: Store,
}

impl World {
    /// With a configuration for impatient tests.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// With a changed configuration.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (source, store) = (Source::new(), Store::new());
        let mut config = config(source.address());
        change(&mut config);
        Self { relay: Running::start(config, &store), source, store }
    }

    /// With a store that isn't as it should be from the beginning.
    pub fn with_store(prepare: impl FnOnce(&Store)) -> Self {
        let (source, store) = (Source::new(), Store::new());
        prepare(&store);
        Self { relay: Running::start(config(source.address()), &store), source, store }
    }

    /// A viewer who may watch.
    pub fn watch(&self, viewer: &str, channel: &str) -> Viewer {
        Viewer::watch(self.addresses.stream, &self.store.line(viewer, channel))
    }

    /// Has a viewer watch a channel whose receive buffer is full soon.
    pub fn watch_little(&self, viewer: &str, channel: &str) -> Viewer {
        let mut little = Viewer::with_small_buffer(self.addresses.stream);
        little.send(format!("{}\n", self.store.line(viewer, channel)).as_bytes());
        little
    }

    /// The relay's connection, and a viewer for each of these channels, all of them ready.
    pub fn begin<const N: usize>(&self, channels: [&str; N]) -> (Connection, [Viewer; N]) {
        let connection = self.source.accept();
        self.wait_until_ready();
        let viewers = channels.map(|channel| self.watch("anna", channel));
        self.wait_for_viewers(N as u64);
        (connection, viewers)
    }
}

impl Deref for World {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.relay
    }
}

/// What tests run with: any free port, and short times.
pub fn config(source: SocketAddr) -> Config {
    let tables = Store::tables();
    let mut config = Config::read(|name| {
        Ok(Some(match name {
            "LIVE_USAGE_TABLE" => tables.usage.clone(),
            "LIVE_RELAYS_TABLE" => tables.relays.clone(),
            "LIVE_VIEWERS_TABLE" => tables.viewers.clone(),
            "TICKET_KEYS_TABLE" => tables.ticket_keys.clone(),
            _ => return Ok(None),
        }))
    })
    .expect("the defaults are usable");
    (config.server, config.stream) = (Listen::anywhere(), Listen::anywhere());
    config.http_stream = Some(Listen::anywhere());
    config.feed = Some(Listen::anywhere());
    (config.source_host, config.source_port) = (source.ip().to_string(), source.port());
    config.drain = Duration::from_millis(500);
    config.patience.source_pause = (Duration::from_millis(5), Duration::from_millis(50));
    config.patience.usage_at_end = Duration::from_secs(2);
    config
}

/// A relay that runs. Ended when it is dropped.
pub struct Running {
    pub addresses: Addresses,
    drain: Option<oneshot::Sender<()>>,
    hurry: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Running {
    pub fn start(config: Config, store: &Store) -> Self {
        let relay = Relay::bind(config, store.client()).expect("binds");
        let addresses = relay.addresses();
        let (drain, asked_to_drain) = oneshot::channel();
        let (hurry, asked_to_hurry) = oneshot::channel();
        let asked = |asked: oneshot::Receiver<()>| async {
            let _ = asked.await;
        };
        let (asked_to_drain, asked_to_hurry) = (asked(asked_to_drain), asked(asked_to_hurry));
        let thread = thread::spawn(move || relay.run(asked_to_drain, asked_to_hurry));
        Self { addresses, drain: Some(drain), hurry: Some(hurry), thread: Some(thread) }
    }

    /// Asks it to end, in peace.
    pub fn drain(&mut self) {
        if let Some(drain) = self.drain.take() {
            let _ = drain.send(());
        }
    }

    /// Waits until it has ended, well.
    pub fn wait_for_end(&mut self) {
        let thread = self.thread.take().expect("ends once");
        thread.join().expect("doesn't panic").expect("ends well");
    }

    /// One of its metrics.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics").1;
        let names = [format!("matinee_relay_{name}"), format!("matinee_relay_{name}_total")];
        let mut values = text.lines().filter_map(|line| line.split_once(' '));
        let value = values.find(|(found, _)| names.iter().any(|name| name == found));
        let (_, value) = value.unwrap_or_else(|| panic!("no metric {name}"));
        value.parse().expect("a number")
    }

    /// Waits until a metric is as it should be.
    #[track_caller]
    pub fn wait_for(&self, name: &str, right: impl Fn(u64) -> bool) -> u64 {
        let start = Instant::now();
        loop {
            let value = self.metric(name);
            if right(value) {
                return value;
            }
            assert!(start.elapsed() < PATIENCE, "{name} stays {value}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[track_caller]
    pub fn wait_for_viewers(&self, viewers: u64) {
        self.wait_for("viewers", |now| now == viewers);
    }

    /// Waits until viewers should be sent to it: it has its source, and keys to verify tickets with.
    #[track_caller]
    pub fn wait_until_ready(&self) {
        let start = Instant::now();
        while !self.is_ready() {
            assert!(start.elapsed() < PATIENCE, "not ready: {}", self.get("/ready").1);
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether viewers should be sent to it.
    pub fn is_ready(&self) -> bool {
        self.get("/ready").0 == 200
    }

    /// An answer of its server: status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        get(self.addresses.server, path, "")
    }
}

/// A request to some address, with more headers, each with its line's end; status and body.
pub fn get(address: SocketAddr, path: &str, headers: &str) -> (u16, String) {
    let mut viewer = Viewer::connect(address);
    viewer.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n").as_bytes());
    let answer = String::from_utf8_lossy(viewer.receive_all()).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}

impl Drop for Running {
    fn drop(&mut self) {
        self.drain();
        if let Some(hurry) = self.hurry.take() {
            let _ = hurry.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A relay that fails a test by how it ends does so in `wait_for_end`.
            let _ = thread.join();
        }
    }
}
