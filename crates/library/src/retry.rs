//! Failures that are maybe not the film's fault: another try, within a week.
//!
//! A content that was given up is `failed` with a time until which it may be retried ([`Content::retry_until`]). Until then it
//! keeps its original, its holders and what was made of it; its uploads are `failed` with the same time. Its digest points to it
//! no longer, so that whoever sends the same bytes meanwhile brings a content of their own, and a retry joins that one.
//! A failure without such a time is final, and its content is on its way to `removing`.
//!
//! An owner's quota counts an upload as long as its bytes are kept. So neither giving up nor retrying changes it, and what lets
//! the bytes go does: [`Library::remove_upload`], [`Library::tell_failed`], and a retry that ends as a duplicate.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use items::{from_item, number, string};

use crate::content::{Content, ContentState, DigestPointer, Holder, content_key, digest_key, holder_key};
use crate::contents;
use crate::encoding::{self, Encoding};
use crate::expression::Condition;
use crate::finish::processing_with;
use crate::ids::{ContentId, UploadId};
use crate::join::{Joined, Joining};
use crate::lease::{clear_lease, is_unleased};
use crate::library::Library;
use crate::quota::Change;
use crate::timestamp::Timestamp;
use crate::upload::{Upload, UploadState};
use crate::uploads::{self, Failure, Removed, clear_failure, set_failure, upload_key};
use crate::write::{Committed, Write, commit};

/// How long a content that was given up is kept for another try.
pub const RETRY_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How often a content is read again because others joined or left it meanwhile.
const ATTEMPTS: u32 = 16;

/// How many uploads change in the transaction that changes their content; those of further holders follow one by one. DynamoDB
/// takes 100 writes at once, and an upload may need two.
const TOLD_AT_ONCE: usize = 40;

/// What can be given up, and retried from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Nobody has a lease on the content any more.
    Packaging,
    /// It waits for nothing but its encoding. What is encoded already is kept.
    Encoding,
}

impl Work {
    fn presumed(self) -> Condition {
        match self {
            Self::Encoding => encoding::waiting(),
            Self::Packaging => Condition::All(vec![
                contents::is(ContentState::Processing),
                is_unleased(),
                Condition::Any(vec![Condition::Absent("encoding"), encoding::is(Encoding::Wanted)]),
            ]),
        }
    }
}

impl Content {
    /// Whether it failed and is kept for another try.
    pub fn may_be_retried(&self) -> bool {
        self.state == ContentState::Failed && is_ahead(self.retry_until)
    }

    /// Whether it failed for good, or nobody retried it in time: [`Library::end_retry`] lets go of it.
    pub fn is_past_retry(&self) -> bool {
        self.state == ContentState::Failed && !is_ahead(self.retry_until)
    }
}

impl Upload {
    /// Whether it failed and may be retried still.
    pub fn may_be_retried(&self) -> bool {
        self.state == UploadState::Failed && is_ahead(self.retry_until)
    }
}

fn is_ahead(until: Option<Timestamp>) -> bool {
    until.is_some_and(|until| Timestamp::now() < until)
}

/// What became of one attempt.
enum Attempt {
    Done,
    /// What was read has changed meanwhile.
    Changed,
}

