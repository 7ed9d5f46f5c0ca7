//! The sandbox plays S3's events, the queues and the stream.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use ingest::{claim_object, package_video, remove_content};
use library::{DeleteVideoError, UploadId, VideoId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::connector::BadLuck;
use super::Sandbox;

impl Sandbox {
    /// Delivers the events until none is left.
    pub(in super::super) async fn ingest(
        &self,
        bad_luck: &BadLuck,
        uploads: &[UploadId],
        seed: u64,
    ) -> Result<()> {
        let mut events: Vec<_> =
            uploads.iter().flat_map(|id| [0, 1, 2].map(|_| self.s3_event(*id))).collect();
        shuffle(&mut events, seed);
        let mut events: VecDeque<_> = events.into();
        for _ in 0..400 {
            if let Some(event) = events.pop_front() {
                let process = self.process(bad_luck);
                let mut context =
                    claim_object::Context::new(&self.config(&process), self.claim_environment());
                context.lease = self.lease;
                let message = only(event.clone());
                let done = process.run(claim_object::handle(&context, message)).await;
                if !done.is_some_and(|done| done.is_ok_and(|answer| answer.batch_item_failures.is_empty())) {
                    events.push_back(event);
                }
            }
            let delivered = self.deliver_package_request(bad_luck).await?;
            if events.is_empty() && !delivered && self.package_queue_is_empty().await? {
                return Ok(());
            }
            if !delivered {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        anyhow::bail!("the events do not come to an end: {} are left", events.len())
    }

    pub(in super::super) async fn deliver_package_request(&self, bad_luck: &BadLuck) -> Result<bool> {
        let Some(message) = self.receive_package_request().await? else { return Ok(false) };
        let is_done = self.package(bad_luck, message.clone()).await;
        self.settle_package_request(&message, is_done).await?;
        Ok(true)
    }

    pub(in super::super) async fn receive_package_request(&self) -> Result<Option<SqsMessage>> {
        let received = self.sqs.receive_message().queue_url(&self.package_queue_url).send().await?;
        Ok(received.messages.unwrap_or_default().into_iter().next().map(|message| {
            let mut delivery = SqsMessage::default();
            delivery.message_id = message.message_id;
            delivery.receipt_handle = message.receipt_handle;
            delivery.body = message.body;
            delivery
        }))
    }

    /// Runs the function in a process of its own. Answers whether the message is done.
    pub(in super::super) async fn package(&self, bad_luck: &BadLuck, message: SqsMessage) -> bool {
        let process = self.process(bad_luck);
        let context = self.package_context(&process);
        let deadline = SystemTime::now() + Duration::from_secs(60);
        let done = process.run(package_video::handle(&context, deadline, only(message))).await;
        done.is_some_and(|done| done.is_ok_and(|answer| answer.batch_item_failures.is_empty()))
    }

    /// What the queue does with a message afterwards: it goes, or comes again at once.
    pub(in super::super) async fn settle_package_request(
        &self,
        message: &SqsMessage,
        is_done: bool,
    ) -> Result<()> {
        let receipt_handle = message.receipt_handle.as_deref().context("a message has a handle")?;
        if is_done {
            let deletion = self.sqs.delete_message().queue_url(&self.package_queue_url);
            deletion.receipt_handle(receipt_handle).send().await?;
        } else {
            let comes_again = self.sqs.change_message_visibility().queue_url(&self.package_queue_url);
            comes_again.receipt_handle(receipt_handle).visibility_timeout(0).send().await?;
        }
        Ok(())
    }

    pub(in super::super) async fn package_queue_is_empty(&self) -> Result<bool> {
        let asked = self.sqs.get_queue_attributes().queue_url(&self.package_queue_url);
        let asked = asked.attribute_names(aws_sdk_sqs::types::QueueAttributeName::All).send().await?;
        let counts = asked.attributes.unwrap_or_default();
        let mut counts = counts.iter().filter(|(name, _)| name.as_str().starts_with("ApproximateNumberOf"));
        Ok(counts.all(|(_, count)| count == "0"))
    }

    /// As `delete_video` does it, repeated by its client until it hears that it is done.
    pub(in super::super) async fn delete_video(&self, bad_luck: &BadLuck, id: VideoId) -> Result<()> {
        for _ in 0..10 {
            let process = self.process(bad_luck);
            let library = self.library(&self.config(&process));
            let done = process
                .run(async {
                    let Some(video) = library.videos.get(id).await? else { return Ok(()) };
                    match library.delete_video(&video, None).await {
                        Err(DeleteVideoError::Absent) => Ok(()),
                        other => other.map_err(anyhow::Error::from),
                    }
                })
                .await;
            if matches!(done, Some(Ok(()))) {
                return Ok(());
            }
        }
        anyhow::bail!("the video {id} can't be deleted")
    }

    /// The stream tells thrice that nobody lists the content.
    pub(in super::super) async fn remove_content(&self, bad_luck: &BadLuck, content: &Value) -> Result<()> {
        let record = json!({"dynamodb": {"SequenceNumber": "1", "NewImage": {"content_id": {"S": content}}}});
        let mut left = 3;
        for _ in 0..20 {
            let process = self.process(bad_luck);
            let environment = remove_content::Environment {
                contents_table: self.tables.contents.clone(),
                upload_bucket: self.upload_bucket.clone(),
                media_bucket: self.media_bucket.clone(),
            };
            let context = remove_content::Context::new(&self.config(&process), environment);
            let event = serde_json::from_value(json!({"Records": [record]}))?;
            let done = process.run(remove_content::handle(&context, event)).await;
            left -= u32::from(
                done.is_some_and(|done| done.is_ok_and(|told| told.batch_item_failures.is_empty())),
            );
            if left == 0 {
                return Ok(());
            }
        }
        anyhow::bail!("the content {content} can't be removed")
    }

    /// Takes all messages out of a queue. The test delivers them from then on.
    pub(in super::super) async fn take_all(&self, queue_url: &str) -> Result<Vec<SqsMessage>> {
        let taken = |(id, body)| {
            let mut message = SqsMessage::default();
            (message.message_id, message.body) = (Some(id), Some(body));
            message
        };
        if let Some(memory) = &self.memory {
            return Ok(memory.take_all(queue_url).into_iter().map(taken).collect());
        }
        let mut messages = Vec::new();
        loop {
            let receive = self.sqs.receive_message().queue_url(queue_url).max_number_of_messages(10);
            let received = receive.send().await?.messages.unwrap_or_default();
            if received.is_empty() {
                return Ok(messages);
            }
            for received in received {
                let deletion = self.sqs.delete_message().queue_url(queue_url);
                deletion.receipt_handle(received.receipt_handle.context("a handle")?).send().await?;
                messages.push(taken((
                    received.message_id.unwrap_or_default(),
                    received.body.unwrap_or_default(),
                )));
            }
        }
    }

    pub(in super::super) fn s3_event(&self, id: UploadId) -> SqsMessage {
        let object =
            json!({"key": id.object_key(), "size": 1, "eTag": "x", "sequencer": "0055AED6DCD90281E5"});
        let s3 = json!({"bucket": {"name": self.upload_bucket}, "object": object});
        let record = json!({"eventName": "ObjectCreated:CompleteMultipartUpload", "s3": s3});
        let mut message = SqsMessage::default();
        message.message_id = Some(Uuid::now_v7().to_string());
        message.body = Some(json!({"Records": [record]}).to_string());
        message
    }
}

pub(in super::super) fn only(message: SqsMessage) -> SqsEvent {
    let mut event = SqsEvent::default();
    event.records = vec![message];
    event
}

/// An order that follows from the seed (a linear congruential generator with Knuth's constants).
pub(super) fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(last, usize::try_from(state >> 33).unwrap_or(0) % (last + 1));
    }
}
