//! Another try for what was given up, under bad luck: whoever gives up, retries or lets go dies at each of their AWS calls.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use aws_lambda_events::sqs::SqsMessage;
use ingest::{claim_object, package_video};
use library::{ContentState, UploadId, UploadState, UserId};
use serde_json::json;
use tests::Film;

use super::connector::{BadLuck, Fault};
use super::sandbox::{Sandbox, only, somebody};

impl Sandbox {
    /// An upload whose content could not be packaged, because of a fault that is not the film's.
    pub(super) async fn given_up(&self, film: &Film, owner: &UserId) -> Result<UploadId> {
        let id = self.upload(film, owner).await?;
        self.claim(&BadLuck::none(), id).await?;
        self.fail_to_package(&BadLuck::none(), &[id]).await?;
        Ok(id)
    }

    /// S3's event about an upload, delivered until it is handled.
    async fn claim(&self, bad_luck: &BadLuck, id: UploadId) -> Result<()> {
        let event = self.s3_event(id);
        for _ in 0..20 {
            let process = self.process(bad_luck);
            let mut context = claim_object::Context::new(&self.config(&process), self.claim_environment());
            context.lease = self.lease;
            let done = process.run(claim_object::handle(&context, only(event.clone()))).await;
            if done.is_some_and(|done| done.is_ok_and(|answer| answer.batch_item_failures.is_empty())) {
                return Ok(());
            }
            tokio::time::sleep(self.lease).await;
        }
        anyhow::bail!("the upload {id} can't be claimed")
    }

    /// The last delivery of the request to package fails, since the original can't be read. Whoever died at that had its message
    /// re-driven.
    async fn fail_to_package(&self, bad_luck: &BadLuck, uploads: &[UploadId]) -> Result<()> {
        let mut requests = Vec::new();
        while let Some(message) = self.receive_package_request().await? {
            self.settle_package_request(&message, true).await?;
            requests.push(message);
        }
        let mut request = requests.pop().context("nobody asked for packaging")?;
        let deliveries = package_video::DELIVERIES.to_string();
        request.attributes.insert("ApproximateReceiveCount".to_owned(), deliveries);
        for _ in 0..20 {
            if self.all_are(uploads, UploadState::Failed).await? {
                return Ok(());
            }
            ensure!(!self.package_unreadable(bad_luck, request.clone()).await, "it was packaged");
            tokio::time::sleep(self.lease).await;
        }
        anyhow::bail!("it does not fail")
    }

    async fn package_unreadable(&self, bad_luck: &BadLuck, message: SqsMessage) -> bool {
        let process = self.process(bad_luck);
        let nowhere = format!("{}-nowhere", self.upload_bucket);
        let environment = package_video::Environment { upload_bucket: nowhere, ..self.package_environment() };
        let mut context = package_video::Context::new(&self.config(&process), environment);
        context.lease = self.lease;
        let deadline = SystemTime::now() + Duration::from_secs(60);
        let done = process.run(package_video::handle(&context, deadline, only(message))).await;
        done.is_some_and(|done| done.is_ok_and(|answer| answer.batch_item_failures.is_empty()))
    }