impl Library {
    /// `processing → failed` of a content that can't be worked on now, and of its uploads: all may be retried for
    /// [`RETRY_FOR`]. Answers false if the content is no longer where this work leaves it, or somebody has a lease on it.
    ///
    /// In the same transaction its digest stops pointing to it. It presumes that the number of listings is the one that was
    /// read, so that nobody joins unnoticed. Three round trips, and one more for each holder past the fortieth.
    pub async fn give_up(&self, content_id: ContentId, work: Work, reason: &str) -> anyhow::Result<bool> {
        let retry_until = Timestamp::now().plus(RETRY_FOR);
        let failure = Failure { reason, retry_until: Some(retry_until) };
        let mut at_once = TOLD_AT_ONCE;
        for _ in 0..ATTEMPTS {
            let Some(content) = self.contents.get(content_id).await? else { return Ok(false) };
            if content.state != ContentState::Processing {
                return Ok(false);
            }
            let holders = self.contents.holders(content_id).await?;
            let presumed = Condition::All(vec![work.presumed(), same_listings(&content)]);
            let failed = Write::update(&self.tables.contents, content_key(content_id), presumed);
            let failed = contents::enter(failed, ContentState::Failed)
                .set("reason", string(reason))
                .set("retry_until", string(retry_until));
            let mut writes = vec![clear_lease(failed)];
            if let Some(digest) = &content.digest {
                let own = Condition::Any(vec![Condition::Absent("pk"), points_to(content_id)]);
                writes.push(Write::delete(&self.tables.contents, digest_key(digest), Some(own)));
            }
            let uploads_from = writes.len();
            let told = holders.iter().take(at_once);
            writes.extend(
                told.map(|holder| set_failure(self.upload_of(holder, held_with(content_id)), &failure)),
            );
            let all_told = writes.len() - uploads_from == holders.len();
            match commit(&self.client, writes).await? {
                Committed::Done if all_told => return Ok(true),
                Committed::Done => {
                    self.tell_given_up(content_id, reason, retry_until).await?;
                    return Ok(true);
                }
                Committed::Refused(refusals) if refusals.at(0).is_some() => {
                    let found: Option<Content> =
                        refusals.at(0).flatten().cloned().map(from_item).transpose()?;
                    if found.is_none_or(|found| found.listings == content.listings) {
                        return Ok(false);
                    }
                }
                Committed::Refused(refusals) if uploads_from == 2 && refusals.at(1).is_some() => {
                    return Err(anyhow!("the digest of the content {content_id} points to another one"));
                }
                // One of them is not as its content: that holds nobody else up.
                Committed::Refused(_) => at_once = 0,
            }
        }
        Err(anyhow!("the content {content_id} did not keep still"))
    }

    /// `processing → failed` of each upload of a content that was given up and not retried since. It can be repeated.
    pub async fn tell_given_up(
        &self,
        content_id: ContentId,
        reason: &str,
        retry_until: Timestamp,
    ) -> anyhow::Result<()> {
        let failure = Failure { reason, retry_until: Some(retry_until) };
        let still = Condition::All(vec![
            contents::is(ContentState::Failed),
            Condition::Is("retry_until", string(retry_until)),
        ]);
        for holder in self.contents.holders(content_id).await? {
            let upload = set_failure(self.upload_of(&holder, processing_with(content_id)), &failure);
            let check = Write::check(&self.tables.contents, content_key(content_id), still.clone());
            commit(&self.client, vec![upload, check]).await?;
        }
        Ok(())
    }

    /// `failed → processing` of an upload that may be retried, with its content and all uploads of that. Answers whether
    /// the upload is on its way or further now; false if it can't be retried any more. A repeat answers the same.
    ///
    /// If its digest points to another content by now, because the same bytes came again, this upload alone joins that one, as
    /// a new one would, and leaves its own content; with the last upload that becomes `removing`.
    ///
    /// A content that waited for its encoding waits for it again, which the table's stream tells. Any other has to be asked for
    /// ([`Content::awaits_packaging`]). Three round trips.
    pub async fn retry(&self, upload: &Upload) -> anyhow::Result<bool> {
        match upload.content_id {
            Some(content_id) => self.retry_holder(content_id, &upload.holder()).await,
            None => Ok(false),
        }
    }

    /// As [`Library::retry`] for every upload of a content.
    pub async fn retry_all(&self, content_id: ContentId) -> anyhow::Result<()> {
        for holder in self.contents.holders(content_id).await? {
            self.retry_holder(content_id, &holder).await?;
        }
        Ok(())
    }

    async fn retry_holder(&self, content_id: ContentId, holder: &Holder) -> anyhow::Result<bool> {
        let mut at_once = TOLD_AT_ONCE;
        for _ in 0..ATTEMPTS {
            let Some(content) = self.contents.get(content_id).await? else { return Ok(false) };
            match content.state {
                ContentState::Failed if content.may_be_retried() => {}
                ContentState::Failed | ContentState::Removing => return Ok(false),
                ContentState::Ready => {
                    self.publish(&content).await?;
                    return Ok(true);
                }
                ContentState::Processing => {
                    self.tell_retried(content_id).await?;
                    return Ok(true);
                }
            }
            let holders = self.contents.holders(content_id).await?;
            if !holders.iter().any(|other| other.video_id == holder.video_id) {
                return Ok(false);
            }
            match self.reopen(&content, holder, &holders, &mut at_once).await? {
                Attempt::Done => return Ok(true),
                Attempt::Changed => {}
            }
        }
        Err(anyhow!("the content {content_id} did not keep still"))
    }

