//! Where the service runs at the moment, so that another command finds it.

use std::path::PathBuf;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::project::Project;

/// The service that `cargo run` has started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Running {
    /// Where the site is reached.
    pub site_url: String,
    /// The AWS that it runs in.
    pub endpoint_url: String,
}

impl Running {
    fn file(project: &Project) -> PathBuf {
        project.kept().join("running.json")
    }

    /// The service that runs now, if one does.
    pub async fn find(project: &Project) -> Option<Self> {
        let text = std::fs::read(Self::file(project)).ok()?;
        let running: Self = serde_json::from_slice(&text).ok()?;
        let answers = reqwest::get(format!("{}/api/me", running.site_url)).await;
        answers.is_ok_and(|answer| answer.status() == reqwest::StatusCode::UNAUTHORIZED).then_some(running)
    }

    /// Tells other commands.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn tell(&self, project: &Project) -> Result<()> {
        Ok(std::fs::write(Self::file(project), serde_json::to_vec_pretty(self)?)?)
    }

    /// Takes it back.
    pub fn forget(project: &Project) {
        let _not_there = std::fs::remove_file(Self::file(project));
    }
}
