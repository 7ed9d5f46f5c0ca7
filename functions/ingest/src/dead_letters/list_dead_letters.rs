use anyhow::Context as _;
use aws_sdk_sqs::types::MessageSystemAttributeName::SentTimestamp;
use axum::extract::State;
use futures_util::future::try_join_all;
use http_api::{Admin, Forbidden, Json, Problem, Unauthenticated};
use serde::Serialize;
use utoipa::ToSchema;

use super::message::DeadLetter;
use super::{Context, DeadLetters, QueueName};

/// What SQS gives at once.
const MESSAGES: i32 = 10;

/// All dead letters, queue by queue.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AllDeadLetters {
    queues: Vec<QueueOfDeadLetters>,
}

/// The dead letters of one queue.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct QueueOfDeadLetters {
    name: QueueName,
    /// How many there are, about.
    count: u64,
    /// Whether they can be given back to where they failed. What can't is taken up by the reconciler, or by the command `redrive`.
    redrivable: bool,
    /// Some of them.
    #[schema(max_items = 10)]
    messages: Vec<DeadLetter>,
}

/// Shows what failed for good: how many messages each dead-letter queue holds, and what some of them are about. For admins.
///
/// Looking hides no message from anybody.
#[utoipa::path(
    get, path = "/admin/dead-letters", operation_id = "list_dead_letters", tag = "admin",
    security(("bearer" = [])),
    responses((status = 200, description = "Each queue.", body = AllDeadLetters), Unauthenticated, Forbidden)
)]
pub(crate) async fn list_dead_letters(
    State(context): State<Context>,
    Admin(_caller): Admin,
) -> Result<Json<AllDeadLetters>, Problem> {
    let queues = try_join_all(context.queues.iter().map(|queue| look(&context, queue))).await?;
    Ok(Json(AllDeadLetters { queues }))
}

async fn look(context: &Context, queue: &DeadLetters) -> anyhow::Result<QueueOfDeadLetters> {
    let count = context.count(&queue.url).await?;
    // Visible again at once. There is no queue behind this one that a message could go to for having been looked at often.
    let received = context.sqs.receive_message().queue_url(&queue.url).visibility_timeout(0);
    let received = received
        .max_number_of_messages(MESSAGES)
        .wait_time_seconds(0)
        .message_system_attribute_names(SentTimestamp)
        .send()
        .await
        .context("looking at dead letters")?;
    let mut messages: Vec<_> =
        received.messages().iter().map(|message| DeadLetter::of(queue.name, message)).collect();
    messages.sort_by(|a, b| a.order().cmp(&b.order()));
    messages.dedup();
    let redrivable = !matches!(queue.name, QueueName::Remove | QueueName::Plan);
    Ok(QueueOfDeadLetters { name: queue.name, count, redrivable, messages })
}
