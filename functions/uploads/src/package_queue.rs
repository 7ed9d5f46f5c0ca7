//! The queue of contents that are to be packaged.

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_sdk_sqs::Client as Sqs;
use cold_start::quick_calls;
use library::ContentId;
use serde::Serialize;

/// Asks the function that packages contents.
#[derive(Clone, Debug)]
pub(crate) struct PackageQueue {
    sqs: Sqs,
    url: String,
}

/// The body of a message, as the function reads it.
#[derive(Serialize)]
struct Request {
    content_id: ContentId,
}

impl PackageQueue {
    pub(crate) fn new(sdk: &SdkConfig, url: String) -> Self {
        let config = aws_sdk_sqs::config::Builder::from(sdk).timeout_config(quick_calls()).build();
        Self { sqs: Sqs::from_conf(config), url }
    }

    /// Asks for a content to be packaged. Asking twice has one effect.
    pub(crate) async fn ask(&self, content_id: ContentId) -> anyhow::Result<()> {
        let body = serde_json::to_string(&Request { content_id })?;
        let message = self.sqs.send_message().queue_url(&self.url).message_body(body);
        message.send().await.context("asking for the content to be packaged")?;
        Ok(())
    }
}
