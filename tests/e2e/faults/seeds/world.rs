//! A scenario that follows from a seed: who uploads, aborts and deletes what, and in what order messages come.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_lambda_events::sqs::SqsMessage;
use aws_sdk_s3::types::ChecksumAlgorithm;
use futures_util::future::try_join_all;
use ingest::reconcile::finder::{Ages, Finding};
use ingest::{claim_object, package_video, reconcile, remove_content};
use library::{
    ContentId, ContentState, ContentsRecord, DeleteVideoError, Library, Limits, PartPlan, UploadId, UserId,
    VideoId,
};
use media::ShareSizes;
use serde_json::{Value, json};
use tests::{Film, sample, sha256};
use tower::ServiceExt as _;
use uuid::Uuid;

use super::super::connector::{BadLuck, Process};
use super::super::sandbox::{Sandbox, only, somebody};
use super::schedule::Schedule;

/// After so many failures a message is among the dead letters, as the template says.
const DELIVERIES: u32 = 5;
/// How often a client repeats a request that failed.
const TRIES: usize = 4;

/// What a scenario is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Who sends which film, in this order.
    pub uploads: Vec<(usize, usize)>,
    /// Which of them are given up before all parts are there.
    pub aborted: BTreeSet<usize>,
    /// Which of them are deleted as soon as they are listed.
    pub deleted: BTreeSet<usize>,
    /// Films are copied in shares.
    pub in_shares: bool,
    /// S3's event about these is lost.
    pub unheard: BTreeSet<usize>,
    /// Dead letters are lost too, instead of being driven again.
    pub is_forgetful: bool,
    /// How the order of things follows.
    pub seed: u64,
}

/// What a message asks for.
#[derive(Clone, Debug)]
enum Job {
    Claim(SqsMessage),
    Package(SqsMessage),
    Remove(ContentId),
}

#[derive(Clone, Debug)]
struct Message {
    job: Job,
    failures: u32,
}

/// What became of an upload, as far as its sender knows.
#[derive(Clone, Debug)]
pub struct Sent {
    pub id: UploadId,
    pub owner: usize,
    pub film: usize,
    /// S3 has put the object together.
    pub arrived: bool,
    pub deleted: bool,
}

pub struct World<'a> {
    pub sandbox: &'a Sandbox,
    pub plan: Plan,
    pub people: Vec<UserId>,
    pub sent: Vec<Sent>,
    films: Vec<Film>,
    schedule: Schedule,
    random: fastrand::Rng,
    waiting: Vec<Message>,
    dead: Vec<Message>,
    removals: BTreeSet<ContentId>,
}

/// The films of a scenario, by their index: two that play, one that is none, one that is broken. How many play.
pub const PLAYABLE: usize = 2;
/// The one that is none, which is seen as it arrives. That the other is broken is seen when it is packaged.
pub const TEXT: usize = 2;

fn films() -> Result<Vec<Film>> {
    let sound = sample("audio_only.m4a")?;
    let mut text = Film::of("film.mp4", b"This is no film.".to_vec());
    text.bytes.extend(Uuid::now_v7().as_bytes());
    let mut broken = sample("audio_only.m4a")?;
    // Its tables are gone, and what it begins with is still that of a film.
    broken.bytes.truncate(20_000);
    broken.bytes.iter_mut().skip(40).for_each(|byte| *byte = 0);
    broken.bytes.extend(Uuid::now_v7().as_bytes());
    Ok(vec![sound.clone().made_unique(), sound.made_unique(), text, broken])
}

impl<'a> World<'a> {
    pub fn new(sandbox: &'a Sandbox, plan: Plan, schedule: Schedule) -> Result<Self> {
        let people = 1 + plan.uploads.iter().map(|(owner, _)| *owner).max().unwrap_or(0);
        Ok(Self {
            sandbox,
            people: (0..people).map(|_| somebody()).collect(),
            sent: Vec::new(),
            films: films()?,
            schedule,
            random: fastrand::Rng::with_seed(plan.seed),
            waiting: Vec::new(),
            dead: Vec::new(),
            removals: BTreeSet::new(),
            plan,
        })
    }