    async fn reopen(
        &self,
        content: &Content,
        holder: &Holder,
        holders: &[Holder],
        at_once: &mut usize,
    ) -> anyhow::Result<Attempt> {
        let content_id = content.content_id;
        let waits = matches!(content.encoding, Some(Encoding::Needed | Encoding::Started));
        let opened =
            Write::update(&self.tables.contents, content_key(content_id), retryable_as_read(content));
        let opened = contents::enter(opened, ContentState::Processing)
            .set_some("encoding", waits.then(|| string(Encoding::Needed)))
            .remove("reason")
            .remove("retry_until");
        let mut writes = vec![clear_lease(opened)];
        if let Some(digest) = &content.digest {
            let free = Condition::Any(vec![Condition::Absent("pk"), points_to(content_id)]);
            let pointer = DigestPointer { content_id, size_bytes: content.size_bytes, media: None };
            writes.push(self.point(digest, &pointer, free)?);
        }
        let uploads_from = writes.len();
        writes.extend(holders.iter().take(*at_once).map(|holder| self.on_its_way(holder, content_id)));
        let all_told = writes.len() - uploads_from == holders.len();
        match commit(&self.client, writes).await? {
            Committed::Done => {
                if !all_told {
                    self.tell_retried(content_id).await?;
                }
                Ok(Attempt::Done)
            }
            Committed::Refused(refusals) if refusals.at(0).is_some() => Ok(Attempt::Changed),
            Committed::Refused(refusals) => match refusals.at(1) {
                Some(Some(pointer)) if uploads_from == 2 => {
                    let pointer: DigestPointer = from_item(pointer.clone())?;
                    self.join_instead(content, holder, &pointer).await
                }
                _ => {
                    // One of them is not as its content: that holds nobody else up.
                    *at_once = 0;
                    Ok(Attempt::Changed)
                }
            },
        }
    }

    /// Makes one upload leave a content that was given up for the one that has its bytes now.
    async fn join_instead(
        &self,
        content: &Content,
        holder: &Holder,
        pointer: &DigestPointer,
    ) -> anyhow::Result<Attempt> {
        let joining = Joining {
            holder,
            presumed: held_with(content.content_id),
            waits: false,
            pointer,
            along: vec![self.left_by_one(content), self.share_gone(content.content_id, holder)],
        };
        Ok(match self.join(&joining).await? {
            Joined::Shared | Joined::Duplicate => Attempt::Done,
            Joined::Changed | Joined::Lost => Attempt::Changed,
        })
    }

    /// `failed → processing` of each upload of a content that is retried.
    async fn tell_retried(&self, content_id: ContentId) -> anyhow::Result<()> {
        for holder in self.contents.holders(content_id).await? {
            let still = contents::is(ContentState::Processing);
            let check = Write::check(&self.tables.contents, content_key(content_id), still);
            commit(&self.client, vec![self.on_its_way(&holder, content_id), check]).await?;
        }
        Ok(())
    }

    /// Lets go of a content that nobody retried in time, or that failed for good: it becomes `removing`, its uploads stay `failed`
    /// and can't be retried. Answers false, and does nothing, if it isn't [past retrying](Content::is_past_retry) or has
    /// changed since it was read. It can be repeated. Four round trips, and one more for each further holder.
    pub async fn end_retry(&self, content: &Content) -> anyhow::Result<bool> {
        if !content.is_past_retry() {
            return Ok(false);
        }
        let content_id = content.content_id;
        if let Some(until) = content.retry_until {
            let as_read = Condition::All(vec![
                contents::is(ContentState::Failed),
                Condition::Is("retry_until", string(until)),
            ]);
            let ended = Write::update(&self.tables.contents, content_key(content_id), as_read);
            if let Committed::Refused(_) = commit(&self.client, vec![ended.remove("retry_until")]).await? {
                return Ok(false);
            }
        }
        let reason = content.reason.as_deref().context("it failed without a reason")?;
        self.tell_failed(content, reason).await?;
        Ok(true)
    }

