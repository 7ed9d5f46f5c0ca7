//! What the finder finds in cases that are made up: nothing in healthy ones, and in broken ones what was broken.

use library::{
    Content, ContentState, Encoding, Holder, Promise, TaskName, Timestamp, Upload, UploadId, UploadRecord,
    UploadState, UserId, Video,
};
use proptest::prelude::*;
use serde_json::json;

use super::case::{Bucket, Case, Lister, Objects, Outputs, Unfinished};
use super::finder::{Ages, Finding, Surroundings, find};

const DIGEST: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-1";
const NOW_MS: i64 = 1_800_000_000_000;
const HOUR_MS: i64 = 3_600_000;
/// Long before anything counts as forgotten.
const JUST_NOW: i64 = NOW_MS - 60_000;
/// Long after everything does.
const LONG_AGO: i64 = NOW_MS - 400 * 24 * HOUR_MS;

fn surroundings() -> Surroundings {
    Surroundings { now_ms: NOW_MS, ages: Ages::default(), packaging_is_idle: true, encoding_is_idle: true }
}

fn upload(id: UploadId, state: UploadState, since_ms: i64) -> Upload {
    let lists = matches!(state, UploadState::Processing | UploadState::Ready);
    let since = Timestamp::from_unix_ms(since_ms);
    serde_json::from_value(json!({
        "id": id, "owner_id": format!("owner of {id}"), "name": "A film", "file_name": "film.mp4", "size_bytes": 1,
        "content_type": "video/mp4", "checksum": "sha256", "s3_upload_id": "s3", "state": state,
        "created_at": since, "expires_at": since.plus(std::time::Duration::from_secs(7 * 24 * 3600)),
        "content_id": lists.then_some(id), "video_id": (state == UploadState::Ready).then_some(id),
    }))
    .expect("an upload")
}

fn record(upload: Upload) -> Option<UploadRecord> {
    Some(UploadRecord { upload, lease_until_ms: None })
}

fn video(id: UploadId, content: &Content) -> Video {
    let now = Timestamp::from_unix_ms(LONG_AGO);
    serde_json::from_value(json!({
        "id": id, "owner_id": format!("owner of {id}"), "title": "A film", "created_at": now, "updated_at": now,
        "version": 1, "content_id": content.content_id, "size_bytes": 1, "media": content.media,
    }))
    .expect("a video")
}

fn holder(id: UploadId) -> Holder {
    Holder {
        owner_id: UserId::new(format!("owner of {id}")),
        video_id: id.as_video(),
        title: "A film".to_owned(),
        description: None,
    }
}

fn content(id: UploadId, state: ContentState, since_ms: i64) -> Content {
    let media = (state == ContentState::Ready)
        .then(|| json!({"streaming": "adaptive", "has_poster": true, "has_thumbnails": true}));
    serde_json::from_value(json!({
        "content_id": id, "state": state, "state_since_ms": since_ms, "listings": 0, "digest": DIGEST,
        "original_key": id.object_key(), "size_bytes": 1, "etag": "etag", "media": media,
        "reason": (state == ContentState::Failed).then_some("why"),
    }))
    .expect("a content")
}

/// A film that is listed by who brought it and so many others, all of whose records and objects are there.
fn film(state: ContentState, others: usize, since_ms: i64) -> Case {
    let id = UploadId::new();
    let upload_state = match state {
        ContentState::Ready => UploadState::Ready,
        _ => UploadState::Processing,
    };
    let mut content = content(id, state, since_ms);
    let mut case = Case::new(id);
    for lister in std::iter::once(id).chain((0..others).map(|_| UploadId::new())) {
        let mut upload = upload(lister, upload_state, since_ms);
        upload.content_id = Some(id.as_content());
        if lister == id {
            case.upload = record(upload.clone());
        }
        let video = (state == ContentState::Ready).then(|| video(lister, &content));
        case.listers.push(Lister { id: lister, upload: Some(upload), video });
        case.holders.push(holder(lister));
    }
    content.listings = case.holders.len() as u64;
    case.pointers = vec![DIGEST.parse().expect("a digest")];
    case.objects.original_ms = Some(since_ms);
    if state == ContentState::Ready {
        case.objects.poster_ms = Some(since_ms);
        case.objects.outputs =
            Outputs { newest_ms: Some(since_ms), hls: true, dash: true, thumbnails: true, media: true };
    }
    case.content = Some(content);
    case
}

/// A film that was watched for long.
fn old_film(others: usize) -> Case {
    film(ContentState::Ready, others, LONG_AGO)
}

fn kinds(case: &Case) -> Vec<String> {
    find(case, &surroundings()).iter().map(Finding::kind).collect()
}

fn change(mut case: Case, change: impl FnOnce(&mut Case)) -> Vec<String> {
    assert_eq!(kinds(&case), [""; 0], "it is healthy before");
    change(&mut case);
    kinds(&case)
}

