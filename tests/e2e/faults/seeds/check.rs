//! What must be true in the end, whatever happened on the way.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use aws_config::SdkConfig;
use ingest::reconcile::{self, finder::Ages};
use library::{
    Content, ContentState, ContentsRecord, Encoding, Library, Removed, Upload, UploadState, Usage, Video,
};

use super::films::{ENCODED, PLAYABLE, TEXT};
use super::world::{Sent, World};

struct Records {
    uploads: Vec<Upload>,
    videos: Vec<Video>,
    contents: Vec<Content>,
    /// Content and owner.
    shares: BTreeSet<(String, String)>,
    pointers: usize,
    tasks: usize,
    usage: BTreeMap<String, Usage>,
}

async fn read(library: &Library) -> Result<Records> {
    let mut records = Records {
        uploads: Vec::new(),
        videos: Vec::new(),
        contents: Vec::new(),
        shares: BTreeSet::new(),
        pointers: 0,
        tasks: 0,
        usage: BTreeMap::new(),
    };
    let mut unknown = Vec::new();
    let contents = library.contents.each_record(|record| match record {
        ContentsRecord::Content(content) => records.contents.push(*content),
        ContentsRecord::Holder(id, holder) => {
            records.shares.insert((id.to_string(), holder.owner_id.to_string()));
        }
        ContentsRecord::Pointer(..) => records.pointers += 1,
        ContentsRecord::Task(..) => records.tasks += 1,
        ContentsRecord::Usage(owner, usage) => drop(records.usage.insert(owner.to_string(), usage)),
        ContentsRecord::Unknown(pk, sk) => unknown.push((pk, sk)),
    });
    contents.await?;
    let uploads = library.uploads.each_record(|record| match record {
        Ok(record) => records.uploads.push(record.upload),
        Err(id) => unknown.push(("upload".to_owned(), id)),
    });
    uploads.await?;
    let videos = library.videos.each_record(|video| match video {
        Ok(video) => records.videos.push(video),
        Err(id) => unknown.push(("video".to_owned(), id)),
    });
    videos.await?;
    ensure!(unknown.is_empty(), "records that are none: {unknown:?}");
    Ok(records)
}

/// The finder finds nothing at all, not even what has been so for a moment only.
async fn nothing_is_found(world: &World<'_>) -> Result<()> {
    let config: &SdkConfig = &world.sandbox.root;
    let mut context = reconcile::Context::new(config, world.sandbox.reconcile_environment());
    context.ages = Ages { stuck_ms: 0, litter_ms: 0 };
    let found = reconcile::audit(&context).await?;
    ensure!(found.is_empty(), "found: {found:#?}");
    Ok(())
}

