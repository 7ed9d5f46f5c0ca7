use crate::{MediaError, Plan, Probe, Source};

/// What becomes of a file.
#[derive(Debug, Clone)]
pub enum Treatment {
    /// It is packaged for adaptive streaming.
    Package(Plan),
    /// Browsers play the original as it is, and packaging it would lose something.
    Progressive {
        /// Why it is not packaged; a sentence for its publisher.
        reason: String,
    },
    /// It cannot be shown.
    Refuse {
        /// A sentence for its publisher.
        reason: String,
    },
}

/// A file whose tables were read and checked.
#[derive(Debug, Clone)]
pub struct Movie {
    probe: Probe,
    treatment: Treatment,
}

impl Movie {
    /// What the file holds.
    pub fn probe(&self) -> Probe {
        self.probe.clone()
    }

    /// What becomes of it. Cheap: a plan is shared, not copied.
    pub fn treatment(&self) -> Treatment {
        self.treatment.clone()
    }
}

/// Reads the tables of a file by ranges: three at most, but for files that are fragmented already,
/// where each fragment has its own. Tables that contradict each other, promise more than the file
/// holds or exceed 128 MiB are [`MediaError::Bad`].
pub async fn open<S: Source>(source: &S) -> Result<Movie, MediaError> {
    let _ = source;
    Err(MediaError::bad("not yet"))
}
