//! Encodes one piece of a film, or puts the pieces together.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail, ensure};
use aws_config::SdkConfig;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::Client as Sqs;
use cold_start::required_env;
use encode::{EncodeError, EncodePlan, Ffmpeg};
use library::{Content, ContentId, ContentState, Encoding, Library, Progress, Tables, Task, TaskName, Work};
use media::{MediaError, Movie, Store as _};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::batch::{backoff, body, deliveries, each_message};
use crate::clients;
use crate::heartbeat::{self, Delivery};
use crate::object_source::ObjectSource;
use crate::object_store::ObjectStore;
use crate::outputs::{Buckets, delete_below, delete_outputs};
use crate::piece_objects::PieceObjects;

/// How long a message is missing whose worker was killed.
const HIDDEN: Duration = Duration::from_secs(90);

/// What is left of the function's time when work stops, to tidy up in.
const TIDYING: Duration = Duration::from_secs(10);

/// After how many deliveries SQS puts a message among the dead letters: `maxReceiveCount` of the queue in template.yaml.
pub const DELIVERIES: u32 = 5;

/// The body of a message: `{"content_id": …, "piece": 0}` or `{"content_id": …, "assemble": true}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// The content.
    pub content_id: ContentId,
    /// What is to be done about it.
    #[serde(flatten)]
    pub job: Job,
}

/// What is to be done about a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// This piece of its task is to be encoded.
    Piece(u32),
    /// All pieces are there and are to become renditions.
    Assemble(bool),
}

/// What the function is told by its environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The names of the three tables.
    pub tables: Tables,
    /// The bucket that holds originals.
    pub upload_bucket: String,
    /// The bucket that pieces and renditions go to.
    pub media_bucket: String,
    /// The queue that requests come from.
    pub encode_queue_url: String,
    /// The encoder.
    pub ffmpeg: Ffmpeg,
}

impl Environment {
    /// Reads it, and looks for ffmpeg in the `PATH`.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn from_env() -> anyhow::Result<Self> {
        Ok(Self {
            tables: clients::tables_from_env()?,
            upload_bucket: required_env("UPLOAD_BUCKET")?,
            media_bucket: required_env("MEDIA_BUCKET")?,
            encode_queue_url: required_env("ENCODE_QUEUE_URL")?,
            ffmpeg: Ffmpeg::on_path()?,
        })
    }
}

/// What a cold start builds.
#[derive(Clone, Debug)]
pub struct Context {
    library: Library,
    buckets: Buckets,
    sqs: Sqs,
    encode_queue_url: String,
    ffmpeg: Ffmpeg,
}

impl Context {
    /// Builds the clients.
    pub fn new(sdk: &SdkConfig, environment: Environment) -> Self {
        Self {
            library: Library::new(clients::dynamodb(sdk), environment.tables),
            buckets: Buckets::new(sdk, environment.upload_bucket, environment.media_bucket),
            sqs: clients::sqs(sdk),
            encode_queue_url: environment.encode_queue_url,
            ffmpeg: environment.ffmpeg,
        }
    }

    fn pieces(&self, id: ContentId) -> ObjectStore {
        let Buckets { s3, media, .. } = &self.buckets;
        ObjectStore::new(s3.clone(), media.clone(), id.task_prefix(TaskName::Encode))
    }
}

/// Handles messages that ask for encoding, until `deadline`.
///
/// No lease is needed: a piece that is encoded twice at the same time gives the same objects, so do renditions, and what follows from them is
/// one conditional write. *Poison*, which fails until it is among the dead letters: a message that is no such request. *Retried*, soon and then ever
/// later: what AWS did not answer well, and an encoder that failed or took too long. If that stays so, a film that can't play without is
/// given up: `failed` with the reason, until its publisher has it tried again; one that plays keeps the renditions that it has, and the message is left to the dead letters. *Done at once*: a
/// content that is gone, with all that earlier messages left behind, and one whose renditions are there.
pub async fn handle(
    context: &Context,
    deadline: SystemTime,
    event: SqsEvent,
) -> anyhow::Result<SqsBatchResponse> {
    let time_left = deadline.duration_since(SystemTime::now()).unwrap_or_default().saturating_sub(TIDYING);
    let stop_at = Instant::now() + time_left;
    each_message(&event, async |message| handle_message(context, stop_at, message).await).await
}

