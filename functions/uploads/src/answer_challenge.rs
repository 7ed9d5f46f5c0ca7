use std::time::Duration;

use anyhow::Context as _;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_api::{
    Caller, Conflict, Forbidden, InvalidBody, Json, NotFound, Path, PayloadTooLarge, Problem, Unauthenticated,
};
use library::{Challenge, Content, Proved, Upload, UploadId};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::Context;
use crate::owned::{ensure_allowed, ensure_waiting, own_upload, wrong_state};
use crate::possession;
use crate::view::UploadView;

/// Every refusal comes after this time: looking up a digest, reading a film and finding a wrong answer take different times.
pub(crate) const REFUSED_AFTER: Duration = Duration::from_secs(8);
/// How long the original may take to be read, so that a refusal is never later. It is a fraction of a second.
const READ_WITHIN: Duration = Duration::from_secs(6);

/// What shows that the client has the file.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    /// Standard base64 of the HMAC-SHA-256, under the nonce, of the bytes at the challenge's ranges one after another.
    hmac: String,
}

/// Takes the answer to the upload's challenge. If it is right and the file is stored, the upload is complete without its parts.
///
/// A challenge is answered once. A wrong answer, a file that is not stored and a challenge that is used up or expired are all refused
/// as `not-proved`, after the same time: go on sending parts.
#[utoipa::path(
    post, path = "/uploads/{id}/proof", operation_id = "answer_challenge", tag = "uploads",
    security(("bearer" = [])),
    params(("id" = UploadId, Path, description = "The upload, which waits for its parts.")),
    request_body = Answer,
    responses(
        (status = 200, description = "The upload, which is complete.", body = UploadView),
        InvalidBody, Unauthenticated, Forbidden, NotFound, Conflict, PayloadTooLarge,
    )
)]
pub(crate) async fn answer_challenge(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<UploadId>,
    Json(answer): Json<Answer>,
) -> Result<Json<UploadView>, Problem> {
    let started = Instant::now();
    let upload = own_upload(&context, &caller, id).await?;
    ensure_waiting(&upload)?;
    ensure_allowed(&context, &caller, &upload).await?;
    let outcome = match taken(&context, &upload).await {
        Some(challenge) if is_proved(&context, &upload, &challenge, &answer).await => {
            Some(context.library()?.join_proved(&upload, &challenge.digest).await?)
        }
        _ => None,
    };
    match outcome {
        Some(Proved::Joined | Proved::Duplicate) => {}
        Some(Proved::Past) => {
            let upload = context.uploads.get(id).await?.ok_or_else(Problem::not_found)?;
            return Err(wrong_state(&upload));
        }
        Some(Proved::Gone) | None => {
            tokio::time::sleep_until(started + context.refused_after).await;
            let detail = "This does not complete the upload. Send the parts of the file.";
            return Err(Problem::conflict("not-proved", "Not proved", detail));
        }
    }
    tracing::info!(upload_id = %id, ?outcome, size_bytes = upload.size_bytes, "completed without its bytes");
    throw_parts_away(&context, &upload).await;
    let upload = context.uploads.get(id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(UploadView::new(upload)?))
}

/// The challenge, which nobody else can answer from here on. What goes wrong is told to the log alone.
async fn taken(context: &Context, upload: &Upload) -> Option<Challenge> {
    match context.uploads.take_challenge(upload.id).await {
        Ok(challenge) => challenge,
        Err(error) => {
            tracing::error!(upload_id = %upload.id, error = format!("{error:#}"), "a challenge was not found");
            None
        }
    }
}

/// Whether the file is stored and the answer is right. An error would tell that there was something to read; it is told to the log
/// alone, and the answer is as good as wrong.
async fn is_proved(context: &Context, upload: &Upload, challenge: &Challenge, answer: &Answer) -> bool {
    let compared = tokio::time::timeout(READ_WITHIN, compare(context, upload, challenge, answer)).await;
    match compared.map_err(anyhow::Error::from) {
        Ok(Ok(is_right)) => is_right,
        Ok(Err(error)) | Err(error) => {
            tracing::error!(upload_id = %upload.id, error = format!("{error:#}"), "an answer was not compared");
            false
        }
    }
}

async fn compare(
    context: &Context,
    upload: &Upload,
    challenge: &Challenge,
    answer: &Answer,
) -> anyhow::Result<bool> {
    let Some(content) = context.library()?.known(&challenge.digest).await? else { return Ok(false) };
    if content.size_bytes != upload.size_bytes {
        return Ok(false);
    }
    let nonce = STANDARD.decode(&challenge.nonce).context("a nonce was stored that is no base64")?;
    let Ok(hmac) = STANDARD.decode(&answer.hmac) else { return Ok(false) };
    let Content { original_key, etag, size_bytes, .. } = content;
    let ranges = possession::ranges(&nonce, size_bytes);
    let bytes = context.multipart()?.read_object(&original_key, &etag, ranges).await?;
    Ok(possession::is_right(&nonce, &bytes, &hmac))
}

/// The upload is complete without them. If this fails, or the function dies before, S3 drops them a week after the upload began.
async fn throw_parts_away(context: &Context, upload: &Upload) {
    let aborted = async { context.multipart()?.abort(upload.id, &upload.s3_upload_id).await }.await;
    if let Err(error) = aborted {
        tracing::warn!(upload_id = %upload.id, error = format!("{error:#}"), "parts stay that nobody needs");
    }
}
