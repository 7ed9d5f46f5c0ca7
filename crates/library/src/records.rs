//! All records, for who compares them with each other.
//!
//! Tables are gone through in pages of a megabyte, consistently, but not at one moment: what is read late may have changed
//! since what was read early. Whoever finds a contradiction reads again what it is about, with [`Contents::records_of`] and
//! the like.

use anyhow::Context as _;
use aws_sdk_dynamodb::Client;
use items::{Item, from_item, string};
use serde::Deserialize;

use crate::content::{Content, DigestPointer, HOLDER_PREFIX, Holder, content_partition, digest_key};
use crate::contents::Contents;
use crate::digest::ContentDigest;
use crate::ids::{ContentId, UploadId, UserId};
use crate::quota::Usage;
use crate::tasks::TaskName;
use crate::upload::Upload;
use crate::uploads::Uploads;
use crate::video::Video;
use crate::videos::Videos;

/// A record of the table of contents.
#[derive(Clone, Debug, PartialEq)]
pub enum ContentsRecord {
    /// A content.
    Content(Box<Content>),
    /// An owner's share in a content.
    Holder(ContentId, Holder),
    /// Which content has these bytes.
    Pointer(ContentDigest, ContentId),
    /// One of the items of a content's task.
    Task(ContentId, TaskName),
    /// What an owner has.
    Usage(UserId, Usage),
    /// Something else, by its keys.
    Unknown(String, String),
}

/// An upload, and until when somebody has the lease on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRecord {
    /// The upload.
    pub upload: Upload,
    /// When the lease on it ends or ended, in milliseconds after 1970.
    pub lease_until_ms: Option<i64>,
}

#[derive(Deserialize)]
struct LeaseEnd {
    #[serde(default)]
    lease_until_ms: Option<i64>,
}

impl UploadRecord {
    fn read(item: Item) -> anyhow::Result<Self> {
        let LeaseEnd { lease_until_ms } = from_item(item.clone())?;
        Ok(Self { upload: from_item(item)?, lease_until_ms })
    }
}

impl ContentsRecord {
    fn read(item: Item) -> Self {
        let text =
            |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
        let (pk, sk) = (text("pk"), text("sk"));
        Self::parse(&pk, &sk, item).unwrap_or(Self::Unknown(pk, sk))
    }

    fn parse(pk: &str, sk: &str, item: Item) -> Option<Self> {
        if let Some(digest) = pk.strip_prefix("digest#") {
            let pointer: DigestPointer = from_item(item).ok()?;
            return (sk == "digest").then_some(Self::Pointer(digest.parse().ok()?, pointer.content_id));
        }
        if let Some(owner) = pk.strip_prefix("owner#") {
            return (sk == "quota").then_some(Self::Usage(UserId::new(owner), from_item(item).ok()?));
        }
        let id: ContentId = pk.strip_prefix("content#")?.parse().ok()?;
        if sk == "content" {
            return Some(Self::Content(Box::new(from_item(item).ok()?)));
        }
        if sk.starts_with(HOLDER_PREFIX) {
            return Some(Self::Holder(id, from_item(item).ok()?));
        }
        let task = sk.strip_prefix("task#")?;
        let task = task.strip_suffix("/plan").unwrap_or(task);
        TaskName::ALL.into_iter().find(|name| name.as_str() == task).map(|name| Self::Task(id, name))
    }
}

impl Contents {
    /// Hands on every record of the table.
    ///
    /// # Errors
    /// When DynamoDB did not answer.
    pub async fn each_record(&self, mut hand_on: impl FnMut(ContentsRecord)) -> anyhow::Result<()> {
        each(&self.client, &self.table, |item| hand_on(ContentsRecord::read(item))).await
    }

    /// Everything that is recorded of one content, but what points to it. One round trip for each megabyte.
    ///
    /// # Errors
    /// When DynamoDB did not answer.
    pub async fn records_of(&self, id: ContentId) -> anyhow::Result<Vec<ContentsRecord>> {
        let query = self.client.query().table_name(&self.table).key_condition_expression("pk = :pk");
        let query = query.expression_attribute_values(":pk", string(content_partition(id)));
        let mut items = query.consistent_read(true).into_paginator().items().send();
        let mut records = Vec::new();
        while let Some(item) = items.next().await {
            records.push(ContentsRecord::read(item.context("reading all of a content")?));
        }
        Ok(records)
    }

    /// The content that a digest points to, if there is one. One round trip.
    ///
    /// # Errors
    /// When DynamoDB did not answer.
    pub async fn content_with(&self, digest: &ContentDigest) -> anyhow::Result<Option<ContentId>> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(digest_key(digest)));
        let found = get.consistent_read(true).send().await.context("reading whose bytes these are")?;
        let pointer = found.item.map(from_item::<DigestPointer>).transpose()?;
        Ok(pointer.map(|pointer| pointer.content_id))
    }
}

impl Uploads {
    /// Hands on every upload. What is none is handed on by its key.
    ///
    /// # Errors
    /// When DynamoDB did not answer.
    pub async fn each_record(
        &self,
        mut hand_on: impl FnMut(Result<UploadRecord, String>),
    ) -> anyhow::Result<()> {
        each(&self.client, &self.table, |item| {
            let id = id_of(&item);
            hand_on(UploadRecord::read(item).map_err(|_| id));
        })
        .await
    }

    /// The upload with its lease, as the last write left them. One round trip.
    ///
    /// # Errors
    /// When DynamoDB did not answer.
    pub async fn record(&self, id: UploadId) -> anyhow::Result<Option<UploadRecord>> {
        let get = self.client.get_item().table_name(&self.table).key("id", string(id));
        let found = get.consistent_read(true).send().await.context("reading an upload and its lease")?;
        found.item.map(UploadRecord::read).transpose()
    }
}

impl Videos {
    /// Hands on every video. What is none is handed on by its key.
    ///
    /// # Errors
    /// When DynamoDB did not answer.
    pub async fn each_record(&self, mut hand_on: impl FnMut(Result<Video, String>)) -> anyhow::Result<()> {
        each(&self.client, &self.table, |item| {
            let id = id_of(&item);
            hand_on(from_item(item).map_err(|_: anyhow::Error| id));
        })
        .await
    }
}

fn id_of(item: &Item) -> String {
    item.get("id").and_then(|id| id.as_s().ok()).cloned().unwrap_or_default()
}

/// Hands on each item of a table.
async fn each(client: &Client, table: &str, mut hand_on: impl FnMut(Item)) -> anyhow::Result<()> {
    let scan = client.scan().table_name(table).consistent_read(true);
    let mut items = scan.into_paginator().items().send();
    while let Some(item) = items.next().await {
        hand_on(item.with_context(|| format!("reading all of {table}"))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{content_key, task_key};

    #[test]
    fn what_is_no_record_is_told_by_its_keys() {
        let id = UploadId::new().as_content();
        let mut junk = content_key(id);
        assert_eq!(
            ContentsRecord::read(junk.clone()),
            ContentsRecord::Unknown(format!("content#{id}"), "content".to_owned())
        );
        junk.insert("sk".to_owned(), string("task#dance"));
        assert!(matches!(ContentsRecord::read(junk), ContentsRecord::Unknown(..)));
        for (name, part) in [(TaskName::Copy, ""), (TaskName::Encode, "/plan")] {
            let task = task_key(id, name.as_str(), part);
            assert_eq!(ContentsRecord::read(task), ContentsRecord::Task(id, name));
        }
    }
}
