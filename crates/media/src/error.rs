use std::io;

/// Why a file could not be opened or packaged. The two cases ask for opposite answers: a bad file
/// stays bad however often it is tried, trouble with reading and writing deserves another try.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The file itself is at fault. The reason is a sentence for its publisher.
    #[error("{reason}")]
    Bad {
        /// A sentence that a publisher understands.
        reason: String,
    },
    /// The source could not be read or the store not be written; the file may be fine.
    #[error("the media could not be read or written")]
    Io(#[from] io::Error),
}

impl MediaError {
    pub(crate) fn bad(reason: impl Into<String>) -> Self {
        MediaError::Bad { reason: reason.into() }
    }

    /// The sentence for the publisher, when the file is at fault.
    pub fn reason(&self) -> Option<&str> {
        match self {
            MediaError::Bad { reason } => Some(reason),
            MediaError::Io(_) => None,
        }
    }
}
