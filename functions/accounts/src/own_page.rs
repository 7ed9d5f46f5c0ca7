use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use http_api::Problem;

const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// That a request doesn't come from another site's page, as far as its browser tells. For routes that go by the cookie alone.
///
/// `SameSite=Strict` lets no other site send the cookie, but counts every port and subdomain as this site, and a browser takes a
/// cookie's removal even from the answer to another site's form. Browsers set `Sec-Fetch-Site`, and no page can change it. `Origin`
/// says nothing here: CloudFront doesn't hand on the `Host` to compare it with, and the function can't be told the distribution's
/// name, which is made after it. A request without the header comes from a program, or from a browser before 2023.
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
    headers.get_all(SEC_FETCH_SITE).iter().any(|site| site != "same-origin")
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
}