    async fn all_are(&self, uploads: &[UploadId], state: UploadState) -> Result<bool> {
        let library = self.library(&self.root);
        for id in uploads {
            let upload = library.uploads.get(*id).await?.context("an upload is lost")?;
            if upload.state != state || (state == UploadState::Failed && !upload.may_be_retried()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// As `retry_upload` does it, repeated by its client until it hears that it is done.
    pub(super) async fn retry(&self, bad_luck: &BadLuck, id: UploadId) -> Result<()> {
        for _ in 0..10 {
            let process = self.process(bad_luck);
            let config = self.config(&process);
            let library = self.library(&config);
            let sqs = aws_sdk_sqs::Client::new(&config);
            let work = async {
                let upload = library.uploads.get(id).await?.context("an upload is lost")?;
                if upload.state == UploadState::Failed {
                    ensure!(library.retry(&upload).await?, "it can't be retried");
                }
                let upload = library.uploads.get(id).await?.context("an upload is lost")?;
                if let (UploadState::Processing, Some(content_id)) = (upload.state, upload.content_id) {
                    let content = library.contents.get(content_id).await?;
                    if content.is_some_and(|content| content.awaits_packaging()) {
                        let body = json!({ "content_id": content_id }).to_string();
                        let message = sqs.send_message().queue_url(&self.package_queue_url);
                        message.message_body(body).send().await?;
                    }
                }
                Ok(())
            };
            if matches!(process.run(work).await, Some(Ok(()))) {
                return Ok(());
            }
        }
        anyhow::bail!("the upload {id} can't be retried")
    }

    /// As `abort_upload` does it.
    async fn discard(&self, bad_luck: &BadLuck, id: UploadId) -> Result<()> {
        for _ in 0..10 {
            let process = self.process(bad_luck);
            let library = self.library(&self.config(&process));
            if matches!(process.run(library.remove_upload(id)).await, Some(Ok(library::Removed::Gone))) {
                return Ok(());
            }
        }
        anyhow::bail!("the upload {id} can't be removed")
    }

    /// Two people's film is given up, kept while S3 repeats itself, and retried by one of them.
    async fn retried(&self, bad_luck: &BadLuck, seed: u64) -> Result<()> {
        let film = Film::unique()?;
        let uploads = [self.upload(&film, &somebody()).await?, self.upload(&film, &somebody()).await?];
        for id in uploads {
            self.claim(bad_luck, id).await?;
        }
        self.fail_to_package(bad_luck, &uploads).await?;
        for id in uploads {
            self.claim(bad_luck, id).await?;
        }
        self.retry(bad_luck, uploads[1]).await?;
        self.ingest(bad_luck, &uploads, seed).await?;
        let content = self.check_ready(&uploads).await?;
        for upload in uploads {
            self.delete_video(bad_luck, upload.as_video()).await?;
        }
        self.remove_content(bad_luck, &content).await?;
        self.check_empty().await
    }

    /// While a film of two people waits, one of them sends it again: then both retry.
    async fn overtaken(&self, bad_luck: &BadLuck, seed: u64) -> Result<()> {
        let (film, [one, other]) = (Film::unique()?, [somebody(), somebody()]);
        let uploads = [self.upload(&film, &one).await?, self.upload(&film, &other).await?];
        for id in uploads {
            self.claim(bad_luck, id).await?;
        }
        self.fail_to_package(bad_luck, &uploads).await?;
        let again = self.upload(&film, &other).await?;
        self.ingest(bad_luck, &[again], seed).await?;
        for id in uploads {
            self.retry(bad_luck, id).await?;
        }
        let left = json!(uploads[0].as_content().to_string());
        self.remove_content(bad_luck, &left).await?;
        let library = self.library(&self.root);
        let duplicate = library.uploads.get(uploads[1]).await?.context("an upload is lost")?;
        ensure!(
            (duplicate.state, duplicate.duplicate_of) == (UploadState::Duplicate, Some(again.as_video())),
            "{duplicate:?}"
        );
        self.discard(bad_luck, uploads[1]).await?;
        let content = self.check_ready(&[uploads[0], again]).await?;
        for upload in [uploads[0], again] {
            self.delete_video(bad_luck, upload.as_video()).await?;
        }
        self.remove_content(bad_luck, &content).await?;
        self.check_empty().await
    }

    /// Two people's film is given up, and they let go of it one after the other.
    async fn let_go(&self, bad_luck: &BadLuck) -> Result<()> {
        let film = Film::unique()?;
        let uploads = [self.upload(&film, &somebody()).await?, self.upload(&film, &somebody()).await?];
        for id in uploads {
            self.claim(bad_luck, id).await?;
        }
        self.fail_to_package(bad_luck, &uploads).await?;
        self.discard(bad_luck, uploads[0]).await?;
        let library = self.library(&self.root);
        let content_id = uploads[0].as_content();
        let content = library.contents.get(content_id).await?.context("the other still has a share")?;
        ensure!((content.state, content.listings) == (ContentState::Failed, 1), "{content:?}");
        self.claim(bad_luck, uploads[0]).await?;
        ensure!(!self.keys(&self.upload_bucket).await?.is_empty(), "the other's bytes are gone");
        self.discard(bad_luck, uploads[1]).await?;
        self.remove_content(bad_luck, &json!(content_id.to_string())).await?;
        self.check_empty().await
    }
}

/// With the fault at every call in turn.
async fn at_every_call(fault: Fault) -> Result<()> {
    let sandbox = Sandbox::in_memory(0).await?;
    let mut calls = 1;
    loop {
        let lucks = [1, 2, 3].map(|_| BadLuck::new(fault, calls));
        let [retried, overtaken, let_go] = &lucks;
        sandbox
            .retried(retried, calls as u64)
            .await
            .with_context(|| format!("retried, {fault:?} at call {calls}"))?;
        sandbox
            .overtaken(overtaken, calls as u64)
            .await
            .with_context(|| format!("overtaken, {fault:?} at call {calls}"))?;
        sandbox.let_go(let_go).await.with_context(|| format!("let go, {fault:?} at call {calls}"))?;
        if !lucks.iter().any(BadLuck::has_struck) {
            break;
        }
        calls += 1;
    }
    // Fewer would mean that the fault no longer reaches the calls.
    ensure!(calls > 40, "only {calls} calls were tried");
    Ok(())
}

// Killed before a call is killed after the one before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_killed_after_any_of_its_calls_loses_nothing() -> Result<()> {
    at_every_call(Fault::KilledAfter).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_any_call_of_a_retry_changes_nothing() -> Result<()> {
    at_every_call(Fault::AnswerLost).await
}
