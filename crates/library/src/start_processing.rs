//! From an object in S3 to a content.

use anyhow::anyhow;
use items::{from_item, string, to_item};

use crate::content::{Content, ContentState, DigestPointer, Holder, content_key, digest_key};
use crate::digest::ContentDigest;
use crate::expression::Condition;
use crate::join::{Joined, Joining};
use crate::lease::{LeaseToken, clear_lease};
use crate::library::Library;
use crate::timestamp::Timestamp;
use crate::upload::{Upload, UploadState};
use crate::uploads::{self, upload_key};
use crate::write::{Committed, Write, commit};

/// How often the pointer is read again because the content that it named changed meanwhile.
const ATTEMPTS: u32 = 8;

/// The object of an upload, as S3 describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// Its size.
    pub size_bytes: u64,
    /// Its ETag.
    pub etag: String,
    /// Its digest, if S3 verified one over the plan's parts.
    pub digest: Option<ContentDigest>,
}

/// What became of an upload that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It brought a content, which is to be packaged.
    Brought,
    /// Its bytes were there; its owner has a share in them now. Its object is not needed.
    Joined,
    /// Its owner has the same bytes already. Its object is not needed.
    Duplicate,
    /// The lease on it was lost, or the upload is gone; nothing was changed.
    Lost,
}

impl Library {
    /// `checking → processing | ready | duplicate`, by the holder of the lease on the upload.
    ///
    /// In one transaction the upload becomes `processing`, its content and its owner's share in it appear, and the digest, if
    /// it is known, points to the content. It presumes that the digest points to none yet; otherwise the upload
    /// joins the content that it points to, or is a duplicate if its owner has a share in that. Of any number of
    /// uploads with the same digest, one brings the content and all others join it.
    ///
    /// One round trip for the first, two for who joins, three for a duplicate, and more when the content changes
    /// meanwhile.
    pub async fn start_processing(
        &self,
        upload: &Upload,
        token: LeaseToken,
        object: &StoredObject,
    ) -> anyhow::Result<Started> {
        let holder = upload.holder();
        let presumed = Condition::All(vec![uploads::is(UploadState::Checking), token.is_held()]);
        for _ in 0..ATTEMPTS {
            let Committed::Refused(refusals) =
                commit(&self.client, self.first(upload, &holder, presumed.clone(), object)?).await?
            else {
                return Ok(Started::Brought);
            };
            let pointer: DigestPointer = match (refusals.at(0), refusals.at(3)) {
                (Some(_), _) => return Ok(Started::Lost),
                (None, Some(Some(pointer))) => from_item(pointer.clone())?,
                _ => return Err(anyhow!("the upload {} has a content that it did not bring", upload.id)),
            };
            let joining = Joining {
                holder: &holder,
                presumed: presumed.clone(),
                waits: false,
                pointer: &pointer,
                along: Vec::new(),
            };
            match self.join(&joining).await? {
                Joined::Shared => return Ok(Started::Joined),
                Joined::Duplicate => return Ok(Started::Duplicate),
                Joined::Lost => return Ok(Started::Lost),
                Joined::Changed => {}
            }
        }
        Err(anyhow!("the content with the digest of the upload {} did not keep still", upload.id))
    }

    fn first(
        &self,
        upload: &Upload,
        holder: &Holder,
        presumed: Condition,
        object: &StoredObject,
    ) -> anyhow::Result<Vec<Write>> {
        let tables = &self.tables;
        let content_id = upload.id.as_content();
        let content = Content {
            content_id,
            state: ContentState::Processing,
            state_since_ms: Some(Timestamp::now().unix_ms()),
            listings: 1,
            digest: object.digest.clone(),
            announced_digest: upload.digest.clone(),
            original_key: content_id.original_key(),
            size_bytes: object.size_bytes,
            etag: object.etag.clone(),
            media: None,
            promise: None,
            encoding: None,
            encoding_since_ms: None,
            reason: None,
            retry_until: None,
            lease_until_ms: None,
            lease_message_id: None,
        };
        let mut content_item = to_item(&content)?;
        content_item.extend(content_key(content_id));
        let upload_write = Write::update(&tables.uploads, upload_key(upload.id), presumed)
            .set("state", uploads::state(UploadState::Processing))
            .set("content_id", string(content_id));
        let mut writes = vec![
            clear_lease(upload_write),
            Write::put(&tables.contents, content_item, Condition::Absent("pk")),
            self.new_holder(content_id, holder)?,
        ];
        if let Some(digest) = &object.digest {
            let pointer = DigestPointer { content_id, size_bytes: object.size_bytes, media: None };
            writes.push(self.point(digest, &pointer, Condition::Absent("pk"))?);
        }
        Ok(writes)
    }

    /// Makes a digest point to a content.
    pub(crate) fn point(
        &self,
        digest: &ContentDigest,
        pointer: &DigestPointer,
        presumed: Condition,
    ) -> anyhow::Result<Write> {
        let mut item = to_item(pointer)?;
        item.extend(digest_key(digest));
        Ok(Write::put(&self.tables.contents, item, presumed))
    }
}

impl Upload {
    /// The share in a content that this upload gives its owner.
    pub(crate) fn holder(&self) -> Holder {
        Holder {
            owner_id: self.owner_id.clone(),
            video_id: self.id.as_video(),
            title: self.name.clone(),
            description: self.description.clone(),
        }
    }
}
