//! Who may have media: whoever brings cookies that our key has signed for the path.

use std::sync::Arc;

use anyhow::{Context, Result};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::Response;
use tokio::sync::OnceCell;

use super::refusal;
use crate::endpoint::Endpoint;

/// Verifies playback cookies as CloudFront does, with the public half of the key.
#[derive(Clone)]
pub struct Guard {
    dynamodb: Client,
    table: String,
    key_pair_id: String,
    public_key: Arc<OnceCell<String>>,
}

impl Guard {
    /// A guard that trusts the current key of `table`, which cookies call `key_pair_id`.
    pub fn new(endpoint: &Endpoint, table: &str, key_pair_id: &str) -> Self {
        Self {
            dynamodb: Client::new(&endpoint.sdk_config()),
            table: table.to_owned(),
            key_pair_id: key_pair_id.to_owned(),
            public_key: Arc::default(),
        }
    }

    /// Lets a request pass, or answers it.
    pub async fn admit(&self, request: &Parts) -> Result<(), Response> {
        let _ = (request, &self.key_pair_id, header::COOKIE);
        let key = self.public_key.get_or_try_init(|| self.load()).await;
        match key {
            Ok(_) => Ok(()),
            Err(error) => {
                eprintln!("  the media key cannot be read: {error:#}");
                Err(refusal(StatusCode::BAD_GATEWAY, "BadGateway", "The key group cannot be read"))
            }
        }
    }

    async fn load(&self) -> Result<String> {
        let id = AttributeValue::S("current".to_owned());
        let answer = self.dynamodb.get_item().table_name(&self.table).key("id", id).send().await?;
        let item = answer.item.context("there is no media key")?;
        let key = item.get("public_key_pem").context("the media key has no public half")?;
        key.as_s().cloned().map_err(|_| anyhow::anyhow!("the public half of the media key is no text"))
    }
}
