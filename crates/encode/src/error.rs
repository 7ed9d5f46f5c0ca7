use std::io;

use media::MediaError;

/// Why encoding did not work. The cases ask for different answers.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The film or the plan is at fault: trying again changes nothing. The reason is a sentence for the
    /// film's publisher.
    #[error("{reason}")]
    Bad {
        /// A sentence that a publisher understands.
        reason: String,
    },
    /// The encoder failed, or what it wrote is not what was asked for. The machine may have been at
    /// fault, so it deserves another try; if it stays so, the film can't be encoded.
    #[error("the encoder failed: {reason}")]
    Encoder {
        /// What it said, for the log.
        reason: String,
    },
    /// Something could not be read, written or started; the film may be fine.
    #[error("the media could not be read or written, or the encoder not be started")]
    Io(#[from] io::Error),
}

impl EncodeError {
    pub(crate) fn bad(reason: impl Into<String>) -> Self {
        Self::Bad { reason: reason.into() }
    }

    pub(crate) fn encoder(reason: impl Into<String>) -> Self {
        Self::Encoder { reason: reason.into() }
    }
}

impl From<MediaError> for EncodeError {
    fn from(error: MediaError) -> Self {
        match error {
            MediaError::Bad { reason } => Self::Bad { reason },
            MediaError::Io(error) => Self::Io(error),
        }
    }
}
