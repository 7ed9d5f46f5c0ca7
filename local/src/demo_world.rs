//! What a newcomer finds: three accounts, and a film that went through the real pipeline.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::client::Client;
use crate::demo::{self, Table};
use crate::film::{self, DEMO_FILM};
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
    let film = film::make(project, &DEMO_FILM).await?;
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