    /// Removes an upload that waits, failed or is a duplicate. One that may be retried gives up its share in the content in the
    /// same transaction; with the last one the content becomes `removing`. One round trip, or three.
    pub async fn remove_upload(&self, id: UploadId) -> anyhow::Result<Removed> {
        for _ in 0..ATTEMPTS {
            let kept = match self.uploads.remove(id).await? {
                Removed::Kept(upload) => upload,
                gone => return Ok(gone),
            };
            let (Some(content_id), Some(_), UploadState::Failed) =
                (kept.content_id, kept.retry_until, kept.state)
            else {
                return Ok(Removed::Kept(kept));
            };
            let holder = kept.holder();
            let upload = Write::delete(&self.tables.uploads, upload_key(id), Some(failed_with(content_id)));
            let mut writes = match self.contents.get(content_id).await? {
                // It is retried at this moment.
                Some(content) if matches!(content.state, ContentState::Processing | ContentState::Ready) => {
                    return Ok(Removed::Kept(kept));
                }
                Some(content) if content.retry_until.is_some() => {
                    vec![upload, self.left_by_one(&content), self.share_gone(content_id, &holder)]
                }
                // Nothing is kept of it, or will be: what still names the share goes with the content.
                _ => vec![upload],
            };
            writes.push(Change::freed(kept.size_bytes).of(&kept.owner_id, &self.tables.contents));
            if let Committed::Done = commit(&self.client, writes).await? {
                return Ok(Removed::Gone);
            }
        }
        Err(anyhow!("the content of the upload {id} did not keep still"))
    }

    /// One listing less of a content that was given up; with the last one it goes.
    fn left_by_one(&self, content: &Content) -> Write {
        let left =
            Write::update(&self.tables.contents, content_key(content.content_id), retryable_as_read(content))
                .set("listings", number(content.listings.saturating_sub(1)));
        if content.listings > 1 {
            return left;
        }
        contents::enter(left, ContentState::Removing).remove("retry_until")
    }

    fn share_gone(&self, content_id: ContentId, holder: &Holder) -> Write {
        let own = Condition::Is("video_id", string(holder.video_id));
        Write::delete(&self.tables.contents, holder_key(content_id, &holder.owner_id), Some(own))
    }

    fn upload_of(&self, holder: &Holder, presumed: Condition) -> Write {
        Write::update(&self.tables.uploads, upload_key(holder.video_id.as_upload()), presumed)
    }

    fn on_its_way(&self, holder: &Holder, content_id: ContentId) -> Write {
        let upload = self.upload_of(holder, held_with(content_id));
        clear_failure(upload).set("state", uploads::state(UploadState::Processing))
    }
}

impl Content {
    /// Whether nothing happens to it before somebody asks for it to be packaged, or goes on with that.
    pub fn awaits_packaging(&self) -> bool {
        let left_to_the_encoder = matches!(self.encoding, Some(Encoding::Needed | Encoding::Started));
        self.state == ContentState::Processing && !left_to_the_encoder
    }
}

/// That an upload has a share in a content that isn't ready: it is processing with it, or may be retried with it.
pub(crate) fn held_with(content_id: ContentId) -> Condition {
    Condition::Any(vec![processing_with(content_id), failed_with(content_id)])
}

fn failed_with(content_id: ContentId) -> Condition {
    Condition::All(vec![
        uploads::is(UploadState::Failed),
        Condition::Exists("retry_until"),
        Condition::Is("content_id", string(content_id)),
    ])
}

fn retryable_as_read(content: &Content) -> Condition {
    Condition::All(vec![
        contents::is(ContentState::Failed),
        Condition::Exists("retry_until"),
        same_listings(content),
    ])
}

fn same_listings(content: &Content) -> Condition {
    Condition::Is("listings", number(content.listings))
}

fn points_to(content_id: ContentId) -> Condition {
    Condition::Is("content_id", string(content_id))
}
