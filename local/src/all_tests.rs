//! All tests by one command: Rust's (units and end to end), the pages', and the main job in a browser.

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::demo_world::{ADMIN, PUBLISHER, VIEWER};
use crate::film::{self, LARGE_FILM};
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
    in_players(project).await?;
    in_browser(project).await
}

/// A few of the films that `npm run players` has three players play, one for each way in which films differ.
async fn in_players(project: &Project) -> Result<()> {
    let few = "faststart|trim|opengop|vfr|live_nocues|av1|audio_only|late-sound|surround.mp4|languages";
    let mut command = Command::new("npm");
    command.args(["run", "players"]).current_dir(project.web());
    command.env("FILMS", few).env("FFMPEG", film::ffmpeg(project).await?);
    show(command.env("MATINEE_MEDIA", project.binaries().join("matinee-media"))).await
}

async fn in_browser(project: &Project) -> Result<()> {
    let film = film::make(project, &LARGE_FILM).await?;
    let stack = Stack::start(Options { pages: true, live: true, ..Options::default() }).await?;
    for account in [PUBLISHER, VIEWER, ADMIN] {
        stack.create_user_in(account.email, account.password, account.groups).await?;
    }
    let mut command = Command::new("npm");
    command.args(["run", "e2e"]).current_dir(project.web());
    command.env("BASE_URL", stack.site_url()).env("FILM", film);
    command.env("PUBLISHER_EMAIL", PUBLISHER.email).env("PUBLISHER_PASSWORD", PUBLISHER.password);
    command.env("MATINEE_COMMAND", project.binaries().join("local"));
    command.env("VIEWER_EMAIL", VIEWER.email).env("VIEWER_PASSWORD", VIEWER.password);
    command.env("FFMPEG", film::ffmpeg(project).await?);
    command.env("ADMIN_EMAIL", ADMIN.email).env("ADMIN_PASSWORD", ADMIN.password);
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
