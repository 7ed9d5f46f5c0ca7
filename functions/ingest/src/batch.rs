//! Batches of queue messages, each of which fails or succeeds alone.

use std::time::Duration;

use anyhow::Context as _;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::future::join_all;

/// Handles all messages at the same time. One that fails is logged with the whole chain of its error and reported to
/// Lambda, which leaves it in the queue; the others are done.
///
/// # Errors
/// A message without an id, which could not be reported.
pub(crate) async fn each_message(
    event: &SqsEvent,
    handle: impl AsyncFn(&SqsMessage) -> anyhow::Result<()>,
) -> anyhow::Result<SqsBatchResponse> {
    let outcomes = join_all(event.records.iter().map(async |message| {
        let outcome = handle(message).await;
        (message, outcome)
    }));
    let mut response = SqsBatchResponse::default();
    for (message, outcome) in outcomes.await {
        if let Err(error) = outcome {
            let message_id = message_id(message)?;
            tracing::error!(
                message_id,
                error = format!("{error:#}"),
                "a message failed and stays in the queue"
            );
            response.add_failure(message_id);
        }
    }
    Ok(response)
}

/// The id that SQS gave the message when it was sent. It stays the same however often the message comes.
pub(crate) fn message_id(message: &SqsMessage) -> anyhow::Result<&str> {
    message.message_id.as_deref().context("a queue message has no id")
}

/// What the message says.
pub(crate) fn body(message: &SqsMessage) -> anyhow::Result<&str> {
    message.body.as_deref().context("a queue message has no body")
}

/// How often SQS has delivered the message, this time included.
pub(crate) fn deliveries(message: &SqsMessage) -> u32 {
    let received = message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok());
    received.unwrap_or(1)
}

/// How long a message that failed is to wait: 5 seconds after the first failure, twice as long after each further one, 5 minutes
/// at most.
pub(crate) fn backoff(message: &SqsMessage) -> Duration {
    let failures = deliveries(message).clamp(1, 16);
    Duration::from_secs(5 << (failures - 1)).min(Duration::from_secs(300))
}
