//! Copying the media of a large film, by several workers at a time.
//!
//! Whoever holds the lease on a content whose outputs are promised begins a multipart upload for each output, notes them
//! in the task `copy`, and asks for each share by a message of its own. A share presumes no lease: done twice, late or by two
//! workers at once it writes the same bytes to the same parts, and the task counts pieces by a set. Whoever finishes the
//! last one takes the lease again, puts the parts together, keeps the promise, and ends the task last. So what died on the way is
//! found by the message that comes back: with pieces left it asks for those, with none left it puts together.

use std::collections::BTreeMap;
use std::io;

use anyhow::{Context as _, bail, ensure};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use bytes::Bytes;
use futures_util::future::try_join_all;
use library::{ContentId, ContentState, Lease, Progress, Settled, Task, TaskName};
use media::{Join, Options, Part, Plan, ShareSizes, Shares, Writer as _};
use serde::{Deserialize, Serialize};

use crate::heartbeat::{Delivery, Gone};
use crate::object_store::ObjectStore;
use crate::outputs::{Buckets, Original, delete_below, delete_outputs, write_beside};
use crate::package_video::{Context, Ending, Request};

/// What SQS takes at once.
const MESSAGES_AT_ONCE: usize = 10;
/// Parts that are joined at a time: each is twice S3's smallest at most.
const JOINS_AT_ONCE: usize = 4;

/// What the workers on one copy go by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CopyPlan {
    sizes: ShareSizes,
    /// As in [`Plan::outputs`].
    outputs: Vec<BegunOutput>,
}

/// An output whose multipart upload was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct BegunOutput {
    name: String,
    size_bytes: u64,
    upload_id: String,
}

impl CopyPlan {
    fn of(task: &Task) -> anyhow::Result<Self> {
        serde_json::from_str(&task.plan).context("the plan of a copy can't be read")
    }

    /// The shares that were handed out, as every worker finds them for itself.
    fn shares(&self, plan: &Plan) -> anyhow::Result<Shares> {
        let outputs = plan.outputs();
        let same = outputs.iter().map(|output| (&output.name, output.size_bytes));
        ensure!(
            same.eq(self.outputs.iter().map(|begun| (&begun.name, begun.size_bytes))),
            "the outputs are others than those that were begun"
        );
        plan.share_out(&self.sizes).context("the film can't be shared out any more")
    }
}

/// What became of one share.
enum Shared {
    /// It is done, and others are left.
    Done,
    /// It was the last: what is missing is to be put together, under the lease.
    Last,
    /// The task is over, or nobody lists the content any more.
    Over,
}

/// Copies the promised outputs of a content, which the caller holds the lease on: shares the work out, asks again for what
/// is left of it, or puts together what is done, whichever comes next.
pub(crate) async fn copy(
    context: &Context,
    content_id: ContentId,
    lease: &Lease,
    original: &Original,
    plan: &Plan,
    shares: &Shares,
    store: &ObjectStore,
) -> anyhow::Result<Ending> {
    let contents = &context.library.contents;
    let task = match contents.task(content_id, TaskName::Copy).await? {
        Some(task) => task,
        None => begin(context, content_id, plan, shares, store).await?,
    };
    if task.left.is_empty() {
        return finish(context, content_id, lease, original, plan, &task, store).await;
    }
    tracing::info!(%content_id, shares = task.pieces, left = task.left.len(), "shared out");
    request(context, content_id, task.left).await?;
    contents.release(content_id, lease.token).await?;
    Ok(Ending::Done)
}

async fn begin(
    context: &Context,
    content_id: ContentId,
    plan: &Plan,
    shares: &Shares,
    store: &ObjectStore,
) -> anyhow::Result<Task> {
    let begun = plan.outputs().into_iter().map(async |output| {
        let upload_id = store.begin(&output.name, output.content_type).await?;
        Ok::<_, io::Error>(BegunOutput { name: output.name, size_bytes: output.size_bytes, upload_id })
    });
    let ours = CopyPlan { sizes: context.share_sizes.clone(), outputs: try_join_all(begun).await? };
    let text = serde_json::to_string(&ours)?;
    let contents = &context.library.contents;
    let task = match contents.begin_task(content_id, TaskName::Copy, shares.count(), &text).await {
        Ok(task) => task,
        Err(error) => {
            // For a content that is going no task is begun any more. Otherwise whether it was begun is not known, and the uploads
            // may be the task's: if they aren't, they are left to the bucket's lifecycle rule.
            if is_gone(context, content_id).await? {
                abort(store, &ours).await?;
            }
            return Err(error);
        }
    };
    if CopyPlan::of(&task)? != ours {
        // Somebody was first, while this worker was thought dead.
        abort(store, &ours).await?;
    }
    Ok(task)
}