    /// Lets everything happen, with faults until all that is left is dead; then the cause is removed, and what is dead is driven again
    /// or forgotten, and the reconciler has the last word.
    pub async fn live(&mut self) -> Result<()> {
        for index in 0..self.plan.uploads.len() {
            self.send(index).await?;
            for _ in 0..self.random.usize(0..4) {
                self.round().await?;
            }
        }
        self.settle().await.context("with faults")?;
        self.reconcile().await.context("with faults")?;
        self.schedule.heal();
        if !self.plan.is_forgetful {
            let dead = std::mem::take(&mut self.dead);
            self.waiting.extend(dead.into_iter().map(|message| Message { failures: 0, ..message }));
        }
        self.settle().await.context("without faults")?;
        for _ in 0..8 {
            tokio::time::sleep(self.sandbox.lease).await;
            let report = self.reconcile().await?.context("nobody kills it now")?;
            ensure!(report.left == 0, "it can't repair {:?}", report.findings);
            self.settle().await.context("after repairs")?;
            if report.repaired == 0 && !self.retry_what_was_given_up().await? {
                return self.take_back().await;
            }
        }
        anyhow::bail!("the reconciler does not come to an end")
    }

    /// Publishers have tried again what failed for no fault of their films. Answers whether there was something.
    async fn retry_what_was_given_up(&mut self) -> Result<bool> {
        let mut any = false;
        for Sent { id, .. } in &self.sent {
            let upload = self.library().uploads.get(*id).await?;
            if upload.is_some_and(|upload| upload.may_be_retried()) {
                self.sandbox.retry(&BadLuck::none(), *id).await?;
                any = true;
            }
        }
        self.settle().await.context("after another try")?;
        Ok(any)
    }

    /// Who meant to give an upload up, or to delete a video, and could not, does it now.
    async fn take_back(&mut self) -> Result<()> {
        for index in self.plan.aborted.clone() {
            let Some(sent) = self.sent.iter().position(|sent| self.index_of(sent) == Some(index)) else {
                continue;
            };
            if !self.sent[sent].arrived {
                self.abort(self.sent[sent].owner, self.sent[sent].id).await?;
                self.sent.remove(sent);
            }
        }
        Ok(())
    }

    fn index_of(&self, sent: &Sent) -> Option<usize> {
        self.plan.uploads.iter().enumerate().position(|(index, (owner, film))| {
            (*owner, *film) == (sent.owner, sent.film) && self.id_of(index) == sent.id
        })
    }

    fn key(&self, index: usize) -> String {
        format!("upload-{index}")
    }

    fn id_of(&self, index: usize) -> UploadId {
        UploadId::from_idempotency_key(&self.people[self.plan.uploads[index].0], &self.key(index))
    }

    fn config(&self, process: &Process) -> SdkConfig {
        let retries = RetryConfig::standard()
            .with_max_attempts(2)
            .with_initial_backoff(Duration::from_millis(1))
            .with_max_backoff(Duration::from_millis(2));
        self.sandbox.root.to_builder().http_client(process.clone()).retry_config(retries).build()
    }

    fn process(&self, function: &'static str) -> Process {
        self.schedule.process(function, self.sandbox)
    }

    fn library(&self) -> Library {
        self.sandbox.library(&self.sandbox.root)
    }

