//! Cuts the encoding of a film in pieces, and asks for each of them.

use anyhow::{Context as _, bail};
use aws_config::SdkConfig;
use aws_sdk_s3::Client as S3;
use aws_sdk_sqs::Client as Sqs;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use cold_start::required_env;
use encode::Ladder;
use items::{StreamEvent, StreamResponse, each_change};
use library::{Content, ContentId, ContentState, Contents, Encoding, TaskName};
use media::MediaError;

use crate::clients;
use crate::encode_video::{Job, Request};
use crate::object_source::ObjectSource;
use crate::stream::ContentChange;

/// The most that SQS takes at once.
const MESSAGES_PER_CALL: usize = 10;

/// What the function is told by its environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The table of contents.
    pub contents_table: String,
    /// The bucket that holds originals.
    pub upload_bucket: String,
    /// The queue of pieces that are to be encoded.
    pub encode_queue_url: String,
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
            contents_table: required_env("CONTENTS_TABLE")?,
            upload_bucket: required_env("UPLOAD_BUCKET")?,
            encode_queue_url: required_env("ENCODE_QUEUE_URL")?,
            ladder: ladder_from_env()?,
        })
    }
}

/// The policy in `LADDER`.
pub(crate) fn ladder_from_env() -> anyhow::Result<Ladder> {
    required_env("LADDER")?.parse().map_err(|_| anyhow::anyhow!("LADDER is off, on-demand or always"))
}

/// What a cold start builds.
#[derive(Clone, Debug)]
pub struct Context {
    contents: Contents,
    s3: S3,
    sqs: Sqs,
    upload_bucket: String,
    encode_queue_url: String,
    ladder: Ladder,
}

impl Context {
    /// Builds the clients.
    pub fn new(sdk: &SdkConfig, environment: Environment) -> Self {
        Self {
            contents: Contents::new(clients::dynamodb(sdk), environment.contents_table),
            s3: clients::s3(sdk),
            sqs: clients::sqs(sdk),
            upload_bucket: environment.upload_bucket,
            encode_queue_url: environment.encode_queue_url,
            ladder: environment.ladder,
        }
    }
}

/// Handles the stream's records of contents whose encoding is needed or wanted, in their order.
///
/// *Poison*, which fails until it is among the dead letters: a record that names no content, a film that can't be read any more. *Retried*: every
/// call that AWS did not answer well, with all records that follow, because the stream is read in order. *Done at once*: a content
/// that is gone, being removed, or planned already.
pub async fn handle(context: &Context, event: StreamEvent<ContentChange>) -> anyhow::Result<StreamResponse> {
    let plan = async |change: ContentChange| {
        let content_id = change.content_id()?;
        plan(context, content_id)
            .await
            .with_context(|| format!("planning the encoding of the content {content_id}"))
    };
    Ok(each_change(event, plan).await)
}

async fn plan(context: &Context, content_id: ContentId) -> anyhow::Result<()> {
    let Some(content) = context.contents.get(content_id).await? else { return Ok(()) };
    match (content.state, content.encoding) {
        (ContentState::Processing, Some(Encoding::Needed))
        | (ContentState::Ready, Some(Encoding::Wanted)) => {}
        (state, encoding) => {
            tracing::info!(%content_id, ?state, ?encoding, "nothing is to be planned");
            return Ok(());
        }
    }
    let Some(plan) = make_plan(context, &content).await? else {
        if content.state != ContentState::Ready {
            bail!("its encoding is needed, but there is nothing to encode");
        }
        tracing::info!(%content_id, "no rendition is missing");
        context.contents.end_encoding(content_id).await?;
        return Ok(());
    };
    let jobs = plan.jobs();
    let plan = serde_json::to_string(&plan)?;
    // A repeat goes on with the plan that there is, and asks for the pieces that are left.
    let task = context.contents.begin_task(content_id, TaskName::Encode, jobs, &plan).await?;
    let jobs: Vec<_> = match task.left.len() {
        0 => vec![Job::Assemble(true)],
        _ => task.left.iter().map(|piece| Job::Piece(*piece)).collect(),
    };
    for jobs in jobs.chunks(MESSAGES_PER_CALL) {
        ask(context, content_id, jobs).await?;
    }
    tracing::info!(%content_id, pieces = task.pieces, left = task.left.len(), "planned");
    context.contents.start_encoding(content_id).await
}

async fn make_plan(context: &Context, content: &Content) -> anyhow::Result<Option<encode::EncodePlan>> {
    let source = ObjectSource::original(&context.s3, &context.upload_bucket, content);
    let planned = async {
        let movie = media::open(&source).await?;
        // Decoding costs as much for one rendition as for three: who is encoded at all gets the whole ladder, if there may be any.
        encode::plan(&movie, context.ladder != Ladder::Off)
    };
    planned.await.map_err(|error| match error {
        MediaError::Bad { reason } => anyhow::anyhow!("it can't be planned: {reason}"),
        MediaError::Io(error) => anyhow::Error::new(error).context("planning"),
    })
}

async fn ask(context: &Context, content_id: ContentId, jobs: &[Job]) -> anyhow::Result<()> {
    let mut entries = Vec::new();
    for (id, job) in jobs.iter().enumerate() {
        let body = serde_json::to_string(&Request { content_id, job: *job })?;
        entries.push(SendMessageBatchRequestEntry::builder().id(id.to_string()).message_body(body).build()?);
    }
    let batch = context.sqs.send_message_batch().queue_url(&context.encode_queue_url);
    let sent = batch.set_entries(Some(entries)).send().await.context("asking for pieces to be encoded")?;
    match sent.failed.first() {
        Some(failure) => bail!("SQS did not take a message: {:?}", failure.message),
        None => Ok(()),
    }
}
