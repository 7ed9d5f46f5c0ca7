//! Another try for what failed for good.

use std::process::Stdio;

use anyhow::{Result, bail};
use tokio::process::Command;

use crate::endpoint::Endpoint;
use crate::project::Project;

/// Moves the messages of all dead-letter queues of `stack` back to where they failed. Without an endpoint, in the
/// account of the environment's AWS credentials.
///
/// # Errors
/// When AWS refuses.
pub async fn redrive(project: &Project, endpoint: Option<&Endpoint>, stack: &str) -> Result<()> {
    let mut command = Command::new(project.python());
    command.arg(project.script("redrive.py")).args(["--stack", stack]);
    if let Some(endpoint) = endpoint {
        endpoint.give_to(&mut command);
        command.args(["--endpoint", &endpoint.url, "--region", &endpoint.region]);
    }
    let status = command.stdin(Stdio::null()).status().await?;
    if !status.success() {
        bail!("the messages could not be moved");
    }
    Ok(())
}
