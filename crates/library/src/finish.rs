//! From a packaged content to videos.

use anyhow::{Context as _, anyhow, ensure};
use items::{from_item, nested, number, string};

use crate::content::{
    Content, ContentState, DigestPointer, Holder, Media, Promise, content_key, digest_key, holder_key,
};
use crate::contents;
use crate::digest::ContentDigest;
use crate::expression::Condition;
use crate::ids::ContentId;
use crate::join::{Joined, Joining};
use crate::lease::{LeaseToken, clear_lease};
use crate::library::Library;
use crate::quota::Change;
use crate::retry::held_with;
use crate::upload::UploadState;
use crate::uploads::{self, Failure, clear_failure, set_failure, upload_key};
use crate::videos::video_item;
use crate::write::{Committed, Write, commit};

/// How often the pointer is read again because the content that it named changed meanwhile.
const ATTEMPTS: u32 = 8;

/// What became of a content that was packaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// It is ready; its videos are to be published.
    Ready,
    /// Another content has the same bytes; its upload has joined that one or is a duplicate, and it is being removed.
    Merged,
    /// The lease on it was lost; nothing was changed.
    Lost,
}

impl Library {
    /// `processing → ready`, by the holder of the lease on the content.
    ///
    /// In one transaction the content becomes ready and its digest points to it, saying so. It presumes that the digest points
    /// to no other content. That always holds of a digest that S3 verified, which points to it since it was brought.
    /// One that packaging computed may point to another content: then the content gives way, `processing → removing`, in
    /// the transaction in which its upload joins the other one.
    ///
    /// With `promised`, the outputs aren't all written yet: the lease goes on until [`Contents::keep_promise`]. That is for
    /// digests that S3 verified, because nothing may be promised for a content that still may give way.
    ///
    /// One round trip, and two or more for a content that gives way.
    ///
    /// [`Contents::keep_promise`]: crate::Contents::keep_promise
    pub async fn finish(
        &self,
        content: &Content,
        token: LeaseToken,
        digest: &ContentDigest,
        media: &Media,
        promised: bool,
    ) -> anyhow::Result<Finished> {
        let content_id = content.content_id;
        let ready =
            Write::update(&self.tables.contents, content_key(content_id), contents::processing_under(token));
        let ready = contents::enter(ready, ContentState::Ready)
            .set("digest", string(digest))
            .set("media", nested(media)?);
        let pointer =
            DigestPointer { content_id, size_bytes: content.size_bytes, media: Some(media.clone()) };
        let ready = if promised {
            ready.set("promise", contents::promise(Promise::Made))
        } else {
            clear_lease(ready)
        };
        self.settle(content, token, digest, &ready, &pointer).await
    }

    /// Changes the content and makes its digest point to it, in one transaction. If the digest points to another content, this one
    /// gives way instead.
    pub(crate) async fn settle(
        &self,
        content: &Content,
        token: LeaseToken,
        digest: &ContentDigest,
        change: &Write,
        pointer: &DigestPointer,
    ) -> anyhow::Result<Finished> {
        let free_or_own = Condition::Any(vec![
            Condition::Absent("pk"),
            Condition::Is("content_id", string(content.content_id)),
        ]);
        let writes = vec![change.clone(), self.point(digest, pointer, free_or_own)?];
        for _ in 0..ATTEMPTS {
            let Committed::Refused(refusals) = commit(&self.client, writes.clone()).await? else {
                return Ok(Finished::Ready);
            };
            let pointer: DigestPointer = match (refusals.at(0), refusals.at(1)) {
                (None, Some(Some(pointer))) => from_item(pointer.clone())?,
                _ => return Ok(Finished::Lost),
            };
            match self.give_way(content.content_id, token, &pointer).await? {
                Joined::Shared | Joined::Duplicate => return Ok(Finished::Merged),
                Joined::Lost => return Ok(Finished::Lost),
                Joined::Changed => {}
            }
        }
        Err(anyhow!("the content with the digest of {} did not keep still", content.content_id))
    }

