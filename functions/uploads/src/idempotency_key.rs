//! The header that makes a repeated request have one effect.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use http_api::Problem;

const NAME: &str = "idempotency-key";

/// The client's name for one intention; absent when it sends none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(NAME).iter();
        let (Some(value), further) = (values.next(), values.next()) else { return Ok(Self(None)) };
        let is_printable = |byte: &u8| matches!(byte, b' '..=b'~');
        let is_valid = (1..=255).contains(&value.len()) && value.as_bytes().iter().all(is_printable);
        match value.to_str() {
            Ok(key) if is_valid && further.is_none() => Ok(Self(Some(key.to_owned()))),
            _ => {
                Err(Problem::invalid_field("Idempotency-Key", "must be 1 to 255 printable ASCII characters"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderValue, Request};

    async fn key(values: &[HeaderValue]) -> Result<IdempotencyKey, Problem> {
        let mut request = Request::builder();
        for value in values {
            request = request.header("Idempotency-Key", value);
        }
        let (mut parts, ()) = request.body(()).expect("the request is valid").into_parts();
        IdempotencyKey::from_request_parts(&mut parts, &()).await
    }

    #[tokio::test]
    async fn a_key_is_optional() {
        assert_eq!(key(&[]).await.expect("none is fine"), IdempotencyKey(None));
        let given = key(&[HeaderValue::from_static("a key")]).await.expect("it is a key");
        assert_eq!(given, IdempotencyKey(Some("a key".to_owned())));
    }

    #[tokio::test]
    async fn empty_long_repeated_and_unprintable_keys_are_refused() {
        let (a, b) = (HeaderValue::from_static("a"), HeaderValue::from_static("b"));
        let long = HeaderValue::from_str(&"k".repeat(256)).expect("a header");
        let latin = HeaderValue::from_bytes(b"caf\xe9").expect("a header");
        for values in [&[HeaderValue::from_static("")][..], &[long], &[latin], &[a, b]] {
            assert!(key(values).await.is_err(), "{values:?}");
        }
    }
}
