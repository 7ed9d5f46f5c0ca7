use axum::extract::State;
use http_api::{Caller, Conflict, Json, NotFound, Path, Problem, Unauthenticated};
use library::{UploadId, UploadState};

use crate::Context;
use crate::owned::{visible_upload, wrong_state};
use crate::view::UploadView;

/// Has an upload processed again that failed in processing and says `retryable`. For its owner and admins; it can be repeated.
///
/// The bytes are still there. If the same bytes were uploaded again meanwhile, the upload joins that content, or is a duplicate
/// if its owner has it already.
#[utoipa::path(
    post, path = "/uploads/{id}/retry", operation_id = "retry_upload", tag = "uploads",
    security(("bearer" = [])),
    params(("id" = UploadId, Path, description = "The upload.")),
    responses(
        (status = 200, description = "The upload, which is on its way again, or further.", body = UploadView),
        Unauthenticated, NotFound, Conflict,
    )
)]
pub(crate) async fn retry_upload(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<UploadId>,
) -> Result<Json<UploadView>, Problem> {
    let upload = visible_upload(&context, &caller, id).await?;
    if upload.state == UploadState::Failed && !context.library()?.retry(&upload).await? {
        // It may have been retried, or removed, since it was read; otherwise it failed for good.
        let upload = context.uploads.get(id).await?.ok_or_else(Problem::not_found)?;
        if upload.state == UploadState::Failed {
            return Err(not_retryable());
        }
    }
    let upload = context.uploads.get(id).await?.ok_or_else(Problem::not_found)?;
    match upload.state {
        UploadState::Waiting | UploadState::Uploaded | UploadState::Checking => {
            return Err(wrong_state(&upload));
        }
        UploadState::Failed => return Err(not_retryable()),
        UploadState::Processing => {
            let content_id = upload.content_id.ok_or_else(Problem::not_found)?;
            let content = context.library()?.contents.get(content_id).await?;
            // Also when an earlier request took it up again: that one may have died before it had asked.
            if content.is_some_and(|content| content.awaits_packaging()) {
                context.package_queue()?.ask(content_id).await?;
            }
            tracing::info!(upload_id = %id, %content_id, "another try");
        }
        UploadState::Duplicate | UploadState::Ready => {}
    }
    Ok(Json(UploadView::new(upload)?))
}

fn not_retryable() -> Problem {
    let detail = "Another try would end alike, or comes too late. The reason is on the upload.";
    Problem::conflict("not-retryable", "Not retryable", detail)
}
