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
    let identity = endpoint.credentials.clone().into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&endpoint.region)
        .name(service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let url = format!("{}/", endpoint.url);
    let signable = SignableBody::Bytes(body.as_bytes());
    let signable = SignableRequest::new("POST", &url, headers.iter().copied(), signable)?;
    let (instructions, _signature) = sign(signable, &params)?.into_parts();
    let mut request = http.post(&url).body(body);
    for (name, value) in headers.iter().copied().chain(instructions.headers()) {
        request = request.header(name, value);
    }
    let answer = request.send().await.with_context(|| format!("calling {service}"))?;
    let (status, text) = (answer.status(), answer.text().await?);
    if !status.is_success() {
        bail!("{status} {text}");
    }
    Ok(text)
}
