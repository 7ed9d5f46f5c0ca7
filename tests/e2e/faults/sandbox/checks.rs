//! What must be true in a sandbox.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Result, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use library::{Promise, Tables, UploadId, UploadState};
use serde_json::{Value, json};

use super::Sandbox;

impl Sandbox {
    /// All have a video of one content, whose objects are all that is stored.
    pub(in super::super) async fn check_ready(&self, uploads: &[UploadId]) -> Result<Value> {
        let library = self.library(&self.root);
        let mut contents = Vec::new();
        for id in uploads {
            let upload = library.uploads.get(*id).await?.context("an upload is lost")?;
            ensure!(
                upload.state == UploadState::Ready,
                "an upload ended as {:?}: {:?}",
                upload.state,
                upload.reason
            );
            let video = library.videos.get(id.as_video()).await?.context("a video is missing")?;
            ensure!(Some(video.content_id) == upload.content_id, "a video of another content");
            contents.push(video.content_id);
        }
        ensure!(
            contents.iter().all(|content| *content == contents[0]),
            "identical bytes are two contents: {contents:?}"
        );
        let content = library.contents.get(contents[0]).await?.context("the content is missing")?;
        let holders = library.contents.holders(contents[0]).await?;
        let owners = uploads.len();
        let listings = (content.listings, holders.len());
        ensure!(listings == (owners as u64, owners), "{} listings, {holders:?}", content.listings);
        // Content, digest and the holders; uploads; videos.
        let expected = [owners + 2, owners, owners].map(|count| count as i32);
        ensure!(self.counts().await? == expected, "records: {:?}", self.counts().await?);
        self.check_usage().await?;

        let originals = self.keys(&self.upload_bucket).await?;
        ensure!(originals == [contents[0].original_key()], "originals: {originals:?}");
        let outputs = self.keys(&self.media_bucket).await?;
        ensure!(content.promise != Some(Promise::Made), "a promise was not kept");
        for name in ["master.m3u8", "manifest.mpd", "video.mp4", "audio.mp4"] {
            let key = format!("{}{name}", contents[0].output_prefix());
            ensure!(outputs.contains(&key), "{key} is missing: {outputs:?}");
        }
        ensure!(outputs.contains(&contents[0].poster_key()), "the poster is missing");
        let foreign = outputs.iter().find(|key| !key.contains(&contents[0].to_string()));
        ensure!(foreign.is_none(), "an output of nothing: {foreign:?}");
        Ok(json!(contents[0].to_string()))
    }

    pub(in super::super) async fn check_empty(&self) -> Result<()> {
        ensure!(self.counts().await? == [0, 0, 0], "records are left: {:?}", self.counts().await?);
        self.check_usage().await?;
        for bucket in [&self.upload_bucket, &self.media_bucket] {
            let keys = self.keys(bucket).await?;
            ensure!(keys.is_empty(), "objects are left: {keys:?}");
        }
        Ok(())
    }

    /// What each owner has is counted as their uploads say, to the byte. What nobody has any more counts as nothing.
    pub(in super::super) async fn check_usage(&self) -> Result<()> {
        let scan = async |table: &str| {
            let found = self.dynamodb.scan().table_name(table).consistent_read(true).send().await?;
            anyhow::Ok(found.items.unwrap_or_default())
        };
        let text = |item: &HashMap<String, AttributeValue>, name: &str| match item.get(name) {
            Some(AttributeValue::S(text) | AttributeValue::N(text)) => text.clone(),
            _ => String::new(),
        };
        let mut right = BTreeMap::<String, (i64, i64)>::new();
        for upload in scan(&self.tables.uploads).await? {
            let usage = right.entry(format!("owner#{}", text(&upload, "owner_id"))).or_default();
            match &*text(&upload, "state") {
                "failed" | "duplicate" => continue,
                "waiting" => usage.1 += 1,
                _ => {}
            }
            usage.0 += text(&upload, "size_bytes").parse::<i64>()?;
        }
        let mut counted = BTreeMap::new();
        for item in scan(&self.tables.contents).await?.iter().filter(|item| text(item, "sk") == "quota") {
            counted.insert(text(item, "pk"), (text(item, "bytes").parse()?, text(item, "uploads").parse()?));
        }
        for usages in [&mut right, &mut counted] {
            usages.retain(|_, usage| *usage != (0, 0));
        }
        ensure!(counted == right, "owners have {right:?}, but {counted:?} is counted");
        Ok(())
    }

    /// How many records there are in each table, without the counts of what owners have.
    pub(in super::super) async fn counts(&self) -> Result<[i32; 3]> {
        let mut counts = [0; 3];
        let Tables { uploads, contents, videos } = &self.tables;
        for (count, table) in counts.iter_mut().zip([contents, uploads, videos]) {
            let scan = self.dynamodb.scan().table_name(table).consistent_read(true);
            let items = scan.send().await?.items.unwrap_or_default();
            let is_usage = |item: &HashMap<String, AttributeValue>| {
                item.get("sk").is_some_and(|sk| sk == &AttributeValue::S("quota".to_owned()))
            };
            *count = i32::try_from(items.iter().filter(|item| !is_usage(item)).count())?;
        }
        Ok(counts)
    }

    pub(in super::super) async fn keys(&self, bucket: &str) -> Result<Vec<String>> {
        let found = self.s3.list_objects_v2().bucket(bucket).send().await?;
        Ok(found.contents().iter().filter_map(|object| object.key().map(ToOwned::to_owned)).collect())
    }
}
