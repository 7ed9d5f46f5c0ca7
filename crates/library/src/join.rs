//! Joining a content that somebody else brought.

use anyhow::Context as _;
use items::{from_item, string, to_item};

use crate::content::{ContentState, DigestPointer, Holder, Media, content_key, holder_key};
use crate::contents;
use crate::expression::Condition;
use crate::ids::ContentId;
use crate::lease::clear_lease;
use crate::library::Library;
use crate::quota::Change;
use crate::timestamp::Timestamp;
use crate::upload::UploadState;
use crate::uploads::{self, clear_failure, upload_key};
use crate::video::Video;
use crate::videos::video_item;
use crate::write::{Committed, Write, commit};

/// What became of an attempt to join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// The owner has a share in the content now.
    Shared,
    /// The owner had one already: the upload is a duplicate.
    Duplicate,
    /// The content is no longer in the state that the pointer told; the pointer is to be read again.
    Changed,
    /// The upload, or what was to happen along with it, is no longer as presumed: the lease was lost.
    Lost,
}

/// An upload that joins a content.
pub(crate) struct Joining<'a> {
    /// The share that it will have.
    pub(crate) holder: &'a Holder,
    /// What must hold of the upload.
    pub(crate) presumed: Condition,
    /// Whether it counts as waiting so far.
    pub(crate) waits: bool,
    /// The content with the same bytes.
    pub(crate) pointer: &'a DigestPointer,
    /// What happens in the same transaction, or doesn't.
    pub(crate) along: Vec<Write>,
}

impl Library {
    /// Gives the upload's owner a share in the content that the pointer names, all or nothing: one more listing, the
    /// holder, the upload's state, and the video's record if the content is ready.
    ///
    /// It presumes that the content is still in the state that the pointer told. That leaves no gap between a join and the
    /// content's becoming ready, because both are transactions on the content's record, so one comes first. If the
    /// join does, its holder is there when the fan-out reads the holders, which is after the content became ready. If
    /// the join comes second, its condition `processing` fails, the pointer is read again, and the join makes the
    /// video itself. It is the same with failure and removal, which delete the pointer.
    pub(crate) async fn join(&self, joining: &Joining<'_>) -> anyhow::Result<Joined> {
        let Joining { holder, pointer, .. } = joining;
        match commit(&self.client, self.share(joining)?).await? {
            Committed::Done => Ok(Joined::Shared),
            // A holder in a content that changed says nothing: it may just be told that its content failed.
            Committed::Refused(refusals) if refusals.at(1).is_some() => Ok(Joined::Changed),
            Committed::Refused(refusals) => match refusals.at(2) {
                Some(Some(item)) if item.contains_key("video_id") => {
                    let held: Holder = from_item(item.clone())?;
                    tracing::info!(upload_id = %holder.video_id, content_id = %pointer.content_id, "a duplicate");
                    self.mark_duplicate(joining, &held).await
                }
                Some(_) => Ok(Joined::Changed),
                None => Ok(Joined::Lost),
            },
        }
    }

    fn share(&self, joining: &Joining<'_>) -> anyhow::Result<Vec<Write>> {
        let (Joining { holder, pointer, .. }, tables) = (joining, &self.tables);
        let content_id = pointer.content_id;
        let (presumed_content, upload_state) = match pointer.media {
            Some(_) => (ContentState::Ready, UploadState::Ready),
            None => (ContentState::Processing, UploadState::Processing),
        };
        let mut upload =
            Write::update(&tables.uploads, upload_key(holder.video_id.as_upload()), joining.presumed.clone())
                .set("state", uploads::state(upload_state))
                .set("content_id", string(content_id));
        let content =
            Write::update(&tables.contents, content_key(content_id), contents::is(presumed_content))
                .add("listings", 1);
        let mut writes = Vec::new();
        if let Some(media) = &pointer.media {
            upload = upload.set("video_id", string(holder.video_id));
            let video = holder.video(content_id, pointer.size_bytes, media.clone());
            writes.push(Write::put(&tables.videos, video_item(&video)?, Condition::Absent("id")));
        }
        let new_holder = self.new_holder(content_id, holder)?;
        writes.splice(0..0, [clear_failure(clear_lease(upload)), content, new_holder]);
        if joining.waits {
            writes.push(Change::ARRIVED.of(&holder.owner_id, &tables.contents));
        }
        writes.extend(joining.along.iter().cloned());
        Ok(writes)
    }

    async fn mark_duplicate(&self, joining: &Joining<'_>, held: &Holder) -> anyhow::Result<Joined> {
        let (Joining { holder, pointer, .. }, tables) = (joining, &self.tables);
        let upload =
            Write::update(&tables.uploads, upload_key(holder.video_id.as_upload()), joining.presumed.clone())
                .set("state", uploads::state(UploadState::Duplicate))
                .set("duplicate_of", string(held.video_id))
                .remove("content_id");
        // Both checks, because the owner may delete the video meanwhile, or its content fail.
        let still_held = Write::check(
            &tables.contents,
            holder_key(pointer.content_id, &holder.owner_id),
            Condition::Is("video_id", string(held.video_id)),
        );
        let still_there = Write::check(
            &tables.contents,
            content_key(pointer.content_id),
            Condition::Any(vec![contents::is(ContentState::Processing), contents::is(ContentState::Ready)]),
        );
        let freed = Change { uploads: -i64::from(joining.waits), ..Change::freed(pointer.size_bytes) };
        let freed = freed.of(&holder.owner_id, &tables.contents);
        let mut writes = vec![clear_failure(clear_lease(upload)), still_held, still_there, freed];
        writes.extend(joining.along.iter().cloned());
        Ok(match commit(&self.client, writes).await? {
            Committed::Done => Joined::Duplicate,
            Committed::Refused(refusals) if refusals.at(1).is_some() || refusals.at(2).is_some() => {
                Joined::Changed
            }
            Committed::Refused(_) => Joined::Lost,
        })
    }

    /// A share of an owner who has none in this content.
    pub(crate) fn new_holder(&self, content_id: ContentId, holder: &Holder) -> anyhow::Result<Write> {
        let mut item = to_item(holder).context("a holder does not fit an item")?;
        item.extend(holder_key(content_id, &holder.owner_id));
        Ok(Write::put(&self.tables.contents, item, Condition::Absent("pk")))
    }
}

impl Holder {
    /// The record of this owner's video, as it is when it is listed first.
    pub(crate) fn video(&self, content_id: ContentId, size_bytes: u64, media: Media) -> Video {
        let now = Timestamp::now();
        Video {
            id: self.video_id,
            owner_id: self.owner_id.clone(),
            title: self.title.clone(),
            description: self.description.clone(),
            created_at: now,
            updated_at: now,
            version: 1,
            content_id,
            size_bytes,
            media,
        }
    }
}
