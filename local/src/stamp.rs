//! Remembers what a step was done with, so that it is skipped while nothing changed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use aws_lc_rs::digest::{Context as Digest, SHA256};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::project::Project;

/// A step's memory: the digest of everything that its result depends on.
pub struct Stamp {
    file: PathBuf,
    digest: String,
}

impl Stamp {
    /// Reads all files under `inputs`, in order; folders that `skip` names are left out.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn of(project: &Project, step: &str, inputs: &[PathBuf], skip: &[&str]) -> Result<Self> {
        let mut digest = Digest::new(&SHA256);
        for input in inputs {
            add(&mut digest, input, skip)?;
        }
        let digest = BASE64_URL_SAFE_NO_PAD.encode(digest.finish());
        Ok(Self { file: project.kept().join("stamps").join(step), digest })
    }

    /// Whether the step was done with the same inputs before.
    #[must_use]
    pub fn is_current(&self) -> bool {
        std::fs::read_to_string(&self.file).is_ok_and(|stamped| stamped == self.digest)
    }

    /// Remembers that the step is done.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set(&self) -> Result<()> {
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&self.file, &self.digest).with_context(|| format!("writing {}", self.file.display()))
    }
}

fn add(digest: &mut Digest, path: &Path, skip: &[&str]) -> Result<()> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if path.is_dir() {
        let mut entries = std::fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::path);
        for entry in entries {
            if !skip.iter().any(|skipped| entry.file_name() == *skipped) {
                add(digest, &entry.path(), skip)?;
            }
        }
    } else {
        let content = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        digest.update(name.as_bytes());
        digest.update(&(content.len() as u64).to_le_bytes());
        digest.update(&content);
    }
    Ok(())
}
