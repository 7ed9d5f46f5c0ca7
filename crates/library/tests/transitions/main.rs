//! Uploads of several people, of the same and of other bytes, claimed, packaged and deleted by workers that run at the
//! same time, lose connections and die anywhere. Whatever happens, the records end up telling one story.

mod expression;
mod memory_dynamodb;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use library::{
    Checksum, Claim, Content, ContentDigest, ContentState, Finished, Lease, Library, Media, Started,
    StoredObject, Streaming, Tables, Timestamp, Upload, UploadId, UploadState, UserId, Video,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use memory_dynamodb::{Circumstances, Fate, Shared, client, under};

const SIZE_BYTES: u64 = 1_000;

/// An upload that is complete in S3.
#[derive(Clone, Copy, Debug)]
struct Given {
    owner: u8,
    /// Equal numbers are equal bytes.
    bytes: u8,
    /// Whether S3 has verified the digest; otherwise packaging computes it.
    is_verified: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    Claim,
    Package,
    Remove,
    Delete,
}

/// One worker's doing.
#[derive(Clone, Debug)]
struct Run {
    job: Job,
    /// Which upload it is about, or its content, or its video.
    upload: usize,
    fates: Vec<Fate>,
    yields: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Scenario {
    uploads: Vec<Given>,
    /// These bytes are no video.
    bad_bytes: Option<u8>,
    /// The runs of a round happen at the same time.
    rounds: Vec<Vec<Run>>,
}

fn scenario(with_deletion: bool) -> impl Strategy<Value = Scenario> {
    let given = (0u8..2, 0u8..2, any::<bool>()).prop_map(|(owner, bytes, is_verified)| Given {
        owner,
        bytes,
        is_verified,
    });
    (prop::collection::vec(given, 1..=4), prop::option::of(0u8..2)).prop_flat_map(
        move |(uploads, bad_bytes)| {
            let runs = prop::collection::vec(run(uploads.len(), with_deletion), 1..=5);
            prop::collection::vec(runs, 0..=6).prop_map(move |rounds| Scenario {
                uploads: uploads.clone(),
                bad_bytes,
                rounds,
            })
        },
    )
}

fn run(uploads: usize, with_deletion: bool) -> impl Strategy<Value = Run> {
    let job = prop_oneof![
        4 => Just(Job::Claim),
        4 => Just(Job::Package),
        1 => Just(Job::Remove),
        2 => Just(if with_deletion { Job::Delete } else { Job::Claim }),
    ];
    let fate = prop_oneof![
        8 => Just(Fate::Answered),
        1 => Just(Fate::Lost),
        1 => Just(Fate::AnswerLost),
        1 => Just(Fate::Conflict),
        1 => Just(Fate::DeathBefore),
        1 => Just(Fate::DeathAfter),
    ];
    let fates = prop::collection::vec(fate, 0..8);
    let yields = prop::collection::vec(0u8..6, 0..8);
    (job, 0..uploads, fates, yields).prop_map(|(job, upload, fates, yields)| Run {
        job,
        upload,
        fates,
        yields,
    })
}

struct World {
    scenario: Scenario,
    library: Library,
    ids: Vec<UploadId>,
    database: Shared,
    /// The uploads whose objects are in S3.
    objects: Arc<Mutex<BTreeSet<UploadId>>>,
}

impl World {
    async fn new(scenario: Scenario, library: Library) -> Self {
        let ids: Vec<_> = scenario.uploads.iter().map(|_| UploadId::new()).collect();
        let objects = Arc::new(Mutex::new(ids.iter().copied().collect()));
        let world = Self { scenario, library, ids, database: Shared::default(), objects };
        under(world.circumstances(vec![], vec![]), async {
            for (given, id) in world.scenario.uploads.iter().zip(&world.ids) {
                world.library.uploads.create(&upload(*id, given)).await.expect("nothing fails yet");
            }
        })
        .await;
        world
    }

    fn circumstances(&self, fates: Vec<Fate>, yields: Vec<u8>) -> Circumstances {
        Circumstances {
            database: self.database.clone(),
            fates: fates.into_iter(),
            yields: yields.into_iter(),
        }
    }

    /// A worker's doing, to its end, its first error or its death.
    async fn work(&self, run: &Run) {
        let library = &self.library;
        let job = async {
            match run.job {
                Job::Claim => self.claim(library, run.upload).await,
                Job::Package => self.package(library, run.upload).await,
                Job::Remove => self.remove(library, run.upload).await,
                Job::Delete => self.delete(library, run.upload).await,
            }
        };
        let job = under(self.circumstances(run.fates.clone(), run.yields.clone()), job);
        // The clock stands still until everybody waits: then the dead are buried.
        let _ = tokio::time::timeout(Duration::from_secs(600), job).await;
    }

