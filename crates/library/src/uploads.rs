//! The table of uploads, and the transitions that concern one upload alone.

use anyhow::Context as _;
use aws_sdk_dynamodb::Client;

use crate::content::content_key;
use crate::cursor::{Cursor, Page};
use crate::expression::Condition;
use crate::ids::{UploadId, UserId};
use crate::item::{Item, from_item, string, to_item};
use crate::lease::{Claim, Lease, LeaseToken, clear_lease};
use crate::upload::{Upload, UploadState};
use crate::write::{Committed, Write, Written, commit};

/// The uploads of everybody.
#[derive(Clone, Debug)]
pub struct Uploads {
    client: Client,
    table: String,
}

/// What became of a new upload's record.
#[derive(Clone, Debug, PartialEq)]
pub enum Created {
    /// It is there.
    New,
    /// The id is an earlier upload's, which stays as it is.
    Exists(Box<Upload>),
    /// The id is an earlier upload's, which is gone but whose content is not.
    Spent,
}

/// What became of the removal of an upload's record.
#[derive(Clone, Debug, PartialEq)]
pub enum Removed {
    /// There is no such upload, now or before.
    Gone,
    /// It is in a state in which it can't be removed.
    Kept(Box<Upload>),
}

impl Uploads {
    /// The uploads in this table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// The upload, as the last write left it. One round trip.
    pub async fn get(&self, id: UploadId) -> anyhow::Result<Option<Upload>> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(upload_key(id)))
            .consistent_read(true)
            .send()
            .await
            .context("reading an upload")?;
        found.item.map(from_item).transpose()
    }

    /// At most `limit` uploads of one person, newest first, from after `cursor` on. One round trip; what changed in
    /// the last moments may show as it was before.
    pub async fn newest_of(
        &self,
        owner: &UserId,
        limit: usize,
        cursor: Option<Cursor>,
    ) -> anyhow::Result<Page<Upload>> {
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by_owner")
            .key_condition_expression("owner_id = :owner_id")
            .expression_attribute_values(":owner_id", string(owner))
            .scan_index_forward(false)
            .limit(i32::try_from(limit)?.saturating_add(1))
            .set_exclusive_start_key(cursor.map(|cursor| cursor.start_key(("owner_id", owner.as_str()))))
            .send()
            .await
            .context("listing uploads")?;
        Page::from_items(found.items.unwrap_or_default(), limit)
    }

    /// Records a new upload under an id that nobody has had. One round trip.
    pub async fn create(&self, upload: &Upload) -> anyhow::Result<Created> {
        match self.put_new(upload)?.send(&self.client).await? {
            Written::Done(_) => Ok(Created::New),
            Written::Refused(found) => existing(found),
        }
    }

    /// Records a new upload under an id that follows from an idempotency key. One round trip.
    ///
    /// It presumes that neither an upload nor a content has the id. The content matters because it may outlive the
    /// upload that brought it: its original has the key that this upload would write to.
    pub async fn create_once(&self, upload: &Upload, contents_table: &str) -> anyhow::Result<Created> {
        let no_content =
            Write::check(contents_table, content_key(upload.id.as_content()), Condition::Absent("pk"));
        match commit(&self.client, vec![self.put_new(upload)?, no_content]).await? {
            Committed::Done => Ok(Created::New),
            Committed::Refused(refusals) => match refusals.at(0) {
                Some(found) => existing(found.cloned()),
                None => Ok(Created::Spent),
            },
        }
    }

    fn put_new(&self, upload: &Upload) -> anyhow::Result<Write> {
        Ok(Write::put(&self.table, to_item(upload)?, Condition::Absent("id")))
    }

    /// `waiting → uploaded`, when S3 has the object. One round trip. Answers the upload as it is then; none if there is none.
    ///
    /// An upload past `waiting` stays as it is: it was completed before, or S3's event was faster.
    pub async fn mark_uploaded(&self, id: UploadId) -> anyhow::Result<Option<Upload>> {
        let write = Write::update(&self.table, upload_key(id), is(UploadState::Waiting))
            .set("state", state(UploadState::Uploaded));
        let (Written::Done(found) | Written::Refused(found)) = write.send(&self.client).await?;
        found.map(from_item).transpose()
    }

    /// `waiting | uploaded → checking`, under a lease. One round trip.
    ///
    /// An upload that is being checked can be claimed once the lease on it has run out.
    pub async fn claim(&self, id: UploadId, lease: &Lease) -> anyhow::Result<Claim<Upload>> {
        let claimable = Condition::Any(vec![
            is(UploadState::Waiting),
            is(UploadState::Uploaded),
            Condition::All(vec![is(UploadState::Checking), lease.is_free()]),
        ]);
        let write = Write::update(&self.table, upload_key(id), claimable);
        let write = lease.set_on(write).set("state", state(UploadState::Checking));
        match write.send(&self.client).await? {
            Written::Done(item) => Ok(Claim::Claimed(from_item(item.unwrap_or_default())?)),
            Written::Refused(None) => Ok(Claim::Absent),
            Written::Refused(Some(item)) => {
                let found: Upload = from_item(item)?;
                Ok(if found.state == UploadState::Checking { Claim::Busy(found) } else { Claim::Past(found) })
            }
        }
    }

    /// `checking → failed`, by the holder of the lease, with a sentence for the owner. One round trip. Answers whether
    /// the upload is refused now; false if the lease was lost or the upload is gone.
    pub async fn refuse(&self, id: UploadId, token: LeaseToken, reason: &str) -> anyhow::Result<bool> {
        let condition = Condition::All(vec![is(UploadState::Checking), token.is_held()]);
        let write = Write::update(&self.table, upload_key(id), condition)
            .set("state", state(UploadState::Failed))
            .set("reason", string(reason));
        // The token stays: it tells a repeat of this write, whose answer was lost, from a lost lease.
        match write.send(&self.client).await? {
            Written::Done(_) => Ok(true),
            Written::Refused(None) => Ok(false),
            Written::Refused(Some(item)) => Ok(from_item::<Upload>(item)?.state == UploadState::Failed),
        }
    }

    /// Gives up the lease on an upload that is being checked, so that a retry needn't wait. One round trip. Nothing
    /// happens if the lease was lost.
    pub async fn release(&self, id: UploadId, token: LeaseToken) -> anyhow::Result<()> {
        let condition = Condition::All(vec![is(UploadState::Checking), token.is_held()]);
        let write = clear_lease(Write::update(&self.table, upload_key(id), condition));
        write.send(&self.client).await?;
        Ok(())
    }

    /// Removes the record of an upload that waits, failed or is a duplicate. One round trip.
    pub async fn remove(&self, id: UploadId) -> anyhow::Result<Removed> {
        let removable = Condition::Any(vec![
            is(UploadState::Waiting),
            is(UploadState::Failed),
            is(UploadState::Duplicate),
        ]);
        match Write::delete(&self.table, upload_key(id), Some(removable)).send(&self.client).await? {
            Written::Done(_) | Written::Refused(None) => Ok(Removed::Gone),
            Written::Refused(Some(item)) => Ok(Removed::Kept(Box::new(from_item(item)?))),
        }
    }
}

fn existing(found: Option<Item>) -> anyhow::Result<Created> {
    let found = found.context("a record refused a new one, but was not shown")?;
    Ok(Created::Exists(Box::new(from_item(found)?)))
}

/// The key of an upload's record.
pub(crate) fn upload_key(id: UploadId) -> Item {
    Item::from([("id".to_owned(), string(id))])
}

/// That an upload is in this state.
pub(crate) fn is(upload_state: UploadState) -> Condition {
    Condition::Is("state", state(upload_state))
}

/// An upload's state as an attribute.
pub(crate) fn state(upload_state: UploadState) -> aws_sdk_dynamodb::types::AttributeValue {
    string(upload_state.as_str())
}
