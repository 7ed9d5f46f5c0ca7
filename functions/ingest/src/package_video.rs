//! Makes a content streamable.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use aws_config::SdkConfig;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::Client as Sqs;
use cold_start::required_env;
use encode::Ladder;
use library::{
    Claim, Content, ContentId, ContentState, Encoding, Finished, Lease, Library, Settled, Tables, Work,
};
use media::{MediaError, Plan, ShareSizes};
use serde::{Deserialize, Serialize};

use crate::batch::{backoff, body, deliveries, each_message, message_id};
use crate::clients;
use crate::heartbeat::{self, Delivery, Gone};
use crate::object_store::ObjectStore;
use crate::outputs::{
    Buckets, Original, Outcome, delete_outputs, make_outputs, promise_outputs, write_promised,
};
use crate::plan_encoding::ladder_from_env;
use crate::shared_copy;

/// Short, because it is what a content waits for whose worker was killed; it is renewed while the worker lives.
const LEASE: Duration = Duration::from_secs(60);

/// What is left of the function's time when work stops, to tidy up in.
const TIDYING: Duration = Duration::from_secs(10);

/// After how many deliveries SQS puts a message among the dead letters: `maxReceiveCount` of the queue in template.yaml.
pub const DELIVERIES: u32 = 5;

/// What publishers read whose film could not be packaged. The cause is ours, and in the log.
const GIVEN_UP: &str =
    "The film could not be processed, because of a fault on our side. It is kept for a week: try again.";

/// The body of a message that asks for a content to be packaged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// The content.
    pub content_id: ContentId,
    /// The share of its copy, counted from 0, in a message that asks for that alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<u32>,
}

/// What the function is told by its environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The names of the three tables.
    pub tables: Tables,
    /// The bucket that holds originals.
    pub upload_bucket: String,
    /// The bucket that outputs go to.
    pub media_bucket: String,
    /// The queue that requests come from.
    pub package_queue_url: String,
    /// The most of a film that one invocation copies: of longer ones each copies a share.
    pub share_bytes: u64,
    /// The operator's policy.
    pub ladder: Ladder,
}

impl Environment {
    /// Reads it.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn from_env() -> anyhow::Result<Self> {
        Ok(Self {
            tables: clients::tables_from_env()?,
            upload_bucket: required_env("UPLOAD_BUCKET")?,
            media_bucket: required_env("MEDIA_BUCKET")?,
            package_queue_url: required_env("PACKAGE_QUEUE_URL")?,
            share_bytes: required_env("SHARE_BYTES")?.parse().context("SHARE_BYTES is no number")?,
            ladder: ladder_from_env()?,
        })
    }
}

/// What a cold start builds.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) library: Library,
    pub(crate) buckets: Buckets,
    pub(crate) sqs: Sqs,
    pub(crate) package_queue_url: String,
    ladder: Ladder,
    /// How long a content stays claimed when its worker dies.
    pub lease: Duration,
    /// How films that are too long for one invocation are shared out.
    pub share_sizes: ShareSizes,
}

impl Context {
    /// Builds the clients.
    pub fn new(sdk: &SdkConfig, environment: Environment) -> Self {
        Self {
            library: Library::new(clients::dynamodb(sdk), environment.tables),
            buckets: Buckets::new(sdk, environment.upload_bucket, environment.media_bucket),
            sqs: clients::sqs(sdk),
            package_queue_url: environment.package_queue_url,
            ladder: environment.ladder,
            lease: LEASE,
            share_sizes: ShareSizes { share_bytes: environment.share_bytes, ..ShareSizes::default() },
        }
    }
}

/// Handles messages that ask for contents to be packaged, until `deadline`.
///
/// *Poison*, which fails until it is among the dead letters: a message that is no such request. *Retried*, soon and then ever later: every call that
/// AWS did not answer well, and work that time ran out for; with the last try the content is given up, and its publishers may have it
/// tried again, as who re-drives the dead letters does. *Done at once*: a content that is past being worked on, whose
/// consequence is only made sure of, and one that another message's worker holds the lease on, because that message comes
/// back if its worker fails. What is wrong with the film itself is no error: its uploads say so, and its objects
/// are removed.
pub async fn handle(
    context: &Context,
    deadline: SystemTime,
    event: SqsEvent,
) -> anyhow::Result<SqsBatchResponse> {
    let time_left = deadline.duration_since(SystemTime::now()).unwrap_or_default().saturating_sub(TIDYING);
    let stop_at = tokio::time::Instant::now() + time_left;
    each_message(&event, async |message| handle_message(context, stop_at, message).await).await
}

