//! Where things are: the project's files, what is built, and what is kept in `.matinee/`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The checkout that this program was built from.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder that holds `template.yaml`.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
    /// Cargo's name of the profile that this program was built with. The functions are built with the same one.
    pub profile: String,
}

impl Project {
    /// Finds the project from the place of the running program, which Cargo put into `target/<profile>/`.
    ///
    /// # Errors
    /// When the program was moved out of there.
    pub fn find() -> Result<Self> {
        let program = std::env::current_exe().context("this program does not know where it is")?;
        let mut folder = program.parent();
        // Tests and examples lie one folder deeper.
        if folder.is_some_and(|f| f.ends_with("deps") || f.ends_with("examples")) {
            folder = folder.and_then(Path::parent);
        }
        let folder = folder.context("this program lies in no folder")?;
        let name = folder.file_name().and_then(|name| name.to_str());
        let (name, target) =
            name.zip(folder.parent()).context("this program is not in Cargo's target folder")?;
        let profile = if name == "debug" { "dev" } else { name };
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the package lies in no folder")?;
        Ok(Self { root: root.to_owned(), target: target.to_owned(), profile: profile.to_owned() })
    }

    /// Everything that is installed or kept, apart from Cargo's and npm's own folders.
    #[must_use]
    pub fn kept(&self) -> PathBuf {
        self.root.join(".matinee")
    }

    /// What the local AWS remembers between runs. `reset` removes it.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.kept().join("data")
    }

    /// One file per step and one of the local AWS.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.kept().join("logs")
    }

    /// The Python environment.
    #[must_use]
    pub fn python_environment(&self) -> PathBuf {
        self.kept().join("python")
    }

    /// The Python interpreter of that environment.
    #[must_use]
    pub fn python(&self) -> PathBuf {
        self.python_environment().join("bin/python")
    }

    /// A Python program of ours.
    #[must_use]
    pub fn script(&self, name: &str) -> PathBuf {
        self.root.join("local/python").join(name)
    }

    /// The pages' sources.
    #[must_use]
    pub fn web(&self) -> PathBuf {
        self.root.join("web")
    }

    /// The folder of the functions' binaries.
    #[must_use]
    pub fn binaries(&self) -> PathBuf {
        self.target.join(if self.profile == "dev" { "debug" } else { &self.profile })
    }
}
