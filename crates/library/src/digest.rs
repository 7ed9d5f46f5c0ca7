//! The digest that tells one content from another.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use crate::part_plan::{MAX_PARTS, PartPlan};

/// A text that is no content digest.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a digest is the base64 of 32 bytes, a hyphen and a number of parts from 1 to {MAX_PARTS}")]
pub struct InvalidDigest;

/// S3's composite SHA-256 of a file that was cut by [`PartPlan`]: `<base64 of the SHA-256 of the parts'
/// concatenated SHA-256 digests>-<number of parts>`, for a single part too.
///
/// Equal digests mean equal bytes, because the plan is a function of the size: two files of different sizes whose
/// plans have equally many parts still have differing parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-1")]
pub struct ContentDigest(String);

impl ContentDigest {
    /// The digest whose composite SHA-256 over `part_count` parts is `composite`.
    pub fn from_composite(composite: [u8; 32], part_count: u32) -> Self {
        Self(format!("{}-{part_count}", STANDARD.encode(composite)))
    }

    /// Whether it was made over as many parts as the plan has. A composite over other parts says nothing about
    /// whether two contents are equal.
    pub fn follows(&self, plan: PartPlan) -> bool {
        self.0.rsplit_once('-').and_then(|(_, count)| count.parse().ok()) == Some(plan.part_count())
    }

    /// The text, as S3 spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContentDigest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let (composite, count) = text.rsplit_once('-').ok_or(InvalidDigest)?;
        let composite: [u8; 32] =
            STANDARD.decode(composite).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(InvalidDigest)?;
        let part_count: u32 = count.parse().map_err(|_| InvalidDigest)?;
        let digest = Self::from_composite(composite, part_count);
        // One spelling only, so that digests can be compared as text: no "+3", no "03".
        let canonical = digest.0 == text && (1..=MAX_PARTS).contains(&u64::from(part_count));
        if canonical { Ok(digest) } else { Err(InvalidDigest) }
    }
}

impl TryFrom<String> for ContentDigest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        text.parse()
    }
}

impl From<ContentDigest> for String {
    fn from(digest: ContentDigest) -> Self {
        digest.0
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_digest_reads_back_as_written(composite in any::<[u8; 32]>(), part_count in 1u32..=10_000) {
            let digest = ContentDigest::from_composite(composite, part_count);
            prop_assert_eq!(digest.as_str().parse::<ContentDigest>(), Ok(digest));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = text.parse::<ContentDigest>();
        }
    }

    #[test]
    fn only_one_spelling_is_a_digest() {
        let sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert!(format!("{sha256}-1").parse::<ContentDigest>().is_ok());
        for text in [
            sha256.to_owned(),
            format!("{sha256}-"),
            format!("{sha256}-0"),
            format!("{sha256}-01"),
            format!("{sha256}-+1"),
            format!("{sha256}-10001"),
            format!("{sha256}--1"),
            format!(" {sha256}-1"),
            "AAAA-1".to_owned(),
            "-1".to_owned(),
            String::new(),
        ] {
            assert_eq!(text.parse::<ContentDigest>(), Err(InvalidDigest), "{text}");
        }
    }

    #[test]
    fn a_digest_over_other_parts_does_not_follow_the_plan() {
        let plan = PartPlan::for_size(20 * 1024 * 1024).expect("the size is in range");
        assert!(ContentDigest::from_composite([7; 32], 3).follows(plan));
        assert!(!ContentDigest::from_composite([7; 32], 4).follows(plan));
    }
}
