//! Where the key is kept: one record in a DynamoDB table that few functions may read.

use std::time::SystemTime;

use anyhow::Context as _;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::{Blob, DateTime, DateTimeFormat};
use aws_sdk_dynamodb::types::AttributeValue;

use crate::key::SigningKey;

/// The id of the key that cookies are signed with now. A rotation adds a second record beside it.
const CURRENT: &str = "current";

/// The table of media keys.
#[derive(Clone, Debug)]
pub struct MediaKeys {
    client: Client,
    table: String,
}

impl MediaKeys {
    /// The keys in this table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// The key that cookies are signed with. One round trip, which callers do once in a process.
    ///
    /// # Errors
    /// When there is no key yet, or DynamoDB doesn't answer.
    pub async fn signing_key(&self) -> anyhow::Result<SigningKey> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", AttributeValue::S(CURRENT.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .context("reading the media key")?;
        let item = found.item.context("there is no media key")?;
        let document = item.get("private_key_pkcs8").and_then(|value| value.as_b().ok());
        let document = document.context("the media key's record holds no key")?;
        Ok(SigningKey::from_pkcs8(document.as_ref())?)
    }

    /// Makes a key unless there is one, and answers the public half of the key that is there now, as PEM.
    ///
    /// # Errors
    /// When DynamoDB doesn't answer, or the key that is there can't be read.
    pub async fn create_once(&self) -> anyhow::Result<String> {
        let document = SigningKey::generate()?;
        let public_key_pem = SigningKey::from_pkcs8(&document)?.public_key_pem()?;
        let created_at = DateTime::from(SystemTime::now()).fmt(DateTimeFormat::DateTime)?;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("id", AttributeValue::S(CURRENT.to_owned()))
            .item("private_key_pkcs8", AttributeValue::B(Blob::new(document)))
            .item("public_key_pem", AttributeValue::S(public_key_pem.clone()))
            .item("created_at", AttributeValue::S(created_at))
            .condition_expression("attribute_not_exists(id)")
            .send()
            .await;
        match put.map_err(|error| error.into_service_error()) {
            Ok(_) => Ok(public_key_pem),
            Err(PutItemError::ConditionalCheckFailedException(_)) => {
                Ok(self.signing_key().await?.public_key_pem()?)
            }
            Err(error) => Err(error).context("storing the media key"),
        }
    }
}
