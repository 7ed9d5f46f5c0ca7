//! Films to upload.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use uuid::Uuid;

/// A file and what it is called.
#[derive(Clone, Debug)]
pub struct Film {
    /// The name of the file.
    pub file_name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// One of the sample files of the crate `media`.
///
/// # Errors
/// When there is no such sample.
pub fn sample(file_name: &str) -> Result<Film> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/media/samples");
    let bytes = std::fs::read(folder.join(file_name)).with_context(|| format!("the sample {file_name}"))?;
    Ok(Film { file_name: file_name.to_owned(), bytes })
}

impl Film {
    /// A short H.264 and AAC film whose bytes nobody has uploaded before.
    ///
    /// # Errors
    /// When the sample is missing.
    pub fn unique() -> Result<Self> {
        Ok(sample("h264_aac_faststart.mp4")?.made_unique())
    }

    /// A film that ffmpeg makes with these arguments, separated by spaces, and that nobody has uploaded before. The name's ending says
    /// which container.
    ///
    /// # Errors
    /// When ffmpeg is missing or fails.
    pub async fn made(file_name: &str, arguments: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join(file_name);
        let made = local::film::ffmpeg_command(&local::Project::find()?)
            .await?
            .args(["-v", "error", "-y"])
            .args(arguments.split_whitespace())
            .args(["-metadata", &format!("comment={}", Uuid::now_v7())])
            .arg(&file)
            .output()
            .await?;
        ensure!(made.status.success(), "{file_name}: {}", String::from_utf8_lossy(&made.stderr));
        Ok(Self { file_name: file_name.to_owned(), bytes: std::fs::read(file)? })
    }

    /// The same film with a box at its end that players skip, and that no other film has (ISO/IEC 14496-12, 8.1.2).
    #[must_use]
    pub fn made_unique(mut self) -> Self {
        self.bytes.extend([0, 0, 0, 24]);
        self.bytes.extend(b"free");
        self.bytes.extend(Uuid::now_v7().as_bytes());
        self
    }

    /// The same film, made at least so large by a box that players skip.
    #[must_use]
    pub fn padded_to(mut self, size_bytes: usize) -> Self {
        let padding = size_bytes.saturating_sub(self.bytes.len()).max(24);
        self.bytes.extend(u32::try_from(padding).unwrap_or(24).to_be_bytes());
        self.bytes.extend(b"free");
        self.bytes.extend(Uuid::now_v7().as_bytes());
        // Not all the same: parts must differ to be told apart.
        self.bytes.extend((0..padding - 24).map(|at| u8::try_from(at * 7 / 4096 % 251).unwrap_or(0)));
        self
    }

    /// Bytes that are no film.
    #[must_use]
    pub fn of(file_name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { file_name: file_name.to_owned(), bytes: bytes.into() }
    }
}
