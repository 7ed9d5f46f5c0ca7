//! Who may have media: whoever brings cookies that our key has signed for the path.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::Response;
use signed_cookies::{PublicKey, Refusal, Verifier};
use tokio::sync::OnceCell;

use super::refusal;
use crate::endpoint::Endpoint;

/// Verifies playback cookies as CloudFront does, with the public half of the key.
#[derive(Clone)]
pub struct Guard {
    dynamodb: Client,
    table: String,
    key_pair_id: String,
    verifier: Arc<OnceCell<Verifier>>,
}

impl Guard {
    /// A guard that trusts the current key of `table`, which cookies call `key_pair_id`.
    pub fn new(endpoint: &Endpoint, table: &str, key_pair_id: &str) -> Self {
        Self {
            dynamodb: Client::new(&endpoint.sdk_config()),
            table: table.to_owned(),
            key_pair_id: key_pair_id.to_owned(),
            verifier: Arc::default(),
        }
    }

    /// Lets a request pass, or answers it in CloudFront's words.
    pub async fn admit(&self, request: &Parts) -> Result<(), Response> {
        let verifier = match self.verifier.get_or_try_init(|| self.load()).await {
            Ok(verifier) => verifier,
            Err(error) => {
                eprintln!("  the media key cannot be read: {error:#}");
                return Err(refusal(StatusCode::BAD_GATEWAY, "BadGateway", "The key group cannot be read"));
            }
        };
        let url = format!("http://{}{}", text(request, header::HOST), request.uri.path());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        verifier.verify(&text(request, header::COOKIE), &url, now.cast_signed()).map_err(|why| {
            let (code, message) = match why {
                Refusal::Missing => ("MissingKey", "Missing Key-Pair-Id query parameter or cookie value"),
                Refusal::UnknownKey => ("InvalidKey", "Unknown Key"),
                Refusal::Malformed => ("MalformedPolicy", "Malformed Policy"),
                Refusal::WrongSignature | Refusal::NotCovered | Refusal::Expired => {
                    ("AccessDenied", "Access denied")
                }
            };
            refusal(StatusCode::FORBIDDEN, code, message)
        })
    }

    async fn load(&self) -> Result<Verifier> {
        let id = AttributeValue::S("current".to_owned());
        let answer = self.dynamodb.get_item().table_name(&self.table).key("id", id).send().await?;
        let item = answer.item.context("there is no media key")?;
        let pem = item.get("public_key_pem").and_then(|pem| pem.as_s().ok());
        let key = PublicKey::from_pem(pem.context("the media key has no public half")?)?;
        Ok(Verifier::new(&self.key_pair_id, key))
    }
}

/// A header's value; cookies that come in several headers (as HTTP/2 allows) are one list.
fn text(request: &Parts, name: HeaderName) -> String {
    let values = request.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join("; ")
}