async fn handle_message(
    context: &Context,
    stop_at: tokio::time::Instant,
    message: &SqsMessage,
) -> anyhow::Result<()> {
    let Request { content_id, share } =
        serde_json::from_str(body(message)?).context("the message asks for no content")?;
    let delivery = Delivery {
        sqs: &context.sqs,
        queue_url: &context.package_queue_url,
        receipt_handle: message.receipt_handle.as_deref(),
    };
    let outcome = match share {
        None => package_or_finish(context, stop_at, content_id, message, delivery, share).await,
        Some(share) => match shared_copy::do_share(context, stop_at, content_id, share, delivery).await {
            Ok(true) => package_or_finish(context, stop_at, content_id, message, delivery, Some(share)).await,
            done => done.map(drop),
        },
    };
    if outcome.is_err() {
        delivery.return_after(backoff(message)).await;
        if deliveries(message) >= DELIVERIES {
            give_up(context, content_id).await;
        }
    }
    outcome.with_context(|| format!("the content {content_id}"))
}

/// Leaves a content to its publishers, who can have it tried again: this message goes to the dead letters now. If this fails, or
/// nobody lives to do it, the content stays `processing` until the message is re-driven or the content is found stuck.
async fn give_up(context: &Context, content_id: ContentId) {
    match context.library.give_up(content_id, Work::Packaging, GIVEN_UP).await {
        Ok(given_up) => tracing::warn!(%content_id, given_up, "nothing more is tried"),
        Err(error) => {
            tracing::error!(%content_id, error = format!("{error:#}"), "its publishers are not told that it failed");
        }
    }
}

/// Works on a content under its lease, if it is to be had. After the last `share` of a copy nobody but this message asks for what
/// is left to do.
async fn package_or_finish(
    context: &Context,
    stop_at: tokio::time::Instant,
    content_id: ContentId,
    message: &SqsMessage,
    delivery: Delivery<'_>,
    share: Option<u32>,
) -> anyhow::Result<()> {
    let lease = Lease::new(message_id(message)?, context.lease);
    let contents = &context.library.contents;
    let mut claim = contents.claim(content_id, &lease).await;
    if let Ok(Claim::Past(content)) = &claim
        && content.may_be_retried()
    {
        // Somebody re-drove the dead letters: that is another try for all who wait for this content.
        tracing::info!(%content_id, "another try for what was given up");
        context.library.retry_all(content_id).await?;
        claim = contents.claim(content_id, &lease).await;
    }
    match claim {
        Err(error) => Err(error),
        Ok(Claim::Absent) => {
            tracing::info!(%content_id, "the content is gone");
            // With what a worker wrote that didn't know it yet, and died before it did.
            delete_outputs(&context.buckets, content_id).await
        }
        Ok(Claim::Past(content)) if share.is_some() && content.state == ContentState::Ready => {
            // Its outputs are written, by a worker that may have died before it had ended the task.
            shared_copy::end(context, content_id).await
        }
        Ok(Claim::Past(content)) => make_sure(context, &content).await,
        // The queue delivered one message twice, or the worker that had it died: only time can tell.
        Ok(Claim::Busy(content)) if content.lease_message_id.as_deref() == Some(&*lease.message_id) => {
            delivery.return_after(context.lease).await;
            bail!("the content {content_id} is being packaged for this very message");
        }
        Ok(Claim::Busy(_)) if share.is_some() => {
            bail!("another worker has the lease, and the outputs are to be put together")
        }
        Ok(Claim::Busy(_)) => {
            tracing::info!(%content_id, "another message's worker packages this content");
            Ok(())
        }
        Ok(Claim::Claimed(content)) => work(context, stop_at, &content, &lease, delivery).await,
    }
}

/// Does what follows from a content's state, for the case that the worker that brought it there died before it did.
async fn make_sure(context: &Context, content: &Content) -> anyhow::Result<()> {
    match content.state {
        ContentState::Ready => context.library.publish(content).await,
        ContentState::Failed => match context.library.end_retry(content).await? {
            true => Ok(()),
            false => bail!("it was given up at this moment"),
        },
        // Somebody may have written outputs after those that were there had been removed.
        ContentState::Removing => delete_outputs(&context.buckets, content.content_id).await,
        ContentState::Processing => bail!("it is processing and could not be claimed"),
    }
}

async fn work(
    context: &Context,
    stop_at: tokio::time::Instant,
    content: &Content,
    lease: &Lease,
    delivery: Delivery<'_>,
) -> anyhow::Result<()> {
    let contents = &context.library.contents;
    let content_id = content.content_id;
    let store = ObjectStore::new(
        context.buckets.s3.clone(),
        context.buckets.media.clone(),
        content_id.output_prefix(),
    );
    let outcome = tokio::select! {
        outcome = package(context, content, lease, &store) => outcome,
        stopped = heartbeat::keep(contents, content_id, lease, delivery) => stopped.map(|Gone| Ending::Gone),
        () = tokio::time::sleep_until(stop_at) => Err(anyhow::anyhow!("the function's time ran out")),
    };
    match outcome {
        Ok(Ending::Done) => Ok(()),
        Ok(Ending::Gone) => {
            tracing::info!(%content_id, "nobody lists it any more");
            store.abort_unfinished().await;
            delete_outputs(&context.buckets, content_id).await
        }
        Err(error) => {
            store.abort_unfinished().await;
            // So that the retry needn't wait for the lease; if this fails too, it does wait.
            let released = contents.release(content_id, lease.token).await;
            released.unwrap_or_else(|error| tracing::warn!(error = format!("{error:#}"), "the lease stays"));
            Err(error)
        }
    }
}

