use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::HeaderValue;
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::request::Parts;
use axum::response::{IntoResponseParts, ResponseParts};

use crate::problem::Problem;

/// The `ETag` of a record that counts its versions. It goes into an answer beside the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ETag(pub u64);

impl IntoResponseParts for ETag {
    type Error = Problem;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Problem> {
        let value = HeaderValue::from_str(&self.to_string()).map_err(anyhow::Error::from)?;
        parts.headers_mut().insert(ETAG, value);
        Ok(parts)
    }
}

impl std::fmt::Display for ETag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// The versions that the caller has read and means to change.
///
/// Taken as it is, a request without it is refused with 428; taken as an `Option`, it may be absent.
#[derive(Clone, Debug)]
pub struct IfMatch(String);

impl IfMatch {
    /// Refuses with 412 unless `current` is one of them, by the strong comparison of RFC 9110: a weak tag is none.
    ///
    /// # Errors
    /// [`Problem::precondition_failed`].
    pub fn check(&self, current: ETag) -> Result<(), Problem> {
        let current = current.to_string();
        // Our tags hold no comma and no tag holds a quote, so cutting at commas can't make one of ours.
        let passes = self.0 == "*" || self.0.split(',').any(|tag| tag.trim() == current);
        if passes { Ok(()) } else { Err(Problem::precondition_failed()) }
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        let lines: Vec<&str> =
            parts.headers.get_all(IF_MATCH).iter().filter_map(|line| line.to_str().ok()).collect();
        let tags = lines.join(",");
        Ok((!tags.trim().is_empty()).then(|| Self(tags.trim().to_owned())))
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let if_match = <Self as OptionalFromRequestParts<S>>::from_request_parts(parts, state).await?;
        if_match.ok_or_else(Problem::precondition_required)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(header: &str) -> bool {
        IfMatch(header.to_owned()).check(ETag(3)).is_ok()
    }

    #[test]
    fn the_current_version_passes_alone_and_among_others() {
        assert!(passes("\"3\"") && passes("*") && passes("\"2\", \"3\"") && passes("\"a,b\",\"3\""));
    }

    #[test]
    fn another_version_a_weak_tag_and_a_bare_number_fail() {
        assert!(!passes("\"2\"") && !passes("W/\"3\"") && !passes("3") && !passes("\"33\""));
    }
}
