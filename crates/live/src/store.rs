//! What the relay asks of DynamoDB: five calls, none of which it waits for while it delivers.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use items::{number, string, to_item};
use thiserror::Error;

use crate::ticket_keys::TicketKeys;
use crate::tickets::VerifyingKeys;
use crate::viewers::Viewers;
use crate::{Beat, ChannelsRow, Segment, ViewerId};

/// The names of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveTables {
    /// Segments by viewer.
    pub usage: String,
    /// Beats and channels by relay.
    pub relays: String,
    /// Registered viewers.
    pub viewers: String,
    /// The keys of tickets.
    pub ticket_keys: String,
}

/// Why something was not stored.
#[derive(Debug, Error)]
pub enum NotStored {
    /// DynamoDB understood and will refuse it the next time as well.
    #[error("DynamoDB refuses it")]
    Refused(#[source] anyhow::Error),
    /// DynamoDB didn't answer, or not now.
    #[error("DynamoDB didn't store it")]
    Failed(#[source] anyhow::Error),
}

/// The tables, as the relay uses them. Clones share connections.
#[derive(Clone, Debug)]
pub struct LiveStore {
    client: Client,
    usage: String,
    relays: String,
    viewers: Viewers,
    ticket_keys: TicketKeys,
}

impl LiveStore {
    /// The store in these tables.
    #[must_use]
    pub fn new(client: Client, tables: &LiveTables) -> Self {
        Self {
            usage: tables.usage.clone(),
            relays: tables.relays.clone(),
            viewers: Viewers::new(client.clone(), &tables.viewers),
            ticket_keys: TicketKeys::new(client.clone(), &tables.ticket_keys),
            client,
        }
    }

    /// Stores a segment, unless this version or a newer one is stored already. One round trip; a repeat is harmless.
    ///
    /// # Errors
    /// When DynamoDB doesn't say that it is stored. It may be nevertheless.
    pub async fn put_segment(&self, segment: &Segment) -> Result<(), NotStored> {
        let item = to_item(segment).map_err(NotStored::Refused)?;
        let put = self.client.put_item().table_name(&self.usage).set_item(Some(item));
        put_newer(put, "version", segment.version).await
    }

    /// Stores a beat, unless the stored one speaks until then or longer. One round trip; a repeat is harmless.
    ///
    /// # Errors
    /// When DynamoDB doesn't say that it is stored. It may be nevertheless.
    pub async fn put_beat(&self, beat: &Beat) -> Result<(), NotStored> {
        let item = to_item(beat).map_err(NotStored::Refused)?;
        let put = self.client.put_item().table_name(&self.relays).set_item(Some(item));
        put_newer(put.item("part", string(Beat::PART)), "beat_ms", beat.beat_ms).await
    }

    /// Stores some channels of a relay, unless newer ones are stored. One round trip; a repeat is harmless.
    ///
    /// # Errors
    /// When DynamoDB doesn't say that it is stored. It may be nevertheless.
    pub async fn put_channels(&self, row: &ChannelsRow) -> Result<(), NotStored> {
        let item = to_item(row).map_err(NotStored::Refused)?;
        let put = self.client.put_item().table_name(&self.relays).set_item(Some(item));
        put_newer(put, "at_ms", row.at_ms).await
    }

    /// The keys that tickets are verified with now.
    ///
    /// # Errors
    /// When DynamoDB doesn't answer, or a record is no key.
    pub async fn verify_keys(&self) -> anyhow::Result<VerifyingKeys> {
        self.ticket_keys.verifying().await
    }

    /// Whether somebody registered this viewer.
    ///
    /// # Errors
    /// When DynamoDB doesn't answer.
    pub async fn is_registered(&self, viewer: &ViewerId) -> anyhow::Result<bool> {
        Ok(self.viewers.owner(viewer).await?.is_some())
    }
}

/// Puts an item whose `order` is `value`, over one whose is smaller or over none. That there is one as new is no failure: the
/// same put has come through before, or a later one has.
async fn put_newer(put: PutItemFluentBuilder, order: &str, value: u64) -> Result<(), NotStored> {
    let put = put
        .condition_expression("attribute_not_exists(#order) OR #order < :value")
        .expression_attribute_names("#order", order)
        .expression_attribute_values(":value", number(value));
    match put.send().await {
        Ok(_) => Ok(()),
        Err(SdkError::ServiceError(error)) => match error.into_err() {
            PutItemError::ConditionalCheckFailedException(_) => Ok(()),
            error if error.code() == Some("ValidationException") => {
                Err(NotStored::Refused(anyhow::Error::new(error).context("storing usage")))
            }
            error => Err(NotStored::Failed(anyhow::Error::new(error).context("storing usage"))),
        },
        Err(error) => Err(NotStored::Failed(anyhow::Error::new(error))),
    }
}