    /// A request to the uploads' functions, repeated by its client until it is answered. None if it never is.
    async fn ask(
        &self,
        function: &'static str,
        owner: usize,
        (method, path): (&str, &str),
        body: Value,
        key: Option<&str>,
    ) -> Result<Option<(u16, Value)>> {
        for _ in 0..TRIES {
            let process = self.process(function);
            let context = uploads::Context::new(&self.config(&process), self.sandbox.uploads_environment());
            let mut event: Value =
                serde_json::from_str(include_str!("../../../../events/create-upload.json"))?;
            let claims = &mut event["requestContext"]["authorizer"]["jwt"]["claims"];
            (claims["sub"], claims["cognito:groups"]) = (json!(self.people[owner]), json!("[publisher]"));
            event["requestContext"]["http"]["method"] = json!(method);
            (event["rawPath"], event["body"]) = (json!(path), json!(body.to_string()));
            event["requestContext"]["http"]["path"] = json!(path);
            if let Some(key) = key {
                event["headers"]["idempotency-key"] = json!(key);
            } else if let Some(headers) = event["headers"].as_object_mut() {
                headers.remove("idempotency-key");
            }
            let request = lambda_http::request::from_str(&event.to_string())?;
            let app = http_api::app(uploads::router().with_state(context));
            let Some(answer) = process.run(Box::pin(app.oneshot(request.map(axum::body::Body::new)))).await
            else {
                continue;
            };
            let (parts, body) = answer.context("a router never fails")?.into_parts();
            if parts.status.is_server_error() {
                continue;
            }
            let body = axum::body::to_bytes(body, 1 << 20).await?;
            return Ok(Some((parts.status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())));
        }
        Ok(None)
    }

    /// Somebody sends a film, or begins to.
    async fn send(&mut self, index: usize) -> Result<()> {
        let (owner, film) = self.plan.uploads[index];
        let size_bytes = self.films[film].bytes.len() as u64;
        let body = json!({"name": "A film", "file_name": "film.mp4", "size_bytes": size_bytes, "content_type": "video/mp4"});
        let key = self.key(index);
        let begun = self.ask("create_upload", owner, ("POST", "/api/uploads"), body, Some(&key)).await?;
        let Some((status, answer)) = begun else { return Ok(()) };
        ensure!(status == 201, "{status}: {answer}");
        let id: UploadId = answer["id"].as_str().context("an id")?.parse()?;
        if self.plan.aborted.contains(&index) {
            return self.abort(owner, id).await;
        }
        self.send_parts(id, film).await?;
        let path = format!("/api/uploads/{id}/complete");
        let completed = self.ask("complete_upload", owner, ("POST", &path), Value::Null, None).await?;
        let objects = self.sandbox.keys_below(&self.sandbox.upload_bucket, &id.object_key()).await?;
        let arrived = !objects.is_empty();
        if let Some((status, answer)) = completed {
            ensure!(status == 200 && arrived, "{status}, {arrived}: {answer}");
        }
        self.sent.push(Sent { id, owner, film, arrived, deleted: false });
        if arrived && !self.plan.unheard.contains(&index) {
            for _ in 0..self.random.usize(1..4) {
                self.waiting.push(Message { job: Job::Claim(self.sandbox.s3_event(id)), failures: 0 });
            }
        }
        Ok(())
    }

    async fn abort(&self, owner: usize, id: UploadId) -> Result<()> {
        let path = format!("/api/uploads/{id}");
        let answer = self.ask("abort_upload", owner, ("DELETE", &path), Value::Null, None).await?;
        // Repeated after a lost answer, it finds nothing.
        ensure!(answer.as_ref().is_none_or(|(status, _)| matches!(status, 204 | 404)), "{answer:?}");
        Ok(())
    }

    async fn send_parts(&self, id: UploadId, film: usize) -> Result<()> {
        let upload = self.library().uploads.get(id).await?.context("the upload")?;
        let bytes = &self.films[film].bytes;
        let part_size = usize::try_from(PartPlan::for_size(bytes.len() as u64)?.part_size_bytes())?;
        for (part, number) in bytes.chunks(part_size).zip(1..) {
            let sent = self.sandbox.s3.upload_part().bucket(&self.sandbox.upload_bucket).key(id.object_key());
            let sent = sent.upload_id(&upload.s3_upload_id).part_number(number);
            let sent = sent.checksum_algorithm(ChecksumAlgorithm::Sha256).checksum_sha256(sha256(part));
            sent.body(part.to_vec().into()).send().await?;
        }
        Ok(())
    }

