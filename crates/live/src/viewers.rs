//! The table of registered viewers, and whose they are.

use anyhow::Context as _;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use items::{Item, number, string};
use thiserror::Error;

use crate::ViewerId;

/// So many viewers one account may register.
pub const VIEWERS_PER_ACCOUNT: u64 = 50;

/// How often a registration is tried when others of the same account are under way.
const TRIES: usize = 4;

/// Why a viewer was not registered.
#[derive(Debug, Error)]
pub enum RegisterError {
    /// The id is somebody else's.
    #[error("the id is taken")]
    Taken,
    /// The account has as many as it may.
    #[error("the account has {VIEWERS_PER_ACCOUNT} viewers already")]
    TooMany,
    /// DynamoDB did not do it.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// The viewers of everybody: one item each, with its owner's id. Beside them, one item for each account counts its viewers, under
/// a key with a space, which no viewer's id has.
#[derive(Clone, Debug)]
pub struct Viewers {
    client: Client,
    table: String,
}

impl Viewers {
    /// The viewers in this table.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// The id of the account that registered this viewer, if one did. One round trip.
    ///
    /// # Errors
    /// When DynamoDB doesn't answer.
    pub async fn owner(&self, viewer: &ViewerId) -> anyhow::Result<Option<String>> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(viewer.as_str())))
            .consistent_read(true)
            .send()
            .await
            .context("reading a viewer")?;
        let Some(item) = found.item else { return Ok(None) };
        let owner_id = item.get("owner_id").and_then(|value| value.as_s().ok());
        Ok(Some(owner_id.context("a viewer has no owner")?.clone()))
    }

    /// Makes a viewer that nobody has this account's. One that is the account's already stays so. One round trip, or two the
    /// first time.
    ///
    /// # Errors
    /// When the viewer is somebody else's, when the account has too many, or when DynamoDB doesn't answer.
    pub async fn register(&self, viewer: &ViewerId, owner_id: &str) -> Result<(), RegisterError> {
        for _ in 0..TRIES {
            match self.owner(viewer).await? {
                Some(owner) if owner == owner_id => return Ok(()),
                Some(_) => return Err(RegisterError::Taken),
                None => {}
            }
            match self.add(viewer, owner_id).await? {
                Added::Done => return Ok(()),
                Added::AccountIsFull => return Err(RegisterError::TooMany),
                Added::InTheWay => {}
            }
        }
        Err(anyhow::anyhow!("registrations of one account or viewer are in each other's way").into())
    }

    /// The viewers that this account has registered. It reads the whole table, and is for the export and the end of an account.
    ///
    /// # Errors
    /// When DynamoDB doesn't answer.
    pub async fn of(&self, owner_id: &str) -> anyhow::Result<Vec<String>> {
        let scan = self
            .client
            .scan()
            .table_name(&self.table)
            .filter_expression("owner_id = :owner_id")
            .expression_attribute_values(":owner_id", string(owner_id))
            .projection_expression("viewer_id");
        let mut items = scan.into_paginator().items().send();
        let mut viewers = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.context("reading viewers")?;
            let viewer_id = item.get("viewer_id").and_then(|value| value.as_s().ok());
            viewers.push(viewer_id.context("a viewer has no id")?.clone());
        }
        Ok(viewers)
    }

    /// Forgets all viewers of an account, and how many there were. Their names are free for others then.
    ///
    /// # Errors
    /// When DynamoDB doesn't answer.
    pub async fn forget(&self, owner_id: &str) -> anyhow::Result<()> {
        let mut keys = self.of(owner_id).await?;
        keys.push(format!("account {owner_id}"));
        for id in keys {
            let delete = self.client.delete_item().table_name(&self.table).set_key(Some(key(&id)));
            delete.send().await.context("forgetting a viewer")?;
        }
        Ok(())
    }

    async fn add(&self, viewer: &ViewerId, owner_id: &str) -> anyhow::Result<Added> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(key(viewer.as_str())))
            .item("owner_id", string(owner_id))
            .condition_expression("attribute_not_exists(viewer_id)")
            .build()?;
        let count = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(&format!("account {owner_id}"))))
            .update_expression("ADD #count :one")
            .condition_expression("attribute_not_exists(#count) OR #count < :most")
            .expression_attribute_names("#count", "viewers")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":most", number(VIEWERS_PER_ACCOUNT))
            .build()?;
        let sent = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(TransactWriteItem::builder().update(count).build())
            .send()
            .await;
        match sent.map_err(|error| error.into_service_error()) {
            Ok(_) => Ok(Added::Done),
            Err(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                let codes: Vec<_> =
                    canceled.cancellation_reasons().iter().filter_map(|reason| reason.code()).collect();
                let is_full = codes == ["None", "ConditionalCheckFailed"];
                Ok(if is_full { Added::AccountIsFull } else { Added::InTheWay })
            }
            Err(error) => Err(error).context("registering a viewer"),
        }
    }
}

enum Added {
    Done,
    AccountIsFull,
    /// Somebody was quicker, or is about to be.
    InTheWay,
}

fn key(viewer_id: &str) -> Item {
    Item::from([("viewer_id".to_owned(), string(viewer_id))])
}
