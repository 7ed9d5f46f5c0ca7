//! What failed for good, for admins: what lies in the dead-letter queues, and another try for it.
//!
//! Whether somebody is an admin is told by their token alone, which lives for minutes. To ask Cognito as well would link its client, the
//! slowest and largest of the SDK, into every function of ingest; and nothing here shows or does what can't be taken back.

mod list_dead_letters;
mod message;
mod redrive_dead_letters;

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_sdk_sqs::Client as Sqs;
use axum::Router;
use axum::routing::{get, post};
use cold_start::required_env;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::clients;

/// A queue of dead letters, by what its messages ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum QueueName {
    /// S3's events about uploads.
    UploadEvents,
    /// Requests to package.
    Package,
    /// Requests to encode.
    Encode,
    /// Records of contents that are to be removed. The stream was read past them, so the messages can't be given back.
    Remove,
    /// Records of contents whose encoding is to be planned. As for `remove`.
    Plan,
}

/// One of them.
#[derive(Clone, Debug)]
struct DeadLetters {
    name: QueueName,
    url: String,
    /// Where its messages came from. None where they can't go back, and in a function that moves none.
    source_url: Option<String>,
}

/// What a cold start builds.
#[derive(Clone, Debug)]
pub struct Context {
    sqs: Sqs,
    queues: Vec<DeadLetters>,
}

impl Context {
    /// Builds the client, and reads what the function with this handler's name needs of the environment.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env(sdk: &SdkConfig, handler: &str) -> anyhow::Result<Self> {
        let redrives = handler == "redrive_dead_letters";
        let queue = |name, prefix: &str, goes_back: bool| {
            let source = format!("{prefix}_QUEUE_URL");
            anyhow::Ok(DeadLetters {
                name,
                url: required_env(&format!("{prefix}_DEAD_LETTERS_URL"))?,
                source_url: (goes_back && redrives).then(|| required_env(&source)).transpose()?,
            })
        };
        let mut queues = vec![
            queue(QueueName::UploadEvents, "UPLOAD_EVENTS", true)?,
            queue(QueueName::Package, "PACKAGE", true)?,
            queue(QueueName::Encode, "ENCODE", true)?,
        ];
        if !redrives {
            queues.push(queue(QueueName::Remove, "REMOVE", false)?);
            queues.push(queue(QueueName::Plan, "PLAN", false)?);
        }
        Ok(Self { sqs: clients::sqs(sdk), queues })
    }

    /// How many messages a queue holds, about.
    async fn count(&self, url: &str) -> anyhow::Result<u64> {
        use aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages;
        let asked =
            self.sqs.get_queue_attributes().queue_url(url).attribute_names(ApproximateNumberOfMessages);
        let asked = asked.send().await.context("counting dead letters")?;
        let count = asked.attributes.unwrap_or_default().remove(&ApproximateNumberOfMessages);
        Ok(count.and_then(|count| count.parse().ok()).unwrap_or(0))
    }
}

/// The routes, below the API's root.
pub fn router() -> Router<Context> {
    Router::new()
        .route("/admin/dead-letters", get(list_dead_letters::list_dead_letters))
        .route("/admin/dead-letters/redrive", post(redrive_dead_letters::redrive_dead_letters))
}

/// Their part of the API's document.
#[derive(Debug, OpenApi)]
#[openapi(paths(list_dead_letters::list_dead_letters, redrive_dead_letters::redrive_dead_letters))]
pub struct Document;
