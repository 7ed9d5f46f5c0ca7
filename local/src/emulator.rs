//! The local AWS as a process of ours.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::layers;
use crate::port::free_port;
use crate::project::Project;
use crate::step::last_lines;

/// Where the local AWS listens when nothing else does.
const USUAL_PORT: u16 = 4566;
const STARTS_WITHIN: Duration = Duration::from_secs(20);
/// Saving the state and ending the functions takes a second or two.
const STOPS_WITHIN: Duration = Duration::from_secs(15);

/// What the local AWS keeps when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Everything, for the next start with the same folder.
    Everything,
    /// Nothing: the folder is removed.
    Nothing,
}

/// The running local AWS. Dropping it saves its state and ends it with all the functions that it runs.
///
/// It ends by itself as well when this process is gone, however that came about: it watches a pipe that we hold.
#[derive(Debug)]
pub struct Emulator {
    process: Child,
    lifeline: Option<ChildStdin>,
    endpoint: String,
}

impl Emulator {
    /// Starts the local AWS with its state in `data`, and waits until it answers.
    ///
    /// # Errors
    /// When it does not start. The error carries the end of its log.
    pub async fn start(project: &Project, data: &Path, keep: Keep) -> Result<Self> {
        // Code that earlier functions were unpacked into.
        let temporary = data.join("tmp");
        if temporary.exists() {
            std::fs::remove_dir_all(&temporary)
                .with_context(|| format!("emptying {}", temporary.display()))?;
        }
        std::fs::create_dir_all(&temporary)?;
        std::fs::create_dir_all(project.logs())?;
        let port = free_port(if keep == Keep::Everything { USUAL_PORT } else { 0 })?;
        let endpoint = format!("http://127.0.0.1:{port}");
        let name = if keep == Keep::Everything { "aws.log".to_owned() } else { format!("aws-{port}.log") };
        let log = project.logs().join(name);
        let output = File::create(&log).with_context(|| format!("writing {}", log.display()))?;
        let mut process = Command::new(project.python())
            .arg(project.script("emulator.py"))
            // Functions inherit this environment. Nothing of the developer's may be in it: neither variables nor, by
            // the home folder, profiles.
            .env_clear()
            .env("PATH", layers::path(project).await?)
            .env("LANG", "C.UTF-8")
            .env("HOME", data)
            .env("TMPDIR", temporary)
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ENDPOINT_URL", &endpoint)
            .env("AUTH", "true")
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("IOT_MTLS_ENABLED", "0")
            .env("PERSIST_STATE", if keep == Keep::Everything { "1" } else { "0" })
            .env("STATE_DIR", data.join("state"))
            .env("S3_PERSIST", "1")
            .env("S3_DATA_DIR", data.join("s3"))
            .envs((keep == Keep::Nothing).then_some(("MATINEE_REMOVE_AT_END", data)))
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Ctrl-C in the terminal is for us; we then end the others in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("{} could not be started", project.python().display()))?;
        let lifeline = process.stdin.take();
        let mut emulator = Self { process, lifeline, endpoint };
        emulator.answers(&log).await?;
        Ok(emulator)
    }

    /// Its address, for any AWS SDK.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Saves its state now, so that what was deployed survives whatever becomes of the process.
    pub fn save(&self) {
        if let Some(process) = self.pid() {
            let _gone = kill_process(process, Signal::USR1);
        }
    }

    /// Whether the process is still there.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.process.id()).ok().and_then(Pid::from_raw)
    }

    async fn answers(&mut self, log: &Path) -> Result<()> {
        let started = Instant::now();
        let health = format!("{}/_ministack/health", self.endpoint);
        while started.elapsed() < STARTS_WITHIN {
            if !self.is_running() {
                break;
            }
            if reqwest::get(&health).await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("the local AWS does not answer at {}:\n{}", self.endpoint, last_lines(log, 20))
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let asked = Instant::now();
        while self.is_running() && asked.elapsed() < STOPS_WITHIN {
            std::thread::sleep(Duration::from_millis(20));
        }
        if self.is_running() {
            eprintln!("  the local AWS does not end, so it is killed; what it had not saved is lost");
        }
        // Functions that ignored its farewell are in its group.
        if let Some(group) = self.pid() {
            let _nobody_left = kill_process_group(group, Signal::KILL);
        }
        let _reaped = self.process.wait();
    }
}
