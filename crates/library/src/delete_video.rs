//! Taking a video off the list.

use anyhow::anyhow;
use items::{number, string};
use thiserror::Error;

use crate::content::{Content, ContentState, content_key, digest_key, holder_key};
use crate::contents;
use crate::expression::Condition;
use crate::library::Library;
use crate::quota::Change;
use crate::uploads::upload_key;
use crate::video::Video;
use crate::videos::video_key;
use crate::write::{Committed, Write, commit};

/// How often the content is read again because others joined or left it meanwhile.
const ATTEMPTS: u32 = 16;

/// Why a video was not deleted.
#[derive(Debug, Error)]
pub enum DeleteVideoError {
    /// There is no such video.
    #[error("there is no such video")]
    Absent,
    /// It has another version than the one that was to be deleted.
    #[error("the video has changed since it was read")]
    Stale,
    /// DynamoDB did not do it.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

impl Library {
    /// Deletes a video, with the upload that made it and its owner's share in the content, all or nothing; its bytes count
    /// no longer. With
    /// the last share goes the content: it becomes `removing`, and its digest is free again for who brings the same
    /// bytes anew.
    ///
    /// It presumes that the video exists, in `expected_version` if that is given, and that the content's count of
    /// listings is the one that was read: somebody who joins meanwhile changes the count, and it is read again. Who joins
    /// after a content became `removing` is refused by its state, and finds no pointer. A video whose content was lost goes
    /// alone. Two round trips, more when others join or leave at the same time.
    pub async fn delete_video(
        &self,
        video: &Video,
        expected_version: Option<u64>,
    ) -> Result<(), DeleteVideoError> {
        for _ in 0..ATTEMPTS {
            let content = self.contents.get(video.content_id).await?;
            let writes = match &content {
                Some(content) if content.state == ContentState::Ready => {
                    self.deletion(video, expected_version, content)
                }
                // Its content was lost: the listing can go nevertheless.
                lost => self.deletion_without_content(video, expected_version, lost.as_ref()),
            };
            let Committed::Refused(refusals) = commit(&self.client, writes).await? else {
                return Ok(());
            };
            match refusals.at(0) {
                Some(None) => return Err(DeleteVideoError::Absent),
                Some(Some(_)) => return Err(DeleteVideoError::Stale),
                None => continue,
            }
        }
        Err(anyhow!("the content {} did not keep still", video.content_id).into())
    }

    fn deletion_without_content(
        &self,
        video: &Video,
        expected_version: Option<u64>,
        content: Option<&Content>,
    ) -> Vec<Write> {
        let tables = &self.tables;
        let still_lost = content.map_or(Condition::Absent("pk"), |content| contents::is(content.state));
        vec![
            Write::delete(&tables.videos, video_key(video.id), Some(unchanged(expected_version))),
            Write::delete(&tables.uploads, upload_key(video.id.as_upload()), None),
            Write::delete(&tables.contents, holder_key(video.content_id, &video.owner_id), None),
            Write::check(&tables.contents, content_key(video.content_id), still_lost),
            Change::freed(video.size_bytes).of(&video.owner_id, &tables.contents),
        ]
    }

    fn deletion(&self, video: &Video, expected_version: Option<u64>, content: &Content) -> Vec<Write> {
        let Self { tables, .. } = self;
        let same_count = Condition::All(vec![
            contents::is(ContentState::Ready),
            Condition::Is("listings", number(content.listings)),
        ]);
        let content_write = Write::update(&tables.contents, content_key(content.content_id), same_count)
            .set("listings", number(content.listings.saturating_sub(1)));
        let mut writes = vec![
            Write::delete(&tables.videos, video_key(video.id), Some(unchanged(expected_version))),
            Write::delete(&tables.uploads, upload_key(video.id.as_upload()), None),
            Write::delete(
                &tables.contents,
                holder_key(content.content_id, &video.owner_id),
                Some(Condition::Is("video_id", string(video.id))),
            ),
            Change::freed(video.size_bytes).of(&video.owner_id, &tables.contents),
        ];
        if content.listings > 1 {
            writes.push(content_write);
            return writes;
        }
        writes.push(contents::enter(content_write, ContentState::Removing));
        if let Some(digest) = &content.digest {
            let is_own = Condition::Is("content_id", string(content.content_id));
            writes.push(Write::delete(&tables.contents, digest_key(digest), Some(is_own)));
        }
        writes
    }
}

/// That the video is there, in this version if one is given.
fn unchanged(expected_version: Option<u64>) -> Condition {
    match expected_version {
        Some(version) => Condition::Is("version", number(version)),
        None => Condition::Exists("id"),
    }
}
