//! What happens to a content that can be watched before it is written, when its worker dies, stands still, or is no longer
//! needed, at any of its calls.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use futures_util::TryStreamExt as _;
use ingest::{claim_object, serve_output};
use library::{ContentId, ContentState, Promise, UploadId};
use serde_json::json;
use tests::Film;

use super::connector::{BadLuck, Fault};
use super::sandbox::Sandbox;

/// What became of a run with a fault in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Run {
    has_struck: bool,
    /// Whether it struck while outputs were promised and not yet written.
    has_hit_promise: bool,
}

const OUTPUTS: [&str; 2] = ["video.mp4", "audio.mp4"];

impl Sandbox {
    /// An upload that is checked, and waits to be packaged.
    pub(super) async fn brought(&self) -> Result<UploadId> {
        let film = Film::unique()?;
        let id = self.upload(&film, &super::sandbox::somebody()).await?;
        let process = self.process(&BadLuck::none());
        let context = claim_object::Context::new(&self.config(&process), self.claim_environment());
        let answer = claim_object::handle(&context, super::sandbox::only(self.s3_event(id))).await?;
        ensure!(answer.batch_item_failures.is_empty(), "the upload was not taken");
        Ok(id)
    }

    /// The worker meets the fault; what is promised then is served; another worker writes the same bytes.
    async fn keep_a_promise(&self, bad_luck: BadLuck) -> Result<Run> {
        let id = self.brought().await?;
        let message = self.receive_package_request().await?.context("it is to be packaged")?;
        let is_done = self.package(&bad_luck, message.clone()).await;
        let content_id = id.as_content();
        let library = self.library(&self.root);
        let content = library.contents.get(content_id).await?.context("the content is there")?;
        let was_promised = content.state == ContentState::Ready && content.promise == Some(Promise::Made);
        let served = if was_promised { Some(self.served(content_id).await?) } else { None };
        self.settle_package_request(&message, is_done).await?;
        self.package_all().await?;

        let content = library.contents.get(content_id).await?.context("the content is there")?;
        ensure!(content.promise == Some(Promise::Kept), "the promise is {:?}", content.promise);
        let written = self.written(content_id).await?;
        ensure!(served.is_none_or(|served| served == written), "what was served is not what was written");
        ensure!(self.served(content_id).await? == written, "what is served is not what was written");
        self.delete(id).await?;
        ensure!(self.serve(content_id, OUTPUTS[0]).await?.0 == 404, "what is deleted is not served");
        self.check_empty().await?;
        Ok(Run { has_struck: bad_luck.has_struck(), has_hit_promise: was_promised })
    }

    /// The worker meets the fault; its video, if there is one by then, is deleted and its content removed; then the worker goes
    /// on, if it lives, and its message comes back, if it didn't get done.
    async fn delete_meanwhile(&self, bad_luck: BadLuck) -> Result<Run> {
        let id = self.brought().await?;
        let message = self.receive_package_request().await?.context("it is to be packaged")?;
        let mut worker = std::pin::pin!(self.package(&bad_luck, message.clone()));
        let (mut is_done, mut is_deleted) = (None, false);
        tokio::select! {
            done = &mut worker => is_done = Some(done),
            () = bad_luck.paused() => {}
        }
        let content = self.library(&self.root).contents.get(id.as_content()).await?;
        let was_promised = content.is_some_and(|content| content.promise == Some(Promise::Made));
        if self.library(&self.root).videos.get(id.as_video()).await?.is_some() {
            self.delete(id).await?;
            is_deleted = true;
        }
        bad_luck.go_on();
        let is_done = match is_done {
            Some(done) => done,
            None => worker.await,
        };
        self.settle_package_request(&message, is_done).await?;
        self.package_all().await?;
        if !is_deleted {
            self.delete(id).await?;
        }
        self.check_empty().await.with_context(|| format!("deleted before: {is_deleted}"))?;
        Ok(Run { has_struck: bad_luck.has_struck(), has_hit_promise: was_promised && is_deleted })
    }

    /// Everything that waits to be packaged is.
    async fn package_all(&self) -> Result<()> {
        for _ in 0..200 {
            if !self.deliver_package_request(&BadLuck::none()).await? {
                if self.package_queue_is_empty().await? {
                    return Ok(());
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
        anyhow::bail!("there is always something left to be packaged")
    }

    async fn delete(&self, id: UploadId) -> Result<()> {
        self.delete_video(&BadLuck::none(), id.as_video()).await?;
        self.remove_content(&BadLuck::none(), &json!(id.as_content().to_string())).await
    }

    async fn served(&self, id: ContentId) -> Result<BTreeMap<&'static str, Vec<u8>>> {
        let mut served = BTreeMap::new();
        for name in OUTPUTS {
            let (status, bytes) = self.serve(id, name).await?;
            ensure!(status == 200, "{name}: {status}");
            served.insert(name, bytes);
        }
        Ok(served)
    }

    /// Status and body of what a cold function answers.
    async fn serve(&self, id: ContentId, name: &str) -> Result<(u16, Vec<u8>)> {
        let environment = serve_output::Environment {
            contents_table: self.tables.contents.clone(),
            upload_bucket: self.upload_bucket.clone(),
        };
        let context = serve_output::Context::new(&self.root, environment);
        let request = json!({
            "rawPath": format!("/media/{id}/{name}"),
            "headers": {},
            "requestContext": {"http": {"method": "GET"}},
        });
        let answer = serve_output::handle(&context, serde_json::from_value(request)?).await?;
        let body: Vec<_> = answer.stream.try_collect().await?;
        Ok((answer.metadata_prelude.status_code.as_u16(), body.concat()))
    }

    async fn written(&self, id: ContentId) -> Result<BTreeMap<&'static str, Vec<u8>>> {
        let mut written = BTreeMap::new();
        for name in OUTPUTS {
            let key = format!("{}{name}", id.output_prefix());
            let object = self.s3.get_object().bucket(&self.media_bucket).key(key).send().await?;
            written.insert(name, object.body.collect().await?.to_vec());
        }
        Ok(written)
    }
}

/// Tries the fault at each call of the worker in turn.
async fn at_each_call(fault: Fault, live: impl AsyncFn(&Sandbox, BadLuck) -> Result<Run>) -> Result<()> {
    let sandbox = Sandbox::in_memory(0).await?;
    let (mut calls, mut in_promise) = (0, 0);
    loop {
        calls += 1;
        let run = live(&sandbox, BadLuck::new(fault, calls)).await;
        let run = run.with_context(|| format!("{fault:?} at call {calls}"))?;
        in_promise += u32::from(run.has_hit_promise);
        if !run.has_struck {
            break;
        }
    }
    // Fewer would mean that the fault doesn't reach the worker while outputs are promised.
    ensure!(calls > 12 && in_promise > 3, "{calls} calls were tried, {in_promise} of them in a promise");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_worker_promised_is_served_and_then_written_by_another() -> Result<()> {
    at_each_call(Fault::KilledBefore, Sandbox::keep_a_promise).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stays_of_a_film_that_is_deleted_while_it_is_written() -> Result<()> {
    at_each_call(Fault::Paused, Sandbox::delete_meanwhile).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stays_of_a_film_that_is_deleted_after_its_worker_died() -> Result<()> {
    at_each_call(Fault::KilledAfter, Sandbox::delete_meanwhile).await
}
