//! Whose attempt it is, by network address.
//!
//! The gateway sees the address of the CDN. The CDN tells the viewer's in a header, and proves with a secret in another that it
//! was the CDN that said it: CloudFront writes over whatever a viewer sends under the two names. Who calls the gateway past the CDN
//! doesn't know the secret, and is taken for who they connect as.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use http_api::Problem;
use lambda_http::RequestExt as _;
use lambda_http::request::RequestContext;

/// Where the CDN puts the viewer's address. `infra/cdn.yaml` and `local` know it by this name too.
const VIEWER_ADDRESS: &str = "x-matinee-viewer-address";

/// Where the CDN puts the secret.
const ORIGIN_SECRET: &str = "x-matinee-origin-secret";

/// What only the CDN and the functions know.
#[derive(Clone)]
pub struct OriginSecret(Arc<str>);

impl OriginSecret {
    /// This secret.
    pub fn new(secret: &str) -> Self {
        Self(secret.into())
    }

    fn is(&self, found: &[u8]) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), found).is_ok()
    }
}

impl fmt::Debug for OriginSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OriginSecret")
    }
}

/// Where a request came from; none if the gateway doesn't say, which is counted as an address of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address(Option<IpAddr>);

impl Address {
    fn of(headers: &HeaderMap, source: Option<&str>, secret: Option<&OriginSecret>) -> Self {
        let by_the_cdn = match (headers.get(ORIGIN_SECRET), secret) {
            (Some(found), Some(secret)) => secret.is(found.as_bytes()),
            _ => false,
        };
        let told = headers.get(VIEWER_ADDRESS).filter(|_| by_the_cdn).and_then(|told| told.to_str().ok());
        Self(told.or(source).and_then(|address| address.parse().ok()))
    }

    /// The address itself, for its owner to read.
    pub(crate) fn text(&self) -> Option<String> {
        self.0.map(|address| address.to_canonical().to_string())
    }
}

/// What is counted together: one IPv4 address, or one /64 of IPv6, which is what a single subscriber has of those.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.map(|address| address.to_canonical()) {
            None => f.write_str("unknown"),
            Some(IpAddr::V4(address)) => address.fmt(f),
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                write!(f, "{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Address
where
    Option<OriginSecret>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let source = match parts.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.clone(),
            _ => None,
        };
        Ok(Self::of(&parts.headers, source.as_deref(), Option::from_ref(state).as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(headers: &[(&'static str, &str)], source: Option<&str>) -> String {
        let headers = headers.iter().map(|(name, value)| {
            let name = axum::http::HeaderName::from_static(name);
            (name, value.parse().expect("it is a header"))
        });
        Address::of(&headers.collect(), source, Some(&OriginSecret::new("s3cret"))).to_string()
    }

    #[test]
    fn the_cdn_is_believed_and_nobody_else() {
        let gateway = Some("198.51.100.7");
        let viewer = (VIEWER_ADDRESS, "203.0.113.42");
        assert_eq!(told(&[viewer, (ORIGIN_SECRET, "s3cret")], gateway), "203.0.113.42");
        for secret in ["", "s3cre", "s3cret ,", "S3CRET"] {
            assert_eq!(told(&[viewer, (ORIGIN_SECRET, secret)], gateway), "198.51.100.7", "{secret:?}");
        }
        assert_eq!(told(&[viewer, ("x-forwarded-for", "192.0.2.1")], gateway), "198.51.100.7");
    }

    #[test]
    fn a_subscriber_has_one_budget_for_all_addresses_of_their_network() {
        assert_eq!(told(&[], Some("2001:db8:1:2:aaaa::1")), told(&[], Some("2001:db8:1:2:bbbb::9")));
        assert_ne!(told(&[], Some("2001:db8:1:2::1")), told(&[], Some("2001:db8:1:3::1")));
        assert_eq!(told(&[], Some("::ffff:192.0.2.1")), "192.0.2.1");
    }

    #[test]
    fn what_is_no_address_is_counted_all_the_same() {
        assert_eq!(told(&[], None), "unknown");
        assert_eq!(told(&[(VIEWER_ADDRESS, "no"), (ORIGIN_SECRET, "s3cret")], Some("192.0.2.1")), "unknown");
    }
}
