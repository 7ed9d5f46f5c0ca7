//! The records, the objects in S3, the queues, and the workers between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::bail;
use library::{
    Checksum, Claim, Content, ContentDigest, ContentId, ContentState, Created, Finished, Lease, Library,
    Limits, Media, Renewal, Settled, Started, StoredObject, Streaming, Timestamp, Upload, UploadId,
    UploadState, UserId, Work,
};

use crate::memory_dynamodb::{Circumstances, Fate, Shared, under};
use crate::scenario::{Given, Job, Run, Scenario};

/// Room for everything.
const LIMITS: Limits = Limits { bytes: 1_000_000, uploads: 100 };

/// Messages that were sent and not yet handled to their end: by their id, which upload each is about.
type Queue = Mutex<BTreeMap<usize, usize>>;

pub struct World {
    pub scenario: Scenario,
    library: Library,
    ids: Vec<UploadId>,
    pub database: Shared,
    /// The uploads whose objects are in S3.
    pub objects: Mutex<BTreeSet<UploadId>>,
    /// The contents whose outputs are in S3.
    pub outputs: Mutex<BTreeSet<ContentId>>,
    events: Queue,
    requests: Queue,
    messages_sent: Mutex<usize>,
    /// The uploads whose owners asked for another try and have had no answer.
    retries: Mutex<BTreeSet<usize>>,
}