    /// Makes the only upload of a content join another content. It is the only one because nobody can have joined: no
    /// digest pointed here.
    async fn give_way(
        &self,
        content_id: ContentId,
        token: LeaseToken,
        pointer: &DigestPointer,
    ) -> anyhow::Result<Joined> {
        let contents_table = &self.tables.contents;
        let holders = self.contents.holders(content_id).await?;
        let Some(holder) = holders.first() else { return Ok(Joined::Lost) };
        let removing =
            Write::update(contents_table, content_key(content_id), contents::processing_under(token));
        let removing = contents::enter(removing, ContentState::Removing).set("listings", number(0));
        let no_share = Write::delete(
            contents_table,
            holder_key(content_id, &holder.owner_id),
            Some(Condition::Exists("pk")),
        );
        let joining = Joining {
            holder,
            presumed: processing_with(content_id),
            waits: false,
            pointer,
            along: vec![clear_lease(removing), no_share],
        };
        self.join(&joining).await
    }

    /// `processing → ready` of every upload that has a share in a ready content, each with its video in one transaction.
    ///
    /// It presumes that the upload is processing with this content, or failed with it before it was retried, so it can be repeated: an upload that is ready stays as
    /// it is, and a video that was deleted since, which took its upload along, doesn't come back. Two round
    /// trips, and one more for each further holder.
    pub async fn publish(&self, content: &Content) -> anyhow::Result<()> {
        let content_id = content.content_id;
        let media = content.media.as_ref().context("a content without media can't be published")?;
        for holder in self.contents.holders(content_id).await? {
            let upload = Write::update(
                &self.tables.uploads,
                upload_key(holder.video_id.as_upload()),
                held_with(content_id),
            )
            .set("state", uploads::state(UploadState::Ready))
            .set("video_id", string(holder.video_id));
            let upload = clear_failure(upload);
            let video = video_item(&holder.video(content_id, content.size_bytes, media.clone()))?;
            let video = Write::put(&self.tables.videos, video, Condition::Absent("id"));
            if let Committed::Refused(refusals) = commit(&self.client, vec![upload, video]).await? {
                let already = refusals.at(0).is_some();
                ensure!(already, "the video {} exists before its upload is ready", holder.video_id);
            }
        }
        Ok(())
    }

    /// `processing → failed` for good, by the holder of the lease on the content: it is no video that can be watched, however often one
    /// tries. Answers false if the lease was lost.
    ///
    /// In the same transaction its digest stops pointing to it, so nobody joins any more. One round trip.
    pub async fn fail(&self, content: &Content, token: LeaseToken, reason: &str) -> anyhow::Result<bool> {
        let content_id = content.content_id;
        let failed =
            Write::update(&self.tables.contents, content_key(content_id), contents::processing_under(token));
        let failed = contents::enter(failed, ContentState::Failed).set("reason", string(reason));
        let mut writes = vec![clear_lease(failed)];
        if let Some(digest) = &content.digest {
            let own = Condition::Is("content_id", string(content_id));
            writes.push(Write::delete(&self.tables.contents, digest_key(digest), Some(own)));
        }
        Ok(matches!(commit(&self.client, writes).await?, Committed::Done))
    }

    /// `processing → failed` of every upload that has a share in a content that failed for good, each losing its share in the same
    /// transaction and counting no longer, and then `failed → removing` of the content itself. It can be repeated. Three round trips, and one more for
    /// each further holder.
    pub async fn tell_failed(&self, content: &Content, reason: &str) -> anyhow::Result<()> {
        let content_id = content.content_id;
        for Holder { owner_id, video_id, .. } in self.contents.holders(content_id).await? {
            let upload =
                Write::update(&self.tables.uploads, upload_key(video_id.as_upload()), held_with(content_id));
            let upload = set_failure(upload, &Failure { reason, retry_until: None });
            let share = Write::delete(&self.tables.contents, holder_key(content_id, &owner_id), None);
            let freed = Change::freed(content.size_bytes).of(&owner_id, &self.tables.contents);
            if let Committed::Refused(_) = commit(&self.client, vec![upload, share.clone(), freed]).await? {
                // The upload knows already, or is gone.
                share.send(&self.client).await?;
            }
        }
        self.contents.remove_failed(content_id).await
    }
}

/// That an upload is processing with this content.
pub(crate) fn processing_with(content_id: ContentId) -> Condition {
    Condition::All(vec![
        uploads::is(UploadState::Processing),
        Condition::Is("content_id", string(content_id)),
    ])
}
