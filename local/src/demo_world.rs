//! What a newcomer finds: three accounts, and a film that went through the real pipeline.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::client::Client;
use crate::demo::{self, Table};
use crate::project::Project;
use crate::stack::Stack;
use crate::step::Step;

/// An account of the demo world.
pub struct Account {
    /// Its address.
    pub email: &'static str,
    /// Its password, which is no secret.
    pub password: &'static str,
    /// The groups that it is in.
    pub groups: &'static [&'static str],
}

/// Watches.
pub const VIEWER: Account =
    Account { email: "viewer@matinee.example", password: "watch-all-evening", groups: &["viewer"] };
/// Uploads too.
pub const PUBLISHER: Account =
    Account { email: "publisher@matinee.example", password: "films-by-the-hour", groups: &["publisher"] };
/// May do everything.
pub const ADMIN: Account = Account {
    email: "admin@matinee.example",
    password: "keys-to-the-house",
    groups: &["admin", "publisher"],
};

const PIPELINE_TAKES_AT_MOST: Duration = Duration::from_secs(120);

/// Makes the accounts and the film, unless they were made before: what has been deleted since stays deleted.
///
/// # Errors
/// When an account or the film cannot be made.
pub async fn make(project: &Project, stack: &Stack) -> Result<()> {
    let made = project.data().join("demo-world");
    let state = std::fs::read_to_string(&made).unwrap_or_default();
    let pool = stack.outputs().get("UserPoolId").cloned().unwrap_or_default();
    if state == pool {
        return Ok(());
    }
    let step = Step::start("demo", "accounts and a film");
    for account in [VIEWER, PUBLISHER, ADMIN] {
        stack.create_user_in(account.email, account.password, account.groups).await?;
    }
    let film = film(project, &step).await?;
    let mut client = Client::sign_in(stack.site_url(), PUBLISHER.email, PUBLISHER.password).await?;
    let upload = demo::upload(&mut client, &film, Some("demo-film"), &mut Table::silent()).await?;
    let last = client.follow(&upload, PIPELINE_TAKES_AT_MOST, |state| step.note(state)).await?;
    if last.state != "ready" {
        bail!("the demo film is {}: {}", last.state, last.reason.unwrap_or_default());
    }
    if let Some(folder) = made.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&made, pool)?;
    step.done();
    Ok(())
}

/// The demo film: 45 seconds of a moving test picture with a tone, H.264 and AAC. Filmed once.
///
/// # Errors
/// When ffmpeg is missing or fails.
pub async fn film(project: &Project, step: &Step) -> Result<PathBuf> {
    let film = project.kept().join("film/Demo film.mp4");
    if film.exists() {
        return Ok(film);
    }
    let folder = film.parent().context("the film lies in no folder")?;
    std::fs::create_dir_all(folder)?;
    let unfinished = folder.join("unfinished.mp4");
    let mut command = Command::new(ffmpeg(project).await?);
    command.args(["-hide_banner", "-y", "-nostats"]);
    command.args(["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30:duration=45"]);
    command.args(["-f", "lavfi", "-i", "sine=frequency=220:beep_factor=4:sample_rate=48000:duration=45"]);
    command.args(["-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-g", "60", "-pix_fmt", "yuv420p"]);
    command.args(["-c:a", "aac", "-b:a", "96k", "-ac", "2"]).arg(&unfinished);
    step.run(project, &mut command).await?;
    std::fs::rename(&unfinished, &film)?;
    Ok(film)
}

/// The static ffmpeg of the Python environment.
async fn ffmpeg(project: &Project) -> Result<PathBuf> {
    let ask = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())";
    let answer = Command::new(project.python()).args(["-c", ask]).output().await?;
    if !answer.status.success() {
        bail!("there is no ffmpeg: {}", String::from_utf8_lossy(&answer.stderr));
    }
    Ok(PathBuf::from(String::from_utf8(answer.stdout)?.trim()))
}
