//! `cargo run`: the whole of Matinee on this machine.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use local::demo_world::{self, ADMIN, PUBLISHER, VIEWER};
use local::deployment::STACK;
use local::film::{self, DEMO_FILM};
use local::live::CHANNELS;
use local::mails::{Mail, mails};
use local::running::Running;
use local::upload::{self, Film};
use local::{
    Endpoint, Options, Project, Stack, all_tests, check_api, demo, live_demo, password, reconcile, redrive,
    setup,
};
use tokio::signal::unix::{SignalKind, signal};

/// Where the site is when nothing else is there.
const USUAL_PORT: u16 = 8080;

/// Builds Matinee, starts it on this machine and prints its address. Ctrl-C stops everything; data is kept.
#[derive(Parser)]
#[command(name = "cargo run --", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Port of the site (8080 or the next one that is free, if not given).
    #[arg(long)]
    port: Option<u16>,
    /// An AWS-compatible endpoint that runs already (LocalStack, say) to deploy into.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Leaves the live channels out.
    #[arg(long)]
    no_live: bool,
    /// A parameter of template.yaml, such as Ladder=always. May be given several times.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = name_and_value)]
    parameters: Vec<(String, String)>,
}

#[derive(Subcommand)]
enum Command {
    /// Forgets all films, accounts and everything else that is kept between runs.
    Reset,
    /// Does the main job over HTTP alone and prints the time of each step.
    Demo {
        /// A film of yours; the demo film if not given.
        file: Option<PathBuf>,
        /// Site of a deployed stack. Without it, the service that runs here, or one that is started for it.
        #[arg(long, requires = "email", requires = "password")]
        site: Option<String>,
        /// Who signs in.
        #[arg(long, default_value = PUBLISHER.email)]
        email: String,
        /// Their password.
        #[arg(long, default_value = PUBLISHER.password, hide_default_value = true)]
        password: String,
    },
    /// Uploads a film, waits until it is ready, and prints its address. After Ctrl-C, or on another machine, the same command goes on.
    ///
    /// The password is read from the terminal, or taken from MATINEE_PASSWORD.
    Upload {
        /// The film.
        file: PathBuf,
        /// Site of a deployed stack. Without it, the service that runs here.
        #[arg(long)]
        site: Option<String>,
        /// Who signs in; MATINEE_EMAIL if not given, and the demo's publisher if neither is and the service runs here.
        #[arg(long)]
        email: Option<String>,
        /// What the film is called; the file's name without its ending, if not given.
        #[arg(long)]
        name: Option<String>,
        /// What it is about.
        #[arg(long)]
        description: Option<String>,
    },
    /// Lets five viewers watch live channels, and says what they got and whether it plays.
    LiveDemo {
        /// How long they watch.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(5..=3600))]
        seconds: u64,
    },
    /// Prints the mails that the service here would have sent.
    Mails,
    /// Holds the API of a service of its own against its OpenAPI document with Schemathesis, for each role.
    CheckApi,
    /// Runs all tests: Rust's, the pages' and those in a browser, with stacks of their own.
    Test,
    /// Walks through the pages in a browser, with a service of its own.
    Walk {
        /// Names of files in web/e2e, such as `live`; all if none is given.
        names: Vec<String>,
    },
    /// Compares records and objects with each other, puts right what contradicts, and prints what was found.
    Reconcile {
        /// Only looks.
        #[arg(long)]
        dry_run: bool,
        /// A stack in the account of the environment's AWS credentials, instead of the one that runs here.
        #[arg(long)]
        stack: Option<String>,
    },
    /// Moves the messages of the dead-letter queues back, once their cause has been removed.
    Redrive {
        /// A stack in the account of the environment's AWS credentials, instead of the one that runs here.
        #[arg(long)]
        stack: Option<String>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match carry_out(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain of causes tells people more than a backtrace.
            eprintln!("\n{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn carry_out(mut arguments: Arguments) -> Result<()> {
    let project = Project::find()?;
    match arguments.command.take() {
        None => run(&project, &arguments).await,
        Some(Command::Reset) => reset(&project).await,
        Some(Command::Demo { file, site, email, password }) => {
            demo(&project, file, site, &email, &password).await
        }
        Some(Command::Upload { file, site, email, name, description }) => {
            upload(&project, site, email, &Film { file, name, description }).await
        }
        Some(Command::LiveDemo { seconds }) => live_demo(&project, seconds).await,
        Some(Command::Mails) => print_mails(&project).await,
        Some(Command::CheckApi) => check_api::run(&project).await,
        Some(Command::Test) => all_tests::run(&project).await,
        Some(Command::Walk { names }) => all_tests::walk(&project, &names).await,
        Some(Command::Reconcile { dry_run, stack }) => reconcile(&project, dry_run, stack).await,
        Some(Command::Redrive { stack }) => redrive(&project, stack).await,
    }
}

async fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    if let Some(running) = Running::find(project).await {
        bail!("Matinee runs already: {}", running.site_url);
    }
    let started = Instant::now();
    let mut stack = tokio::select! {
        stack = start(project, arguments) => stack?,
        () = asked_to_stop() => return Ok(()),
    };
    let running =
        Running { site_url: stack.site_url().to_owned(), endpoint_url: stack.endpoint().url.clone() };
    running.tell(project)?;
    let ended = tokio::select! {
        ended = serve(project, &mut stack, started) => ended,
        () = asked_to_stop() => Ok(()),
    };
    Running::forget(project);
    eprintln!("  stopping …");
    drop(stack);
    ended
}

async fn start(project: &Project, arguments: &Arguments) -> Result<Stack> {
    let site_port = match arguments.port {
        Some(port) => port,
        None => first_free_port(USUAL_PORT).context("no port for the site is free")?,
    };
    let options = Options {
        site_port: Some(site_port),
        data: Some(project.data()),
        endpoint: arguments.endpoint.clone(),
        pages: true,
        live: !arguments.no_live,
        parameters: arguments.parameters.clone(),
    };
    Stack::start(options).await
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it has the form NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Completes the demo world, says where everything is, and watches over the local AWS.
async fn serve(project: &Project, stack: &mut Stack, started: Instant) -> Result<()> {
    if let Err(error) = demo_world::make(project, stack).await {
        eprintln!("  the demo world is incomplete: {error:#}");
    }
    print_welcome(stack, started.elapsed());
    while stack.is_running() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    bail!("the local AWS has ended; see {}", project.logs().join("aws.log").display())
}

#[expect(clippy::print_stdout, reason = "this is what people wait for")]
fn print_welcome(stack: &Stack, took: Duration) {
    println!("\n  Matinee is at  {}   (after {:.1} s)\n", stack.site_url(), took.as_secs_f64());
    for (account, may) in [(&VIEWER, "watches"), (&PUBLISHER, "uploads too"), (&ADMIN, "does everything")] {
        println!("    {:<27}{:<20}{may}", account.email, account.password);
    }
    if let Some(live) = stack.live() {
        println!(
            "\n  Live channels: {}; viewers connect to 127.0.0.1:{}, or watch {}/live",
            CHANNELS.join(", "),
            live.ports().relay.stream,
            stack.site_url()
        );
    }
    println!(
        "\n  The local AWS is at {}. Ctrl-C stops everything; what is there stays for the next time.",
        stack.endpoint().url
    );
}

async fn reset(project: &Project) -> Result<()> {
    if let Some(running) = Running::find(project).await {
        bail!("Matinee runs at {}; stop it first", running.site_url);
    }
    Running::forget(project);
    let data = project.data();
    if data.exists() {
        std::fs::remove_dir_all(&data).with_context(|| format!("removing {}", data.display()))?;
    }
    eprintln!("  all data is gone");
    Ok(())
}

async fn demo(
    project: &Project,
    file: Option<PathBuf>,
    site: Option<String>,
    email: &str,
    password: &str,
) -> Result<()> {
    let mut own_stack = None;
    let site = match site {
        Some(site) => site.trim_end_matches('/').to_owned(),
        None => running_or(project, &mut own_stack, Options::default()).await?,
    };
    let file = match file {
        Some(file) => file,
        None => film::make(project, &DEMO_FILM).await?,
    };
    tokio::select! {
        done = demo::run(&site, email, password, &file) => done,
        () = asked_to_stop() => Ok(()),
    }
}

#[expect(clippy::print_stdout, reason = "the address is what people wait for")]
async fn upload(project: &Project, site: Option<String>, email: Option<String>, film: &Film) -> Result<()> {
    let is_here = site.is_none();
    let site = match (site, Running::find(project).await) {
        (Some(site), _) => site.trim_end_matches('/').to_owned(),
        (None, Some(running)) => running.site_url,
        (None, None) => bail!("Matinee does not run here; name a deployed one with --site"),
    };
    let email = email.or_else(|| std::env::var("MATINEE_EMAIL").ok());
    let is_demo = is_here && email.as_deref().is_none_or(|email| email == PUBLISHER.email);
    let email = match email {
        Some(email) => email,
        None if is_demo => PUBLISHER.email.to_owned(),
        None => bail!("say who you are with --email"),
    };
    let work = async {
        let password = match std::env::var("MATINEE_PASSWORD") {
            Ok(password) => password,
            Err(_) if is_demo => PUBLISHER.password.to_owned(),
            Err(_) => password::ask(&format!("Password of {email} at {site}: ")).await?,
        };
        upload::run(&site, &email, &password, film).await
    };
    tokio::select! {
        address = work => {
            println!("{}", address?);
            Ok(())
        }
        () = asked_to_stop() => bail!("Paused. The same command goes on."),
    }
}

async fn live_demo(project: &Project, seconds: u64) -> Result<()> {
    let mut own_stack = None;
    let site = running_or(project, &mut own_stack, Options { live: true, ..Options::default() }).await?;
    tokio::select! {
        done = live_demo::run(project, &site, seconds) => done,
        () = asked_to_stop() => bail!("the viewers left early"),
    }
}

/// The site of the service that runs, or of one that is started for the occasion with the accounts of the demo world.
async fn running_or(project: &Project, own: &mut Option<Stack>, options: Options) -> Result<String> {
    if let Some(running) = Running::find(project).await {
        return Ok(running.site_url);
    }
    let stack = own.insert(Stack::start(options).await?);
    for account in [VIEWER, PUBLISHER, ADMIN] {
        stack.create_user_in(account.email, account.password, account.groups).await?;
    }
    Ok(stack.site_url().to_owned())
}

async fn print_mails(project: &Project) -> Result<()> {
    let Some(running) = Running::find(project).await else { bail!("Matinee does not run here") };
    for Mail { to, subject, body_text } in mails(&Endpoint::at(&running.endpoint_url)).await? {
        eprintln!("  {}: {subject}\n    {body_text}\n", to.join(", "));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is what was asked for")]
async fn reconcile(project: &Project, dry_run: bool, stack: Option<String>) -> Result<()> {
    setup::python(project).await?;
    let report = match (stack, Running::find(project).await) {
        (Some(stack), _) => reconcile::reconcile(project, None, &stack, dry_run).await?,
        (None, Some(running)) => {
            let endpoint = Endpoint::at(&running.endpoint_url);
            reconcile::reconcile(project, Some(&endpoint), STACK, dry_run).await?
        }
        (None, None) => bail!("Matinee does not run here; name a deployed stack with --stack"),
    };
    println!("{report:#}");
    Ok(())
}

async fn redrive(project: &Project, stack: Option<String>) -> Result<()> {
    setup::python(project).await?;
    match (stack, Running::find(project).await) {
        (Some(stack), _) => redrive::redrive(project, None, &stack).await,
        (None, Some(running)) => {
            redrive::redrive(project, Some(&Endpoint::at(&running.endpoint_url)), STACK).await
        }
        (None, None) => bail!("Matinee does not run here; name a deployed stack with --stack"),
    }
}

/// Returns at the first Ctrl-C or SIGTERM.
async fn asked_to_stop() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn first_free_port(from: u16) -> Option<u16> {
    (from..from.saturating_add(100)).find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
}
