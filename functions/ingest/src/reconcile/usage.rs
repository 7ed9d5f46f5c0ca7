//! What owners have, counted again.

use std::collections::{BTreeMap, BTreeSet};

use library::{Library, Upload, UploadId, UploadState, Usage, UserId, Video};

use crate::reconcile::finder::Finding;

/// How many uploads are read at once.
const PAGE: usize = 100;

/// Counts an upload and the video of its id as the library's transactions do.
fn count(usage: &mut Usage, upload: Option<&Upload>, video: Option<&Video>) {
    let is_under_way = upload.is_some_and(|upload| match upload.state {
        UploadState::Duplicate => false,
        UploadState::Failed => upload.retry_until.is_some(),
        _ => true,
    });
    let of_upload = upload.filter(|_| is_under_way).map_or(0, |upload| upload.size_bytes);
    let size_bytes = video.map_or(of_upload, |video| video.size_bytes);
    usage.bytes = usage.bytes.saturating_add(i64::try_from(size_bytes).unwrap_or(i64::MAX));
    usage.uploads += i64::from(upload.is_some_and(|upload| upload.state == UploadState::Waiting));
}

/// Owners whose count is not what the records come to, with what of theirs is known.
pub(super) fn suspects<'a>(
    counted: &BTreeMap<UserId, Usage>,
    uploads: impl Iterator<Item = &'a Upload>,
    videos: impl Iterator<Item = &'a Video>,
) -> BTreeMap<UserId, BTreeSet<UploadId>> {
    type Records<'a> = BTreeMap<UploadId, (Option<&'a Upload>, Option<&'a Video>)>;
    let mut theirs: BTreeMap<&UserId, Records<'a>> =
        counted.keys().map(|owner| (owner, Records::new())).collect();
    let (uploads, videos): (Vec<_>, Vec<_>) = (uploads.collect(), videos.collect());
    for upload in &uploads {
        theirs.entry(&upload.owner_id).or_default().entry(upload.id).or_default().0 = Some(upload);
    }
    for video in &videos {
        theirs.entry(&video.owner_id).or_default().entry(video.id.as_upload()).or_default().1 = Some(video);
    }
    let wrong = theirs.into_iter().filter(|(owner, records)| {
        let mut right = Usage::default();
        records.values().for_each(|(upload, video)| count(&mut right, *upload, *video));
        counted.get(*owner).copied().unwrap_or_default() != right
    });
    wrong.map(|(owner, records)| (owner.clone(), records.into_keys().collect())).collect()
}

/// Counts again what an owner has, consistently: what is counted, and what is right, if they differ and nothing went on meanwhile.
pub(super) async fn drift(
    library: &Library,
    owner: &UserId,
    known: &BTreeSet<UploadId>,
) -> anyhow::Result<Option<(Usage, Usage)>> {
    let seen = library.uploads.usage(owner).await?;
    let mut ids = known.clone();
    let mut cursor = None;
    loop {
        let page = library.uploads.newest_of(owner, PAGE, cursor).await?;
        ids.extend(page.items.iter().map(|upload| upload.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let mut right = Usage::default();
    for id in ids {
        let (upload, video) = (library.uploads.get(id).await?, library.videos.get(id.as_video()).await?);
        count(&mut right, upload.as_ref(), video.as_ref());
    }
    let is_still = library.uploads.usage(owner).await? == seen;
    Ok((is_still && seen != right).then_some((seen, right)))
}

/// What is told about it.
pub(super) fn finding(owner: &UserId, (seen, right): (Usage, Usage)) -> Finding {
    Finding::UsageDrifted {
        owner_id: owner.clone(),
        bytes: seen.bytes,
        right_bytes: right.bytes,
        uploads: seen.uploads,
        right_uploads: right.uploads,
    }
}
