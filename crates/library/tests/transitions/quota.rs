//! However many uploads are begun at the same time, as many are let in as fit, and what is given up makes room again.

use library::{
    Checksum, Created, Library, Limits, Tables, Timestamp, Upload, UploadId, UploadState, Usage, UserId,
};
use proptest::prelude::*;

use crate::memory_dynamodb::{Circumstances, Fate, Shared, client, under};

/// An upload that is begun, and given up again if that is so.
#[derive(Clone, Debug)]
struct Beginning {
    size_bytes: u64,
    is_given_up: bool,
    fates: Vec<Fate>,
    yields: Vec<u8>,
}

fn beginning() -> impl Strategy<Value = Beginning> {
    let fate = prop_oneof![6 => Just(Fate::Answered), 1 => Just(Fate::AnswerLost), 1 => Just(Fate::Conflict)];
    let fates = prop::collection::vec(fate, 0..3);
    let yields = prop::collection::vec(0u8..6, 6);
    (1u64..60, prop::bool::weighted(0.3), fates, yields).prop_map(
        |(size_bytes, is_given_up, fates, yields)| Beginning { size_bytes, is_given_up, fates, yields },
    )
}

pub fn upload(owner: &UserId, size_bytes: u64) -> Upload {
    Upload {
        id: UploadId::new(),
        owner_id: owner.clone(),
        name: "a film".into(),
        description: None,
        file_name: "film.mp4".into(),
        size_bytes,
        content_type: "video/mp4".into(),
        checksum: Checksum::Sha256,
        digest: None,
        s3_upload_id: "s3".into(),
        request_fingerprint: None,
        state: UploadState::Waiting,
        reason: None,
        failed_at: None,
        retry_until: None,
        created_at: Timestamp::now(),
        expires_at: Timestamp::now(),
        content_id: None,
        video_id: None,
        duplicate_of: None,
        lease_message_id: None,
    }
}

async fn begin_all(library: &Library, beginnings: &[Beginning], limits: Limits) {
    let (database, owner) = (Shared::default(), UserId::new("owner"));
    let circumstances = |fates: Vec<Fate>, yields: Vec<u8>| Circumstances {
        database: database.clone(),
        fates: fates.into_iter(),
        yields: yields.into_iter(),
    };
    let runs = beginnings.iter().map(|beginning| {
        let upload = upload(&owner, beginning.size_bytes);
        let job = async move {
            let created = library.uploads.create(&upload, limits).await.expect("it comes to an end");
            let is_new = match created {
                Created::New => true,
                Created::NoRoom(usage) => {
                    assert!(!usage.has_room_for(upload.size_bytes, limits), "{usage:?} was in the way");
                    false
                }
                other => panic!("a new upload is {other:?}"),
            };
            if is_new && beginning.is_given_up {
                library.remove_upload(upload.id).await.expect("it comes to an end");
                return 0;
            }
            if is_new { upload.size_bytes } else { 0 }
        };
        under(circumstances(beginning.fates.clone(), beginning.yields.clone()), job)
    });
    let sizes = futures_util::future::join_all(runs).await;
    let usage =
        under(circumstances(vec![], vec![]), library.uploads.usage(&owner)).await.expect("it is there");
    let expected = Usage {
        bytes: sizes.iter().sum::<u64>().cast_signed(),
        uploads: i64::try_from(sizes.iter().filter(|size| **size > 0).count()).expect("they are few"),
    };
    assert_eq!(usage, expected);
    assert!(usage.bytes <= limits.bytes.cast_signed() && usage.uploads <= limits.uploads.cast_signed());
    // What was refused would still not fit, unless something was given up meanwhile.
    let are_kept = beginnings.iter().all(|beginning| !beginning.is_given_up);
    for (beginning, size) in beginnings.iter().zip(sizes) {
        assert!(
            !are_kept || size > 0 || !usage.has_room_for(beginning.size_bytes, limits),
            "{beginning:?} would have fitted"
        );
    }
}

proptest! {
    #[test]
    fn as_many_are_let_in_as_fit(
        beginnings in prop::collection::vec(beginning(), 1..12), bytes in 1u64..200, uploads in 0u64..8
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let library = library();
        runtime.expect("a runtime").block_on(begin_all(&library, &beginnings, Limits { bytes, uploads }));
    }
}

/// Runs a job that nothing disturbs, in a database of its own.
pub fn undisturbed(job: impl Future<Output = ()>) {
    let circumstances = Circumstances {
        database: Shared::default(),
        fates: Vec::new().into_iter(),
        yields: Vec::new().into_iter(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(under(circumstances, job));
}

pub fn library() -> Library {
    let tables = Tables { uploads: "uploads".into(), contents: "contents".into(), videos: "videos".into() };
    Library::new(client(), tables)
}

#[test]
fn what_waited_for_too_long_makes_room_once() {
    undisturbed(async {
        let (uploads, owner) = (library().uploads, UserId::new("owner"));
        let limits = Limits { bytes: 100, uploads: 2 };
        let in_time = Upload { expires_at: Timestamp::from_unix_ms(i64::MAX), ..upload(&owner, 40) };
        let late = upload(&owner, 60);
        for upload in [&in_time, &late] {
            assert_eq!(uploads.create(upload, limits).await.expect("no failure"), Created::New);
        }
        assert!(!uploads.expire(&in_time, "too late").await.expect("no failure"));
        assert!(uploads.expire(&late, "too late").await.expect("no failure"));
        assert!(!uploads.expire(&late, "too late").await.expect("no failure"), "a repeat changes nothing");
        assert_eq!(uploads.usage(&owner).await.expect("no failure"), Usage { bytes: 40, uploads: 1 });
        let found = uploads.get(late.id).await.expect("no failure").expect("it is there");
        assert_eq!((found.state, found.reason.as_deref()), (UploadState::Failed, Some("too late")));
    });
}

#[test]
fn a_count_is_corrected_unless_it_has_changed_since_it_was_seen() {
    undisturbed(async {
        let (uploads, owner) = (library().uploads, UserId::new("owner"));
        let right = upload(&owner, 40);
        let limits = Limits { bytes: 100, uploads: 2 };
        assert_eq!(uploads.create(&right, limits).await.expect("no failure"), Created::New);
        let seen = uploads.usage(&owner).await.expect("no failure");
        let stale = Usage { bytes: 7, ..seen };
        assert!(!uploads.correct_usage(&owner, stale, seen).await.expect("no failure"));
        assert!(uploads.correct_usage(&owner, seen, seen).await.expect("no failure"));
        assert_eq!(uploads.usage(&owner).await.expect("no failure"), seen);
        // Nothing is counted for them yet: that is seen as nothing.
        let other = UserId::new("other");
        assert!(uploads.correct_usage(&other, Usage::default(), Usage::default()).await.expect("no failure"));
    });
}
