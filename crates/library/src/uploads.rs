//! The table of uploads, and the transitions that concern one upload alone.

use anyhow::{Context as _, anyhow};
use aws_sdk_dynamodb::Client;
use items::{Item, from_item, string, to_item};

use crate::content::content_key;
use crate::cursor::{Cursor, Page};
use crate::expression::Condition;
use crate::ids::{UploadId, UserId};
use crate::lease::{Claim, Lease, LeaseToken, clear_lease};
use crate::quota::{Change, Limits, Usage};
use crate::timestamp::Timestamp;
use crate::upload::{Upload, UploadState};
use crate::write::{Committed, Write, Written, commit};

/// How often an upload is looked at again because its state changed meanwhile.
const ATTEMPTS: u32 = 4;
/// The partition of the index `failures` that every failed upload is in, and no other.
const FAILURE: &str = "all";

/// The uploads of everybody.
#[derive(Clone, Debug)]
pub struct Uploads {
    pub(crate) client: Client,
    pub(crate) table: String,
    /// Where what each owner has is counted.
    pub(crate) contents_table: String,
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
    /// It would not fit beside what its owner has.
    NoRoom(Usage),
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
    /// The uploads in this table, counted in the table of contents.
    pub fn new(client: Client, table: impl Into<String>, contents_table: impl Into<String>) -> Self {
        Self { client, table: table.into(), contents_table: contents_table.into() }
    }