async fn handle_message(context: &Context, stop_at: Instant, message: &SqsMessage) -> anyhow::Result<()> {
    let Request { content_id, job } =
        serde_json::from_str(body(message)?).context("the message asks for no encoding")?;
    let delivery = Delivery {
        sqs: &context.sqs,
        queue_url: &context.encode_queue_url,
        receipt_handle: message.receipt_handle.as_deref(),
    };
    let outcome = tokio::select! {
        outcome = carry_out(context, stop_at, content_id, job, deliveries(message)) => outcome,
        never = heartbeat::hide(delivery, HIDDEN) => match never {},
    };
    if outcome.is_err() {
        delivery.return_after(backoff(message)).await;
    }
    outcome.with_context(|| format!("{job:?} of the content {content_id}"))
}

async fn carry_out(
    context: &Context,
    stop_at: Instant,
    content_id: ContentId,
    job: Job,
    deliveries: u32,
) -> anyhow::Result<()> {
    let Some((content, task)) = look(context, content_id).await? else { return Ok(()) };
    let plan: EncodePlan = serde_json::from_str(&task.plan).context("the plan can't be read")?;
    let work = async {
        match job {
            Job::Piece(piece) => encode(context, &content, &task, &plan, piece).await,
            Job::Assemble(_) => assemble(context, &content, &task, &plan).await,
        }
    };
    let outcome = tokio::select! {
        outcome = work => outcome,
        () = tokio::time::sleep_until(stop_at) => Err(Trouble::Encoding(EncodeError::Encoder {
            reason: "it takes longer than a function may run".to_owned(),
        })),
    };
    match outcome {
        Ok(()) => Ok(()),
        Err(Trouble::Other(error)) => Err(error),
        Err(Trouble::Encoding(error)) => give_up_or_retry(context, &content, error, deliveries).await,
    }
}

