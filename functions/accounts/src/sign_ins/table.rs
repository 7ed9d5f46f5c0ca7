//! Table `SignIns`: partition key `user_id`, sort key `entry`. Each attempt is an item whose `entry` begins with its time; the item
//! `last` holds the newest that succeeded, so that the one before it is known in one write.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_lc_rs::rand;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::ReturnValue;
use cold_start::quick_calls;
use items::{Item, from_item, number, string, to_item};
use library::Timestamp;

use super::{Outcome, SignIn};

/// How long a sign-in is known. DynamoDB may take days longer to delete it, so readers look at the time as well.
const KEPT: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// How long it is known that somebody tried an e-mail that has no account.
const NOBODY_KEPT: Duration = Duration::from_secs(60 * 60);

/// The `entry` of the item that is no attempt.
pub(crate) const LAST: &str = "last";

/// On a sign-in that its account's owner was mailed about: when.
const MAILED_AT: &str = "mailed_at";

/// Whether the device of a sign-in is in the history before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Novelty {
    /// There is no sign-in before it that is known.
    First,
    /// It is.
    Known,
    /// It isn't, and others are.
    New,
}

/// The sign-ins of everybody.
#[derive(Clone, Debug)]
pub struct SignInsTable {
    client: Client,
    table: String,
}

