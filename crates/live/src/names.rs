//! The names in a viewer's line and in the frames of a channel source.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A text that is no name of that kind.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a channel is 6, a viewer 1 to 64 printable ASCII characters without spaces")]
pub struct InvalidName;

/// A live channel: six printable ASCII characters, such as `zato01`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChannelId([u8; Self::LEN]);

impl ChannelId {
    /// Length in bytes, on the wire and everywhere.
    pub const LEN: usize = 6;

    /// The channel with these bytes on the wire, if they are printable.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Option<Self> {
        bytes.iter().all(u8::is_ascii_graphic).then_some(Self(bytes))
    }

    /// The bytes on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Printable ASCII is UTF-8.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for ChannelId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        text.as_bytes().try_into().ok().and_then(Self::from_bytes).ok_or(InvalidName)
    }
}

impl TryFrom<String> for ChannelId {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<ChannelId> for String {
    fn from(channel: ChannelId) -> Self {
        channel.as_str().to_owned()
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who watches live: 1 to 64 printable ASCII characters without spaces, registered by an account. An account may have several,
/// one for each of its devices, say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ViewerId(String);

impl ViewerId {
    /// The longest id, in characters.
    pub const MAX_LEN: usize = 64;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ViewerId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let fits =
            (1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidName) }
    }
}

impl TryFrom<String> for ViewerId {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<ViewerId> for String {
    fn from(viewer: ViewerId) -> Self {
        viewer.0
    }
}

impl fmt::Display for ViewerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_six_printable_characters() {
        assert_eq!("zato01".parse::<ChannelId>().map(|channel| channel.to_string()), Ok("zato01".to_owned()));
        for wrong in ["", "zato1", "zato001", "zato 1", "zat\u{7f}01", "zät01"] {
            assert_eq!(wrong.parse::<ChannelId>(), Err(InvalidName), "{wrong:?}");
        }
    }

    #[test]
    fn a_viewer_has_no_spaces_and_an_end() {
        assert!("anna@home:tv".parse::<ViewerId>().is_ok());
        for wrong in [String::new(), "a b".to_owned(), "a\n".to_owned(), "x".repeat(65)] {
            assert_eq!(wrong.parse::<ViewerId>(), Err(InvalidName), "{wrong:?}");
        }
    }
}
