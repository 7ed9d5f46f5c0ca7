//! Live channels on this machine: a simulated channel source and the relay, both as processes of ours.
//!
//! The relay is the very program that is deployed. It finds its tables by the template's outputs and may do there what the
//! template's policy says.

mod access;
mod child;
mod films;
mod relay;
mod simulator;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::JoinHandle;

use crate::deployment::Deployment;
use crate::endpoint::Endpoint;
use crate::port::free_port;
use crate::project::Project;

pub use child::Child;
pub use films::make as make_films;
pub use relay::{Relay, RelayPorts};
pub use simulator::Simulator;

/// The channels that are on.
pub const CHANNELS: [&str; 3] = ["zato01", "zato02", "zato03"];

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The pause before a relay that has ended is started again.
const RESTART_PAUSE: Duration = Duration::from_millis(500);

/// The ports of both, chosen before anything is deployed: the register function tells viewers the relay's.
#[derive(Clone, Copy, Debug)]
pub struct LivePorts {
    /// The channel source's.
    pub source: u16,
    /// The relay's.
    pub relay: RelayPorts,
}

impl LivePorts {
    /// 9110 for the source, 9111 and 9112 for the relay's viewers, or the next that are free.
    ///
    /// # Errors
    /// When none are.
    pub fn usual() -> Result<Self> {
        Ok(Self { source: free_port(9110)?, relay: RelayPorts::usual()? })
    }

    /// Any that are free.
    ///
    /// # Errors
    /// When none are.
    pub fn free() -> Result<Self> {
        Ok(Self { source: free_port(0)?, relay: RelayPorts::free()? })
    }
}

/// A channel source and a relay that is started again when it ends. Dropping it ends both.
#[derive(Debug)]
pub struct Live {
    watch: JoinHandle<()>,
    ports: LivePorts,
    environment: BTreeMap<String, String>,
    relay: Arc<Mutex<Option<Relay>>>,
    _source: Simulator,
}

impl Live {
    /// Starts both. The logs are `relay.log` and `channel-source.log`, with `suffix` before the dot.
    ///
    /// # Errors
    /// When one of them doesn't serve.
    pub async fn start(
        project: &Project,
        ports: LivePorts,
        films: &[PathBuf],
        mut environment: BTreeMap<String, String>,
        suffix: &str,
    ) -> Result<Self> {
        let mut arguments = vec!["--channels".to_owned(), CHANNELS.join(",")];
        for film in films {
            arguments.extend(["--film".to_owned(), film.to_string_lossy().into_owned()]);
        }
        let names = ["channel-source", "relay"].map(|name| format!("{name}{suffix}"));
        for name in &names {
            let _none_yet = std::fs::remove_file(project.logs().join(format!("{name}.log")));
        }
        let [source, name] = names;
        let source = Simulator::start(project, &source, ports.source, &arguments).await?;
        environment.insert("CHANNEL_SOURCE_HOST".to_owned(), "127.0.0.1".to_owned());
        environment.insert("CHANNEL_SOURCE_PORT".to_owned(), ports.source.to_string());
        let relay = Relay::start(project, &name, ports.relay, &environment).await?;
        let relay = Arc::new(Mutex::new(Some(relay)));
        let watched = Arc::clone(&relay);
        let watch = tokio::spawn(watch(project.clone(), name, ports.relay, environment.clone(), watched));
        Ok(Self { watch, ports, environment, relay, _source: source })
    }

    /// Where both listen.
    #[must_use]
    pub fn ports(&self) -> LivePorts {
        self.ports
    }

    /// The environment of its relay, with which more of them can be started at other ports.
    #[must_use]
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// The relay's process id, while it runs.
    #[must_use]
    pub fn relay_pid(&self) -> Option<i32> {
        self.relay.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Relay::pid)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.watch.abort();
        drop(self.relay.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Starts the relay again whenever it has ended, and says so.
async fn watch(
    project: Project,
    name: String,
    ports: RelayPorts,
    environment: BTreeMap<String, String>,
    relay: Arc<Mutex<Option<Relay>>>,
) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let ended = {
            let mut relay = relay.lock().unwrap_or_else(PoisonError::into_inner);
            let ended = relay.as_mut().and_then(Relay::ended);
            if ended.is_some() {
                relay.take();
            }
            ended
        };
        if let Some(status) = ended {
            let log = project.logs().join(format!("{name}.log"));
            eprintln!("  the relay has ended ({status}; see {}) and is started again", log.display());
        }
        let is_gone = relay.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        if is_gone {
            tokio::time::sleep(RESTART_PAUSE).await;
            match Relay::start(&project, &name, ports, &environment).await {
                Ok(again) => *relay.lock().unwrap_or_else(PoisonError::into_inner) = Some(again),
                Err(error) => eprintln!("  {error:#}"),
            }
        }
    }
}

/// What any relay beside `deployment` needs to know: its tables, the AWS, and credentials that may do what a relay does.
///
/// # Errors
/// When the template lacks an output or IAM refuses.
pub async fn relay_environment(
    endpoint: &Endpoint,
    deployment: &Deployment,
) -> Result<BTreeMap<String, String>> {
    let policy = deployment.output("RelayPolicyArn")?;
    let credentials =
        access::credentials(endpoint, policy).await.context("making the relay's credentials")?;
    let mut environment = BTreeMap::new();
    for (name, value) in [
        ("LIVE_USAGE_TABLE", deployment.output("LiveUsageTable")?),
        ("LIVE_RELAYS_TABLE", deployment.output("LiveRelaysTable")?),
        ("LIVE_VIEWERS_TABLE", deployment.output("LiveViewersTable")?),
        ("TICKET_KEYS_TABLE", deployment.output("TicketKeysTable")?),
        ("AWS_ENDPOINT_URL", &endpoint.url),
        ("AWS_REGION", &endpoint.region),
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        // Nobody is spread over relays here, so nobody needs to be sent away slowly.
        ("DRAIN_SECONDS", "1"),
    ] {
        environment.insert(name.to_owned(), value.to_owned());
    }
    Ok(environment)
}