async fn abort(store: &ObjectStore, copy: &CopyPlan) -> anyhow::Result<()> {
    let aborted = copy.outputs.iter().map(|begun| store.abort(&begun.name, &begun.upload_id));
    try_join_all(aborted).await.context("aborting outputs")?;
    Ok(())
}

/// Asks for these shares, each by a message.
async fn request(
    context: &Context,
    content_id: ContentId,
    left: impl IntoIterator<Item = u32>,
) -> anyhow::Result<()> {
    let message = |share: u32| {
        let body = serde_json::to_string(&Request { content_id, share: Some(share) })?;
        let entry = SendMessageBatchRequestEntry::builder().id(share.to_string()).message_body(body);
        Ok::<_, anyhow::Error>(entry.build()?)
    };
    let messages = left.into_iter().map(message).collect::<Result<Vec<_>, _>>()?;
    for batch in messages.chunks(MESSAGES_AT_ONCE) {
        let sent = context.sqs.send_message_batch().queue_url(&context.package_queue_url);
        let sent = sent.set_entries(Some(batch.to_vec())).send().await.context("asking for shares")?;
        ensure!(sent.failed.is_empty(), "SQS did not take {} of the messages", sent.failed.len());
    }
    Ok(())
}

/// Does one share of a content's copy, unless it is done already. Answers whether the caller has to take the lease and
/// [put together](copy) what is there.
///
/// # Errors
/// Trouble with AWS, and time that ran out: the share is to be done again.
pub(crate) async fn do_share(
    context: &Context,
    stop_at: tokio::time::Instant,
    content_id: ContentId,
    share: u32,
    delivery: Delivery<'_>,
) -> anyhow::Result<bool> {
    let done = match context.library.contents.task(content_id, TaskName::Copy).await? {
        None => Shared::Over,
        Some(task) if task.left.contains(&share) => tokio::select! {
            done = write_share(context, content_id, share, &task) => done?,
            Gone = keep(context, content_id, delivery) => Shared::Over,
            () = tokio::time::sleep_until(stop_at) => bail!("the function's time ran out"),
        },
        Some(task) if task.left.is_empty() => Shared::Last,
        Some(_) => Shared::Done,
    };
    match done {
        Shared::Done => Ok(false),
        Shared::Last => Ok(true),
        Shared::Over => {
            tracing::info!(%content_id, share, "the copy is over");
            if is_gone(context, content_id).await? {
                // With what this worker wrote, or one that died, after those that were there had been removed.
                delete_outputs(&context.buckets, content_id).await?;
            }
            Ok(false)
        }
    }
}

async fn is_gone(context: &Context, content_id: ContentId) -> anyhow::Result<bool> {
    let found = context.library.contents.get(content_id).await?;
    Ok(found.is_none_or(|content| content.state == ContentState::Removing))
}

async fn write_share(
    context: &Context,
    content_id: ContentId,
    share: u32,
    task: &Task,
) -> anyhow::Result<Shared> {
    let contents = &context.library.contents;
    let Some(content) =
        contents.get(content_id).await?.filter(|content| content.state == ContentState::Ready)
    else {
        return Ok(Shared::Over);
    };
    let copy = CopyPlan::of(task)?;
    let original =
        Original::open(&context.buckets, &content).await.context("opening a film that was planned")?;
    let plan = original.promise(&content).context("what was promised can't be made any more")?;
    let shares = copy.shares(&plan)?;
    let store = store(&context.buckets, content_id.output_prefix());
    let writers: Vec<_> =
        copy.outputs.iter().map(|begun| store.resume(&begun.name, &begun.upload_id)).collect();
    let scraps = self::store(&context.buckets, content_id.task_prefix(TaskName::Copy));
    media::package_share(&original.source, &shares, share, &writers, &scraps, &Options::default())
        .await
        .with_context(|| format!("writing the share {share}"))?;
    let progress = contents.finish_piece(content_id, TaskName::Copy, share).await?;
    tracing::info!(%content_id, share, ?progress, "wrote a share");
    Ok(match progress {
        Progress::Left(_) => Shared::Done,
        Progress::All => Shared::Last,
        Progress::Gone => Shared::Over,
    })
}

