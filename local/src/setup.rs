//! Everything that has to be installed and built before the service can start.

use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::project::Project;
use crate::stamp::Stamp;
use crate::step::Step;
use crate::tools;

/// The binaries of the functions, one for each area.
const FUNCTIONS: [&str; 5] = ["accounts", "uploads", "catalog", "watching", "ingest"];

/// The binaries of live channels.
const LIVE: [&str; 2] = ["relay", "channel-source"];

/// Installs and builds what is missing or outdated: the Python environment, the functions, the relay, the pages.
///
/// # Errors
/// When a tool is missing (the error says how to get it) or a step fails.
pub async fn prepare(project: &Project, with_pages: bool, with_live: bool) -> Result<()> {
    tools::check(with_pages).await?;
    let _held = alone(project).await?;
    // pip and npm wait for the network and the disk most of the time, Cargo for the CPU.
    tokio::try_join!(python(project), binaries(project, with_live), async {
        if with_pages { pages(project).await } else { Ok(()) }
    })?;
    Ok(())
}

/// Waits until no other process of this project installs or builds. It may begin when the file is dropped.
async fn alone(project: &Project) -> Result<File> {
    std::fs::create_dir_all(project.kept())?;
    let lock = File::create(project.kept().join("setup.lock"))?;
    while let Err(error) = lock.try_lock() {
        match error {
            TryLockError::WouldBlock => tokio::time::sleep(Duration::from_millis(100)).await,
            TryLockError::Error(error) => return Err(error).context("locking the setup"),
        }
    }
    Ok(lock)
}

/// Installs the pinned packages of `local/requirements.txt` into a virtual environment.
///
/// # Errors
/// When Python cannot make the environment or pip fails.
pub async fn python(project: &Project) -> Result<()> {
    let requirements = project.root.join("local/requirements.txt");
    let what = "packages for the local AWS and for deploying";
    python_packages(project, "python", what, requirements, project.python_environment()).await
}

/// Installs Schemathesis into a virtual environment of its own, for some of what it needs is pinned otherwise in the other. Answers the
/// program.
///
/// # Errors
/// When Python cannot make the environment or pip fails.
pub async fn schemathesis(project: &Project) -> Result<PathBuf> {
    let requirements = project.root.join("tests/api/requirements.txt");
    let environment = project.kept().join("schemathesis");
    let program = environment.join("bin/schemathesis");
    python_packages(project, "schemathesis", "what checks the API", requirements, environment).await?;
    Ok(program)
}

async fn python_packages(
    project: &Project,
    name: &str,
    what: &str,
    requirements: PathBuf,
    environment: PathBuf,
) -> Result<()> {
    let stamp = Stamp::of(project, name, std::slice::from_ref(&requirements), &[])?;
    let python = environment.join("bin/python");
    if stamp.is_current() && python.exists() {
        return Ok(());
    }
    let step = Step::start(name, what);
    if environment.exists() {
        tokio::fs::remove_dir_all(&environment).await.context("removing the old Python environment")?;
    }
    step.run(project, Command::new("python3").args(["-m", "venv"]).arg(&environment))
        .await
        .context("On Debian and Ubuntu, the package python3-venv is needed too")?;
    // Python compiles what it runs when it runs it first; most of what is installed never does.
    let pip = [
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "--no-compile",
        "--only-binary",
        ":all:",
    ];
    step.run(project, Command::new(python).args(pip).arg("--requirement").arg(&requirements)).await?;
    stamp.set()?;
    step.done();
    Ok(())
}

/// Builds the functions, and the relay, with the profile that this program was built with. Cargo knows best what is outdated.
async fn binaries(project: &Project, with_live: bool) -> Result<()> {
    let also = if with_live { " and of the relay" } else { "" };
    let step = Step::start("functions", &format!("binaries of the functions{also}"));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(&project.root).args(["build", "--locked", "--profile", &project.profile]);
    for binary in FUNCTIONS.iter().chain(LIVE.iter().filter(|_| with_live)) {
        command.args(["--bin", binary]);
    }
    command.env("CARGO_TARGET_DIR", &project.target).env("CARGO_TERM_PROGRESS_WHEN", "never");
    as_if_not_in_cargo(&mut command);
    step.run(project, &mut command).await?;
    step.done();
    Ok(())
}

/// Cargo tells the programs that it runs about themselves. Another Cargo is not meant by that, and would build anew what
/// depends on these variables.
pub(crate) fn as_if_not_in_cargo(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO_BIN_NAME" {
            command.env_remove(name);
        }
    }
}

/// Installs the pages' dependencies and builds the pages.
async fn pages(project: &Project) -> Result<()> {
    let web = project.web();
    if !web.join("package.json").exists() {
        eprintln!("  pages      there are none yet (web/package.json is missing); the API works without");
        return Ok(());
    }
    let packages = [web.join("package.json"), web.join("package-lock.json")];
    let installed = Stamp::of(project, "web-packages", &packages, &[])?;
    if !(installed.is_current() && web.join("node_modules").exists()) {
        let step = Step::start("packages", "the pages' dependencies");
        let npm = ["ci", "--no-audit", "--no-fund", "--no-progress"];
        step.run(project, Command::new("npm").args(npm).current_dir(&web)).await?;
        installed.set()?;
        step.done();
    }
    let outputs = ["node_modules", "dist", "test-results", "playwright-report"];
    let built = Stamp::of(project, "pages", std::slice::from_ref(&web), &outputs)?;
    if !(built.is_current() && web.join("dist").exists()) {
        let step = Step::start("pages", "the pages");
        step.run(project, Command::new("npm").args(["run", "build"]).current_dir(&web)).await?;
        built.set()?;
        step.done();
    }
    Ok(())
}