impl SignInsTable {
    /// The table of this name.
    pub fn new(sdk: &SdkConfig, table: impl Into<String>) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(sdk).timeout_config(quick_calls()).build();
        Self { client: Client::from_conf(config), table: table.into() }
    }

    /// Notes that somebody signed in, and answers how they did so before. One round trip.
    pub(crate) async fn signed_in(&self, user_id: &str, this: SignIn) -> anyhow::Result<Option<SignIn>> {
        let entry = entry(this.at)?;
        let noted = self.put(user_id, &entry, &this, KEPT);
        let last = self.replace_last(user_id, &this);
        let ((), previous) = tokio::try_join!(noted, last)?;
        let from = oldest();
        Ok(previous.filter(|previous| previous.at >= from))
    }

    /// Notes that somebody was refused. One round trip. For an e-mail that has no account, a note is written that nobody reads, each
    /// time the same one: leaving it out would make that answer quicker.
    pub(crate) async fn refused(&self, user_id: Option<&str>, this: &SignIn) -> anyhow::Result<()> {
        match user_id {
            Some(user_id) => self.put(user_id, &entry(this.at)?, this, KEPT).await,
            None => self.put("nobody", LAST, this, NOBODY_KEPT).await,
        }
    }

    /// How somebody signed in to this account the last time, if they did. One round trip.
    pub(crate) async fn last(&self, user_id: &str) -> anyhow::Result<Option<SignIn>> {
        let get = self.client.get_item().table_name(&self.table);
        let get = get.set_key(Some(key(user_id, LAST)));
        let found = get.send().await.context("reading the last sign-in")?.item;
        let last = found.filter(|item| !item.is_empty()).map(from_item).transpose()?;
        let from = oldest();
        Ok(last.filter(|last: &SignIn| last.at >= from))
    }

    /// One attempt; none if it is gone, or if it was mailed about.
    pub(crate) async fn get(&self, user_id: &str, entry: &str) -> anyhow::Result<Option<SignIn>> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(user_id, entry)));
        let found = get.consistent_read(true).send().await.context("reading a sign-in")?.item;
        let found = found.filter(|item| !item.is_empty() && !item.contains_key(MAILED_AT));
        found.map(from_item).transpose()
    }

    /// Whether this device had signed in before this entry. One that signed in at the same moment counts by the order of the entries.
    pub(crate) async fn novelty(&self, user_id: &str, entry: &str, device: &str) -> anyhow::Result<Novelty> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("user_id = :user_id AND entry BETWEEN :oldest AND :before")
            .expression_attribute_values(":user_id", string(user_id))
            .expression_attribute_values(":oldest", string(oldest()))
            .expression_attribute_values(":before", string(entry))
            .scan_index_forward(false)
            .into_paginator()
            .items()
            .send();
        let mut novelty = Novelty::First;
        while let Some(item) = pages.next().await {
            let item = item.context("reading sign-ins")?;
            if entry_of(&item) == Some(entry) {
                continue;
            }
            let before: SignIn = from_item(item)?;
            match before.outcome {
                Outcome::SignedIn if before.device == device => return Ok(Novelty::Known),
                Outcome::SignedIn => novelty = Novelty::New,
                Outcome::Refused => {}
            }
        }
        Ok(novelty)
    }

    /// Marks a sign-in as mailed about. Answers whether it was not before; one that is gone is.
    pub(crate) async fn mark_as_mailed(&self, user_id: &str, entry: &str) -> anyhow::Result<bool> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(user_id, entry)))
            .update_expression("SET mailed_at = :now")
            .condition_expression("attribute_exists(user_id) AND attribute_not_exists(mailed_at)")
            .expression_attribute_values(":now", string(Timestamp::now()));
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Ok(false)
            }
            Err(error) => Err(error).context("marking a sign-in"),
        }
    }

    /// Takes the mark back. A sign-in that is gone meanwhile stays so.
    pub(crate) async fn take_mark(&self, user_id: &str, entry: &str) -> anyhow::Result<()> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(user_id, entry)))
            .update_expression("REMOVE mailed_at")
            .condition_expression("attribute_exists(user_id)");
        match update.send().await {
            Err(error)
                if !error
                    .as_service_error()
                    .is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Err(error).context("unmarking a sign-in")
            }
            _ => Ok(()),
        }
    }

    /// At most `limit` attempts on this account, newest first, from after the entry `after` on, and the entry after which there are
    /// more. One round trip.
    pub(crate) async fn newest(
        &self,
        user_id: &str,
        limit: usize,
        after: Option<String>,
    ) -> anyhow::Result<(Vec<SignIn>, Option<String>)> {
        // `$` sorts after the `#` that follows the time, so that a page begins after the last entry of the one before.
        let before = after.unwrap_or_else(|| format!("{}$", Timestamp::now()));
        let oldest = oldest().to_string();
        if before < oldest {
            return Ok((Vec::new(), None));
        }
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("user_id = :user_id AND entry BETWEEN :oldest AND :before")
            .expression_attribute_values(":user_id", string(user_id))
            .expression_attribute_values(":oldest", string(&oldest))
            .expression_attribute_values(":before", string(&before))
            .scan_index_forward(false)
            // One tells whether there are more, and the end of the page before is within the range.
            .limit(i32::try_from(limit)?.saturating_add(2))
            .send()
            .await
            .context("reading sign-ins")?;
        let mut items = found.items.unwrap_or_default();
        items.retain(|item| entry_of(item).is_some_and(|entry| entry != before));
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).and_then(entry_of).map(str::to_owned);
        let sign_ins = items.into_iter().map(from_item);
        Ok((sign_ins.collect::<anyhow::Result<_>>()?, next))
    }

    /// Forgets all of an account's.
    pub(crate) async fn forget(&self, user_id: &str) -> anyhow::Result<()> {
        loop {
            let found = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("user_id = :user_id")
                .expression_attribute_values(":user_id", string(user_id))
                .projection_expression("user_id, entry")
                .limit(100)
                .consistent_read(true)
                .send()
                .await
                .context("reading sign-ins")?;
            let keys = found.items.unwrap_or_default();
            if keys.is_empty() {
                return Ok(());
            }
            for key in keys {
                let delete = self.client.delete_item().table_name(&self.table).set_key(Some(key));
                delete.send().await.context("forgetting a sign-in")?;
            }
        }
    }

    async fn put(&self, user_id: &str, entry: &str, this: &SignIn, kept: Duration) -> anyhow::Result<()> {
        let put =
            self.client.put_item().table_name(&self.table).set_item(Some(item(user_id, entry, this, kept)?));
        put.send().await.context("noting a sign-in")?;
        Ok(())
    }

    async fn replace_last(&self, user_id: &str, this: &SignIn) -> anyhow::Result<Option<SignIn>> {
        let put =
            self.client.put_item().table_name(&self.table).set_item(Some(item(user_id, LAST, this, KEPT)?));
        let replaced =
            put.return_values(ReturnValue::AllOld).send().await.context("noting the last sign-in")?;
        // Where there was none, some answer nothing and some answer an empty item.
        let replaced = replaced.attributes.filter(|item| !item.is_empty());
        replaced.map(from_item).transpose()
    }
}

fn item(user_id: &str, entry: &str, this: &SignIn, kept: Duration) -> anyhow::Result<Item> {
    let mut item = to_item(this)?;
    let expires_at = this.at.plus(kept).unix_ms() / 1_000;
    item.insert("user_id".to_owned(), string(user_id));
    item.insert("entry".to_owned(), string(entry));
    item.insert("expires_at".to_owned(), number(expires_at));
    Ok(item)
}

fn key(user_id: &str, entry: &str) -> Item {
    HashMap::from([("user_id".to_owned(), string(user_id)), ("entry".to_owned(), string(entry))])
}

/// Two at the same moment are two.
fn entry(at: Timestamp) -> anyhow::Result<String> {
    let mut chance = [0; 4];
    rand::fill(&mut chance).context("there is no randomness")?;
    Ok(format!("{at}#{:08x}", u32::from_be_bytes(chance)))
}

fn entry_of(item: &Item) -> Option<&str> {
    item.get("entry")?.as_s().ok().map(String::as_str)
}

fn oldest() -> Timestamp {
    let kept_ms = i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_unix_ms(Timestamp::now().unix_ms().saturating_sub(kept_ms))
}
