//! A film that is copied by several invocations at a time: done by all of them at once and each message twice, killed at each
//! of their calls, and with the video deleted on the way.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_lambda_events::sqs::SqsMessage;
use futures_util::future::try_join_all;
use library::{ContentId, TaskName};
use media::ShareSizes;
use serde_json::json;

use super::connector::{BadLuck, Fault};
use super::sandbox::Sandbox;

/// The film that is shared out among three, with parts and scraps of both tracks.
fn small_shares() -> ShareSizes {
    ShareSizes { share_bytes: 60_000, part_bytes: 40_000, least_part_bytes: 12_000, ..ShareSizes::default() }
}

async fn sandbox(share_sizes: ShareSizes) -> Result<Sandbox> {
    let mut sandbox = Sandbox::in_memory(0).await?;
    sandbox.share_sizes = share_sizes;
    Ok(sandbox)
}

impl Sandbox {
    /// The content's objects in the media bucket, by their names below the content.
    async fn outputs(&self, content: ContentId) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut outputs = BTreeMap::new();
        for key in self.keys(&self.media_bucket).await? {
            let Some(name) = key.strip_prefix(&content.output_prefix()) else { continue };
            let object = self.s3.get_object().bucket(&self.media_bucket).key(&key).send().await?;
            outputs.insert(name.to_owned(), object.body.collect().await?.to_vec());
        }
        Ok(outputs)
    }

    /// Nothing is left of how the copy was made.
    async fn check_tidy(&self, content: ContentId) -> Result<()> {
        let keys = self.keys(&self.media_bucket).await?;
        ensure!(!keys.iter().any(|key| key.starts_with("pieces/")), "scraps are left: {keys:?}");
        let task = self.library(&self.root).contents.task(content, TaskName::Copy).await?;
        ensure!(task.is_none(), "the task is left: {task:?}");
        Ok(())
    }

    async fn uploads_in_progress(&self) -> Result<usize> {
        let listed = self.s3.list_multipart_uploads().bucket(&self.media_bucket).send().await?;
        Ok(listed.uploads().len())
    }

    /// Delivers everything in the queue to invocations that run at the same time, each message to two of them, until nothing comes
    /// any more. Answers how many invocations had a share to do.
    async fn deliver_all_at_once(&self) -> Result<usize> {
        let mut shares = 0;
        loop {
            let mut messages = Vec::new();
            while let Some(message) = self.receive_package_request().await? {
                messages.push(message);
            }
            if messages.is_empty() {
                if self.package_queue_is_empty().await? {
                    return Ok(shares);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let of_shares = |message: &&SqsMessage| {
                message.body.as_deref().is_some_and(|body| body.contains("\"share\""))
            };
            shares += 2 * messages.iter().filter(of_shares).count();
            let deliveries = messages.into_iter().map(async |message| {
                let luck = BadLuck::none();
                let (one, other) =
                    tokio::join!(self.package(&luck, message.clone()), self.package(&luck, message.clone()));
                self.settle_package_request(&message, one || other).await
            });
            try_join_all(deliveries).await?;
        }
    }

    /// Delivers package requests until none is left, or the fault has struck if that is asked for.
    async fn deliver_requests(&self, bad_luck: &BadLuck, stop_when_struck: bool) -> Result<()> {
        for _ in 0..400 {
            if stop_when_struck && bad_luck.has_struck() {
                return Ok(());
            }
            if !self.deliver_package_request(bad_luck).await? {
                if self.package_queue_is_empty().await? {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        anyhow::bail!("the requests do not come to an end")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_is_shared_out_has_the_same_outputs_as_one_that_is_not() -> Result<()> {
    let whole = sandbox(ShareSizes::default()).await?;
    let id = whole.brought().await?;
    ensure!(whole.deliver_all_at_once().await? == 0, "a small film is not shared out");
    let expected = whole.outputs(id.as_content()).await?;
    ensure!(expected.len() > 4, "there are outputs: {:?}", expected.keys());

    let shared = sandbox(small_shares()).await?;
    let id = shared.brought().await?;
    let shares = shared.deliver_all_at_once().await?;
    ensure!(shares >= 6, "three shares were done twice at least, not {shares}");
    shared.check_ready(&[id]).await?;
    shared.check_tidy(id.as_content()).await?;
    ensure!(shared.uploads_in_progress().await? == 0, "an output is not finished");
    let found = shared.outputs(id.as_content()).await?;
    for (name, bytes) in &expected {
        ensure!(found.get(name) == Some(bytes), "{name} differs when it is shared out");
    }
    ensure!(found.len() == expected.len(), "{:?}", found.keys());
    Ok(())
}

/// Brings and copies a film once for each call, with the fault at that call.
async fn at_every_call(fault: Fault) -> Result<()> {
    let sandbox = sandbox(small_shares()).await?;
    let mut calls = 0;
    loop {
        calls += 1;
        let bad_luck = BadLuck::new(fault, calls);
        let life = async {
            let id = sandbox.brought().await?;
            sandbox.deliver_requests(&bad_luck, false).await?;
            let content = sandbox.check_ready(&[id]).await?;
            sandbox.check_tidy(id.as_content()).await?;
            sandbox.delete_video(&BadLuck::none(), id.as_video()).await?;
            sandbox.remove_content(&BadLuck::none(), &content).await?;
            sandbox.check_empty().await
        };
        life.await.with_context(|| format!("{fault:?} at call {calls}"))?;
        if !bad_luck.has_struck() {
            break;
        }
    }
    // Fewer would mean that the film was not shared out.
    ensure!(calls > 40, "only {calls} calls were tried");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_killed_after_any_of_its_calls_loses_nothing() -> Result<()> {
    at_every_call(Fault::KilledAfter).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_any_call_of_a_share_changes_nothing() -> Result<()> {
    at_every_call(Fault::AnswerLost).await
}

/// The worker dies after any call, and before it comes again the video is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_stays_of_a_film_that_is_deleted_while_it_is_copied() -> Result<()> {
    let sandbox = sandbox(small_shares()).await?;
    let mut deleted_on_the_way = 0;
    let mut left_in_progress = 0;
    for call in 1.. {
        let bad_luck = BadLuck::new(Fault::KilledAfter, call);
        let life = async {
            let id = sandbox.brought().await?;
            let content = json!(id.to_string());
            sandbox.deliver_requests(&bad_luck, true).await?;
            let library = sandbox.library(&sandbox.root);
            let task = library.contents.task(id.as_content(), TaskName::Copy).await?;
            let is_listed = library.videos.get(id.as_video()).await?.is_some();
            if is_listed {
                deleted_on_the_way += usize::from(task.is_some());
                sandbox.delete_video(&BadLuck::none(), id.as_video()).await?;
                sandbox.remove_content(&BadLuck::none(), &content).await?;
            }
            sandbox.deliver_requests(&BadLuck::none(), false).await?;
            if !is_listed {
                sandbox.delete_video(&BadLuck::none(), id.as_video()).await?;
                sandbox.remove_content(&BadLuck::none(), &content).await?;
            }
            sandbox.check_empty().await?;
            // What was begun by a worker that died before it could note it is left to the bucket's lifecycle rule.
            let in_progress = sandbox.uploads_in_progress().await?;
            let may_stay = if task.is_some() { 0 } else { 2 };
            ensure!(in_progress <= left_in_progress + may_stay, "{in_progress} outputs stay unfinished");
            left_in_progress = in_progress;
            anyhow::Ok(())
        };
        life.await.with_context(|| format!("deleted after the call {call}"))?;
        if !bad_luck.has_struck() {
            break;
        }
    }
    ensure!(deleted_on_the_way > 20, "only {deleted_on_the_way} copies were interrupted");
    Ok(())
}
