use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::ORIGIN;
use axum::http::request::Parts;
use http_api::Problem;

const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Where the CDN puts the host that a request was sent to. `infra/cdn.yaml` and `local` know it by this name too.
const VIEWER_HOST: &str = "x-matinee-viewer-host";

/// That a request doesn't come from another site's page, as far as its browser tells. For routes that go by the cookie alone.
///
/// `SameSite=Strict` lets no other site send the cookie, but counts every port and subdomain as this site, and a browser takes a
/// cookie's removal even from the answer to another site's form. No page can change the two headers by which browsers tell: all send
/// `Origin` with what isn't a GET, and those since 2023 `Sec-Fetch-Site` with everything. A request with neither comes from a program.
///
/// The host that `Origin` is held against is the CDN's word. Who calls the gateway past the CDN may say any, and has no
/// browser do it: it wouldn't send a cookie of the site there.
pub(crate) struct OwnPage;

impl<S: Sync> FromRequestParts<S> for OwnPage {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if is_from_elsewhere(&parts.headers) {
            return Err(Problem::forbidden("Another site's page may not ask for this."));
        }
        Ok(Self)
    }
}

fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let host = headers.get(VIEWER_HOST).and_then(|host| host.to_str().ok()).filter(|host| !host.is_empty());
    let is_own = |origin: &str| origin.split_once("://").is_some_and(|(_, origin)| Some(origin) == host);
    headers.get_all(SEC_FETCH_SITE).iter().any(|site| site != "same-origin")
        || headers.get_all(ORIGIN).iter().any(|origin| !origin.to_str().is_ok_and(is_own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_origin_is_ones_own() {
        for (sites, expected) in [
            (&[][..], false),
            (&["same-origin"], false),
            (&["same-site"], true),
            (&["cross-site"], true),
            (&["none"], true),
            (&[""], true),
            (&["same-origin, cross-site"], true),
            (&["same-origin", "cross-site"], true),
        ] {
            let mut headers = HeaderMap::new();
            for site in sites {
                headers.append(SEC_FETCH_SITE, site.parse().expect("it is a header"));
            }
            assert_eq!(is_from_elsewhere(&headers), expected, "{sites:?}");
        }
    }

    #[test]
    fn an_origin_is_held_against_the_host_that_was_asked() {
        for (host, origin, expected) in [
            (Some("films.example"), "https://films.example", false),
            (Some("localhost:8080"), "http://localhost:8080", false),
            (Some("films.example"), "https://films.example:8443", true),
            (Some("films.example"), "https://www.films.example", true),
            (Some("films.example"), "https://films.example.evil.example", true),
            (Some("films.example"), "null", true),
            (Some("films.example"), "", true),
            (Some(""), "https://", true),
            (None, "https://films.example", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ORIGIN, origin.parse().expect("it is a header"));
            if let Some(host) = host {
                headers.insert(VIEWER_HOST, host.parse().expect("it is a header"));
            }
            assert_eq!(is_from_elsewhere(&headers), expected, "{origin} to {host:?}");
        }
    }
}
