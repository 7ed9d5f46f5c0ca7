//! The relay as a process of ours.

use std::collections::BTreeMap;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::Signal;

use super::child::Child;
use crate::port::free_ports;
use crate::project::Project;

const STARTS_WITHIN: Duration = Duration::from_secs(20);
/// Viewers are sent away in no time locally; what usage is still to be written gets the rest.
const STOPS_WITHIN: Duration = Duration::from_secs(25);

/// Where a relay listens, all at 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayPorts {
    /// Viewers that send a line.
    pub stream: u16,
    /// Viewers over HTTP.
    pub http_stream: u16,
    /// Health, readiness and metrics.
    pub server: u16,
}

impl RelayPorts {
    /// The usual ones, or the next that are free.
    ///
    /// # Errors
    /// When none are.
    pub fn usual() -> Result<Self> {
        Self::of(free_ports([9111, 9112, 8090])?)
    }

    /// Any that are free.
    ///
    /// # Errors
    /// When none are.
    pub fn free() -> Result<Self> {
        Self::of(free_ports([0; 3])?)
    }

    fn of([stream, http_stream, server]: [u16; 3]) -> Result<Self> {
        Ok(Self { stream, http_stream, server })
    }
}

/// A running relay. Dropping it ends it as SIGTERM does.
#[derive(Debug)]
pub struct Relay {
    child: Child,
    ports: RelayPorts,
}

impl Relay {
    /// Starts a relay with this environment and waits until it serves; whether it has a channel source by then is another
    /// question. Its log is `name`.log.
    ///
    /// # Errors
    /// When it doesn't serve. The error has the end of its log.
    pub async fn start(
        project: &Project,
        name: &str,
        ports: RelayPorts,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self> {
        let mut environment = environment.clone();
        for (name, port) in [
            ("STREAM_PORT", ports.stream),
            ("HTTP_STREAM_PORT", ports.http_stream),
            ("SERVER_PORT", ports.server),
        ] {
            environment.insert(name.to_owned(), port.to_string());
        }
        let log = project.logs().join(format!("{name}.log"));
        let nothing: [&str; 0] = [];
        let mut child = Child::start(project, "relay", nothing, &environment, &log, STOPS_WITHIN)?;
        let health = format!("http://127.0.0.1:{}/health", ports.server);
        let http = reqwest::Client::new();
        let started = Instant::now();
        while started.elapsed() < STARTS_WITHIN && child.ended().is_none() {
            if http.get(&health).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(Self { child, ports });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the relay does not serve at port {}:\n{}", ports.server, child.last_words())
    }

    /// Where it listens.
    #[must_use]
    pub fn ports(&self) -> RelayPorts {
        self.ports
    }

    /// Kills it as no process would like to be.
    pub fn kill(&self) {
        self.child.signal(Signal::KILL);
    }

    /// Asks it to end, as a deployment does.
    pub fn terminate(&self) {
        self.child.signal(Signal::TERM);
    }

    /// Sends it any signal.
    pub fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    /// How it has ended, if it has; 137 is SIGKILL.
    #[must_use]
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.ended()
    }

    /// The end of its log.
    #[must_use]
    pub fn last_words(&self) -> String {
        self.child.last_words()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.pid()
    }
}
