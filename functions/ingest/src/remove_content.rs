//! Removes the objects of a content that nobody lists any more.

use anyhow::Context as _;
use aws_config::SdkConfig;
use cold_start::required_env;
use items::{StreamEvent, StreamResponse, each_change};
use library::{ContentId, ContentState, Contents, TaskName};

use crate::clients;
use crate::outputs::{Buckets, delete_outputs};
use crate::shared_copy;
use crate::stream::ContentChange;

/// What the function is told by its environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The table of contents.
    pub contents_table: String,
    /// The bucket that holds originals.
    pub upload_bucket: String,
    /// The bucket that holds outputs.
    pub media_bucket: String,
}

impl Environment {
    /// Reads it.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env() -> anyhow::Result<Self> {
        Ok(Self {
            contents_table: required_env("CONTENTS_TABLE")?,
            upload_bucket: required_env("UPLOAD_BUCKET")?,
            media_bucket: required_env("MEDIA_BUCKET")?,
        })
    }
}

/// What a cold start builds.
#[derive(Clone, Debug)]
pub struct Context {
    contents: Contents,
    buckets: Buckets,
}

impl Context {
    /// Builds the clients.
    pub fn new(sdk: &SdkConfig, environment: Environment) -> Self {
        Self {
            contents: Contents::new(clients::dynamodb(sdk), environment.contents_table),
            buckets: Buckets::new(sdk, environment.upload_bucket, environment.media_bucket),
        }
    }
}

/// Handles the stream's records of contents that became `removing`, in their order.
///
/// *Poison*, which fails until it is among the dead letters: a record that names no content. *Retried*: every call that AWS did not
/// answer well, with all records that follow, because the stream is read in order. *Done at once*: a content that is gone
/// already.
pub async fn handle(context: &Context, event: StreamEvent<ContentChange>) -> anyhow::Result<StreamResponse> {
    let remove = async |change: ContentChange| {
        let content_id = change.content_id()?;
        remove(context, content_id).await.with_context(|| format!("removing the content {content_id}"))
    };
    Ok(each_change(event, remove).await)
}

/// Removes the record last: while it is there, a repeat does everything again, and nobody can upload to the original's key.
async fn remove(context: &Context, content_id: ContentId) -> anyhow::Result<()> {
    match context.contents.get(content_id).await? {
        None => return Ok(()),
        Some(content) if content.state != ContentState::Removing => {
            tracing::warn!(%content_id, state = ?content.state, "the content is not to be removed");
            return Ok(());
        }
        Some(_) => {}
    }
    // First, so that whoever still works on them learns that it is for nothing.
    if let Some(copy) = context.contents.task(content_id, TaskName::Copy).await? {
        shared_copy::discard(&context.buckets, content_id, &copy).await?;
    }
    for name in TaskName::ALL {
        context.contents.end_task(content_id, name).await?;
    }
    delete_outputs(&context.buckets, content_id).await?;
    let key = content_id.original_key();
    let Buckets { s3, uploads, .. } = &context.buckets;
    s3.delete_object().bucket(uploads).key(&key).send().await.with_context(|| format!("deleting {key}"))?;
    context.contents.delete(content_id).await?;
    tracing::info!(%content_id, "removed");
    Ok(())
}
