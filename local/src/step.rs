//! Long steps: a line when they start, one now and then, one when they are done, and a log when they fail.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::project::Project;

/// How often a step that takes long says what it is at.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// A note's length that keeps it in one line, in characters.
const LONGEST_NOTE: usize = 90;
/// How much of its log a step that failed shows.
const LINES_OF_A_FAILURE: usize = 40;

/// A step under way. It tells its progress to people, on standard error.
pub struct Step {
    name: String,
    started: Instant,
}

impl Step {
    /// Begins a step: `what` says what will be there when it is done.
    #[must_use]
    pub fn start(name: &str, what: &str) -> Self {
        eprintln!("  {name:<10} {what} …");
        Self { name: name.to_owned(), started: Instant::now() }
    }

    /// Says what the step is at.
    pub fn note(&self, what: &str) {
        let what: String = what.chars().take(LONGEST_NOTE).collect();
        eprintln!("  {:<10} {:>4.0} s  {what}", self.name, self.started.elapsed().as_secs_f64());
    }

    /// Ends the step.
    pub fn done(self) {
        eprintln!("  {:<10} done in {:.1} s", self.name, self.started.elapsed().as_secs_f64());
    }

    /// Runs a command of the step, its output kept in a log.
    ///
    /// # Errors
    /// When the command cannot be started or fails. The error carries the end of its log.
    pub async fn run(&self, project: &Project, command: &mut Command) -> Result<()> {
        let log = project.logs().join(format!("{}.log", self.name));
        std::fs::create_dir_all(project.logs())?;
        let output = File::create(&log).with_context(|| format!("writing {}", log.display()))?;
        let program = command.as_std().get_program().to_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} could not be started", program.display()))?;
        let status = loop {
            match tokio::time::timeout(HEARTBEAT, child.wait()).await {
                Ok(status) => break status?,
                Err(_) => self.note(last_lines(&log, 1).trim()),
            }
        };
        if !status.success() {
            bail!("{} failed ({status}):\n{}", self.name, last_lines(&log, LINES_OF_A_FAILURE));
        }
        Ok(())
    }
}

/// The end of a log, without colours and overwritten lines.
pub(crate) fn last_lines(log: &Path, count: usize) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.split(['\n', '\r']).filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
