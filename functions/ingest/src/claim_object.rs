//! Finds out what an uploaded object is, and whether its bytes are known.

use anyhow::{Context as _, bail};
use aws_config::SdkConfig;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::Client as Sqs;
use cold_start::required_env;
use library::{
    Claim, ContentId, Lease, Library, Started, StoredObject, Tables, Upload, UploadId, UploadState,
};
use media::Container;
use std::time::Duration;

use crate::batch::{body, each_message, message_id};
use crate::uploaded_objects::UploadedObjects;
use crate::{clients, package_video, s3_event};

/// As long as the function may run: a worker that was killed is never waited for longer.
const LEASE: Duration = Duration::from_secs(30);

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
            tables: clients::tables_from_env()?,
            upload_bucket: required_env("UPLOAD_BUCKET")?,
            package_queue_url: required_env("PACKAGE_QUEUE_URL")?,
        })
    }
}

/// What a cold start builds.
#[derive(Clone, Debug)]
pub struct Context {
    library: Library,
    objects: UploadedObjects,
    sqs: Sqs,
    package_queue_url: String,
    /// How long a claim holds when its worker dies.
    pub lease: Duration,
}

impl Context {
    /// Builds the clients.
    pub fn new(sdk: &SdkConfig, environment: Environment) -> Self {
        Self {
            library: Library::new(clients::dynamodb(sdk), environment.tables),
            objects: UploadedObjects { s3: clients::s3(sdk), bucket: environment.upload_bucket },
            sqs: clients::sqs(sdk),
            package_queue_url: environment.package_queue_url,
            lease: LEASE,
        }
    }
}

/// Handles messages that S3 sent to the queue.
///
/// *Poison*, which fails until it is among the dead letters: a message that is no event of S3's. *Retried*: every call that AWS did not
/// answer well. *Done at once*: an object that is no upload or is gone already; an upload that is past checking, whose
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
    let Some(object) = context.objects.find(id).await? else {
        tracing::info!(upload_id = %id, "the object is gone");
        return Ok(());
    };
    match context.library.uploads.claim(id, lease).await? {
        Claim::Absent => remove_unused(context, id).await?,
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
        if !uploads.refuse(upload, lease.token, &reason).await? {
            bail!("the lease was lost");
        }
        tracing::info!(upload_id = %upload.id, reason, "refused");
        return context.objects.delete(upload.id).await;
    }
    let started = context.library.start_processing(upload, lease.token, &object).await?;
    tracing::info!(upload_id = %upload.id, size_bytes = object.size_bytes, ?started, "checked");
    match started {
        Started::Brought => request_packaging(context, upload.id.as_content()).await,
        Started::Joined | Started::Duplicate => context.objects.delete(upload.id).await,
        Started::Lost => bail!("the lease was lost"),
    }
}

/// Removes the object of an upload that has no use for it, whose worker died before it did. The object stays where it is the original
/// of a content: others may have a share in that although this upload is gone, is a duplicate or has joined another one since.
async fn remove_unused(context: &Context, id: UploadId) -> anyhow::Result<()> {
    if context.library.contents.get(id.as_content()).await?.is_some() {
        return Ok(());
    }
    tracing::warn!(upload_id = %id, "an object that is no content's is removed");
    context.objects.delete(id).await
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
            remove_unused(context, upload.id).await
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
    let head = context.objects.read_head(upload.id, object).await?;
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

async fn request_packaging(context: &Context, content_id: ContentId) -> anyhow::Result<()> {
    let request = serde_json::to_string(&package_video::Request { content_id, share: None })?;
    let message = context.sqs.send_message().queue_url(&context.package_queue_url).message_body(request);
    message.send().await.context("asking for the content to be packaged")?;
    Ok(())
}