    /// One or two messages are delivered at the same time, perhaps not for the last time.
    async fn round(&mut self) -> Result<()> {
        self.receive().await?;
        self.delete_what_is_listed().await?;
        let mut batch = Vec::new();
        for _ in 0..self.random.usize(1..3) {
            if !self.waiting.is_empty() {
                let index = self.random.usize(..self.waiting.len());
                batch.push(self.waiting.swap_remove(index));
            }
        }
        let outcomes = try_join_all(batch.iter().map(|message| Box::pin(self.deliver(message)))).await?;
        for (mut message, is_done) in batch.into_iter().zip(outcomes) {
            if is_done {
                if self.random.u8(..) < 40 && message.failures < DELIVERIES - 1 {
                    // Queues deliver twice at times.
                    message.failures = DELIVERIES - 1;
                    self.waiting.push(message);
                }
                continue;
            }
            message.failures += 1;
            match message.failures < DELIVERIES {
                true => self.waiting.push(message),
                false => self.dead.push(message),
            }
            tokio::time::sleep(self.sandbox.lease / 6).await;
        }
        Ok(())
    }

    /// Until no message is left.
    pub async fn settle(&mut self) -> Result<()> {
        for _ in 0..400 {
            self.receive().await?;
            if self.waiting.is_empty() && !self.delete_what_is_listed().await? {
                return Ok(());
            }
            self.round().await?;
        }
        anyhow::bail!("messages do not come to an end: {:?}", self.waiting)
    }

    /// What the functions have sent, and what the stream tells.
    async fn receive(&mut self) -> Result<()> {
        for message in self.sandbox.take_all(&self.sandbox.package_queue_url).await? {
            self.waiting.push(Message { job: Job::Package(message), failures: 0 });
        }
        for message in self.sandbox.take_all(&self.sandbox.upload_events_queue_url).await? {
            self.waiting.push(Message { job: Job::Claim(message), failures: 0 });
        }
        let mut removing = BTreeSet::new();
        let library = self.library();
        library
            .contents
            .each_record(|record| {
                if let ContentsRecord::Content(content) = record
                    && content.state == ContentState::Removing
                {
                    removing.insert(content.content_id);
                }
            })
            .await?;
        for id in removing {
            if self.removals.insert(id) {
                self.waiting.push(Message { job: Job::Remove(id), failures: 0 });
            }
        }
        Ok(())
    }

    /// Answers whether there was something.
    async fn delete_what_is_listed(&mut self) -> Result<bool> {
        let mut any = false;
        for index in 0..self.sent.len() {
            let Sent { id, deleted, .. } = self.sent[index];
            let is_to_go = self.index_of(&self.sent[index]).is_some_and(|at| self.plan.deleted.contains(&at));
            if is_to_go && !deleted && self.delete(id.as_video()).await? {
                self.sent[index].deleted = true;
                any = true;
            }
        }
        Ok(any)
    }

    /// As `delete_video` does it, repeated by its client. Answers whether the video was there.
    pub async fn delete(&self, id: VideoId) -> Result<bool> {
        if self.library().videos.get(id).await?.is_none() {
            return Ok(false);
        }
        for _ in 0..TRIES {
            let process = self.process("delete_video");
            let library = self.sandbox.library(&self.config(&process));
            let deletion = async {
                let Some(video) = library.videos.get(id).await? else { return Ok(()) };
                match library.delete_video(&video, None).await {
                    Err(DeleteVideoError::Absent) => Ok(()),
                    other => other.map_err(anyhow::Error::from),
                }
            };
            if matches!(process.run(deletion).await, Some(Ok(()))) {
                return Ok(true);
            }
        }
        Ok(self.library().videos.get(id).await?.is_none())
    }