    async fn claim(&self, library: &Library, index: usize) -> anyhow::Result<()> {
        let (id, given) = (self.ids[index], self.scenario.uploads[index]);
        if !self.objects.lock().expect("no panic").contains(&id) {
            return Ok(());
        }
        let lease = Lease::new("message", Duration::ZERO);
        let is_needed = match library.uploads.claim(id, &lease).await? {
            Claim::Claimed(upload) => {
                let digest = given.is_verified.then(|| digest(given.bytes));
                let object = StoredObject { size_bytes: SIZE_BYTES, etag: "etag".into(), digest };
                let started = library.start_processing(&upload, lease.token, &object).await?;
                !matches!(started, Started::Joined | Started::Duplicate)
            }
            Claim::Past(upload) => upload.content_id == Some(id.as_content()),
            Claim::Busy(_) | Claim::Absent => true,
        };
        if !is_needed {
            self.objects.lock().expect("no panic").remove(&id);
        }
        Ok(())
    }

    async fn package(&self, library: &Library, index: usize) -> anyhow::Result<()> {
        let (id, bytes) = (self.ids[index], self.scenario.uploads[index].bytes);
        let lease = Lease::new("message", Duration::ZERO);
        match library.contents.claim(id.as_content(), &lease).await? {
            Claim::Claimed(content) => {
                assert!(
                    self.objects.lock().expect("no panic").contains(&id),
                    "what is packaged has an original"
                );
                if self.scenario.bad_bytes == Some(bytes) {
                    if library.fail(&content, lease.token, "bad").await? {
                        library.tell_failed(content.content_id, "bad").await?;
                    }
                } else if library.finish(&content, lease.token, &digest(bytes), &media()).await?
                    == Finished::Ready
                {
                    library.publish(&Content { media: Some(media()), ..content }).await?;
                }
            }
            Claim::Past(content) => match content.state {
                ContentState::Ready => library.publish(&content).await?,
                ContentState::Failed => library.tell_failed(content.content_id, "bad").await?,
                ContentState::Processing | ContentState::Removing => {}
            },
            Claim::Busy(_) | Claim::Absent => {}
        }
        Ok(())
    }

    async fn remove(&self, library: &Library, index: usize) -> anyhow::Result<()> {
        let id = self.ids[index];
        let content = library.contents.get(id.as_content()).await?;
        if content.is_some_and(|content| content.state == ContentState::Removing) {
            self.objects.lock().expect("no panic").remove(&id);
            library.contents.delete(id.as_content()).await?;
        }
        Ok(())
    }

    async fn delete(&self, library: &Library, index: usize) -> anyhow::Result<()> {
        if let Some(video) = library.videos.get(self.ids[index].as_video()).await? {
            library.delete_video(&video, None).await?;
        }
        Ok(())
    }

    /// Every event comes again, and nothing goes wrong any more, until there is nothing left to do.
    async fn settle(&self) {
        for _ in 0..6 {
            // Leases of no length end with the millisecond.
            std::thread::sleep(Duration::from_millis(2));
            for job in [Job::Claim, Job::Package, Job::Remove] {
                for upload in 0..self.ids.len() {
                    self.work(&Run { job, upload, fates: vec![], yields: vec![] }).await;
                }
            }
            if self.is_settled() {
                return;
            }
        }
    }

    fn is_settled(&self) -> bool {
        let database = self.database.lock().expect("no panic");
        let uploads: Vec<Upload> = database.records("uploads", |_| true);
        let contents: Vec<Content> = database.records("contents", |key| key.ends_with("|content"));
        let is_final =
            |state| matches!(state, UploadState::Ready | UploadState::Failed | UploadState::Duplicate);
        uploads.iter().all(|upload| is_final(upload.state))
            && contents.iter().all(|content| content.state == ContentState::Ready)
    }

    fn given(&self, id: UploadId) -> Given {
        let index = self.ids.iter().position(|known| *known == id).expect("the upload is one of those given");
        self.scenario.uploads[index]
    }

