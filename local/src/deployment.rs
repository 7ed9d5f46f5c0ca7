//! `template.yaml`, deployed.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tokio::process::Command;

use crate::endpoint::Endpoint;
use crate::project::Project;

/// Name of the stack that is deployed locally.
pub const STACK: &str = "matinee";

/// What a deployed stack tells about itself.
#[derive(Clone, Debug, Deserialize)]
pub struct Deployment {
    /// The template's outputs by name.
    pub outputs: BTreeMap<String, String>,
    /// Physical ids by logical id.
    pub resources: BTreeMap<String, String>,
    /// The functions by logical id.
    pub functions: BTreeMap<String, Function>,
}

/// A function as it was deployed.
#[derive(Clone, Debug, Deserialize)]
pub struct Function {
    /// Its name at Lambda.
    pub name: String,
    /// Which of its binary's functions it is.
    pub handler: String,
    /// The environment that the template gives it.
    pub environment: BTreeMap<String, String>,
}

impl Deployment {
    /// What the CDN proves itself with to the API's functions.
    ///
    /// # Errors
    /// When no function was given it.
    pub fn origin_secret(&self) -> Result<&str> {
        let sign_in = self.functions.get("SignIn").context("there is no function SignIn")?;
        let secret = sign_in.environment.get("ORIGIN_SECRET").context("SignIn has no ORIGIN_SECRET")?;
        Ok(secret)
    }

    /// Creates the stack or brings it up to date.
    ///
    /// # Errors
    /// When the deployment fails. The error names the resources that failed.
    pub async fn make(project: &Project, endpoint: &Endpoint, parameters: &[(&str, &str)]) -> Result<Self> {
        let mut command = Command::new(project.python());
        command.arg(project.script("deploy.py"));
        command.args(["--endpoint", &endpoint.url, "--region", &endpoint.region, "--stack", STACK]);
        command.arg("--template").arg(project.root.join("template.yaml"));
        command.arg("--binaries").arg(project.binaries());
        for (name, value) in parameters {
            command.args(["--parameter", &format!("{name}={value}")]);
        }
        endpoint.give_to(&mut command);
        let output =
            command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("starting deploy.py")?;
        if !output.status.success() {
            bail!("the deployment failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        serde_json::from_slice(&output.stdout).context("reading what deploy.py says")
    }

    /// An output of the template.
    ///
    /// # Errors
    /// When the template has no such output.
    pub fn output(&self, name: &str) -> Result<&str> {
        self.outputs
            .get(name)
            .map(String::as_str)
            .with_context(|| format!("the template has no output {name}"))
    }
}
