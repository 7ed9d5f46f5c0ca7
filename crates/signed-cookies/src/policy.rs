//! What may be fetched, and until when.

use serde::{Deserialize, Serialize};

/// A custom policy: one resource pattern and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The addresses that may be fetched, for example `http*://*/media/7/*`. `*` stands for any characters, `?`
    /// for one.
    pub resource: String,
    /// When the permission ends, in seconds since 1970.
    pub expires_at_unix_s: i64,
}

// The JSON document that CloudFront defines, with its names.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Document {
    statement: [Statement; 1],
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    resource: String,
    condition: Condition,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Condition {
    date_less_than: EpochTime,
}

#[derive(Deserialize, Serialize)]
struct EpochTime {
    #[serde(rename = "AWS:EpochTime")]
    epoch_time: i64,
}

impl Policy {
    pub(crate) fn to_json(&self) -> Result<String, serde_json::Error> {
        let date_less_than = EpochTime { epoch_time: self.expires_at_unix_s };
        let condition = Condition { date_less_than };
        serde_json::to_string(&Document {
            statement: [Statement { resource: self.resource.clone(), condition }],
        })
    }

    pub(crate) fn from_json(json: &[u8]) -> Option<Self> {
        let Document { statement: [Statement { resource, condition }] } =
            serde_json::from_slice(json).ok()?;
        Some(Self { resource, expires_at_unix_s: condition.date_less_than.epoch_time })
    }

    /// Whether the policy lets that address be fetched, whatever the time.
    pub fn covers(&self, url: &str) -> bool {
        matches(self.resource.as_bytes(), url.as_bytes())
    }
}

/// Matches a pattern in time linear in both lengths for one star, and quadratic at worst: after a mismatch it goes
/// back to the last star only.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(&expected) if expected == b'?' || expected == text[t] => (p, t) = (p + 1, t + 1),
            _ => match retry {
                Some((after_star, from)) => {
                    retry = Some((after_star, from + 1));
                    (p, t) = (after_star, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&rest| rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn simple(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                simple(rest, text) || (!text.is_empty() && simple(pattern, &text[1..]))
            }
            (Some((p, pattern)), Some((t, text))) => (*p == b'?' || p == t) && simple(pattern, text),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn patterns_match_as_their_definition_says(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            prop_assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                simple(pattern.as_bytes(), text.as_bytes())
            );
        }
    }

    #[test]
    fn a_policy_covers_its_own_folder_only() {
        let policy = Policy { resource: "http*://*/media/7/*".to_owned(), expires_at_unix_s: 0 };
        assert!(policy.covers("https://films.example/media/7/video.mp4"));
        assert!(policy.covers("http://localhost:8080/media/7/a/b"));
        assert!(!policy.covers("https://films.example/media/70/video.mp4"));
        assert!(!policy.covers("https://films.example/media/7"));
    }

    #[test]
    fn the_document_is_the_one_that_cloudfront_defines() {
        let policy = Policy { resource: "http*://*/media/7/*".to_owned(), expires_at_unix_s: 1_800_000_000 };
        let json = policy.to_json().expect("JSON");
        assert_eq!(
            json,
            r#"{"Statement":[{"Resource":"http*://*/media/7/*","Condition":{"DateLessThan":{"AWS:EpochTime":1800000000}}}]}"#
        );
        assert_eq!(Policy::from_json(json.as_bytes()), Some(policy));
    }
}