fn with(case: &mut Case, change: impl FnOnce(&mut Content)) {
    change(case.content.as_mut().expect("a content"));
}

fn alone(state: UploadState, since_ms: i64, original_ms: Option<i64>) -> Case {
    let id = UploadId::new();
    let objects = Objects { original_ms, ..Objects::default() };
    Case { upload: record(upload(id, state, since_ms)), objects, ..Case::new(id) }
}

#[test]
fn what_is_as_it_should_be_is_not_found() {
    for case in [
        old_film(0),
        old_film(3),
        film(ContentState::Processing, 1, JUST_NOW),
        alone(UploadState::Waiting, JUST_NOW, None),
        alone(UploadState::Failed, LONG_AGO, None),
        alone(UploadState::Duplicate, LONG_AGO, None),
        alone(UploadState::Checking, JUST_NOW, Some(JUST_NOW)),
    ] {
        assert_eq!(kinds(&case), [""; 0], "{case:?}");
    }
}

#[test]
fn shares_that_contradict_listings_are_found() {
    assert_eq!(change(old_film(1), |case| drop(case.holders.pop())), ["share_missing"]);
    let unused = change(old_film(1), |case| {
        let lister = case.listers.last_mut().expect("a lister");
        (lister.upload, lister.video) = (None, None);
    });
    assert_eq!(unused, ["share_unused"]);
    assert_eq!(change(old_film(1), |case| with(case, |content| content.listings = 3)), ["listings_drifted"]);
    let unlisted = change(old_film(0), |case| {
        (case.upload, case.holders, case.listers) = (None, Vec::new(), Vec::new());
    });
    assert_eq!(unlisted, ["content_unlisted"]);
    assert_eq!(change(old_film(1), |case| case.listers[1].video = None), ["upload_without_video"]);
    assert_eq!(change(old_film(1), |case| case.listers[1].upload = None), ["video_without_upload"]);
}

#[test]
fn a_content_that_is_lost_takes_nothing_along_that_may_be_of_use() {
    let lost = change(old_film(0), |case| (case.content, case.pointers) = (None, Vec::new()));
    assert_eq!(lost, ["video_without_content"], "neither original nor outputs are litter");
    let waiting = change(film(ContentState::Processing, 0, JUST_NOW), |case| {
        (case.content, case.holders, case.pointers) = (None, Vec::new(), Vec::new());
    });
    assert_eq!(waiting, ["upload_without_content"]);
}

#[test]
fn pointers_that_lead_astray_are_found() {
    assert_eq!(change(old_film(0), |case| case.pointers.clear()), ["pointer_missing"]);
    let stored_twice = change(old_film(0), |case| {
        case.pointers.clear();
        case.digest_points_to = Some(UploadId::new().as_content());
    });
    assert_eq!(stored_twice, ["stored_twice"]);
    let mut nothing = Case::new(UploadId::new());
    nothing.pointers = vec![DIGEST.parse().expect("a digest")];
    assert_eq!(kinds(&nothing), ["pointer_dangling"]);
}

#[test]
fn what_waits_for_long_is_found_only_when_no_message_asks_for_it() {
    let stuck = film(ContentState::Processing, 0, LONG_AGO);
    assert_eq!(kinds(&stuck), ["content_stuck"]);
    let busy = Surroundings { packaging_is_idle: false, ..surroundings() };
    assert_eq!(find(&stuck, &busy), []);
    let mut leased = stuck.clone();
    with(&mut leased, |content| content.lease_until_ms = Some(NOW_MS + 1));
    assert_eq!(kinds(&leased), [""; 0]);

    let promised = change(old_film(0), |case| with(case, |content| content.promise = Some(Promise::Made)));
    assert_eq!(promised, ["content_stuck"]);
    let untold = change(old_film(1), |case| {
        case.listers[1].video = None;
        case.listers[1].upload.as_mut().expect("an upload").state = UploadState::Processing;
    });
    assert_eq!(untold, ["content_stuck"]);
    for encoding in [Encoding::Wanted, Encoding::Started] {
        let encoded = change(old_film(0), |case| with(case, |content| content.encoding = Some(encoding)));
        assert_eq!(encoded, ["encoding_stuck"]);
    }
    let mut removing = Case::new(UploadId::new());
    removing.content = Some(content(removing.id, ContentState::Removing, LONG_AGO));
    assert_eq!(kinds(&removing), ["removal_stuck"]);
    with(&mut removing, |content| content.state_since_ms = Some(JUST_NOW));
    assert_eq!(kinds(&removing), [""; 0]);
    assert_eq!(kinds(&alone(UploadState::Waiting, LONG_AGO, Some(LONG_AGO))), ["upload_unclaimed"]);
    assert_eq!(kinds(&alone(UploadState::Checking, LONG_AGO, None)), ["upload_lost"]);
    assert_eq!(kinds(&alone(UploadState::Waiting, LONG_AGO, None)), ["upload_expired"]);
}

