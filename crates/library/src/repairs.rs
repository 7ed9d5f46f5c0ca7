//! Repairs of records that contradict each other, or whose consequence never came.
//!
//! None of this happens while the service works as it should: other programs and people write to tables too, backups are
//! restored by halves, and messages get lost. Each repair is one conditional write or one transaction, which presumes
//! exactly what whoever found the contradiction has read. So it does nothing if things went on in the meantime.

use items::{number, string};

use crate::content::{Content, ContentState, DigestPointer, Holder, content_key, digest_key, holder_key};
use crate::contents;
use crate::digest::ContentDigest;
use crate::encoding::{self, Encoding};
use crate::expression::Condition;
use crate::finish::processing_with;
use crate::ids::ContentId;
use crate::lease::clear_lease;
use crate::library::Library;
use crate::quota::Change;
use crate::records::UploadRecord;
use crate::timestamp::Timestamp;
use crate::upload::{Upload, UploadState};
use crate::uploads::{self, Failure, set_failure, upload_key};
use crate::video::Video;
use crate::videos::{video_item, video_key};
use crate::write::{Committed, Write, Written, commit};

/// What became of a repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repaired {
    /// It is done.
    Yes,
    /// What it presumed holds no longer: nothing was changed.
    Outdated,
}

impl From<Committed> for Repaired {
    fn from(committed: Committed) -> Self {
        match committed {
            Committed::Done => Self::Yes,
            Committed::Refused(_) => Self::Outdated,
        }
    }
}

impl From<Written> for Repaired {
    fn from(written: Written) -> Self {
        match written {
            Written::Done(_) => Self::Yes,
            Written::Refused(_) => Self::Outdated,
        }
    }
}

/// Repairs of uploads.
impl Library {
    /// `uploaded | checking → failed` of an upload whose object is gone, if its state is as it was read and nobody has the lease.
    pub async fn fail_lost_upload(&self, found: &UploadRecord, reason: &str) -> anyhow::Result<Repaired> {
        let nobodys = Condition::Any(vec![
            Condition::Absent("lease_until_ms"),
            Condition::Below("lease_until_ms", Timestamp::now().unix_ms()),
        ]);
        let presumed = Condition::All(vec![uploads::is(found.upload.state), nobodys]);
        let failed = Write::update(&self.tables.uploads, upload_key(found.upload.id), presumed);
        let failed = set_failure(failed, &Failure { reason, retry_until: None });
        let freed = Change::freed(found.upload.size_bytes);
        let freed = freed.of(&found.upload.owner_id, &self.tables.contents);
        Ok(commit(&self.client, vec![clear_lease(failed), freed]).await?.into())
    }

    /// `processing | ready | failed → failed`, for good, of an upload that has neither a share in the content that it names, if any, nor a video.
    pub async fn fail_upload_without_content(
        &self,
        upload: &Upload,
        content_id: Option<ContentId>,
        reason: &str,
    ) -> anyhow::Result<Repaired> {
        let tables = &self.tables;
        let (video_id, as_read) = (upload.id.as_video(), uploads::is(upload.state));
        let same = content_id.map_or(Condition::Absent("content_id"), |content_id| {
            Condition::Is("content_id", string(content_id))
        });
        let failed =
            Write::update(&tables.uploads, upload_key(upload.id), Condition::All(vec![as_read, same]));
        let failed = set_failure(failed, &Failure { reason, retry_until: None });
        let failed = failed.remove("content_id").remove("video_id");
        let no_video = Write::check(&tables.videos, video_key(video_id), Condition::Absent("id"));
        let freed = Change::freed(upload.size_bytes).of(&upload.owner_id, &tables.contents);
        let mut writes = vec![failed, no_video, freed];
        if let Some(content_id) = content_id {
            let key = holder_key(content_id, &upload.owner_id);
            let not_theirs = Condition::Differs("video_id", string(video_id));
            writes.push(Write::check(&tables.contents, key, not_theirs));
        }
        Ok(commit(&self.client, writes).await?.into())
    }

