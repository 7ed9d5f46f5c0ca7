//! The table of the keys that tickets are signed and verified with.
//!
//! A key is two items with one sort key: `use` = `sign` holds the private half, which the register function alone may read,
//! `use` = `verify` the public half for relays.

use anyhow::Context as _;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use items::{Item, number, string};

use crate::tickets::{SigningKey, VerifyingKeys};

/// Relays read the keys every minute, so that all know a key that is older than this, in milliseconds.
const KNOWN_AFTER_MS: u64 = 3 * 60 * 1_000;

const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// A new key is made when the newest is older than this, in milliseconds.
const RENEWED_AFTER_MS: u64 = 30 * DAY_MS;

/// A key is deleted when it is older than this, in milliseconds. Its last ticket expired a month before.
const DELETED_AFTER_MS: u64 = 60 * DAY_MS;

/// The table of ticket keys.
#[derive(Clone, Debug)]
pub struct TicketKeys {
    client: Client,
    table: String,
}

/// What a rotation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// The id of the key that was made, if one was due.
    pub made: Option<String>,
    /// The ids of keys that were deleted.
    pub deleted: Vec<String>,
}

struct Record {
    key_id: String,
    created_ms: u64,
    item: Item,
}

impl TicketKeys {
    /// The keys in this table.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// The public halves of all keys. One round trip.
    ///
    /// # Errors
    /// When DynamoDB doesn't answer, or a record is no key.
    pub async fn verifying(&self) -> anyhow::Result<VerifyingKeys> {
        let records = self.records("verify").await?;
        let keys: anyhow::Result<Vec<_>> =
            records.iter().map(|record| bytes(&record.item, "public_key").map(<[u8]>::to_vec)).collect();
        Ok(VerifyingKeys::new(keys?))
    }

    /// The key to sign with: the newest that every relay knows by now, or the oldest while none is old enough. One round
    /// trip, which callers do once in minutes.
    ///
    /// # Errors
    /// When there is no key yet, when DynamoDB doesn't answer, or a record is no key.
    pub async fn signing(&self, now_ms: u64) -> anyhow::Result<SigningKey> {
        let records = self.records("sign").await?;
        let known = records.iter().rfind(|record| record.created_ms + KNOWN_AFTER_MS <= now_ms);
        let record = known.or(records.first()).context("there is no ticket key")?;
        Ok(SigningKey::from_pkcs8(bytes(&record.item, "private_key_pkcs8")?)?)
    }

    /// Makes a key if one is due, and deletes those that are past their time. May be repeated and run twice at once: then
    /// there is a key too many, which hurts nobody.
    ///
    /// # Errors
    /// When DynamoDB doesn't do it. What was done stays.
    pub async fn rotate(&self, now_ms: u64) -> anyhow::Result<Rotation> {
        let mut rotation = Rotation::default();
        let newest_ms = self.records("sign").await?.last().map(|record| record.created_ms);
        if newest_ms.is_none_or(|newest_ms| newest_ms + RENEWED_AFTER_MS <= now_ms) {
            rotation.made = Some(self.make(now_ms).await?);
        }
        // Nobody may sign with a key that is no longer verified.
        for purpose in ["sign", "verify"] {
            for record in self.records(purpose).await? {
                if record.created_ms + DELETED_AFTER_MS <= now_ms {
                    self.delete(purpose, &record.key_id).await?;
                    if purpose == "verify" {
                        rotation.deleted.push(record.key_id);
                    }
                }
            }
        }
        Ok(rotation)
    }

    async fn make(&self, now_ms: u64) -> anyhow::Result<String> {
        let document = SigningKey::generate()?;
        let key = SigningKey::from_pkcs8(&document)?;
        // In this order, so that no key signs that nobody verifies.
        self.put("verify", &key, now_ms, ("public_key", key.public_key().to_vec())).await?;
        self.put("sign", &key, now_ms, ("private_key_pkcs8", document)).await?;
        Ok(key.id().to_string())
    }

    async fn put(
        &self,
        purpose: &str,
        key: &SigningKey,
        created_ms: u64,
        (half, value): (&str, Vec<u8>),
    ) -> anyhow::Result<()> {
        self.client
            .put_item()
            .table_name(&self.table)
            .item("use", string(purpose))
            .item("key_id", string(key.id()))
            .item("created_ms", number(created_ms))
            .item(half, AttributeValue::B(Blob::new(value)))
            .send()
            .await
            .context("storing a ticket key")?;
        Ok(())
    }

    async fn delete(&self, purpose: &str, key_id: &str) -> anyhow::Result<()> {
        self.client
            .delete_item()
            .table_name(&self.table)
            .key("use", string(purpose))
            .key("key_id", string(key_id))
            .send()
            .await
            .context("deleting a ticket key")?;
        Ok(())
    }

    /// All keys for one use, oldest first. There are never more than a few.
    async fn records(&self, purpose: &str) -> anyhow::Result<Vec<Record>> {
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#use = :use")
            .expression_attribute_names("#use", "use")
            .expression_attribute_values(":use", string(purpose))
            .consistent_read(true)
            .send()
            .await
            .context("reading the ticket keys")?;
        let mut records: Vec<_> =
            found.items.unwrap_or_default().into_iter().map(record).collect::<anyhow::Result<_>>()?;
        records.sort_by(|a, b| (a.created_ms, &a.key_id).cmp(&(b.created_ms, &b.key_id)));
        Ok(records)
    }
}

fn record(item: Item) -> anyhow::Result<Record> {
    let key_id = item.get("key_id").and_then(|value| value.as_s().ok()).context("a key has no id")?.clone();
    let created_ms = item.get("created_ms").and_then(|value| value.as_n().ok());
    let created_ms = created_ms.context("a key has no age")?.parse().context("a key's age is no number")?;
    Ok(Record { key_id, created_ms, item })
}

fn bytes<'a>(item: &'a Item, name: &str) -> anyhow::Result<&'a [u8]> {
    let value = item.get(name).and_then(|value| value.as_b().ok());
    Ok(value.with_context(|| format!("a key's record has no {name}"))?.as_ref())
}
