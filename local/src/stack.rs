//! The whole service on this machine.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use aws_config::SdkConfig;
use axum::serve::ListenerExt;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::cdn::Cdn;
use crate::deployment::{Deployment, Function};
use crate::emulator::{Emulator, Keep};
use crate::endpoint::Endpoint;
use crate::live::{Live, LivePorts};
use crate::mails::{SENDER, verify_sender};
use crate::people::People;
use crate::project::Project;
use crate::step::Step;
use crate::{live, setup, site};

/// How a stack is started. The default is what tests want: its own local AWS on a free port, nothing kept.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Port of the site, `None` for a free one.
    pub site_port: Option<u16>,
    /// Folder of the local AWS's state, kept for the next start. `None` for a temporary one.
    pub data: Option<PathBuf>,
    /// An AWS-compatible endpoint that runs already, to deploy into instead of a local AWS of its own.
    pub endpoint: Option<String>,
    /// Whether the pages are built and served.
    pub pages: bool,
    /// Whether there are live channels: a simulated source and a relay beside the local AWS.
    pub live: bool,
    /// More of the template's parameters, which go before those that are chosen here.
    pub parameters: Vec<(String, String)>,
}

/// The running service: the local AWS with everything deployed, and the part that plays the CDN.
///
/// It lives on a runtime of its own, so that tests with a runtime each can share one. Dropping it ends everything.
#[derive(Debug)]
pub struct Stack {
    site_url: String,
    api_url: String,
    endpoint: Endpoint,
    deployment: Deployment,
    people: People,
    // In the order in which they are dropped: first nobody asks, then nobody answers.
    runtime: Option<Runtime>,
    // Before the local AWS: it writes down the last seconds of usage when it ends.
    live: Option<Live>,
    emulator: Option<Emulator>,
    temporary: Option<TempDir>,
}

impl Stack {
    /// Builds what is outdated and starts the service.
    ///
    /// # Errors
    /// When a step fails; the error says which and shows the end of its log.
    pub async fn start(options: Options) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("matinee")
            .enable_all()
            .build()
            .context("starting a runtime")?;
        let started = runtime.spawn(start(options)).await.context("starting the service")?;
        match started {
            Ok(mut stack) => {
                stack.runtime = Some(runtime);
                Ok(stack)
            }
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// Where the service is reached: scheme, host and port.
    #[must_use]
    pub fn site_url(&self) -> &str {
        &self.site_url
    }

    /// The HTTP API behind the CDN, stage included.
    #[must_use]
    pub fn api_url(&self) -> &str {
        &self.api_url
    }

    /// The AWS that it runs in.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The configuration of SDK clients that may do everything there.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        self.endpoint.sdk_config()
    }

    /// The template's outputs by name.
    #[must_use]
    pub fn outputs(&self) -> &BTreeMap<String, String> {
        &self.deployment.outputs
    }

    /// What AWS calls the resource with that logical id, which may be one that SAM made.
    ///
    /// # Errors
    /// When there is no such resource.
    pub fn resource(&self, logical_id: &str) -> Result<&str> {
        let found = self.deployment.resources.get(logical_id);
        found.map(String::as_str).with_context(|| format!("there is no resource {logical_id}"))
    }

    /// The function with that logical id.
    ///
    /// # Errors
    /// When the template has no such function.
    pub fn function(&self, logical_id: &str) -> Result<&Function> {
        self.deployment
            .functions
            .get(logical_id)
            .with_context(|| format!("there is no function {logical_id}"))
    }

    /// The environment in which Lambda would run the function with that logical id: the template's variables,
    /// the handler, the endpoint, the region, and credentials (the root's, not those of the function's role).
    ///
    /// # Errors
    /// When the template has no such function.
    pub fn function_env(&self, logical_id: &str) -> Result<BTreeMap<String, String>> {
        let function = self.function(logical_id)?;
        let mut variables = function.environment.clone();
        let credentials = &self.endpoint.credentials;
        for (name, value) in [
            ("_HANDLER", function.handler.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", &function.name),
            ("AWS_REGION", &self.endpoint.region),
            ("AWS_ENDPOINT_URL", &self.endpoint.url),
            ("AWS_ACCESS_KEY_ID", credentials.access_key_id()),
            ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key()),
        ] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        Ok(variables)
    }

    /// Makes an account (see [`People::create`]).
    ///
    /// # Errors
    /// When the user pool refuses.
    pub async fn create_user(&self, email: &str, password: &str, group: &str) -> Result<()> {
        self.create_user_in(email, password, &[group]).await
    }

    /// Makes an account in several groups, or in none.
    ///
    /// # Errors
    /// When the user pool refuses.
    pub async fn create_user_in(&self, email: &str, password: &str, groups: &[&str]) -> Result<()> {
        self.people.create(email, password, groups).await
    }

    /// Whether there is an account (see [`People::exists`]).
    ///
    /// # Errors
    /// When the user pool doesn't say.
    pub async fn has_user(&self, email: &str) -> Result<bool> {
        self.people.exists(email).await
    }

