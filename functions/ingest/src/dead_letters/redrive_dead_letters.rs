use std::time::Duration;

use anyhow::Context as _;
use axum::extract::State;
use http_api::{Admin, Forbidden, InvalidBody, Json, Problem, Unauthenticated};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::{Context, DeadLetters, QueueName};

/// Well below the function's time. What is left then is moved by asking again.
const TIME: Duration = Duration::from_secs(15);

/// How long a message that is being moved is hidden: longer than moving it takes, in case this function dies at it.
const HIDDEN_SECONDS: i32 = 60;

/// Which queue.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redrive {
    /// Only the dead letters of this one; absent or null for all that can go back.
    queue: Option<RedrivableQueue>,
}

/// A queue of dead letters that can go back to where they failed.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RedrivableQueue {
    /// S3's events about uploads.
    UploadEvents,
    /// Requests to package.
    Package,
    /// Requests to encode.
    Encode,
}

impl From<RedrivableQueue> for QueueName {
    fn from(queue: RedrivableQueue) -> Self {
        match queue {
            RedrivableQueue::UploadEvents => Self::UploadEvents,
            RedrivableQueue::Package => Self::Package,
            RedrivableQueue::Encode => Self::Encode,
        }
    }
}

/// What was moved.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Redriven {
    queues: Vec<RedrivenQueue>,
}

/// What was moved of one queue.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RedrivenQueue {
    name: QueueName,
    /// How many messages went back.
    moved: u32,
    /// Whether none was left to move. If not, ask again.
    done: bool,
}

/// Gives dead letters back to where they failed, after the cause is mended: another try for each. For admins.
///
/// It can be repeated. A message that breaks off while it is moved comes twice, which its receivers bear. Contents that were given
/// up are taken up again by their messages.
#[utoipa::path(
    post, path = "/admin/dead-letters/redrive", operation_id = "redrive_dead_letters", tag = "admin",
    security(("bearer" = [])),
    request_body = Redrive,
    responses(
        (status = 200, description = "What was moved.", body = Redriven),
        InvalidBody, Unauthenticated, Forbidden,
    )
)]
pub(crate) async fn redrive_dead_letters(
    State(context): State<Context>,
    Admin(admin): Admin,
    Json(request): Json<Redrive>,
) -> Result<Json<Redriven>, Problem> {
    let until = Instant::now() + TIME;
    let only = request.queue.map(QueueName::from);
    let mut queues = Vec::new();
    for queue in &context.queues {
        if only.is_some_and(|name| name != queue.name) {
            continue;
        }
        let Some(source_url) = &queue.source_url else { continue };
        let moved = give_back(&context, queue, source_url, until).await?;
        tracing::info!(queue = ?queue.name, moved.moved, moved.done, user_id = admin.user_id, "re-driven");
        queues.push(moved);
    }
    Ok(Json(Redriven { queues }))
}

async fn give_back(
    context: &Context,
    queue: &DeadLetters,
    source_url: &str,
    until: Instant,
) -> anyhow::Result<RedrivenQueue> {
    let mut moved = 0;
    while Instant::now() < until {
        let received = context.sqs.receive_message().queue_url(&queue.url).max_number_of_messages(10);
        let received =
            received.visibility_timeout(HIDDEN_SECONDS).send().await.context("taking dead letters")?;
        if received.messages().is_empty() {
            return Ok(RedrivenQueue { name: queue.name, moved, done: true });
        }
        for message in received.messages() {
            let body = message.body().context("a message has a body")?;
            let handle = message.receipt_handle().context("a message has a handle")?;
            let sent = context.sqs.send_message().queue_url(source_url).message_body(body);
            sent.send().await.context("giving a dead letter back")?;
            // Only now: what breaks in between is sent twice rather than not at all.
            let deletion = context.sqs.delete_message().queue_url(&queue.url).receipt_handle(handle);
            deletion.send().await.context("deleting a dead letter")?;
            moved += 1;
        }
    }
    Ok(RedrivenQueue { name: queue.name, moved, done: false })
}
