//! What AWS does: queues and the stream bring messages, and each runs a function in a process of its own.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsMessage};
use encode::Ladder;
use ingest::reconcile::finder::{Ages, Finding};
use ingest::{claim_object, encode_video, package_video, plan_encoding, reconcile, remove_content};
use library::{ContentId, ContentState, ContentsRecord, Encoding};
use media::ShareSizes;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::super::sandbox::only;
use super::world::{Job, Message, World};

impl World<'_> {
    /// What the functions have sent, and what the stream tells.
    pub(super) async fn receive(&mut self) -> Result<()> {
        let sandbox = self.sandbox;
        let packages = sandbox.take_all(&sandbox.package_queue_url).await?.into_iter().map(Job::Package);
        let claims = sandbox.take_all(&sandbox.upload_events_queue_url).await?.into_iter().map(Job::Claim);
        let pieces = sandbox.take_all(&sandbox.encode_queue_url).await?.into_iter().map(Job::Encode);
        let jobs = packages.chain(claims).chain(pieces);
        self.waiting.extend(jobs.map(|job| Message { job, failures: 0 }));
        // Those that the stream's filters let through: it tells of each once, for as long as it stays so.
        let (mut removing, mut to_be_encoded) = (BTreeSet::new(), BTreeSet::new());
        let contents = self.library().contents;
        let each = contents.each_record(|record| {
            let ContentsRecord::Content(content) = record else { return };
            match (content.state, content.encoding) {
                (ContentState::Removing, _) => drop(removing.insert(content.content_id)),
                (ContentState::Processing, Some(Encoding::Needed))
                | (ContentState::Ready, Some(Encoding::Wanted)) => {
                    to_be_encoded.insert(content.content_id);
                }
                _ => {}
            }
        });
        each.await?;
        self.planned.retain(|id| to_be_encoded.contains(id));
        for id in removing {
            if self.removals.insert(id) {
                self.waiting.push(Message { job: Job::Remove(id), failures: 0 });
            }
        }
        for id in to_be_encoded {
            if self.planned.insert(id) {
                self.waiting.push(Message { job: Job::Plan(id), failures: 0 });
            }
        }
        Ok(())
    }

    /// Runs a function in a process of its own. Answers whether the message is done.
    pub(super) async fn deliver(&self, message: &Message) -> Result<bool> {
        let sandbox = self.sandbox;
        let deadline = SystemTime::now() + Duration::from_secs(60);
        let delivery = |request: &SqsMessage| {
            let mut request = request.clone();
            let deliveries = (message.failures + 1).to_string();
            request.attributes.insert("ApproximateReceiveCount".to_owned(), deliveries);
            only(request)
        };
        let is_done = |answer: SqsBatchResponse| answer.batch_item_failures.is_empty();
        Ok(match &message.job {
            Job::Claim(event) => {
                let process = self.process("claim_object");
                let mut context =
                    claim_object::Context::new(&self.config(&process), sandbox.claim_environment());
                context.lease = sandbox.lease;
                let done = process.run(Box::pin(claim_object::handle(&context, only(event.clone())))).await;
                done.and_then(Result::ok).is_some_and(is_done)
            }
            Job::Package(request) => {
                let process = self.process("package_video");
                let mut context =
                    package_video::Context::new(&self.config(&process), sandbox.package_environment());
                context.lease = sandbox.lease;
                if self.plan.in_shares {
                    // Small enough for the films of scenarios to have several.
                    let (share_bytes, part_bytes, least_part_bytes) = (16_000, 10_000, 3_000);
                    let sizes = ShareSizes::default();
                    context.share_sizes = ShareSizes { share_bytes, part_bytes, least_part_bytes, ..sizes };
                }
                let done = package_video::handle(&context, deadline, delivery(request));
                process.run(Box::pin(done)).await.and_then(Result::ok).is_some_and(is_done)
            }
            Job::Encode(request) => {
                let process = self.process("encode_video");
                let environment = encode_video::Environment {
                    tables: sandbox.tables.clone(),
                    upload_bucket: sandbox.upload_bucket.clone(),
                    media_bucket: sandbox.media_bucket.clone(),
                    encode_queue_url: sandbox.encode_queue_url.clone(),
                    ffmpeg: self.ffmpeg.clone(),
                };
                let context = encode_video::Context::new(&self.config(&process), environment);
                let done = encode_video::handle(&context, deadline, delivery(request));
                process.run(Box::pin(done)).await.and_then(Result::ok).is_some_and(is_done)
            }
            Job::Plan(id) => {
                let process = self.process("plan_encoding");
                let environment = plan_encoding::Environment {
                    contents_table: sandbox.tables.contents.clone(),
                    upload_bucket: sandbox.upload_bucket.clone(),
                    encode_queue_url: sandbox.encode_queue_url.clone(),
                    ladder: Ladder::Always,
                };
                let context = plan_encoding::Context::new(&self.config(&process), environment);
                let done = process.run(Box::pin(plan_encoding::handle(&context, record(*id)?))).await;
                done.and_then(Result::ok).is_some_and(|told| told.batch_item_failures.is_empty())
            }
            Job::Remove(id) => {
                let process = self.process("remove_content");
                let environment = remove_content::Environment {
                    contents_table: sandbox.tables.contents.clone(),
                    upload_bucket: sandbox.upload_bucket.clone(),
                    media_bucket: sandbox.media_bucket.clone(),
                };
                let context = remove_content::Context::new(&self.config(&process), environment);
                let done = process.run(Box::pin(remove_content::handle(&context, record(*id)?))).await;
                done.and_then(Result::ok).is_some_and(|told| told.batch_item_failures.is_empty())
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
            // It touched them, so that the stream tells of them again.
            match entry.finding {
                Finding::RemovalStuck { content_id } => drop(self.removals.remove(&content_id)),
                Finding::EncodingStuck { content_id } => drop(self.planned.remove(&content_id)),
                _ => {}
            }
        }
        Ok(report)
    }
}

/// What the stream tells of a content.
fn record<T: DeserializeOwned>(id: ContentId) -> Result<T> {
    let image = json!({"content_id": {"S": id}});
    let record = json!({"dynamodb": {"SequenceNumber": "1", "NewImage": image}});
    Ok(serde_json::from_value(json!({"Records": [record]}))?)
}