    /// Disables an account (see [`People::disable`]).
    ///
    /// # Errors
    /// When the user pool refuses.
    pub async fn disable_user(&self, email: &str) -> Result<()> {
        self.people.disable(email).await
    }

    /// The folder of its local AWS, if that is a temporary one.
    #[must_use]
    pub fn data(&self) -> Option<&std::path::Path> {
        self.temporary.as_ref().map(TempDir::path)
    }

    /// The live channels, if there are any.
    #[must_use]
    pub fn live(&self) -> Option<&Live> {
        self.live.as_ref()
    }

    /// Whether the local AWS is still there. One that runs elsewhere is taken to be.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.emulator.as_mut().is_none_or(Emulator::is_running)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn start(options: Options) -> Result<Stack> {
    let project = Project::find()?;
    // First, so that a port that is taken is told before minutes of building.
    let listener = listen(options.site_port).await?;
    let ports = match (options.live, &options.data) {
        (false, _) => None,
        (true, Some(_)) => Some(LivePorts::usual()?),
        (true, None) => Some(LivePorts::free()?),
    };
    setup::prepare(&project, options.pages, options.live).await?;

    let site_url = format!("http://localhost:{}", listener.local_addr()?.port());
    let (emulator, temporary) = match (&options.endpoint, &options.data) {
        (Some(_), _) => (None, None),
        (None, Some(data)) => (Some(Emulator::start(&project, data, Keep::Everything).await?), None),
        (None, None) => {
            let folder = tempfile::Builder::new().prefix("matinee-").tempdir().context("making a folder")?;
            (Some(Emulator::start(&project, folder.path(), Keep::Nothing).await?), Some(folder))
        }
    };
    let url = emulator.as_ref().map(Emulator::endpoint).or(options.endpoint.as_deref());
    let endpoint = Endpoint::at(url.context("there is neither an endpoint nor a local AWS")?);

    let step = Step::start("deploy", "template.yaml");
    let mut parameters = vec![
        ("DeployCdn", "false"),
        // Some of the alarms are sums over several functions, which the local AWS has no arithmetic for.
        ("DeployAlarms", "false"),
        ("DeletionProtection", "false"),
        ("Registration", "open"),
        ("SiteOrigin", site_url.as_str()),
        // The encoder fills the processors of this machine as it is.
        ("EncodeConcurrency", "2"),
    ];
    if options.data.is_none() {
        // A stack for the moment encodes what can't be played otherwise, and nothing beyond.
        parameters.push(("Ladder", "off"));
    }
    if emulator.is_some() {
        verify_sender(&endpoint).await?;
        parameters.push(("SenderAddress", SENDER));
    }
    let relay_port = ports.map(|ports| ports.relay.stream.to_string());
    if let Some(port) = &relay_port {
        parameters.extend([("RelayHost", "127.0.0.1"), ("RelayPort", port.as_str())]);
    }
    parameters.extend(options.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let deployment = Deployment::make(&project, &endpoint, &parameters).await?;
    if options.pages && project.web().join("dist").exists() {
        site::upload(&endpoint.s3(), deployment.output("WebBucket")?, &project.web()).await?;
    }
    if let Some(emulator) = &emulator {
        emulator.save();
    }
    step.done();

    let live = match ports {
        Some(ports) => Some(live(&project, &endpoint, &deployment, &options, ports).await?),
        None => None,
    };
    let relay_url = ports.map(|ports| format!("http://127.0.0.1:{}", ports.relay.http_stream));
    let cdn = Cdn::new(&endpoint, &deployment, relay_url)?;
    let api_url = cdn.api_url();
    let service = cdn.router().into_make_service_with_connect_info::<SocketAddr>();
    // Head and body of an answer are two writes; the second must not wait until the first is acknowledged.
    let listener = listener.tap_io(|connection| {
        let _kept_slow = connection.set_nodelay(true);
    });
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, service).await {
            eprintln!("  the site ended: {error}");
        }
    });
    let people = People::new(&endpoint, deployment.output("UserPoolId")?);
    Ok(Stack { site_url, api_url, endpoint, deployment, people, runtime: None, live, emulator, temporary })
}

async fn live(
    project: &Project,
    endpoint: &Endpoint,
    deployment: &Deployment,
    options: &Options,
    ports: LivePorts,
) -> Result<Live> {
    let (films, environment) =
        tokio::try_join!(live::make_films(project), live::relay_environment(endpoint, deployment))?;
    let step = Step::start("live", "a channel source and the relay");
    let suffix = if options.data.is_some() { String::new() } else { format!("-{}", ports.relay.stream) };
    let live = Live::start(project, ports, &films, environment, &suffix).await?;
    step.done();
    Ok(live)
}

/// Listens on the port asked for, or on a free one.
async fn listen(port: Option<u16>) -> Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0))).await;
    match (listener, port) {
        (Ok(listener), _) => Ok(listener),
        (Err(error), Some(port)) => bail!("port {port} is taken ({error}); choose another with --port"),
        (Err(error), None) => Err(error).context("no port is free"),
    }
}
