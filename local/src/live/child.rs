//! A program that runs beside us and must not outlive us.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::project::Project;
use crate::step::last_lines;

/// A running program. Dropping it ends it, and so does the end of this process, however that comes about: `lifeline.py` stands
/// between and watches a pipe that we hold.
#[derive(Debug)]
pub struct Child {
    lifeline: std::process::Child,
    held: Option<ChildStdin>,
    pid: Pid,
    log: PathBuf,
    stops_within: Duration,
}

impl Child {
    /// Starts a program of the project's binaries with this environment and nothing of ours but `PATH`. What it says goes to
    /// the end of `log`. When it is to end, it gets SIGTERM, and SIGKILL after `stops_within`.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(
        project: &Project,
        program: &str,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        environment: &BTreeMap<String, String>,
        log: &Path,
        stops_within: Duration,
    ) -> Result<Self> {
        std::fs::create_dir_all(project.logs())?;
        let output = File::options().create(true).append(true).open(log);
        let output = output.with_context(|| format!("writing {}", log.display()))?;
        let mut lifeline = Command::new(project.python())
            .arg(project.script("lifeline.py"))
            .arg(stops_within.as_secs_f64().to_string())
            .arg(project.binaries().join(program))
            .args(arguments)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(output)
            // Ctrl-C in the terminal is for us; we then end the others in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("{program} could not be started"))?;
        let held = lifeline.stdin.take();
        let mut said = String::new();
        BufReader::new(lifeline.stdout.take().context("it has no output")?).read_line(&mut said)?;
        let pid = said.trim().parse().ok().and_then(Pid::from_raw);
        let pid = pid.with_context(|| format!("{program} could not be started:\n{}", last_lines(log, 20)))?;
        Ok(Self { lifeline, held, pid, log: log.to_owned(), stops_within })
    }

    /// Sends the program itself a signal.
    pub fn signal(&self, signal: Signal) {
        let _gone = kill_process(self.pid, signal);
    }

    /// How it has ended, if it has. A signal is told as shells do: 137 is SIGKILL.
    #[must_use]
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.lifeline.try_wait().ok().flatten()
    }

    /// The end of its log.
    #[must_use]
    pub fn last_words(&self) -> String {
        last_lines(&self.log, 20)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.held.take());
        // One that was stopped could not even end.
        self.signal(Signal::CONT);
        let asked = Instant::now();
        while self.ended().is_none() {
            // The lifeline kills what does not end; this is for the case that somebody has stopped the lifeline.
            if asked.elapsed() > self.stops_within + Duration::from_secs(2) {
                self.signal(Signal::KILL);
                let _gone = self.lifeline.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
