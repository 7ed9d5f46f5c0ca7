//! What the media thread says of its channels to whoever is not on it.

use std::sync::{Arc, Mutex, PoisonError};

use live::ChannelId;

/// A channel as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelNow {
    /// Which one.
    pub channel: ChannelId,
    /// When payload last came, in unix milliseconds.
    pub last_payload_ms: u64,
    /// Payload that came lately, in bits per second.
    pub bits_per_second: u64,
    /// Sessions that watch it.
    pub viewers: u64,
}

/// All channels as they were a moment ago. The media thread replaces them four times a second.
#[derive(Clone, Debug, Default)]
pub struct ChannelsNow(Arc<Mutex<Arc<Vec<ChannelNow>>>>);

impl ChannelsNow {
    /// Says how things are.
    pub fn replace(&self, channels: Vec<ChannelNow>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(channels);
    }

    /// How things are.
    #[must_use]
    pub fn get(&self) -> Arc<Vec<ChannelNow>> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
