//! Moments, in one spelling that sorts as text.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;

/// A moment in UTC, to the millisecond, spelled `2026-11-21T08:01:25.123Z`.
///
/// The fraction always has three digits: the spelling is a sort key in DynamoDB, where text is compared byte by
/// byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, format = "date-time")]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// This moment.
    pub fn now() -> Self {
        Self::from_unix_ms(jiff::Timestamp::now().as_millisecond())
    }

    /// The moment so many milliseconds after 1970; a count beyond the calendar gives its nearest end.
    pub fn from_unix_ms(unix_ms: i64) -> Self {
        let end = if unix_ms < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        Self(jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(end))
    }

    /// Milliseconds after 1970.
    pub fn unix_ms(self) -> i64 {
        self.0.as_millisecond()
    }

    /// The moment so much later.
    pub fn plus(self, duration: Duration) -> Self {
        let added_ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_unix_ms(self.unix_ms().saturating_add(added_ms))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_fraction_always_has_three_digits() {
        assert_eq!(Timestamp::from_unix_ms(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_unix_ms(1_700_000_000_100).to_string(), "2023-11-14T22:13:20.100Z");
    }

    proptest! {
        #[test]
        fn text_sorts_as_time(a in 0i64..=253_402_207_200_000, b in 0i64..=253_402_207_200_000) {
            let (a, b) = (Timestamp::from_unix_ms(a), Timestamp::from_unix_ms(b));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn text_reads_back_as_written(unix_ms in 0i64..=253_402_207_200_000) {
            let moment = Timestamp::from_unix_ms(unix_ms);
            let text = serde_json::to_string(&moment).expect("a moment is text");
            prop_assert_eq!(serde_json::from_str::<Timestamp>(&text).expect("the text is a moment"), moment);
        }
    }
}