impl World {
    /// All uploads are complete in S3, and S3 has sent an event about each.
    pub async fn new(scenario: Scenario, library: Library) -> Self {
        let ids: Vec<_> = scenario.uploads.iter().map(|_| UploadId::new()).collect();
        let world = Self {
            objects: Mutex::new(ids.iter().copied().collect()),
            outputs: Mutex::default(),
            scenario,
            library,
            ids,
            database: Shared::default(),
            events: Queue::default(),
            requests: Queue::default(),
            messages_sent: Mutex::default(),
            retries: Mutex::default(),
        };
        under(world.circumstances(vec![], vec![]), async {
            for (index, given) in world.scenario.uploads.iter().enumerate() {
                let upload = upload(world.ids[index], given);
                let created = world.library.uploads.create(&upload, LIMITS).await;
                assert_eq!(created.expect("nothing fails yet"), Created::New);
                world.send(&world.events, index);
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

    fn send(&self, queue: &Queue, upload: usize) -> usize {
        let mut sent = self.messages_sent.lock().expect("no panic");
        *sent += 1;
        queue.lock().expect("no panic").insert(*sent, upload);
        *sent
    }

    /// A message about the upload, which others may have in their hands too.
    fn receive(&self, queue: &Queue, upload: usize) -> Option<usize> {
        let queue = queue.lock().expect("no panic");
        queue.iter().find(|(_, about)| **about == upload).map(|(message, _)| *message)
    }

    /// A worker's doing, to its end, its first error or its death.
    pub async fn work(&self, run: &Run) {
        let job = async {
            match run.job {
                Job::Claim => self.handle_event(run).await,
                Job::Package => self.handle_request(run).await,
                Job::Remove => self.remove(run.upload).await,
                Job::Delete => self.delete(run.upload).await,
                Job::Complete => self.complete(run.upload).await,
                Job::Abort => self.library.remove_upload(self.ids[run.upload]).await.map(drop),
                Job::GiveUp => self.give_up(run.upload).await,
                Job::Retry => self.retry(run.upload).await,
                Job::Prove => self.prove(run.upload).await,
            }
        };
        let job = under(self.circumstances(run.fates.clone(), run.yields.clone()), job);
        // The clock stands still until everybody waits: then the dead are buried. What failed is in the queue still.
        let _ = tokio::time::timeout(Duration::from_secs(600), job).await;
    }

    async fn handle_event(&self, run: &Run) -> anyhow::Result<()> {
        // S3 may send an event again at any time.
        let message = match self.receive(&self.events, run.upload) {
            Some(message) if !run.is_repeat => message,
            _ => self.send(&self.events, run.upload),
        };
        self.claim(run.upload, &run.lease(message)).await?;
        self.events.lock().expect("no panic").remove(&message);
        Ok(())
    }

    async fn handle_request(&self, run: &Run) -> anyhow::Result<()> {
        let Some(message) = self.receive(&self.requests, run.upload) else { return Ok(()) };
        self.package(run.upload, &run.lease(message)).await?;
        self.requests.lock().expect("no panic").remove(&message);
        Ok(())
    }

    async fn claim(&self, index: usize, lease: &Lease) -> anyhow::Result<()> {
        let (id, given) = (self.ids[index], self.scenario.uploads[index]);
        if !self.objects.lock().expect("no panic").contains(&id) {
            return Ok(());
        }
        let is_needed = match self.library.uploads.claim(id, lease).await? {
            Claim::Claimed(upload) => {
                let digest = given.is_verified.then(|| digest(given.bytes));
                let object =
                    StoredObject { size_bytes: size_bytes(given.bytes), etag: "etag".into(), digest };
                match self.library.start_processing(&upload, lease.token, &object).await? {
                    Started::Brought => {
                        self.send(&self.requests, index);
                        true
                    }
                    Started::Joined | Started::Duplicate => false,
                    Started::Lost => bail!("lost"),
                }
            }
            Claim::Past(upload) => {
                let is_own = upload.content_id == Some(id.as_content());
                if is_own && upload.state == UploadState::Processing {
                    self.send(&self.requests, index);
                }
                self.library.contents.get(id.as_content()).await?.is_some()
            }
            Claim::Busy(upload) if upload.lease_message_id.as_ref() == Some(&lease.message_id) => {
                bail!("busy")
            }
            Claim::Busy(_) => true,
            // The original of a content that others have a share in stays.
            Claim::Absent => self.library.contents.get(id.as_content()).await?.is_some(),
        };
        if !is_needed {
            self.objects.lock().expect("no panic").remove(&id);
        }
        Ok(())
    }

    async fn package(&self, index: usize, lease: &Lease) -> anyhow::Result<()> {
        let (id, given) = (self.ids[index], self.scenario.uploads[index]);
        let (bytes, library) = (given.bytes, &self.library);
        let mut claim = library.contents.claim(id.as_content(), lease).await?;
        if let Claim::Past(content) = &claim
            && content.may_be_retried()
        {
            library.retry_all(content.content_id).await?;
            claim = library.contents.claim(id.as_content(), lease).await?;
        }
        match claim {
            Claim::Claimed(content) if content.state == ContentState::Ready => {
                library.publish(&content).await?;
                self.copy(id.as_content(), lease).await
            }
            Claim::Claimed(content) => {
                let has_original = self.objects.lock().expect("no panic").contains(&id);
                assert!(has_original, "what is packaged has an original");
                if self.scenario.bad_bytes == Some(bytes) {
                    if !library.fail(&content, lease.token, "bad").await? {
                        bail!("lost");
                    }
                    return library.tell_failed(&content, "bad").await;
                }
                let promised = given.is_verified && given.is_promised;
                if !promised {
                    self.write_outputs(id.as_content(), lease).await?;
                }
                match library.finish(&content, lease.token, &digest(bytes), &media(), promised).await? {
                    Finished::Ready => {
                        library.publish(&Content { media: Some(media()), ..content }).await?;
                        if promised { self.copy(id.as_content(), lease).await } else { Ok(()) }
                    }
                    Finished::Merged => Ok(()),
                    Finished::Lost => bail!("lost"),
                }
            }
            Claim::Past(content) => match content.state {
                ContentState::Ready => library.publish(&content).await,
                ContentState::Failed => library.end_retry(&content).await.map(drop),
                ContentState::Removing => {
                    self.remove_outputs(id.as_content());
                    Ok(())
                }
                ContentState::Processing => Ok(()),
            },
            Claim::Busy(content) if content.lease_message_id.as_ref() == Some(&lease.message_id) => {
                bail!("busy")
            }
            Claim::Busy(_) => Ok(()),
            Claim::Absent => {
                self.remove_outputs(id.as_content());
                Ok(())
            }
        }
    }

    /// Writes what was promised, and says so. Whoever finds that nobody wants it any more takes it away again.
    async fn copy(&self, id: ContentId, lease: &Lease) -> anyhow::Result<()> {
        self.write_outputs(id, lease).await?;
        match self.library.contents.keep_promise(id, lease.token).await? {
            Settled::Written => Ok(()),
            Settled::Lost => bail!("lost"),
            Settled::Gone => {
                self.remove_outputs(id);
                Ok(())
            }
        }
    }

    /// As the real worker: it writes while its lease is renewed, and stops when it is not.
    async fn write_outputs(&self, id: ContentId, lease: &Lease) -> anyhow::Result<()> {
        match self.library.contents.renew(id, lease).await? {
            Renewal::Renewed => {
                self.outputs.lock().expect("no panic").insert(id);
            }
            Renewal::Gone => self.remove_outputs(id),
            Renewal::Lost | Renewal::Past => bail!("lost"),
        }
        Ok(())
    }

    fn remove_outputs(&self, id: ContentId) {
        self.outputs.lock().expect("no panic").remove(&id);
    }

    async fn remove(&self, index: usize) -> anyhow::Result<()> {
        let id = self.ids[index];
        let content = self.library.contents.get(id.as_content()).await?;
        if content.is_some_and(|content| content.state == ContentState::Removing) {
            self.remove_outputs(id.as_content());
            self.objects.lock().expect("no panic").remove(&id);
            self.library.contents.delete(id.as_content()).await?;
        }
        Ok(())
    }

    /// The last delivery of a message failed, and the message is among the dead letters.
    async fn give_up(&self, index: usize) -> anyhow::Result<()> {
        let Some(message) = self.receive(&self.requests, index) else { return Ok(()) };
        if self.library.give_up(self.ids[index].as_content(), Work::Packaging, "trouble").await? {
            self.requests.lock().expect("no panic").remove(&message);
        }
        Ok(())
    }

    async fn retry(&self, index: usize) -> anyhow::Result<()> {
        self.retries.lock().expect("no panic").insert(index);
        self.retry_once(index).await?;
        self.retries.lock().expect("no panic").remove(&index);
        Ok(())
    }

    async fn retry_once(&self, index: usize) -> anyhow::Result<()> {
        let Some(upload) = self.library.uploads.get(self.ids[index]).await? else { return Ok(()) };
        if upload.state == UploadState::Failed {
            self.library.retry(&upload).await?;
        }
        let Some(upload) = self.library.uploads.get(upload.id).await? else { return Ok(()) };
        if let (UploadState::Processing, Some(content_id)) = (upload.state, upload.content_id) {
            let content = self.library.contents.get(content_id).await?;
            if content.is_some_and(|content| content.awaits_packaging()) {
                let brought_by = self.ids.iter().position(|id| id.as_content() == content_id);
                self.send(&self.requests, brought_by.expect("a content is brought by an upload"));
            }
        }
        Ok(())
    }

    /// The time for retries passes, and the reconciler goes through all contents.
    pub async fn let_go(&self) {
        self.database.lock().expect("no panic").end_all_retries();
        under(self.circumstances(vec![], vec![]), async {
            for id in &self.ids {
                if let Some(content) = self.library.contents.get(id.as_content()).await.expect("no failure") {
                    self.library.end_retry(&content).await.expect("no failure");
                }
            }
        })
        .await;
        for upload in 0..self.ids.len() {
            self.work(&Run::undisturbed(Job::Remove, upload)).await;
        }
        let contents: Vec<Content> = self.database.lock().expect("no panic").records("contents", is_content);
        let failed = contents.iter().find(|content| content.state != ContentState::Ready);
        assert_eq!(failed, None, "what nobody retried is gone");
    }

    async fn delete(&self, index: usize) -> anyhow::Result<()> {
        if let Some(video) = self.library.videos.get(self.ids[index].as_video()).await? {
            self.library.delete_video(&video, None).await?;
        }
        Ok(())
    }

    async fn prove(&self, index: usize) -> anyhow::Result<()> {
        if let Some(upload) = self.library.uploads.get(self.ids[index]).await? {
            let digest = digest(self.scenario.uploads[index].bytes);
            if self.library.known(&digest).await?.is_some() {
                self.library.join_proved(&upload, &digest).await?;
            }
        }
        Ok(())
    }

    async fn complete(&self, index: usize) -> anyhow::Result<()> {
        if let Some(upload) = self.library.uploads.get(self.ids[index]).await? {
            self.library.uploads.mark_uploaded(&upload).await?;
        }
        Ok(())
    }

    /// Nothing goes wrong any more: what is in the queues is handled, and what is to be removed is removed. No event comes
    /// that was handled to its end before, so a consequence that was forgotten then stays forgotten.
    pub async fn settle(&self) {
        for _ in 0..8 {
            // Past the end of every lease.
            std::thread::sleep(Duration::from_millis(6));
            let events: Vec<_> = self.events.lock().expect("no panic").values().copied().collect();
            for upload in events {
                self.work(&Run::undisturbed(Job::Claim, upload)).await;
            }
            let requests: Vec<_> = self.requests.lock().expect("no panic").values().copied().collect();
            for upload in requests {
                self.work(&Run::undisturbed(Job::Package, upload)).await;
            }
            // Who hasn't heard that another try is under way asks again.
            let retries = self.retries.lock().expect("no panic").clone();
            for upload in retries {
                self.work(&Run::undisturbed(Job::Retry, upload)).await;
            }
            for upload in 0..self.ids.len() {
                self.work(&Run::undisturbed(Job::Remove, upload)).await;
            }
            let is_idle = |queue: &Queue| queue.lock().expect("no panic").is_empty();
            if is_idle(&self.events) && is_idle(&self.requests) {
                return;
            }
        }
    }

    pub fn given(&self, id: UploadId) -> Given {
        let index = self.ids.iter().position(|known| *known == id).expect("the upload is one of those given");
        self.scenario.uploads[index]
    }
}

impl Run {
    fn lease(&self, message: usize) -> Lease {
        Lease::new(message.to_string(), Duration::from_millis(self.lease_ms))
    }
}

fn size_bytes(bytes: u8) -> u64 {
    1_000 + 100 * u64::from(bytes)
}

/// Whether this key is a content's.
pub fn is_content(key: &str) -> bool {
    key.ends_with("|content")
}

pub fn digest(bytes: u8) -> ContentDigest {
    ContentDigest::from_composite([bytes; 32], 1)
}

fn media() -> Media {
    Media {
        streaming: Streaming::Adaptive,
        duration_ms: Some(1),
        width: None,
        height: None,
        has_poster: true,
        has_thumbnails: true,
    }
}

fn upload(id: UploadId, given: &Given) -> Upload {
    Upload {
        id,
        owner_id: UserId::new(given.owner.to_string()),
        name: "a film".into(),
        description: None,
        file_name: "film.mp4".into(),
        size_bytes: size_bytes(given.bytes),
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
