//! All tests by one command: Rust's (units and end to end), the pages', and walks through the pages in a browser.

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::demo_world::{ADMIN, PUBLISHER, VIEWER};
use crate::film::{self, LARGE_FILM};
use crate::given_up::{self, GivenUp};
use crate::project::Project;
use crate::setup;
use crate::stack::{Options, Stack};

/// Runs them one kind after another, and stops at the first that fails.
///
/// # Errors
/// When something could not be built or a test failed.
pub async fn run(project: &Project) -> Result<()> {
    setup::prepare(project, true, true).await?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tests = ["test", "--locked", "--workspace", "--profile", &project.profile];
    let mut command = Command::new(cargo);
    setup::as_if_not_in_cargo(&mut command);
    show(command.args(tests).env("CARGO_TARGET_DIR", &project.target).current_dir(&project.root)).await?;
    show(Command::new("npm").args(["test"]).current_dir(project.web())).await?;
    // The films that fail take their time, in which the players play.
    let stack = stack_for_walks().await?;
    let given_up = GivenUp::upload(project, &stack).await?;
    in_players(project).await?;
    given_up.mend().await?;
    in_browser(project, &stack, &[]).await
}

/// Walks through the pages of a service of its own in a browser: those in `web/e2e` of these names, or all.
///
/// # Errors
/// When something could not be built or a walk failed.
pub async fn walk(project: &Project, names: &[String]) -> Result<()> {
    let stack = stack_for_walks().await?;
    if names.is_empty() || names.iter().any(|name| name == "jobs") {
        GivenUp::upload(project, &stack).await?.mend().await?;
    }
    in_browser(project, &stack, names).await
}

/// A few of the films that `npm run players` has three players play, one for each way in which films differ.
async fn in_players(project: &Project) -> Result<()> {
    let few = "faststart|trim|opengop|vfr|live_nocues|av1|audio_only|late-sound|surround.mp4|languages";
    let mut command = Command::new("npm");
    command.args(["run", "players"]).current_dir(project.web());
    command.env("FILMS", few).env("FFMPEG", film::ffmpeg(project).await?);
    show(command.env("MATINEE_MEDIA", project.binaries().join("matinee-media"))).await
}

async fn stack_for_walks() -> Result<Stack> {
    let stack = Stack::start(Options { pages: true, live: true, ..Options::default() }).await?;
    for account in [PUBLISHER, VIEWER, ADMIN] {
        stack.create_user_in(account.email, account.password, account.groups).await?;
    }
    Ok(stack)
}

async fn in_browser(project: &Project, stack: &Stack, names: &[String]) -> Result<()> {
    let film = film::make(project, &LARGE_FILM).await?;
    let mut command = if names.is_empty() {
        let mut command = Command::new("npm");
        command.args(["run", "e2e"]);
        command
    } else {
        let mut command = Command::new("node");
        command.arg("--test").args(names.iter().map(|name| format!("e2e/{name}.test.mjs")));
        command
    };
    command.current_dir(project.web());
    command.env("BASE_URL", stack.site_url()).env("FILM", film);
    command.env("PUBLISHER_EMAIL", PUBLISHER.email).env("PUBLISHER_PASSWORD", PUBLISHER.password);
    command.env("MATINEE_COMMAND", project.binaries().join("local"));
    command.env("VIEWER_EMAIL", VIEWER.email).env("VIEWER_PASSWORD", VIEWER.password);
    command.env("FFMPEG", film::ffmpeg(project).await?);
    command.env("ADMIN_EMAIL", ADMIN.email).env("ADMIN_PASSWORD", ADMIN.password);
    command.env("UNLUCKY_EMAIL", given_up::OWNER.email).env("UNLUCKY_PASSWORD", given_up::OWNER.password);
    command.env("GIVEN_UP_FILMS", given_up::NAMES.join("\n"));
    show(&mut command).await
}

/// Runs a command whose output is what people want to see.
async fn show(command: &mut Command) -> Result<()> {
    let name = format!("{:?}", command.as_std());
    eprintln!("\n  {name}");
    let status = command.kill_on_drop(true).status().await.with_context(|| format!("starting {name}"))?;
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    Ok(())
}
