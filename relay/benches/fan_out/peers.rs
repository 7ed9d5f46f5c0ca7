//! nats-server and redis-server from Debian's packages, unpacked beside the project; nobody has to be root.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::server::Kind;

/// What redis-server links beyond the C library. Names of several releases: what one lacks is passed over.
const LIBRARIES: [&str; 7] =
    ["libjemalloc2", "liblzf1", "libatomic1", "libssl3", "libssl3t64", "libsystemd0", "libhiredis0.14"];

/// Where the unpacked programs lie.
pub struct Peers {
    directory: PathBuf,
}

impl Peers {
    /// The peers below `directory`, which is made when it is not there.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// A command that starts the peer, downloaded and unpacked if that has not happened yet.
    pub fn command(&self, kind: Kind) -> Result<Command> {
        let (program, packages) = match kind {
            Kind::Nats => ("nats-server", &["nats-server"][..]),
            _ => ("redis-server", &["redis-tools", "redis-server"][..]),
        };
        if self.starts(program).is_none() {
            eprintln!("fetching {program} with apt-get into {}", self.directory.display());
            for package in packages {
                self.fetch(package).with_context(|| {
                    format!(
                        "{program} is fetched with apt-get and unpacked with dpkg-deb, as on Debian or Ubuntu"
                    )
                })?;
            }
            if self.starts(program).is_none() {
                for library in LIBRARIES {
                    let _ = self.fetch(library);
                }
            }
        }
        self.starts(program).with_context(|| format!("{program} was unpacked, but does not start"))
    }

    fn starts(&self, program: &str) -> Option<Command> {
        let at = |root: &Path| {
            ["usr/bin", "usr/sbin"]
                .map(|folder| root.join(folder).join(program))
                .into_iter()
                .find(|path| path.exists())
        };
        let path = at(&self.directory)?;
        let mut libraries = vec![self.directory.join("usr/lib")];
        libraries.extend(
            std::fs::read_dir(&libraries[0]).into_iter().flatten().flatten().map(|entry| entry.path()),
        );
        let libraries = std::env::join_paths(libraries).ok()?;
        let answer = Command::new(&path)
            .arg("--version")
            .env("LD_LIBRARY_PATH", &libraries)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let mut command = Command::new(path);
        command.env("LD_LIBRARY_PATH", libraries);
        answer.status.success().then_some(command)
    }

    fn fetch(&self, package: &str) -> Result<()> {
        let download = self.directory.join("download").join(package);
        std::fs::create_dir_all(&download)?;
        let fetched = Command::new("apt-get")
            .args(["--quiet=2", "download", package])
            .current_dir(&download)
            .stderr(Stdio::null())
            .status()
            .context("apt-get is not there")?;
        ensure!(fetched.success(), "apt-get download {package} failed (`apt-get update` may help)");
        for entry in std::fs::read_dir(&download)? {
            let unpacked = Command::new("dpkg-deb")
                .arg("-x")
                .arg(entry?.path())
                .arg(&self.directory)
                .status()
                .context("dpkg-deb is not there")?;
            ensure!(unpacked.success(), "dpkg-deb could not unpack {package}");
        }
        Ok(())
    }

    /// The version that a peer names.
    pub fn version(&self, kind: Kind) -> Result<String> {
        let answer = self.command(kind)?.arg("--version").output()?;
        Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
    }
}