/// How the work on a content ended.
pub(crate) enum Ending {
    /// All that was to be done is done.
    Done,
    /// Nobody lists the content any more: what was written for it is to be removed.
    Gone,
}

async fn package(
    context: &Context,
    content: &Content,
    lease: &Lease,
    store: &ObjectStore,
) -> anyhow::Result<Ending> {
    let Context { library, buckets, .. } = context;
    let content_id = content.content_id;
    if content.state == ContentState::Processing
        && matches!(content.encoding, Some(Encoding::Needed | Encoding::Started))
    {
        // Done, for this function; only the answer to that was lost.
        library.contents.release(content_id, lease.token).await?;
        return Ok(Ending::Done);
    }
    let original = match Original::open(buckets, content).await {
        Ok(original) => original,
        Err(error) => return refuse(library, content, lease, store, error).await,
    };
    let promise = original.promise(content);
    if content.state == ContentState::Ready {
        // Somebody made the promise and died before it was kept, maybe before anybody heard of it.
        let plan = promise.context("what was promised can't be made any more")?;
        library.publish(content).await?;
        return keep_promise(context, content_id, lease, &original, &plan, store).await;
    }
    let outcome = match &promise {
        Some(plan) => promise_outputs(buckets, content, &original, plan, store).await,
        None => make_outputs(buckets, content, &original, store).await,
    };
    let Outcome { digest, media, awaits_encoding } = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return refuse(library, content, lease, store, error).await,
    };
    if awaits_encoding {
        let finished = library.await_encoding(content, lease.token, &digest, &media).await?;
        tracing::info!(%content_id, ?finished, duration_ms = media.duration_ms, "left to the encoder");
        return match finished {
            Finished::Ready | Finished::Merged => Ok(Ending::Done),
            Finished::Lost => bail!("the lease was lost"),
        };
    }
    if original.wants_encoding(context.ladder).context("looking for what there is to encode")? {
        library.contents.want_encoding_when_ready(content_id, lease.token).await?;
    }
    let finished = library.finish(content, lease.token, &digest, &media, promise.is_some()).await?;
    tracing::info!(
        %content_id, ?finished, promised = promise.is_some(), streaming = ?media.streaming,
        duration_ms = media.duration_ms, "packaged"
    );
    match finished {
        Finished::Ready => {
            let ready = Content { state: ContentState::Ready, media: Some(media), ..content.clone() };
            library.publish(&ready).await?;
        }
        // The outputs and the original go with the content, whose new state wakes the function that removes it.
        Finished::Merged => return Ok(Ending::Done),
        Finished::Lost => bail!("the lease was lost"),
    }
    match &promise {
        Some(plan) => keep_promise(context, content_id, lease, &original, plan, store).await,
        None => Ok(Ending::Done),
    }
}

/// Writes what was promised, and ends the promise, or shares that out.
async fn keep_promise(
    context: &Context,
    content_id: ContentId,
    lease: &Lease,
    original: &Original,
    plan: &Plan,
    store: &ObjectStore,
) -> anyhow::Result<Ending> {
    if let Some(shares) = plan.share_out(&context.share_sizes) {
        return shared_copy::copy(context, content_id, lease, original, plan, &shares, store).await;
    }
    write_promised(original, plan, store).await.context("writing what was promised")?;
    match context.library.contents.keep_promise(content_id, lease.token).await? {
        Settled::Written => Ok(Ending::Done),
        Settled::Gone => Ok(Ending::Gone),
        Settled::Lost => bail!("the lease was lost"),
    }
}

/// Tells the publishers of a film that can't be watched why; another error is the caller's.
async fn refuse(
    library: &Library,
    content: &Content,
    lease: &Lease,
    store: &ObjectStore,
    error: MediaError,
) -> anyhow::Result<Ending> {
    let content_id = content.content_id;
    let reason = match error {
        MediaError::Bad { reason } => reason,
        MediaError::Io(error) => return Err(error).context("packaging"),
    };
    tracing::info!(%content_id, reason, "refused");
    store.abort_unfinished().await;
    if !library.fail(content, lease.token, &reason).await? {
        bail!("the lease was lost");
    }
    library.tell_failed(content, &reason).await?;
    Ok(Ending::Done)
}
