//! The ranges that players ask for (RFC 9110, section 14).

use std::ops::Range;

/// What a request asks for of something that has a length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of it: there is no range, or one that is to be ignored.
    Whole,
    /// A part that is there.
    Part(Range<u64>),
    /// A part that begins past the end.
    Beyond,
}

impl Asked {
    /// Reads the header `Range`. Several ranges at once, other units and nonsense are ignored, as the standard allows.
    pub(crate) fn from_header(header: Option<&str>, length: u64) -> Self {
        let spec = header.and_then(|header| header.trim().strip_prefix("bytes="));
        let Some((first, last)) = spec.and_then(|spec| spec.trim().split_once('-')) else {
            return Self::Whole;
        };
        let number = |digits: &str| digits.parse::<u64>().ok().filter(|_| !digits.starts_with('+'));
        match (first, last) {
            // The last so many bytes.
            ("", suffix) => match number(suffix) {
                Some(0) => Self::Beyond,
                Some(_) if length == 0 => Self::Beyond,
                Some(suffix) => Self::Part(length.saturating_sub(suffix)..length),
                None => Self::Whole,
            },
            (first, last) => {
                let last = if last.is_empty() { Some(u64::MAX) } else { number(last) };
                match (number(first), last) {
                    (Some(first), Some(last)) if first > last => Self::Whole,
                    (Some(first), Some(_)) if first >= length => Self::Beyond,
                    (Some(first), Some(last)) => Self::Part(first..last.saturating_add(1).min(length)),
                    _ => Self::Whole,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Asked::{self, Beyond, Part, Whole};

    #[test]
    fn a_range_is_what_the_standard_says() {
        for (header, asked) in [
            (None, Whole),
            (Some("bytes=0-0"), Part(0..1)),
            (Some("bytes=10-19"), Part(10..20)),
            (Some("bytes=10-"), Part(10..100)),
            (Some("bytes=90-1000"), Part(90..100)),
            (Some("bytes=0-18446744073709551615"), Part(0..100)),
            (Some("bytes=-10"), Part(90..100)),
            (Some("bytes=-1000"), Part(0..100)),
            (Some("bytes=-0"), Beyond),
            (Some("bytes=100-"), Beyond),
            (Some("bytes=20-10"), Whole),
            (Some("bytes=0-9,20-29"), Whole),
            (Some("bytes=+1-2"), Whole),
            (Some("bytes="), Whole),
            (Some("bytes=-"), Whole),
            (Some("frames=0-1"), Whole),
        ] {
            assert_eq!(Asked::from_header(header, 100), asked, "{header:?}");
        }
        assert_eq!(Asked::from_header(Some("bytes=-1"), 0), Beyond);
    }
}