    fn check(&self) {
        let database = self.database.lock().expect("no panic");
        let objects = self.objects.lock().expect("no panic");
        for (id, from, to) in &database.upload_states {
            assert!(is_forward(from.as_deref(), to), "{id} went from {from:?} to {to}");
        }
        let uploads: Vec<Upload> = database.records("uploads", |_| true);
        let videos: Vec<Video> = database.records("videos", |_| true);
        let contents: Vec<Content> = database.records("contents", |key| key.ends_with("|content"));
        let holders: Vec<serde_json::Value> = database.records("contents", |key| key.contains("|holder#"));
        let pointers: Vec<serde_json::Value> = database.records("contents", |key| key.ends_with("|digest"));

        let mut owners_of_bytes = BTreeSet::new();
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
                UploadState::Failed => assert!(is_bad, "what is a video does not fail"),
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
            assert_eq!(content.state, ContentState::Ready, "no content is left behind");
            assert!(objects.contains(&id.as_upload()), "a content keeps its original");
            let listing = videos.iter().filter(|video| video.content_id == id).count() as u64;
            assert_eq!(content.listings, listing, "listings are counted");
            assert!(listing > 0, "a content that nobody lists is removed");
            let digest = content.digest.clone().expect("a content that is ready has a digest");
            assert_eq!(digest, self::digest(self.given(id.as_upload()).bytes));
            assert!(content_of_bytes.insert(digest.to_string(), id).is_none(), "bytes are stored once");
        }
        assert_eq!(holders.len(), videos.len(), "who has a share has a video");
        assert_eq!(pointers.len(), contents.len(), "every digest points to a content");
        for pointer in &pointers {
            let is_pointed_to = |content: &Content| pointer["content_id"] == content.content_id.to_string();
            assert!(contents.iter().any(is_pointed_to), "no digest points to nothing");
        }
        let kept: BTreeSet<_> = contents.iter().map(|content| content.content_id.as_upload()).collect();
        let failed = uploads.iter().filter(|upload| upload.state == UploadState::Failed);
        // The claim of a failed upload's object deletes it; here nobody claims after the last removal.
        let failed: BTreeSet<_> = failed.map(|upload| upload.id).collect();
        assert!(
            objects.iter().all(|id| kept.contains(id) || failed.contains(id)),
            "no object is left behind"
        );

        let deletions = self.scenario.rounds.iter().flatten().any(|run| run.job == Job::Delete);
        if !deletions {
            let good =
                self.scenario.uploads.iter().filter(|given| self.scenario.bad_bytes != Some(given.bytes));
            let expected: BTreeSet<_> = good.map(|given| (given.owner, given.bytes)).collect();
            assert_eq!(owners_of_bytes, expected, "everybody gets what they sent");
        }
    }
}

fn is_forward(from: Option<&str>, to: &str) -> bool {
    match from {
        None => to == "waiting",
        Some("waiting") => matches!(to, "uploaded" | "checking"),
        Some("uploaded") => to == "checking",
        Some("checking") => matches!(to, "duplicate" | "processing" | "ready" | "failed"),
        Some("processing") => matches!(to, "duplicate" | "ready" | "failed"),
        Some(_) => false,
    }
}

fn digest(bytes: u8) -> ContentDigest {
    ContentDigest::from_composite([bytes; 32], 1)
}

fn media() -> Media {
    Media {
        streaming: Streaming::Adaptive,
        duration_ms: Some(1),
        width: None,
        height: None,
        has_poster: true,
    }
}

fn upload(id: UploadId, given: &Given) -> Upload {
    Upload {
        id,
        owner_id: UserId::new(given.owner.to_string()),
        name: "a film".into(),
        description: None,
        file_name: "film.mp4".into(),
        size_bytes: SIZE_BYTES,
        content_type: "video/mp4".into(),
        checksum: Checksum::Sha256,
        digest: None,
        s3_upload_id: "s3".into(),
        request_fingerprint: None,
        state: UploadState::Waiting,
        reason: None,
        created_at: Timestamp::now(),
        expires_at: Timestamp::now(),
        content_id: None,
        video_id: None,
        duplicate_of: None,
        lease_message_id: None,
    }
}

fn play(library: &Library, scenario: Scenario) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let world = World::new(scenario, library.clone()).await;
        for round in &world.scenario.rounds {
            futures_util::future::join_all(round.iter().map(|run| world.work(run))).await;
        }
        world.settle().await;
        world.check();
    });
}

fn library() -> Library {
    let tables = Tables { uploads: "uploads".into(), contents: "contents".into(), videos: "videos".into() };
    Library::new(client(), tables)
}

fn play_many(scenarios: impl Strategy<Value = Scenario>) {
    let library = library();
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() });
    let outcome = runner.run(&scenarios, |scenario| {
        play(&library, scenario);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn everybody_gets_what_they_sent_and_bytes_are_stored_once() {
    play_many(scenario(false));
}

#[test]
fn deleting_a_video_takes_nothing_from_anybody_else() {
    play_many(scenario(true));
}
