//! What the service answered.

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, SET_COOKIE};
use serde_json::Value;

/// An answer that was read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status, 204 for example.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as bytes.
    pub bytes: Vec<u8>,
    /// The body as JSON, null if it is none.
    pub json: Value,
}

impl Answer {
    pub(crate) async fn read(response: reqwest::Response) -> anyhow::Result<Self> {
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await?.to_vec();
        let json = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Self { status: StatusCode::as_u16(&status), headers, bytes, json })
    }

    /// The code of a problem: `not-found` of `urn:matinee:problem:not-found`. Empty for an answer that is none.
    #[must_use]
    pub fn problem(&self) -> &str {
        let is_problem = self.header("content-type") == "application/problem+json";
        let code = self.json["type"].as_str().and_then(|urn| urn.strip_prefix("urn:matinee:problem:"));
        code.filter(|_| is_problem).unwrap_or_default()
    }

    /// A header, empty if it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The `Set-Cookie` headers.
    #[must_use]
    pub fn set_cookies(&self) -> Vec<String> {
        let cookies = self.headers.get_all(SET_COOKIE).iter();
        cookies.filter_map(|cookie| cookie.to_str().ok()).map(ToOwned::to_owned).collect()
    }

    /// The cookies that the answer sets, as a request sends them back.
    #[must_use]
    pub fn cookies(&self) -> String {
        let cookies = self.set_cookies();
        cookies.iter().filter_map(|cookie| cookie.split(';').next()).collect::<Vec<_>>().join("; ")
    }
}
