//! Table `AccountRemovals`: partition key `user_id`. One item for each account that is to go, until nothing of it is left.

use std::time::Duration;

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use cold_start::quick_calls;
use items::{from_item, string, to_item};
use library::Timestamp;
use serde::{Deserialize, Serialize};

/// An access token that was given out before lives ten minutes at most. What is begun with it is looked for once more after that.
const TOKENS_LIVE: Duration = Duration::from_secs(15 * 60);

/// The accounts that are to go.
#[derive(Clone, Debug)]
pub struct Removals {
    client: Client,
    table: String,
}

/// An account that is to go.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Removal {
    pub user_id: String,
    pub requested_at: Timestamp,
}

impl Removal {
    /// Whether nobody can have a token of the account any more.
    pub(crate) fn is_past_all_tokens(&self) -> bool {
        self.requested_at.plus(TOKENS_LIVE) < Timestamp::now()
    }
}

impl Removals {
    /// The table of this name.
    pub fn new(sdk: &SdkConfig, table: impl Into<String>) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(sdk).timeout_config(quick_calls()).build();
        Self { client: Client::from_conf(config), table: table.into() }
    }

    /// Marks an account as one that is to go. From here on it goes, whatever becomes of who asked for it.
    pub(crate) async fn mark(&self, user_id: &str) -> anyhow::Result<()> {
        let removal = Removal { user_id: user_id.to_owned(), requested_at: Timestamp::now() };
        let put = self.client.put_item().table_name(&self.table).set_item(Some(to_item(&removal)?));
        put.send().await.context("marking an account")?;
        Ok(())
    }

    /// Whether an account is to go.
    pub(crate) async fn is_marked(&self, user_id: &str) -> anyhow::Result<bool> {
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("user_id", string(user_id))
            .consistent_read(true);
        let found = get.send().await.context("looking for a mark")?;
        // Where there is none, some answer nothing and some answer an empty item.
        Ok(found.item.is_some_and(|item| !item.is_empty()))
    }

    /// All of them: a few at most, and mostly none.
    pub(crate) async fn all(&self) -> anyhow::Result<Vec<Removal>> {
        let mut pages = self.client.scan().table_name(&self.table).into_paginator().items().send();
        let mut removals = Vec::new();
        while let Some(item) = pages.next().await {
            removals.push(from_item(item.context("reading marked accounts")?)?);
        }
        Ok(removals)
    }

    /// Takes the mark away: nothing is left.
    pub(crate) async fn done(&self, user_id: &str) -> anyhow::Result<()> {
        let delete = self.client.delete_item().table_name(&self.table).key("user_id", string(user_id));
        delete.send().await.context("taking a mark away")?;
        Ok(())
    }
}
