//! Uploads that the reconciler fails. That they are in the index of failures is looked at after each write, as for all others.

use library::{Created, Limits, Repaired, Upload, UploadState, Usage, UserId};

use crate::quota::{library, undisturbed, upload};

/// An upload whose bytes have arrived.
async fn uploaded() -> Upload {
    let uploads = library().uploads;
    let limits = Limits { bytes: 100, uploads: 2 };
    let waiting = upload(&UserId::new("owner"), 40);
    assert_eq!(uploads.create(&waiting, limits).await.expect("no failure"), Created::New);
    uploads.mark_uploaded(&waiting).await.expect("no failure");
    uploads.get(waiting.id).await.expect("no failure").expect("it is there")
}

async fn expect_failed(upload: &Upload, reason: &str) {
    let uploads = library().uploads;
    let found = uploads.get(upload.id).await.expect("no failure").expect("it is there");
    assert_eq!((found.state, found.reason.as_deref()), (UploadState::Failed, Some(reason)));
    assert_eq!(uploads.usage(&upload.owner_id).await.expect("no failure"), Usage::default());
}

#[test]
fn an_upload_whose_object_is_gone_fails_once() {
    undisturbed(async {
        let (library, upload) = (library(), uploaded().await);
        let record = library.uploads.record(upload.id).await.expect("no failure").expect("it is there");
        let repair = async || library.fail_lost_upload(&record, "lost").await.expect("no failure");
        assert_eq!(repair().await, Repaired::Yes);
        expect_failed(&upload, "lost").await;
        assert_eq!(repair().await, Repaired::Outdated);
        expect_failed(&upload, "lost").await;
    });
}

#[test]
fn an_upload_without_a_content_fails_once() {
    undisturbed(async {
        let (library, upload) = (library(), uploaded().await);
        let repair = async || {
            library.fail_upload_without_content(&upload, None, "nothing is left").await.expect("no failure")
        };
        assert_eq!(repair().await, Repaired::Yes);
        expect_failed(&upload, "nothing is left").await;
        assert_eq!(repair().await, Repaired::Outdated);
    });
}
