//! A run of the reconciler at once.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use crate::endpoint::Endpoint;
use crate::project::Project;

/// Has the function `reconcile` of `stack` compare records and objects, and answers its report. Without an endpoint, in the
/// account of the environment's AWS credentials.
///
/// # Errors
/// When AWS refuses, or the function fails.
pub async fn reconcile(
    project: &Project,
    endpoint: Option<&Endpoint>,
    stack: &str,
    dry_run: bool,
) -> Result<Value> {
    let mut command = Command::new(project.python());
    command.arg(project.script("reconcile.py")).args(["--stack", stack]);
    if dry_run {
        command.arg("--dry-run");
    }
    if let Some(endpoint) = endpoint {
        endpoint.give_to(&mut command);
        command.args(["--endpoint", &endpoint.url, "--region", &endpoint.region]);
    }
    let ended = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().await?;
    if !ended.status.success() {
        bail!("the reconciler did not come to its end: {}", String::from_utf8_lossy(&ended.stdout));
    }
    serde_json::from_slice(&ended.stdout).context("reading the report")
}