/// What went wrong: with the film or the encoder, or with anything else, which is retried.
enum Trouble {
    Encoding(EncodeError),
    Other(anyhow::Error),
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl From<EncodeError> for Trouble {
    fn from(error: EncodeError) -> Self {
        Self::Encoding(error)
    }
}

impl From<MediaError> for Trouble {
    fn from(error: MediaError) -> Self {
        Self::Encoding(match error {
            MediaError::Bad { reason } => EncodeError::Bad { reason },
            MediaError::Io(error) => EncodeError::Io(error),
        })
    }
}

/// The content and its task, if there is still something to do. If not, what earlier messages may have left undone is made sure of.
async fn look(context: &Context, content_id: ContentId) -> anyhow::Result<Option<(Content, Task)>> {
    let contents = &context.library.contents;
    let content = contents.get(content_id).await?;
    match content.as_ref().map(|content| (content.state, content.encoding)) {
        None | Some((ContentState::Removing, _)) => {
            tracing::info!(%content_id, "the content is gone");
            // Whoever removed it may have been done before another worker's last object was written.
            delete_outputs(&context.buckets, content_id).await?;
            context.library.contents.end_task(content_id, TaskName::Encode).await?;
            return Ok(None);
        }
        Some((ContentState::Failed, _)) => {
            let content = content.context("it was there")?;
            // What was given up goes on, when it is retried, with the pieces that are there.
            if context.library.end_retry(&content).await? {
                tidy(context, content_id).await?;
            }
            return Ok(None);
        }
        Some((ContentState::Ready, Some(Encoding::Done))) => {
            let content = content.context("it was there")?;
            context.library.publish(&content).await?;
            tidy(context, content_id).await?;
            return Ok(None);
        }
        Some(
            (ContentState::Processing, Some(Encoding::Needed | Encoding::Started))
            | (ContentState::Ready, Some(Encoding::Wanted | Encoding::Started)),
        ) => {}
        Some((state, encoding)) => bail!("its state is {state:?}, its encoding {encoding:?}"),
    }
    let Some(task) = contents.task(content_id, TaskName::Encode).await? else {
        // It was there when the message was sent, so it ends at this very moment.
        bail!("there is no task");
    };
    Ok(content.map(|content| (content, task)))
}

/// Deletes the pieces, and then the task: while that is there, a repeat does it again.
async fn tidy(context: &Context, content_id: ContentId) -> anyhow::Result<()> {
    delete_below(&context.buckets, &content_id.task_prefix(TaskName::Encode)).await?;
    context.library.contents.end_task(content_id, TaskName::Encode).await
}

async fn open(context: &Context, content: &Content) -> Result<(ObjectSource, Movie), MediaError> {
    let source = ObjectSource::original(&context.buckets.s3, &context.buckets.uploads, content);
    let movie = media::open(&source).await?;
    Ok((source, movie))
}

async fn encode(
    context: &Context,
    content: &Content,
    task: &Task,
    plan: &EncodePlan,
    piece: u32,
) -> Result<(), Trouble> {
    let content_id = content.content_id;
    if piece >= task.pieces {
        return Err(anyhow::anyhow!("there are {} pieces only", task.pieces).into());
    }
    if task.left.contains(&piece) {
        let (source, movie) = open(context, content).await?;
        let store = context.pieces(content_id);
        let encoded = encode::encode_piece(&context.ffmpeg, &source, &movie, plan, piece, &store).await;
        if encoded.is_err() {
            store.abort_unfinished().await;
        }
        encoded?;
    }
    match context.library.contents.finish_piece(content_id, TaskName::Encode, piece).await? {
        Progress::Left(left) => tracing::info!(%content_id, piece, left, "encoded"),
        Progress::All => {
            tracing::info!(%content_id, piece, "encoded, the last one");
            let request = Request { content_id, job: Job::Assemble(true) };
            let request = serde_json::to_string(&request).map_err(anyhow::Error::new)?;
            let message =
                context.sqs.send_message().queue_url(&context.encode_queue_url).message_body(request);
            message.send().await.context("asking for the pieces to be put together")?;
        }
        // Another worker ended the task, or removed the content, while this one was still writing.
        Progress::Gone => {
            look(context, content_id).await?;
        }
    }
    Ok(())
}

async fn assemble(
    context: &Context,
    content: &Content,
    task: &Task,
    plan: &EncodePlan,
) -> Result<(), Trouble> {
    let content_id = content.content_id;
    if !task.left.is_empty() {
        return Err(anyhow::anyhow!("{} pieces are missing", task.left.len()).into());
    }
    let (_, movie) = open(context, content).await?;
    let Buckets { s3, media, .. } = &context.buckets;
    let pieces = PieceObjects {
        s3: s3.clone(),
        bucket: media.clone(),
        prefix: content_id.task_prefix(TaskName::Encode),
    };
    let store = ObjectStore::new(s3.clone(), media.clone(), content_id.output_prefix());
    let assembled = encode::assemble(&movie, plan, &pieces, &store).await;
    if assembled.is_err() {
        store.abort_unfinished().await;
    }
    // In their order: what players ask for first comes last, and swaps old for new in one step.
    for manifest in assembled? {
        let put = store.put(&manifest.name, manifest.content_type, manifest.body).await;
        put.map_err(EncodeError::Io)?;
    }
    finish(context, content).await?;
    Ok(())
}

/// The manifests are there.
async fn finish(context: &Context, content: &Content) -> anyhow::Result<()> {
    let content_id = content.content_id;
    let finished = match content.state {
        ContentState::Processing => context.library.finish_encoded(content).await?,
        _ => context.library.contents.end_encoding(content_id).await?,
    };
    tracing::info!(%content_id, finished, "put together");
    // What is left to do is the same as after any other end of the task.
    let unfinished = look(context, content_id).await?;
    ensure!(unfinished.is_none(), "it is not finished although its manifests are there");
    Ok(())
}

/// What becomes of a film that this went wrong with.
async fn give_up_or_retry(
    context: &Context,
    content: &Content,
    error: EncodeError,
    deliveries: u32,
) -> anyhow::Result<()> {
    let content_id = content.content_id;
    let (reason, is_for_good) = match error {
        EncodeError::Io(error) => return Err(error).context("encoding"),
        EncodeError::Encoder { reason } if deliveries < DELIVERIES => bail!("the encoder failed: {reason}"),
        EncodeError::Encoder { reason } => (format!("The film could not be converted: {reason}."), false),
        EncodeError::Bad { reason } => (reason, true),
    };
    if content.state == ContentState::Ready {
        bail!("the film gets no further renditions: {reason}");
    }
    tracing::error!(%content_id, reason, is_for_good, "a film that has to be encoded can't be");
    if is_for_good {
        context.library.fail_encoding(content, &reason).await?;
    } else {
        context.library.give_up(content_id, Work::Encoding, &reason).await?;
    }
    look(context, content_id).await?;
    Ok(())
}