    /// Runs a function in a process of its own. Answers whether the message is done.
    async fn deliver(&self, message: &Message) -> Result<bool> {
        let sandbox = self.sandbox;
        let deadline = SystemTime::now() + Duration::from_secs(60);
        Ok(match &message.job {
            Job::Claim(event) => {
                let process = self.process("claim_object");
                let mut context =
                    claim_object::Context::new(&self.config(&process), sandbox.claim_environment());
                context.lease = sandbox.lease;
                let done = process.run(Box::pin(claim_object::handle(&context, only(event.clone())))).await;
                done.is_some_and(|done| done.is_ok_and(|answer| answer.batch_item_failures.is_empty()))
            }
            Job::Package(request) => {
                let mut request = request.clone();
                let deliveries = (message.failures + 1).to_string();
                request.attributes.insert("ApproximateReceiveCount".to_owned(), deliveries);
                let process = self.process("package_video");
                let mut context =
                    package_video::Context::new(&self.config(&process), sandbox.package_environment());
                context.lease = sandbox.lease;
                if self.plan.in_shares {
                    context.share_sizes = ShareSizes {
                        share_bytes: 16_000,
                        part_bytes: 10_000,
                        least_part_bytes: 3_000,
                        ..ShareSizes::default()
                    };
                }
                let done =
                    process.run(Box::pin(package_video::handle(&context, deadline, only(request)))).await;
                done.is_some_and(|done| done.is_ok_and(|answer| answer.batch_item_failures.is_empty()))
            }
            Job::Remove(id) => {
                let process = self.process("remove_content");
                let environment = remove_content::Environment {
                    contents_table: sandbox.tables.contents.clone(),
                    upload_bucket: sandbox.upload_bucket.clone(),
                    media_bucket: sandbox.media_bucket.clone(),
                };
                let context = remove_content::Context::new(&self.config(&process), environment);
                let image = json!({"content_id": {"S": id}});
                let record = json!({"dynamodb": {"SequenceNumber": "1", "NewImage": image}});
                let event = serde_json::from_value(json!({"Records": [record]}))?;
                let done = process.run(Box::pin(remove_content::handle(&context, event))).await;
                done.is_some_and(|done| done.is_ok_and(|told| told.batch_item_failures.is_empty()))
            }
        })
    }

    /// Runs the reconciler. None if it was killed or failed. What it wakes by the stream is delivered next.
    pub async fn reconcile(&mut self) -> Result<Option<reconcile::Report>> {
        let process = self.process("reconcile");
        let mut context =
            reconcile::Context::new(&self.config(&process), self.sandbox.reconcile_environment());
        context.ages = Ages { stuck_ms: 0, litter_ms: 0 };
        let deadline = SystemTime::now() + Duration::from_secs(60);
        let request = reconcile::Request::default();
        let done = process.run(Box::pin(reconcile::handle(&context, deadline, request))).await;
        let report = done.and_then(Result::ok).map(|answer| answer.report);
        for entry in report.iter().flat_map(|report| &report.findings) {
            if let Finding::RemovalStuck { content_id } = entry.finding {
                // It touched it, so that the stream tells of it again.
                self.removals.remove(&content_id);
            }
        }
        Ok(report)
    }
}

impl Sandbox {
    pub(super) async fn keys_below(&self, bucket: &str, prefix: &str) -> Result<Vec<String>> {
        let found = self.s3.list_objects_v2().bucket(bucket).prefix(prefix).send().await?;
        Ok(found.contents().iter().filter_map(|object| object.key().map(ToOwned::to_owned)).collect())
    }

    /// What the functions of `uploads` have between them, with limits that nobody meets.
    pub(super) fn uploads_environment(&self) -> uploads::Environment {
        let total = Limits { bytes: 1 << 40, uploads: 1_000 };
        let limits = uploads::RoleLimits { file_bytes: 1 << 40, total };
        uploads::Environment {
            uploads_table: self.tables.uploads.clone(),
            contents_table: self.tables.contents.clone(),
            upload_bucket: Some(self.upload_bucket.clone()),
            limits: Some(uploads::LimitsByRole { publisher: limits, admin: limits }),
            videos_table: Some(self.tables.videos.clone()),
            package_queue_url: Some(self.package_queue_url.clone()),
        }
    }
}