#[test]
fn objects_that_nothing_names_are_found() {
    let mut stray = Case::new(UploadId::new());
    stray.objects.original_ms = Some(LONG_AGO);
    assert_eq!(kinds(&stray), ["original_unneeded"]);
    stray.objects.outputs.note("video.mp4", LONG_AGO);
    assert_eq!(kinds(&stray), ["original_unneeded", "outputs_unneeded"]);
    for state in [UploadState::Failed, UploadState::Duplicate] {
        assert_eq!(kinds(&alone(state, LONG_AGO, Some(LONG_AGO))), ["original_unneeded"]);
    }
    let mut joined = alone(UploadState::Ready, LONG_AGO, Some(LONG_AGO));
    let own = joined.upload.as_mut().expect("an upload");
    own.upload.content_id = Some(UploadId::new().as_content());
    assert_eq!(kinds(&joined), [""; 0], "it may be the only copy");
    joined.joined_exists = true;
    assert_eq!(kinds(&joined), ["original_unneeded"]);
    let pieces = change(old_film(0), |case| case.objects.pieces_ms = Some(LONG_AGO));
    assert_eq!(pieces, ["pieces_unneeded"]);
    let task = change(old_film(0), |case| assert!(case.tasks.insert(TaskName::Copy)));
    assert_eq!(task, ["task_left"]);
    let begun = |bucket, begun_ms| Unfinished {
        bucket,
        key: "media/x".to_owned(),
        s3_upload_id: "another".to_owned(),
        begun_ms,
    };
    for bucket in [Bucket::Uploads, Bucket::Media] {
        let found = change(old_film(0), |case| case.objects.unfinished = vec![begun(bucket, LONG_AGO)]);
        assert_eq!(found, ["multipart_unneeded"]);
        let young = change(old_film(0), |case| case.objects.unfinished = vec![begun(bucket, JUST_NOW)]);
        assert_eq!(young, [""; 0]);
    }
}

#[test]
fn objects_that_are_missing_are_found() {
    assert_eq!(change(old_film(0), |case| case.objects.original_ms = None), ["original_missing"]);
    assert_eq!(change(old_film(0), |case| case.objects.poster_ms = None), ["output_missing"]);
    assert_eq!(change(old_film(0), |case| case.objects.outputs = Outputs::default()), ["output_missing"; 4]);
}

fn moments() -> impl Strategy<Value = Option<i64>> {
    prop::option::of((0..HOUR_MS - 1).prop_map(|age| NOW_MS - age))
}

proptest! {
    /// Whatever objects there are beside whatever upload: before its time, nothing is deleted.
    #[test]
    fn what_is_young_is_never_litter(
        state in prop::option::of(prop::sample::select(vec![
            UploadState::Waiting, UploadState::Uploaded, UploadState::Checking, UploadState::Duplicate,
            UploadState::Processing, UploadState::Ready, UploadState::Failed,
        ])),
        (original_ms, poster_ms, pieces_ms, newest_ms) in (moments(), moments(), moments(), moments()),
        begun_ms in (0..HOUR_MS - 1).prop_map(|age| NOW_MS - age),
    ) {
        let id = UploadId::new();
        let unfinished = [Bucket::Uploads, Bucket::Media].map(|bucket| Unfinished {
            bucket, key: id.object_key(), s3_upload_id: "s3".to_owned(), begun_ms,
        });
        let case = Case {
            upload: state.and_then(|state| record(upload(id, state, JUST_NOW))),
            objects: Objects {
                original_ms, poster_ms, pieces_ms,
                outputs: Outputs { newest_ms, ..Outputs::default() },
                unfinished: unfinished.to_vec(),
            },
            ..Case::new(id)
        };
        prop_assert_eq!(find(&case, &surroundings()), []);
    }

    /// However many list it and whichever of them is broken: who lists a film keeps it, and its bytes.
    #[test]
    fn bytes_that_somebody_lists_are_never_deleted(
        others in 0usize..4,
        (lose_content, lose_pointers, lose_uploads) in any::<(bool, bool, bool)>(),
        (lost_holders, lost_videos) in any::<(u8, u8)>(),
    ) {
        let mut case = old_film(others);
        for index in (0..=others).rev() {
            if lost_videos & 1 << index != 0 && index > 0 {
                case.listers[index].video = None;
            }
            if lost_holders & 1 << index != 0 {
                case.holders.remove(index);
            }
            if lose_uploads {
                case.listers[index].upload = None;
            }
        }
        if lose_content {
            case.content = None;
        }
        if lose_pointers {
            case.pointers.clear();
        }
        for finding in find(&case, &surroundings()) {
            let deletes = matches!(
                finding,
                Finding::OriginalUnneeded { .. } | Finding::OutputsUnneeded { .. } | Finding::ContentUnlisted { .. }
            );
            prop_assert!(!deletes, "{:?}", finding);
        }
    }
}
