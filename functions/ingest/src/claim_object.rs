//! Finds out what an uploaded object is, and whether its bytes are known.

use anyhow::{Context as _, bail};
use aws_config::SdkConfig;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_s3::Client as S3;
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::types::ChecksumMode;
use aws_sdk_sqs::Client as Sqs;
use cold_start::required_env;
use library::{
    Claim, ContentDigest, ContentId, Lease, Library, PartPlan, Started, StoredObject, Tables, Upload,
    UploadId, UploadState,
};
use media::Container;
use std::time::Duration;

use crate::batch::{body, each_message, message_id};
use crate::{clients, package_video, s3_event};

/// As long as the function may run: a worker that was killed is never waited for longer.
const LEASE: Duration = Duration::from_secs(30);

/// Enough to recognise every container.
const HEAD_BYTES: u64 = 4096;

/// What the function is told by its environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The names of the three tables.
    pub tables: Tables,
    /// The bucket that uploads arrive in.
    pub upload_bucket: String,
    /// The queue of contents that are to be packaged.
    pub package_queue_url: String,
}

impl Environment {
    /// Reads it.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env() -> anyhow::Result<Self> {
        Ok(Self {
            tables: Tables {
                uploads: required_env("UPLOADS_TABLE")?,
                contents: required_env("CONTENTS_TABLE")?,
                videos: required_env("VIDEOS_TABLE")?,
            },
            upload_bucket: required_env("UPLOAD_BUCKET")?,
            package_queue_url: required_env("PACKAGE_QUEUE_URL")?,
        })
    }
}

/// What a cold start builds.
#[derive(Clone, Debug)]
pub struct Context {
    library: Library,
    s3: S3,
    sqs: Sqs,
    upload_bucket: String,
    package_queue_url: String,
    /// How long a claim holds when its worker dies.
    pub lease: Duration,
}

impl Context {
    /// Builds the clients.
    pub fn new(sdk: &SdkConfig, environment: Environment) -> Self {
        Self {
            library: Library::new(clients::dynamodb(sdk), environment.tables),
            s3: clients::s3(sdk),
            sqs: clients::sqs(sdk),
            upload_bucket: environment.upload_bucket,
            package_queue_url: environment.package_queue_url,
            lease: LEASE,
        }
    }
}

/// Handles messages that S3 sent to the queue.
///
/// *Poison*, which fails until it is among the dead letters: a message that is no event of S3's. *Retried*: every call that AWS did not
/// answer well. *Done at once*: an object that has no upload or is gone already; an upload that is past checking, whose
/// consequence is only made sure of; and one that another message's worker is checking, because that message comes
/// back if its worker fails. What is wrong with the file itself is no error: the upload says so, and the object is
/// removed.
pub async fn handle(context: &Context, event: SqsEvent) -> anyhow::Result<SqsBatchResponse> {
    each_message(&event, async |message| handle_message(context, message).await).await
}

async fn handle_message(context: &Context, message: &SqsMessage) -> anyhow::Result<()> {
    for key in s3_event::created_keys(body(message)?)? {
        match UploadId::from_object_key(&key) {
            Some(id) => {
                let lease = Lease::new(message_id(message)?, context.lease);
                claim(context, id, &lease).await.with_context(|| format!("the upload {id}"))?;
            }
            None => tracing::warn!(key, "an object that is no upload"),
        }
    }
    Ok(())
}

async fn claim(context: &Context, id: UploadId, lease: &Lease) -> anyhow::Result<()> {
    let Some(object) = find_object(context, id).await? else {
        tracing::info!(upload_id = %id, "the object is gone");
        return Ok(());
    };
    match context.library.uploads.claim(id, lease).await? {
        Claim::Absent => tracing::warn!(upload_id = %id, "an object without an upload"),
        // The queue delivered one message twice, or the worker that had it died: only time can tell.
        Claim::Busy(upload) if upload.lease_message_id.as_deref() == Some(&*lease.message_id) => {
            bail!("it is being checked for this very message")
        }
        Claim::Busy(_) => tracing::info!(upload_id = %id, "another message's worker is checking it"),
        Claim::Past(upload) => make_sure(context, &upload).await?,
        Claim::Claimed(upload) => {
            let checked = check(context, &upload, lease, object).await;
            if checked.is_err() {
                // So that the retry needn't wait for the lease; if this fails too, it does wait.
                let released = context.library.uploads.release(id, lease.token).await;
                released
                    .unwrap_or_else(|error| tracing::warn!(error = format!("{error:#}"), "the lease stays"));
            }
            checked?;
        }
    }
    Ok(())
}