    /// Lists a content for the owner of an upload that is ready, from their share in it: their video is missing.
    pub async fn list_again(&self, content: &Content, holder: &Holder) -> anyhow::Result<Repaired> {
        let Some(media) = &content.media else { return Ok(Repaired::Outdated) };
        let tables = &self.tables;
        let (content_id, video_id) = (content.content_id, holder.video_id);
        let video = video_item(&holder.video(content_id, content.size_bytes, media.clone()))?;
        let is_ready = Condition::All(vec![
            uploads::is(UploadState::Ready),
            Condition::Is("content_id", string(content_id)),
        ]);
        let writes = vec![
            Write::put(&tables.videos, video, Condition::Absent("id")),
            Write::check(&tables.uploads, upload_key(video_id.as_upload()), is_ready),
            Write::check(&tables.contents, content_key(content_id), contents::is(ContentState::Ready)),
            Write::check(
                &tables.contents,
                holder_key(content_id, &holder.owner_id),
                Condition::Is("video_id", string(video_id)),
            ),
        ];
        Ok(commit(&self.client, writes).await?.into())
    }
}

/// Who lists a content and has no share in it.
#[derive(Clone, Debug, PartialEq)]
pub enum Lister {
    /// An upload that is processing.
    Upload(Box<Upload>),
    /// A video.
    Video(Box<Video>),
}

/// Repairs of shares and of how they are counted.
impl Library {
    /// Gives the share back to whoever lists a content, or will. The count of listings stays as it is.
    pub async fn share_again(&self, content: &Content, lister: &Lister) -> anyhow::Result<Repaired> {
        let (tables, content_id) = (&self.tables, content.content_id);
        let (holder, still_lists) = match lister {
            Lister::Upload(upload) => {
                let key = upload_key(upload.id);
                (upload.holder(), Write::check(&tables.uploads, key, processing_with(content_id)))
            }
            Lister::Video(video) => {
                let lists = Condition::Is("content_id", string(content_id));
                (video.holder(), Write::check(&tables.videos, video_key(video.id), lists))
            }
        };
        let writes = vec![
            self.new_holder(content_id, &holder)?,
            still_lists,
            Write::check(&tables.contents, content_key(content_id), contents::is(content.state)),
        ];
        Ok(commit(&self.client, writes).await?.into())
    }

    /// Takes a share away whose video is gone, with its listing if there is a content; `upload` is the state of its upload.
    pub async fn unshare(
        &self,
        content_id: ContentId,
        content: Option<&Content>,
        holder: &Holder,
        upload: Option<UploadState>,
    ) -> anyhow::Result<Repaired> {
        let tables = &self.tables;
        let video_id = holder.video_id;
        let own = Condition::Is("video_id", string(video_id));
        let as_read = upload.map_or(Condition::Absent("id"), uploads::is);
        let counted = match content {
            None => Write::check(&tables.contents, content_key(content_id), Condition::Absent("pk")),
            Some(content) => Write::update(
                &tables.contents,
                content_key(content_id),
                Condition::All(vec![
                    contents::is(content.state),
                    Condition::Is("listings", number(content.listings)),
                ]),
            )
            .set("listings", number(content.listings.saturating_sub(1))),
        };
        let writes = vec![
            Write::delete(&tables.contents, holder_key(content_id, &holder.owner_id), Some(own)),
            counted,
            Write::check(&tables.videos, video_key(video_id), Condition::Absent("id")),
            Write::check(&tables.uploads, upload_key(video_id.as_upload()), as_read),
        ];
        Ok(commit(&self.client, writes).await?.into())
    }

    /// Sets the count of listings to what was counted, if it is still the wrong one that was read. Whoever joins or leaves in
    /// the meantime changes it.
    pub async fn correct_listings(&self, content: &Content, counted: u64) -> anyhow::Result<Repaired> {
        let write = Write::update(&self.tables.contents, content_key(content.content_id), as_read(content))
            .set("listings", number(counted));
        Ok(write.send(&self.client).await?.into())
    }

