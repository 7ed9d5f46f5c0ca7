//! The channel source as a process of ours: `relay/src/channel_source`.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::Signal;
use tokio::net::TcpStream;

use super::child::Child;
use crate::project::Project;

const STARTS_WITHIN: Duration = Duration::from_secs(10);
const STOPS_WITHIN: Duration = Duration::from_secs(2);

/// A running simulator of a channel source. Dropping it ends it.
#[derive(Debug)]
pub struct Simulator {
    child: Child,
    port: u16,
}

impl Simulator {
    /// Starts it with these arguments and waits until it listens. Its log is `name`.log.
    ///
    /// # Errors
    /// When it doesn't listen. The error has the end of its log.
    pub async fn start(project: &Project, name: &str, port: u16, arguments: &[String]) -> Result<Self> {
        let listen = ["--listen".to_owned(), format!("127.0.0.1:{port}")];
        let log = project.logs().join(format!("{name}.log"));
        let arguments = listen.iter().chain(arguments);
        let environment = BTreeMap::new();
        let mut child = Child::start(project, "channel-source", arguments, &environment, &log, STOPS_WITHIN)?;
        let started = Instant::now();
        while started.elapsed() < STARTS_WITHIN && child.ended().is_none() {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok() {
                return Ok(Self { child, port });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the channel source does not listen at port {port}:\n{}", child.last_words())
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sends it a signal: SIGSTOP makes it silent, SIGCONT lets it go on.
    pub fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }
}