/// Keeps the message hidden while the task goes on, as long as a lease would. The message comes again soon after the worker dies.
async fn keep(context: &Context, content_id: ContentId, delivery: Delivery<'_>) -> Gone {
    loop {
        delivery.return_after(context.lease + context.lease / 2).await;
        tokio::time::sleep(context.lease / 3).await;
        match context.library.contents.task(content_id, TaskName::Copy).await {
            Ok(None) => return Gone,
            Ok(Some(_)) => {}
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "whether the task goes on is not known")
            }
        }
    }
}

/// Puts the outputs together, when all pieces are done.
async fn finish(
    context: &Context,
    content_id: ContentId,
    lease: &Lease,
    original: &Original,
    plan: &Plan,
    task: &Task,
    store: &ObjectStore,
) -> anyhow::Result<Ending> {
    let copy = CopyPlan::of(task)?;
    let shares = copy.shares(plan)?;
    let scraps = self::store(&context.buckets, content_id.task_prefix(TaskName::Copy));
    for (index, begun) in copy.outputs.iter().enumerate() {
        put_together(store, &scraps, begun, index, &shares)
            .await
            .with_context(|| format!("putting {} together", begun.name))?;
    }
    write_beside(original, plan, store).await.context("writing subtitles and thumbnails")?;
    match context.library.contents.keep_promise(content_id, lease.token).await? {
        Settled::Written => {
            end(context, content_id).await?;
            Ok(Ending::Done)
        }
        Settled::Gone => Ok(Ending::Gone),
        Settled::Lost => bail!("the lease was lost"),
    }
}

async fn put_together(
    store: &ObjectStore,
    scraps: &ObjectStore,
    begun: &BegunOutput,
    index: usize,
    shares: &Shares,
) -> anyhow::Result<()> {
    let BegunOutput { name, size_bytes, upload_id } = begun;
    let Some(mut parts) = store.parts(name, upload_id).await? else {
        // A worker that was here before completed it, and died or lost the lease.
        let found = store.size_bytes(name).await.context("neither its parts nor the object are there")?;
        ensure!(found == *size_bytes, "it has {found} bytes, not {size_bytes}");
        return Ok(());
    };
    let joins: Vec<Join> = shares.joins().into_iter().filter(|join| join.output == index).collect();
    let missing: Vec<&Join> = joins.iter().filter(|join| !parts.contains_key(&join.number)).collect();
    for some in missing.chunks(JOINS_AT_ONCE) {
        try_join_all(some.iter().map(|join| join_scraps(store, scraps, begun, join))).await?;
    }
    if !missing.is_empty() {
        parts = store.parts(name, upload_id).await?.context("its parts went while they were joined")?;
    }
    let found: BTreeMap<u32, u64> = parts.iter().map(|(number, part)| (*number, part.size_bytes)).collect();
    let planned: BTreeMap<u32, u64> = shares.parts(index).into_iter().collect();
    ensure!(found == planned, "its parts are not those of the plan: {} of {}", found.len(), planned.len());
    store.complete(name, upload_id, parts).await?;
    Ok(())
}

async fn join_scraps(
    store: &ObjectStore,
    scraps: &ObjectStore,
    begun: &BegunOutput,
    join: &Join,
) -> anyhow::Result<()> {
    let pieces: Vec<Bytes> = try_join_all(join.scraps.iter().map(|(name, _)| scraps.get(name)))
        .await
        .context("reading what shares left")?;
    let lengths = pieces.iter().map(|piece| piece.len() as u64);
    ensure!(lengths.eq(join.scraps.iter().map(|(_, length)| *length)), "what shares left has other lengths");
    let size_bytes = usize::try_from(join.size_bytes)?;
    let part = Part { number: join.number, position: join.position, size_bytes, pieces };
    store.resume(&begun.name, &begun.upload_id).write_part(part).await?;
    Ok(())
}

/// Ends the task of a content whose outputs are written, the task itself last: a worker that dies before that does it again.
pub(crate) async fn end(context: &Context, content_id: ContentId) -> anyhow::Result<()> {
    delete_below(&context.buckets, &content_id.task_prefix(TaskName::Copy)).await?;
    context.library.contents.end_task(content_id, TaskName::Copy).await
}

/// Throws away what the copy of a content that is being removed has written so far. The task is the caller's to end.
pub(crate) async fn discard(buckets: &Buckets, content_id: ContentId, task: &Task) -> anyhow::Result<()> {
    abort(&store(buckets, content_id.output_prefix()), &CopyPlan::of(task)?).await
}

fn store(buckets: &Buckets, prefix: String) -> ObjectStore {
    ObjectStore::new(buckets.s3.clone(), buckets.media.clone(), prefix)
}