async fn check(
    context: &Context,
    upload: &Upload,
    lease: &Lease,
    object: StoredObject,
) -> anyhow::Result<()> {
    let uploads = &context.library.uploads;
    if let Some(reason) = reason_to_refuse(context, upload, &object).await? {
        if !uploads.refuse(upload.id, lease.token, &reason).await? {
            bail!("the lease was lost");
        }
        tracing::info!(upload_id = %upload.id, reason, "refused");
        return delete_object(context, upload.id).await;
    }
    let started = context.library.start_processing(upload, lease.token, &object).await?;
    tracing::info!(upload_id = %upload.id, size_bytes = object.size_bytes, ?started, "checked");
    match started {
        Started::Brought => request_packaging(context, upload.id.as_content()).await,
        Started::Joined | Started::Duplicate => delete_object(context, upload.id).await,
        Started::Lost => bail!("the lease was lost"),
    }
}

/// Does what follows from an upload's state, for the case that the worker that brought it there died before it did.
async fn make_sure(context: &Context, upload: &Upload) -> anyhow::Result<()> {
    let brought_its_content = upload.content_id == Some(upload.id.as_content());
    match upload.state {
        UploadState::Processing if brought_its_content => {
            request_packaging(context, upload.id.as_content()).await
        }
        UploadState::Ready if brought_its_content => Ok(()),
        UploadState::Processing | UploadState::Ready | UploadState::Duplicate | UploadState::Failed => {
            delete_object(context, upload.id).await
        }
        UploadState::Waiting | UploadState::Uploaded | UploadState::Checking => {
            bail!("it is {} and could not be claimed", upload.state.as_str())
        }
    }
}

/// Why the object can't become a video, in a sentence for its publisher; none if it may.
async fn reason_to_refuse(
    context: &Context,
    upload: &Upload,
    object: &StoredObject,
) -> anyhow::Result<Option<String>> {
    if object.size_bytes != upload.size_bytes {
        return Ok(Some(format!(
            "The file has {} bytes, but {} were announced.",
            object.size_bytes, upload.size_bytes
        )));
    }
    if let (Some(found), Some(announced)) = (&object.digest, &upload.digest)
        && found != announced
    {
        return Ok(Some(DIFFERENT_DIGEST.to_owned()));
    }
    let head = read_head(context, upload.id, object).await?;
    Ok(match media::sniff(&head) {
        None => {
            Some("The file is not a video: its content is of no video format that is known here.".to_owned())
        }
        Some(audio @ (Container::Mp3 | Container::Adts | Container::Flac | Container::Wav)) => {
            Some(format!("The file is not a video: it is {} sound without a picture.", audio.name()))
        }
        Some(_) => None,
    })
}

/// What a publisher reads whose announced digest is not that of the bytes.
pub(crate) const DIFFERENT_DIGEST: &str = "The file's content is not what was announced: its digest differs. It may have changed while it was being sent.";

/// The object of an upload; none if there is none.
async fn find_object(context: &Context, id: UploadId) -> anyhow::Result<Option<StoredObject>> {
    let asked = context
        .s3
        .head_object()
        .bucket(&context.upload_bucket)
        .key(id.object_key())
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await;
    let head = match asked.map_err(aws_sdk_s3::error::SdkError::into_service_error) {
        Ok(head) => head,
        Err(HeadObjectError::NotFound(_)) => return Ok(None),
        Err(other) => return Err(other).context("asking for the object"),
    };
    let size_bytes = head.content_length().and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
    let etag = head.e_tag().context("the object has no ETag")?.to_owned();
    let digest = head.checksum_sha256().and_then(|sha256| sha256.parse::<ContentDigest>().ok());
    // A composite over other parts than the plan's is no content digest; packaging computes one then.
    let plan = PartPlan::for_size(size_bytes).ok();
    let digest = digest.filter(|digest| plan.is_some_and(|plan| digest.follows(plan)));
    Ok(Some(StoredObject { size_bytes, etag, digest }))
}

async fn read_head(context: &Context, id: UploadId, object: &StoredObject) -> anyhow::Result<bytes::Bytes> {
    // A range of an empty object can't be satisfied.
    let Some(last) = object.size_bytes.min(HEAD_BYTES).checked_sub(1) else { return Ok(bytes::Bytes::new()) };
    let head = context
        .s3
        .get_object()
        .bucket(&context.upload_bucket)
        .key(id.object_key())
        .if_match(&object.etag)
        .range(format!("bytes=0-{last}"))
        .send()
        .await
        .context("reading the object's first bytes")?;
    Ok(head.body.collect().await.context("reading the object's first bytes")?.into_bytes())
}

async fn delete_object(context: &Context, id: UploadId) -> anyhow::Result<()> {
    let deletion = context.s3.delete_object().bucket(&context.upload_bucket).key(id.object_key());
    deletion.send().await.context("deleting the object")?;
    Ok(())
}

async fn request_packaging(context: &Context, content_id: ContentId) -> anyhow::Result<()> {
    let request = serde_json::to_string(&package_video::Request { content_id })?;
    let message = context.sqs.send_message().queue_url(&context.package_queue_url).message_body(request);
    message.send().await.context("asking for the content to be packaged")?;
    Ok(())
}
