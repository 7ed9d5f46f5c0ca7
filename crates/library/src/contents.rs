//! The table of contents, and the transitions that concern one content alone.

use anyhow::Context as _;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use items::{from_item, number, string};

use crate::content::{Content, ContentState, HOLDER_PREFIX, Holder, Promise, content_key, content_partition};
use crate::expression::Condition;
use crate::ids::ContentId;
use crate::lease::{Claim, Lease, LeaseToken, Renewal, Settled, clear_lease};
use crate::timestamp::Timestamp;
use crate::write::{Write, Written};

/// The contents of everybody.
#[derive(Clone, Debug)]
pub struct Contents {
    pub(crate) client: Client,
    pub(crate) table: String,
}

impl Contents {
    /// The contents in this table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// The content, as the last write left it. One round trip.
    pub async fn get(&self, id: ContentId) -> anyhow::Result<Option<Content>> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(content_key(id)))
            .consistent_read(true)
            .send()
            .await
            .context("reading a content")?;
        found.item.map(from_item).transpose()
    }

    /// Everybody who lists the content or will. The read is consistent: whoever joined before it began is in it. One
    /// round trip for each megabyte of holders.
    pub async fn holders(&self, id: ContentId) -> anyhow::Result<Vec<Holder>> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", string(content_partition(id)))
            .expression_attribute_values(":prefix", string(HOLDER_PREFIX))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut holders = Vec::new();
        while let Some(item) = pages.next().await {
            holders.push(from_item(item.context("reading the holders of a content")?)?);
        }
        Ok(holders)
    }

    /// Takes the lease on a content that is worked on, which is one that is processing or promised, unless somebody
    /// else's is live. One round trip.
    pub async fn claim(&self, id: ContentId, lease: &Lease) -> anyhow::Result<Claim<Content>> {
        let condition = Condition::All(vec![is_worked_on(), lease.is_free()]);
        let write = lease.set_on(Write::update(&self.table, content_key(id), condition));
        match write.send(&self.client).await? {
            Written::Done(item) => Ok(Claim::Claimed(from_item(item.unwrap_or_default())?)),
            Written::Refused(None) => Ok(Claim::Absent),
            Written::Refused(Some(item)) => {
                let found: Content = from_item(item)?;
                Ok(if found.is_worked_on() { Claim::Busy(found) } else { Claim::Past(found) })
            }
        }
    }

    /// Renews a lease that is still ours, even if it has run out since. One round trip. What the holder of a lost
    /// lease does has no effect any more.
    pub async fn renew(&self, id: ContentId, lease: &Lease) -> anyhow::Result<Renewal> {
        let write = lease.set_on(Write::update(&self.table, content_key(id), worked_on_under(lease.token)));
        match write.send(&self.client).await? {
            Written::Done(_) => Ok(Renewal::Renewed),
            Written::Refused(None) => Ok(Renewal::Gone),
            Written::Refused(Some(item)) => {
                let found: Content = from_item(item)?;
                Ok(match found.state {
                    ContentState::Removing => Renewal::Gone,
                    _ if found.is_worked_on() => Renewal::Lost,
                    _ => Renewal::Past,
                })
            }
        }
    }

    /// Ends the promise of a content that is ready: all of its outputs are written. By the holder of the lease, which ends
    /// as well. One round trip. A repeat answers the same.
    pub async fn keep_promise(&self, id: ContentId, token: LeaseToken) -> anyhow::Result<Settled> {
        let presumed = Condition::All(vec![is_promised(), token.is_held()]);
        let write = clear_lease(Write::update(&self.table, content_key(id), presumed))
            .set("promise", promise(Promise::Kept));
        match write.send(&self.client).await? {
            Written::Done(_) => Ok(Settled::Written),
            Written::Refused(None) => Ok(Settled::Gone),
            Written::Refused(Some(item)) => {
                let found: Content = from_item(item)?;
                Ok(match found.state {
                    ContentState::Removing => Settled::Gone,
                    // By this write, whose answer was lost, or by whoever took the lease over: the outputs are the same.
                    ContentState::Ready if found.promise == Some(Promise::Kept) => Settled::Written,
                    _ => Settled::Lost,
                })
            }
        }
    }

    /// Gives up the lease, so that a retry needn't wait for its end. One round trip. Nothing happens if it was lost.
    pub async fn release(&self, id: ContentId, token: LeaseToken) -> anyhow::Result<()> {
        let write = clear_lease(Write::update(&self.table, content_key(id), worked_on_under(token)));
        write.send(&self.client).await?;
        Ok(())
    }

    /// `failed → removing` of one that failed for good, when every upload has been told. One round trip. Nothing happens in
    /// another state.
    pub(crate) async fn remove_failed(&self, id: ContentId) -> anyhow::Result<()> {
        let for_good = Condition::All(vec![is(ContentState::Failed), Condition::Absent("retry_until")]);
        let write = Write::update(&self.table, content_key(id), for_good);
        enter(write, ContentState::Removing).send(&self.client).await?;
        Ok(())
    }

    /// Deletes the record of a content in the state `removing`, when its objects are gone. One round trip. Nothing
    /// happens in another state.
    pub async fn delete(&self, id: ContentId) -> anyhow::Result<()> {
        let write = Write::delete(&self.table, content_key(id), Some(is(ContentState::Removing)));
        write.send(&self.client).await?;
        Ok(())
    }
}

/// That a content is in this state.
pub(crate) fn is(content_state: ContentState) -> Condition {
    Condition::Is("state", state(content_state))
}

impl Content {
    /// Whether there is work to be done on it under a lease: it is processing, or ready with outputs that are only promised.
    pub fn is_worked_on(&self) -> bool {
        self.state == ContentState::Processing
            || (self.state == ContentState::Ready && self.promise == Some(Promise::Made))
    }
}

/// That a content is ready with outputs that are promised.
fn is_promised() -> Condition {
    Condition::All(vec![is(ContentState::Ready), Condition::Is("promise", promise(Promise::Made))])
}

/// As [`Content::is_worked_on`].
fn is_worked_on() -> Condition {
    Condition::Any(vec![is(ContentState::Processing), is_promised()])
}

fn worked_on_under(token: LeaseToken) -> Condition {
    Condition::All(vec![is_worked_on(), token.is_held()])
}

/// That a content is processing under this lease.
pub(crate) fn processing_under(token: LeaseToken) -> Condition {
    Condition::All(vec![is(ContentState::Processing), token.is_held()])
}

/// A promise as an attribute.
pub(crate) fn promise(promise: Promise) -> AttributeValue {
    string(promise.as_str())
}

/// Has a content enter a state, and notes when.
pub(crate) fn enter(write: Write, content_state: ContentState) -> Write {
    write.set("state", state(content_state)).set("state_since_ms", number(Timestamp::now().unix_ms()))
}

/// A content's state as an attribute.
fn state(content_state: ContentState) -> AttributeValue {
    string(content_state.as_str())
}
