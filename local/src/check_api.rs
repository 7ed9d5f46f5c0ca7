//! Schemathesis against the API: requests made up from the OpenAPI document, in the name of each role, and every answer held against what
//! the document promises.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::client::Client;
use crate::demo_world::{ADMIN, PUBLISHER, VIEWER};
use crate::project::Project;
use crate::setup;
use crate::stack::{Options, Stack};

/// Starts a service of its own and checks its API as nobody, as a viewer, a publisher and an administrator.
///
/// # Errors
/// When something could not be installed or built, or an answer was not as promised.
pub async fn run(project: &Project) -> Result<()> {
    let program = setup::schemathesis(project).await?;
    let stack = Stack::start(Options::default()).await?;
    check(project, &program, stack.site_url(), "nobody", "forged").await?;
    for account in [VIEWER, PUBLISHER, ADMIN] {
        stack.create_user_in(account.email, account.password, account.groups).await?;
        let client = Client::sign_in(stack.site_url(), account.email, account.password).await?;
        let role = account.groups.first().copied().unwrap_or_default();
        check(project, &program, stack.site_url(), role, client.access_token()).await?;
    }
    Ok(())
}

async fn check(project: &Project, program: &Path, site: &str, role: &str, access_token: &str) -> Result<()> {
    let folder = project.root.join("tests/api");
    let mut command = Command::new(program);
    command.arg("--config-file").arg(folder.join("schemathesis.toml"));
    command.arg("run").arg(project.web().join("openapi.json"));
    command.args(phases_and_operations(role));
    command.args(["--url", &format!("{site}/api")]);
    command.args(["--report", "junit", "--report-junit-path"]);
    command.arg(project.logs().join(format!("check-api-{role}.xml")));
    // Not among the arguments, which everybody on the machine sees.
    command.env("MATINEE_TOKEN", access_token).current_dir(project.kept());
    eprintln!("\n  the API as its document says, for {role}");
    let status = command.kill_on_drop(true).status().await.context("starting Schemathesis")?;
    ensure!(status.success(), "the API is not as its document says, for {role}");
    Ok(())
}

/// What a role is tried with. Whoever may do nothing of it is tried with less, and an admin only with what nobody else reaches: a publisher
/// is asked for the rest by the same code.
fn phases_and_operations(role: &str) -> &'static [&'static str] {
    match role {
        "admin" => &["--phases", "coverage,fuzzing,stateful", "--include-path-regex", "^/admin/"],
        "publisher" => &["--phases", "coverage,fuzzing,stateful", "--exclude-path-regex", "^/admin/"],
        _ => &["--phases", "coverage"],
    }
}