/// That records and objects tell one story, and the right one.
pub async fn check(world: &World<'_>) -> Result<()> {
    nothing_is_found(world).await?;
    let library = world.sandbox.library(&world.sandbox.root);
    let records = read(&library).await?;
    ensure!(records.tasks == 0, "{} items of tasks are left", records.tasks);

    // What was completed is not lost, and became what it had to.
    let mut listed = BTreeSet::new();
    for Sent { id, owner, film, arrived, deleted, .. } in &world.sent {
        let upload = records.uploads.iter().find(|upload| upload.id == *id);
        if *deleted {
            ensure!(upload.is_none(), "what was deleted is back: {upload:?}");
            continue;
        }
        let upload = upload.with_context(|| format!("{id} is lost"))?;
        let video = records.videos.iter().find(|video| video.id == id.as_video());
        match upload.state {
            UploadState::Waiting => ensure!(!arrived, "{id} still waits"),
            UploadState::Failed => {
                // With patience, what was given up for no fault of the film is over.
                let is_right = *film >= PLAYABLE || world.plan.is_patient;
                ensure!(is_right, "{id} failed: {:?}", upload.reason);
                ensure!(!upload.may_be_retried(), "{id} was tried again, and waits for that still");
                ensure!(video.is_none(), "a video of what failed");
            }
            UploadState::Ready => {
                ensure!(*film < PLAYABLE, "{id} became a video");
                let video = video.with_context(|| format!("the video {id} is missing"))?;
                ensure!(Some(video.content_id) == upload.content_id, "{id}: another content");
                let mut contents = records.contents.iter();
                let content = contents.find(|content| content.content_id == video.content_id);
                let encoding = content.context("its content is missing")?.encoding;
                let expected = (*film == ENCODED).then_some(Encoding::Done);
                ensure!(encoding == expected, "{id}: its encoding is {encoding:?}");
                ensure!(listed.insert((*owner, *film)), "{id} is listed twice by one owner");
            }
            UploadState::Duplicate => {
                ensure!(video.is_none(), "a video of a duplicate");
                // What it repeats may have failed since: then that upload told its owner why, nothing is lost, and the page
                // links to no video. Of what is refused as it arrives there is no content that somebody could have already.
                ensure!(*film != TEXT, "{id} is a duplicate of what is never a content");
                let other = upload.duplicate_of.context("a duplicate names what it repeats")?.as_upload();
                let other = world.sent.iter().find(|sent| sent.id == other).context("it was sent")?;
                ensure!(
                    (other.owner, other.film) == (*owner, *film) && other.id != *id,
                    "{id} repeats {other:?}"
                );
            }
            state => anyhow::bail!("{id} ended as {}", state.as_str()),
        }
    }
    let sent: BTreeSet<_> = world.sent.iter().map(|sent| sent.id).collect();
    for upload in records.uploads.iter().filter(|upload| !sent.contains(&upload.id)) {
        // Its client never heard of it, or gave it up and did not hear that either, or has nothing of the film but its digest.
        ensure!(upload.state == UploadState::Waiting, "{} is {}", upload.id, upload.state.as_str());
    }

    // Once each.
    let mut films = BTreeMap::new();
    let ready = records.contents.iter().filter(|content| content.state == ContentState::Ready);
    for content in ready.clone() {
        let id = content.content_id.to_string();
        let digest = content.digest.as_ref().context("a digest")?.to_string();
        let before = films.insert(digest, id.clone());
        ensure!(before.is_none(), "the same bytes are stored twice: {id} and {before:?}");
        let listings = records.videos.iter().filter(|video| video.content_id == content.content_id).count();
        let shares = records.shares.iter().filter(|(of, _)| *of == id).count();
        ensure!(
            content.listings == listings as u64 && shares == listings && listings > 0,
            "{id}: {} listings, {shares} shares, {listings} videos",
            content.listings
        );
    }
    ensure!(records.pointers == ready.count(), "{} pointers", records.pointers);
    for content in &records.contents {
        ensure!(content.state == ContentState::Ready, "{} is {:?}", content.content_id, content.state);
    }

    // Counted right, for everybody.
    for owner in &world.people {
        let theirs = records.uploads.iter().filter(|upload| upload.owner_id == *owner);
        let mut right = Usage::default();
        for upload in theirs {
            let counts = matches!(upload.state, UploadState::Waiting | UploadState::Ready);
            right.bytes += if counts { i64::try_from(upload.size_bytes)? } else { 0 };
            right.uploads += i64::from(upload.state == UploadState::Waiting);
        }
        let counted = records.usage.get(owner.as_str()).copied().unwrap_or_default();
        ensure!(counted == right, "{owner} has {right:?}, and {counted:?} is counted");
    }
    Ok(())
}

/// Everybody deletes what they have, and nothing is left.
pub async fn clear(world: &mut World<'_>) -> Result<()> {
    let library = world.sandbox.library(&world.sandbox.root);
    let records = read(&library).await?;
    for video in &records.videos {
        world.delete(video.id).await?;
    }
    for upload in records.uploads.iter().filter(|upload| upload.state != UploadState::Ready) {
        let removed = library.remove_upload(upload.id).await?;
        ensure!(removed == Removed::Gone, "{} stays: {removed:?}", upload.id);
    }
    world.settle().await.context("when everything is deleted")?;
    // Parts of what was never completed.
    world.reconcile().await?.context("nobody kills it")?;
    nothing_is_found(world).await?;
    let records = read(&library).await?;
    let left = (records.uploads.len(), records.videos.len(), records.contents.len());
    ensure!(left == (0, 0, 0) && records.shares.is_empty() && records.pointers == 0, "{left:?} are left");
    ensure!(records.usage.values().all(|usage| *usage == Usage::default()), "{:?}", records.usage);
    let sandbox = world.sandbox;
    for bucket in [&sandbox.upload_bucket, &sandbox.media_bucket] {
        for key in sandbox.keys(bucket).await? {
            ensure!(key.starts_with("reports/"), "{key} is left");
            sandbox.s3.delete_object().bucket(bucket).key(key).send().await?;
        }
        let parts = sandbox.s3.list_multipart_uploads().bucket(bucket).send().await?;
        ensure!(parts.uploads().is_empty(), "multipart uploads are left: {:?}", parts.uploads());
    }
    for owner in &world.people {
        library.uploads.forget_usage(owner).await?;
    }
    Ok(())
}
