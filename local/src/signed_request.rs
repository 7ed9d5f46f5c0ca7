//! Requests to AWS services whose SDKs would be too much for a few calls.

use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;

use crate::endpoint::Endpoint;

/// Posts `body` to the service in the name of the endpoint's root, and answers what it says.
///
/// # Errors
/// When it does not answer or refuses; the error has its words.
pub async fn post(
    http: &reqwest::Client,
    endpoint: &Endpoint,
    service: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Result<String> {
    let url = format!("{}/", endpoint.url);
    let signature = signature(endpoint, service, "POST", &url, headers, body.as_bytes())?;
    let mut request = http.post(&url).body(body);
    let signature = signature.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in headers.iter().copied().chain(signature) {
        request = request.header(name, value);
    }
    let answer = request.send().await.with_context(|| format!("calling {service}"))?;
    let (status, text) = (answer.status(), answer.text().await?);
    if !status.is_success() {
        bail!("{status} {text}");
    }
    Ok(text)
}

/// The headers that sign a request to the service in the name of the endpoint's root, with these other headers.
///
/// # Errors
/// When the address or a header is none.
pub fn signature(
    endpoint: &Endpoint,
    service: &str,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Vec<(String, String)>> {
    let identity = endpoint.credentials.clone().into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&endpoint.region)
        .name(service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let signable = SignableRequest::new(method, url, headers.iter().copied(), SignableBody::Bytes(body))?;
    let (instructions, _signature) = sign(signable, &params)?.into_parts();
    Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
