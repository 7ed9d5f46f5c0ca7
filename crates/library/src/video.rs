//! One person's listing of a content.

use serde::{Deserialize, Serialize};

use crate::content::Media;
use crate::ids::{ContentId, UserId, VideoId};
use crate::timestamp::Timestamp;

/// A listed video. The record is made when its content is ready, so whatever is listed can be watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Video {
    /// The id of the upload that became this video.
    pub id: VideoId,
    /// Who may edit and delete it.
    pub owner_id: UserId,
    /// What it is called, 1 to 300 characters.
    pub title: String,
    /// What it is about, at most 5,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it was listed.
    pub created_at: Timestamp,
    /// When its title or description last changed.
    pub updated_at: Timestamp,
    /// Counts the changes of title and description, from 1. It is the ETag.
    pub version: u64,
    /// What is watched. Several people's videos may share one content.
    pub content_id: ContentId,
    /// The size of the original.
    pub size_bytes: u64,
    /// How it can be watched, and what is known of the picture.
    pub media: Media,
}

/// A change of a video's text. What is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VideoEdit {
    /// The new title.
    pub title: Option<String>,
    /// The new description; an empty one removes it.
    pub description: Option<String>,
}