    /// `processing | ready → removing` of a content that nobody lists, as when the last listing is deleted.
    pub async fn retire(&self, content: &Content) -> anyhow::Result<Repaired> {
        let tables = &self.tables;
        let removing = Write::update(&tables.contents, content_key(content.content_id), as_read(content));
        let removing =
            contents::enter(clear_lease(removing), ContentState::Removing).set("listings", number(0));
        let mut writes = vec![removing];
        if let Some(digest) = &content.digest {
            let own_or_none = Condition::Any(vec![
                Condition::Absent("pk"),
                Condition::Is("content_id", string(content.content_id)),
            ]);
            writes.push(Write::delete(&tables.contents, digest_key(digest), Some(own_or_none)));
        }
        Ok(commit(&self.client, writes).await?.into())
    }
}

/// Repairs of what points to contents.
impl Library {
    /// Deletes a pointer to a content that is gone, going, or has other bytes.
    pub async fn unpoint(&self, digest: &ContentDigest, content_id: ContentId) -> anyhow::Result<Repaired> {
        let tables = &self.tables;
        let own = Condition::Is("content_id", string(content_id));
        let is_another = Condition::Any(vec![
            Condition::Absent("pk"),
            contents::is(ContentState::Failed),
            contents::is(ContentState::Removing),
            Condition::Differs("digest", string(digest)),
        ]);
        let writes = vec![
            Write::delete(&tables.contents, digest_key(digest), Some(own)),
            Write::check(&tables.contents, content_key(content_id), is_another),
        ];
        Ok(commit(&self.client, writes).await?.into())
    }

    /// Makes the digest of a content point to it again, if it points nowhere.
    pub async fn point_again(&self, content: &Content) -> anyhow::Result<Repaired> {
        let Some(digest) = &content.digest else { return Ok(Repaired::Outdated) };
        let media = content.media.clone().filter(|_| content.state == ContentState::Ready);
        let pointer = DigestPointer { content_id: content.content_id, size_bytes: content.size_bytes, media };
        let unchanged =
            Condition::All(vec![contents::is(content.state), Condition::Is("digest", string(digest))]);
        let writes = vec![
            self.point(digest, &pointer, Condition::Absent("pk"))?,
            Write::check(&self.tables.contents, content_key(content.content_id), unchanged),
        ];
        Ok(commit(&self.client, writes).await?.into())
    }
}

/// What wakes the functions that the table's stream drives.
impl Library {
    /// Has the stream tell once more that a content is to be removed.
    pub async fn tell_removal_again(&self, id: ContentId) -> anyhow::Result<Repaired> {
        let write =
            Write::update(&self.tables.contents, content_key(id), contents::is(ContentState::Removing));
        Ok(touch(write).send(&self.client).await?.into())
    }

    /// `needed | wanted | started` of a content's encoding, as it was read, begins anew: it is planned again, and what is left of
    /// its task is asked for again.
    pub async fn encode_again(&self, content: &Content) -> anyhow::Result<Repaired> {
        let Some(encoding) = content.encoding else { return Ok(Repaired::Outdated) };
        let presumed = Condition::All(vec![contents::is(content.state), encoding::is(encoding)]);
        let anew = match content.state {
            ContentState::Processing => Encoding::Needed,
            _ => Encoding::Wanted,
        };
        let write = Write::update(&self.tables.contents, content_key(content.content_id), presumed);
        Ok(touch(encoding::enter(write, anew)).send(&self.client).await?.into())
    }
}

/// That a content's state and count of listings are as they were read.
fn as_read(content: &Content) -> Condition {
    Condition::All(vec![contents::is(content.state), Condition::Is("listings", number(content.listings))])
}

/// A write that changes nothing is told to nobody.
fn touch(write: Write) -> Write {
    write.set("redriven_at_ms", number(Timestamp::now().unix_ms()))
}

impl Video {
    /// The share in its content that its owner has.
    fn holder(&self) -> Holder {
        Holder {
            owner_id: self.owner_id.clone(),
            video_id: self.id,
            title: self.title.clone(),
            description: self.description.clone(),
        }
    }
}
