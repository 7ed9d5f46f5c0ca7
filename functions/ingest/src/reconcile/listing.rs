//! The objects of a bucket in the order of their keys, a page at a time.

use std::collections::VecDeque;

use anyhow::Context as _;
use aws_sdk_s3::Client as S3;
use library::UploadId;

use crate::reconcile::case::{Bucket, Unfinished};

/// An object whose key names an id.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: UploadId,
    /// What follows the id in its key.
    pub(super) rest: String,
    /// When it was written, in milliseconds after 1970.
    pub(super) modified_ms: i64,
}

/// The objects below a prefix, those first whose ids are smallest. No more than a page is held.
#[derive(Debug)]
pub(super) struct Listing {
    s3: S3,
    bucket: String,
    /// What comes before an id.
    before_id: String,
    prefix: String,
    start_after: Option<String>,
    token: Option<String>,
    page: VecDeque<Entry>,
    is_over: bool,
    /// Keys that name no id, as far as they were met.
    pub(super) strangers: Vec<String>,
    /// How many objects were met.
    pub(super) met: u64,
}

impl Listing {
    /// All that have an id after `before_id`, from `from` on.
    pub(super) fn all(s3: &S3, bucket: &str, before_id: &str, from: Option<UploadId>) -> Self {
        Self {
            s3: s3.clone(),
            bucket: bucket.to_owned(),
            before_id: before_id.to_owned(),
            prefix: before_id.to_owned(),
            // Before all that begins with the id, and after all that is smaller.
            start_after: from.map(|id| format!("{before_id}{id}")),
            token: None,
            page: VecDeque::new(),
            is_over: false,
            strangers: Vec::new(),
            met: 0,
        }
    }

    /// Those of one id alone.
    pub(super) fn of(s3: &S3, bucket: &str, before_id: &str, id: UploadId) -> Self {
        Self { prefix: format!("{before_id}{id}"), ..Self::all(s3, bucket, before_id, None) }
    }

    /// The id of the next object.
    pub(super) async fn next_id(&mut self) -> anyhow::Result<Option<UploadId>> {
        while self.page.is_empty() && !self.is_over {
            self.turn().await?;
        }
        Ok(self.page.front().map(|entry| entry.id))
    }

    /// Takes the next object if it has this id.
    pub(super) async fn next_of(&mut self, id: UploadId) -> anyhow::Result<Option<Entry>> {
        Ok(match self.next_id().await? {
            Some(next) if next == id => self.page.pop_front(),
            _ => None,
        })
    }

    async fn turn(&mut self) -> anyhow::Result<()> {
        let list = self.s3.list_objects_v2().bucket(&self.bucket).prefix(&self.prefix);
        let list = list.set_continuation_token(self.token.take()).set_start_after(self.start_after.take());
        let page = list.send().await.with_context(|| format!("listing {}{}", self.bucket, self.prefix))?;
        self.token = page.next_continuation_token.clone();
        self.is_over = self.token.is_none();
        for object in page.contents() {
            let Some(key) = object.key() else { continue };
            self.met += 1;
            let modified_ms = object.last_modified().and_then(|time| time.to_millis().ok()).unwrap_or(0);
            match split(key, &self.before_id) {
                Some((id, rest)) => self.page.push_back(Entry { id, rest: rest.to_owned(), modified_ms }),
                None => self.strangers.push(key.to_owned()),
            }
        }
        Ok(())
    }
}

/// How long an id is in a key.
const ID_LENGTH: usize = 36;

/// The id in a key, and what follows it.
pub(super) fn split<'a>(key: &'a str, before_id: &str) -> Option<(UploadId, &'a str)> {
    let (id, rest) = key.strip_prefix(before_id)?.split_at_checked(ID_LENGTH)?;
    Some((id.parse().ok()?, rest))
}

/// Keys at the top of a bucket that have none of these prefixes; a folder counts once.
pub(super) async fn strangers(s3: &S3, bucket: &str, known: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut pages = s3.list_objects_v2().bucket(bucket).delimiter("/").into_paginator().send();
    let mut strangers = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.with_context(|| format!("listing the top of {bucket}"))?;
        let folders = page.common_prefixes().iter().filter_map(|folder| folder.prefix());
        let objects = page.contents().iter().filter_map(|object| object.key());
        strangers.extend(folders.chain(objects).filter(|key| !known.contains(key)).map(ToOwned::to_owned));
    }
    Ok(strangers)
}

/// The multipart uploads below a prefix that nobody has finished. There are as many as uploads are under way, and what died in the
/// last seven days.
pub(super) async fn unfinished(
    s3: &S3,
    bucket: Bucket,
    name: &str,
    prefix: &str,
) -> anyhow::Result<Vec<Unfinished>> {
    let mut found = Vec::new();
    let (mut key_marker, mut id_marker) = (None, None);
    loop {
        let list = s3.list_multipart_uploads().bucket(name).prefix(prefix);
        let list = list.set_key_marker(key_marker).set_upload_id_marker(id_marker);
        let page = list.send().await.with_context(|| format!("listing multipart uploads in {name}"))?;
        for upload in page.uploads() {
            let (Some(key), Some(s3_upload_id)) = (upload.key(), upload.upload_id()) else { continue };
            found.push(Unfinished {
                bucket,
                key: key.to_owned(),
                s3_upload_id: s3_upload_id.to_owned(),
                begun_ms: upload.initiated().and_then(|time| time.to_millis().ok()).unwrap_or(0),
            });
        }
        if !page.is_truncated.unwrap_or(false) || page.next_key_marker.is_none() {
            return Ok(found);
        }
        (key_marker, id_marker) = (page.next_key_marker, page.next_upload_id_marker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_cut_after_its_id() {
        let id = UploadId::new();
        assert_eq!(split(&format!("posters/{id}.jpg"), "posters/"), Some((id, ".jpg")));
        assert_eq!(split(&id.object_key(), "media/"), Some((id, "/original")));
        for key in ["media/", "media/x/original", "media/ääääääääääääääääääääääääääääää", "pieces/x"]
        {
            assert_eq!(split(key, "media/"), None, "{key}");
        }
    }
}
