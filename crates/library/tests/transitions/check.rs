//! What must be true in the end.

use std::collections::{BTreeMap, BTreeSet};

use library::{Content, ContentState, Promise, Upload, UploadState, Video};

use crate::scenario::{Job, Run};
use crate::world::{World, digest, is_content};

impl World {
    /// That the records and the objects tell one story, and the right one.
    pub fn check(&self) {
        let database = self.database.lock().expect("no panic");
        let objects = self.objects.lock().expect("no panic");
        for (id, from, to) in &database.upload_states {
            assert!(is_forward(from.as_deref(), to), "{id} went from {from:?} to {to}");
        }
        let uploads: Vec<Upload> = database.records("uploads", |_| true);
        let videos: Vec<Video> = database.records("videos", |_| true);
        let contents: Vec<Content> = database.records("contents", is_content);
        let holders: Vec<serde_json::Value> = database.records("contents", |key| key.contains("|holder#"));
        let pointers: Vec<serde_json::Value> = database.records("contents", |key| key.ends_with("|digest"));

        let mut owners_of_bytes = BTreeSet::new();
        let mut given_up = Vec::new();
        for upload in &uploads {
            let given = self.given(upload.id);
            let is_bad = self.scenario.bad_bytes == Some(given.bytes);
            match upload.state {
                UploadState::Ready => {
                    let video = videos.iter().find(|video| Some(video.id) == upload.video_id);
                    let video = video.expect("what is ready has a video");
                    assert_eq!(
                        (Some(video.content_id), &video.owner_id),
                        (upload.content_id, &upload.owner_id)
                    );
                    assert!(!is_bad, "what is no video is never ready");
                    assert!(owners_of_bytes.insert((given.owner, given.bytes)), "an owner lists bytes once");
                }
                UploadState::Failed if upload.may_be_retried() => {
                    given_up.push(upload);
                }
                // Nobody retried it, or nothing would come of that.
                UploadState::Failed => assert!(is_bad || is_trouble(upload), "what is a video does not fail"),
                UploadState::Duplicate => {
                    let first = upload.duplicate_of.expect("a duplicate names the other video").as_upload();
                    let first = self.given(first);
                    assert_eq!((first.owner, first.bytes), (given.owner, given.bytes));
                }
                state => panic!("{} stays {}", upload.id, state.as_str()),
            }
        }
        assert_eq!(videos.len(), owners_of_bytes.len(), "every video has its upload");

        let mut content_of_bytes = BTreeMap::new();
        for content in &contents {
            let id = content.content_id;
            if content.state == ContentState::Failed {
                assert!(content.may_be_retried(), "what failed for good does not stay");
                assert!(objects.contains(&id.as_upload()), "what may be retried keeps its original");
                let waiting = given_up.iter().filter(|upload| upload.content_id == Some(id)).count() as u64;
                assert_eq!(content.listings, waiting, "those who may retry are counted");
                assert!(waiting > 0, "what nobody can retry is removed");
                continue;
            }
            assert_eq!(content.state, ContentState::Ready, "no content is left behind");
            assert!(objects.contains(&id.as_upload()), "a content keeps its original");
            assert_ne!(content.promise, Some(Promise::Made), "every promise is kept");
            let listing = videos.iter().filter(|video| video.content_id == id).count() as u64;
            assert_eq!(content.listings, listing, "listings are counted");
            assert!(listing > 0, "a content that nobody lists is removed");
            let found = content.digest.clone().expect("a content that is ready has a digest");
            assert_eq!(found, digest(self.given(id.as_upload()).bytes));
            assert!(content_of_bytes.insert(found.to_string(), id).is_none(), "bytes are stored once");
        }
        assert_eq!(holders.len(), videos.len() + given_up.len(), "who has a share has a video, or may retry");
        for upload in &given_up {
            let found = contents.iter().find(|content| Some(content.content_id) == upload.content_id);
            let found = found.expect("what may be retried has a content");
            assert_eq!(
                (found.state, found.retry_until),
                (ContentState::Failed, upload.retry_until),
                "an upload may be retried as long as its content"
            );
        }
        assert_eq!(pointers.len(), content_of_bytes.len(), "every digest points to a content that is ready");
        for pointer in &pointers {
            let is_pointed_to = |content: &Content| pointer["content_id"] == content.content_id.to_string();
            assert!(contents.iter().any(is_pointed_to), "no digest points to nothing");
        }
        let is_ready = |content: &&Content| content.state == ContentState::Ready;
        let with_outputs: BTreeSet<_> =
            contents.iter().filter(is_ready).map(|content| content.content_id).collect();
        // What was given up keeps what was written.
        let may_have: BTreeSet<_> = contents.iter().map(|content| content.content_id).collect();
        let outputs = self.outputs.lock().expect("no panic");
        assert!(
            outputs.is_superset(&with_outputs) && outputs.is_subset(&may_have),
            "outputs are there for what is ready, and for nothing that is gone"
        );
        let kept: BTreeSet<_> = contents.iter().map(|content| content.content_id.as_upload()).collect();
        let failed = uploads.iter().filter(|upload| upload.state == UploadState::Failed);
        // The claim of a failed upload's object deletes it; here nobody claims after the last removal.
        let failed: BTreeSet<_> = failed.map(|upload| upload.id).collect();
        assert!(
            objects.iter().all(|id| kept.contains(id) || failed.contains(id)),
            "no object is left behind"
        );

        let gone = |run: &Run| matches!(run.job, Job::Delete | Job::Abort);
        let failures = uploads.iter().any(is_trouble);
        if !self.scenario.rounds.iter().flatten().any(gone) && !failures {
            let good =
                self.scenario.uploads.iter().filter(|given| self.scenario.bad_bytes != Some(given.bytes));
            let expected: BTreeSet<_> = good.map(|given| (given.owner, given.bytes)).collect();
            assert_eq!(owners_of_bytes, expected, "everybody gets what they sent");
        }
    }
}

/// Whether it failed in processing, and not because of what it is.
fn is_trouble(upload: &Upload) -> bool {
    upload.reason.as_deref() == Some("trouble")
}

fn is_forward(from: Option<&str>, to: &str) -> bool {
    match from {
        None => to == "waiting",
        Some("waiting") => matches!(to, "uploaded" | "checking" | "duplicate" | "processing" | "ready"),
        Some("uploaded") => to == "checking",
        Some("checking") => matches!(to, "duplicate" | "processing" | "ready" | "failed"),
        Some("processing") => matches!(to, "duplicate" | "ready" | "failed"),
        // A retry.
        Some("failed") => matches!(to, "duplicate" | "processing" | "ready"),
        Some(_) => false,
    }
}
