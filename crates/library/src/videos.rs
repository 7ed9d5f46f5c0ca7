//! The table of videos.

use anyhow::Context as _;
use aws_sdk_dynamodb::Client;
use items::{Item, from_item, number, string, to_item};
use thiserror::Error;

use crate::cursor::{Cursor, Page};
use crate::expression::Condition;
use crate::ids::VideoId;
use crate::timestamp::Timestamp;
use crate::video::{Video, VideoEdit};
use crate::write::{Write, Written};

/// The partition of the index `newest` that every video is in.
const LISTING: &str = "all";

/// The videos of everybody.
#[derive(Clone, Debug)]
pub struct Videos {
    pub(crate) client: Client,
    pub(crate) table: String,
}

/// Why a video was not changed.
#[derive(Debug, Error)]
pub enum EditVideoError {
    /// There is no such video.
    #[error("there is no such video")]
    Absent,
    /// It has another version than the one that the change was made for.
    #[error("the video has changed since it was read")]
    Stale,
    /// DynamoDB did not do it.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

impl Videos {
    /// The videos in this table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// The video, as the last write left it. One round trip.
    pub async fn get(&self, id: VideoId) -> anyhow::Result<Option<Video>> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(video_key(id)))
            .consistent_read(true)
            .send()
            .await
            .context("reading a video")?;
        found.item.map(from_item).transpose()
    }

    /// At most `limit` videos of everybody, newest first, from after `cursor` on. One round trip; a video that was
    /// listed or deleted in the last moments may be missing or still there.
    pub async fn newest(&self, limit: usize, cursor: Option<Cursor>) -> anyhow::Result<Page<Video>> {
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("newest")
            .key_condition_expression("listing = :listing")
            .expression_attribute_values(":listing", string(LISTING))
            .scan_index_forward(false)
            .limit(i32::try_from(limit)?.saturating_add(1))
            .set_exclusive_start_key(cursor.map(|cursor| cursor.start_key(("listing", LISTING))))
            .send()
            .await
            .context("listing videos")?;
        Page::from_items(found.items.unwrap_or_default(), limit)
    }

    /// Changes the text of a video whose version is still `expected_version`, and answers it as it is then. One round
    /// trip.
    ///
    /// The condition is on the version alone, which every edit raises: of two edits of one version, one is
    /// refused as [`EditVideoError::Stale`]. A repeat of an edit that has been done already, as the SDK sends it when an
    /// answer is lost, is answered like the first.
    pub async fn edit(
        &self,
        id: VideoId,
        expected_version: u64,
        edit: &VideoEdit,
    ) -> Result<Video, EditVideoError> {
        let mut write =
            Write::update(&self.table, video_key(id), Condition::Is("version", number(expected_version)))
                .set("version", number(expected_version + 1))
                .set("updated_at", string(Timestamp::now()))
                .set_some("title", edit.title.as_ref().map(string));
        write = match edit.description.as_deref() {
            None => write,
            Some("") => write.remove("description"),
            Some(description) => write.set("description", string(description)),
        };
        match write.send(&self.client).await? {
            Written::Done(item) => Ok(from_item(item.unwrap_or_default())?),
            Written::Refused(None) => Err(EditVideoError::Absent),
            Written::Refused(Some(item)) => {
                let found: Video = from_item(item)?;
                let done_already = found.version == expected_version + 1 && edit.is_shown_by(&found);
                if done_already { Ok(found) } else { Err(EditVideoError::Stale) }
            }
        }
    }
}

impl VideoEdit {
    /// Whether the video reads as this edit leaves it.
    fn is_shown_by(&self, video: &Video) -> bool {
        let title = self.title.as_ref().is_none_or(|title| *title == video.title);
        let description =
            self.description.as_deref().is_none_or(|text| text == video.description.as_deref().unwrap_or(""));
        title && description
    }
}

/// The key of a video's record.
pub(crate) fn video_key(id: VideoId) -> Item {
    Item::from([("id".to_owned(), string(id))])
}

/// The item of a new video, in the index of all.
pub(crate) fn video_item(video: &Video) -> anyhow::Result<Item> {
    let mut item = to_item(video)?;
    item.insert("listing".to_owned(), string(LISTING));
    Ok(item)
}