    /// The upload, as the last write left it. One round trip.
    pub async fn get(&self, id: UploadId) -> anyhow::Result<Option<Upload>> {
        self.item(id).await?.map(from_item).transpose()
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

    /// At most `limit` failed uploads of everybody, the newest upload first, from after `cursor` on. One round trip; what changed
    /// in the last moments may show as it was before.
    pub async fn newest_failed(&self, limit: usize, cursor: Option<Cursor>) -> anyhow::Result<Page<Upload>> {
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("failures")
            .key_condition_expression("failure = :failure")
            .expression_attribute_values(":failure", string(FAILURE))
            .scan_index_forward(false)
            .limit(i32::try_from(limit)?.saturating_add(1))
            .set_exclusive_start_key(cursor.map(|cursor| cursor.start_key(("failure", FAILURE))))
            .send()
            .await
            .context("listing failed uploads")?;
        Page::from_items(found.items.unwrap_or_default(), limit)
    }

    /// Records a new upload under an id that nobody has had, and counts it for its owner. It presumes that it fits within the
    /// limits. One round trip.
    pub async fn create(&self, upload: &Upload, limits: Limits) -> anyhow::Result<Created> {
        self.create_with(upload, limits, None).await
    }

    /// Records a new upload under an id that follows from an idempotency key. Otherwise as [`Uploads::create`].
    ///
    /// It presumes that neither an upload nor a content has the id. The content matters because it may outlive the
    /// upload that brought it: its original has the key that this upload would write to.
    pub async fn create_once(&self, upload: &Upload, limits: Limits) -> anyhow::Result<Created> {
        let key = content_key(upload.id.as_content());
        let no_content = Write::check(&self.contents_table, key, Condition::Absent("pk"));
        self.create_with(upload, limits, Some(no_content)).await
    }

    async fn create_with(
        &self,
        upload: &Upload,
        limits: Limits,
        presumed: Option<Write>,
    ) -> anyhow::Result<Created> {
        let counted = Change::begun(upload).within(limits, &upload.owner_id, &self.contents_table);
        let mut writes = vec![self.put_new(upload)?, counted];
        writes.extend(presumed);
        let Committed::Refused(refusals) = commit(&self.client, writes).await? else {
            return Ok(Created::New);
        };
        match (refusals.at(0), refusals.at(1)) {
            (Some(found), _) => existing(found.cloned(), upload),
            (None, Some(found)) => {
                Ok(Created::NoRoom(found.cloned().map_or(Ok(Usage::default()), from_item)?))
            }
            (None, None) => Ok(Created::Spent),
        }
    }

    fn put_new(&self, upload: &Upload) -> anyhow::Result<Write> {
        Ok(Write::put(&self.table, to_item(upload)?, Condition::Absent("id")))
    }

    /// `waiting → uploaded`, when S3 has the object; it no longer counts as waiting. One round trip. Answers the upload as it is
    /// then; none if there is none.
    ///
    /// An upload past `waiting` stays as it is: it was completed before, or S3's event was faster.
    pub async fn mark_uploaded(&self, upload: &Upload) -> anyhow::Result<Option<Upload>> {
        let write = Write::update(&self.table, upload_key(upload.id), is(UploadState::Waiting))
            .set("state", state(UploadState::Uploaded));
        match commit(&self.client, vec![write, self.counted(upload, Change::ARRIVED)]).await? {
            Committed::Done => Ok(Some(Upload { state: UploadState::Uploaded, ..upload.clone() })),
            Committed::Refused(refusals) => refusals.at(0).flatten().cloned().map(from_item).transpose(),
        }
    }

    fn counted(&self, upload: &Upload, change: Change) -> Write {
        change.of(&upload.owner_id, &self.contents_table)
    }

    /// `waiting | uploaded → checking`, under a lease. One round trip, and two if S3's event was faster than the completion: then it
    /// stops counting as waiting here.
    ///
    /// An upload that is being checked can be claimed once the lease on it has run out.
    pub async fn claim(&self, id: UploadId, lease: &Lease) -> anyhow::Result<Claim<Upload>> {
        let checking = |presumed| {
            let write = Write::update(&self.table, upload_key(id), presumed);
            lease.set_on(write).set("state", state(UploadState::Checking))
        };
        for _ in 0..ATTEMPTS {
            let claimable = Condition::Any(vec![
                is(UploadState::Uploaded),
                Condition::All(vec![is(UploadState::Checking), lease.is_free()]),
            ]);
            let found: Upload = match checking(claimable).send(&self.client).await? {
                Written::Done(item) => return Ok(Claim::Claimed(from_item(item.unwrap_or_default())?)),
                Written::Refused(None) => return Ok(Claim::Absent),
                Written::Refused(Some(item)) => from_item(item)?,
            };
            match found.state {
                UploadState::Waiting => {}
                UploadState::Checking => return Ok(Claim::Busy(found)),
                _ => return Ok(Claim::Past(found)),
            }
            let writes = vec![checking(is(UploadState::Waiting)), self.counted(&found, Change::ARRIVED)];
            if let Committed::Done = commit(&self.client, writes).await? {
                return Ok(Claim::Claimed(Upload {
                    state: UploadState::Checking,
                    lease_message_id: Some(lease.message_id.clone()),
                    ..found
                }));
            }
        }
        Err(anyhow!("the upload {id} did not keep still"))
    }

    /// `checking → failed`, by the holder of the lease, with a sentence for the owner, for whom it counts no longer. One round
    /// trip. Answers whether the upload is refused now; false if the lease was lost or the upload is gone.
    pub async fn refuse(&self, upload: &Upload, token: LeaseToken, reason: &str) -> anyhow::Result<bool> {
        let condition = Condition::All(vec![is(UploadState::Checking), token.is_held()]);
        let write = Write::update(&self.table, upload_key(upload.id), condition);
        let write = set_failure(write, &Failure { reason, retry_until: None });
        match commit(&self.client, vec![write, self.counted(upload, Change::freed(upload.size_bytes))])
            .await?
        {
            Committed::Done => Ok(true),
            // The token stays: it tells a repeat of this write, whose answer was lost, from a lost lease.
            Committed::Refused(refusals) => match refusals.at(0).flatten().cloned() {
                None => Ok(false),
                Some(item) => Ok(from_item::<Upload>(item)?.state == UploadState::Failed),
            },
        }
    }

    /// `waiting → failed` of an upload whose time is over, with a sentence for its owner, for whom it counts no longer. Answers
    /// false if it still has time or waits no more. One round trip.
    ///
    /// Whoever calls it makes sure that S3 has no object of it: then all parts came in time, and an event was lost.
    pub async fn expire(&self, upload: &Upload, reason: &str) -> anyhow::Result<bool> {
        if Timestamp::now() < upload.expires_at {
            return Ok(false);
        }
        let write = Write::update(&self.table, upload_key(upload.id), is(UploadState::Waiting));
        let write = set_failure(write, &Failure { reason, retry_until: None });
        let writes = vec![write, self.counted(upload, Change::given_up(upload))];
        Ok(matches!(commit(&self.client, writes).await?, Committed::Done))
    }

    /// Gives up the lease on an upload that is being checked, so that a retry needn't wait. One round trip. Nothing
    /// happens if the lease was lost.
    pub async fn release(&self, id: UploadId, token: LeaseToken) -> anyhow::Result<()> {
        let condition = Condition::All(vec![is(UploadState::Checking), token.is_held()]);
        let write = clear_lease(Write::update(&self.table, upload_key(id), condition));
        write.send(&self.client).await?;
        Ok(())
    }

    /// Removes the record of an upload that waits, failed for good or is a duplicate. One that waits counts no longer. One round trip, and two
    /// for one that waits.
    pub(crate) async fn remove(&self, id: UploadId) -> anyhow::Result<Removed> {
        let delete = |presumed| Write::delete(&self.table, upload_key(id), Some(presumed));
        for _ in 0..ATTEMPTS {
            let for_good = Condition::All(vec![is(UploadState::Failed), Condition::Absent("retry_until")]);
            let is_over = Condition::Any(vec![for_good, is(UploadState::Duplicate)]);
            let found: Upload = match delete(is_over).send(&self.client).await? {
                Written::Done(_) | Written::Refused(None) => return Ok(Removed::Gone),
                Written::Refused(Some(item)) => from_item(item)?,
            };
            if found.state != UploadState::Waiting {
                return Ok(Removed::Kept(Box::new(found)));
            }
            let writes =
                vec![delete(is(UploadState::Waiting)), self.counted(&found, Change::given_up(&found))];
            if let Committed::Done = commit(&self.client, writes).await? {
                return Ok(Removed::Gone);
            }
        }
        Err(anyhow!("the upload {id} did not keep still"))
    }
}

/// What is there may be this very upload: the transaction was committed, its answer was lost, and so it was tried again. S3 gives no
/// two multipart uploads one id.
fn existing(found: Option<Item>, upload: &Upload) -> anyhow::Result<Created> {
    let found: Upload = from_item(found.context("a record refused a new one, but was not shown")?)?;
    let is_own = found.s3_upload_id == upload.s3_upload_id;
    Ok(if is_own { Created::New } else { Created::Exists(Box::new(found)) })
}

/// Why an upload failed, and until when it may be retried, if it may.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure<'a> {
    pub(crate) reason: &'a str,
    pub(crate) retry_until: Option<Timestamp>,
}

/// Makes an upload `failed`.
pub(crate) fn set_failure(write: Write, failure: &Failure<'_>) -> Write {
    let write = write
        .set("state", state(UploadState::Failed))
        .set("reason", string(failure.reason))
        .set("failed_at", string(Timestamp::now()))
        .set("failure", string(FAILURE));
    match failure.retry_until {
        Some(until) => write.set("retry_until", string(until)),
        None => write.remove("retry_until"),
    }
}

/// Forgets that an upload failed.
pub(crate) fn clear_failure(write: Write) -> Write {
    write.remove("reason").remove("failed_at").remove("failure").remove("retry_until")
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
