use axum::extract::State;
use http_api::{
    Caller, Conflict, Forbidden, Json, NotFound, Path, PayloadTooLarge, Problem, Unauthenticated,
};
use library::{Upload, UploadId, UploadState};

use crate::Context;
use crate::missing_parts::problem_with;
use crate::multipart::Completion;
use crate::owned::{ensure_allowed, ensure_waiting, own_upload};
use crate::view::UploadView;

/// Has S3 put the parts together, once all of them are there. It can be repeated.
///
/// Limits that were lowered since it began are `quota-exceeded`, with the caller's `quota`; the parts stay.
#[utoipa::path(
    post, path = "/uploads/{id}/complete", operation_id = "complete_upload", tag = "uploads",
    security(("bearer" = [])),
    params(("id" = UploadId, Path, description = "The upload.")),
    responses(
        (status = 200, description = "The upload, which is complete.", body = UploadView),
        Unauthenticated, Forbidden, NotFound, Conflict, PayloadTooLarge,
    )
)]
pub(crate) async fn complete_upload(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<UploadId>,
) -> Result<Json<UploadView>, Problem> {
    let mut upload = own_upload(&context, &caller, id).await?;
    if upload.state == UploadState::Waiting {
        ensure_waiting(&upload)?;
        ensure_allowed(&context, &caller, &upload).await?;
        put_together(&context, &upload).await?;
        upload = context.uploads.mark_uploaded(&upload).await?.ok_or_else(Problem::not_found)?;
        tracing::info!(upload_id = %id, size_bytes = upload.size_bytes, "completed");
    }
    Ok(Json(UploadView::new(upload)?))
}

/// The checks are ours: S3 would join whatever parts it is told to.
async fn put_together(context: &Context, upload: &Upload) -> Result<(), Problem> {
    let multipart = context.multipart()?;
    let Some(parts) = multipart.parts(upload).await? else {
        return find_object(context, upload).await;
    };
    let plan = upload.plan().map_err(anyhow::Error::from)?;
    if let Some(detail) = problem_with(&parts, plan, upload.checksum) {
        return Err(Problem::conflict("part-missing", "Parts are missing", detail));
    }
    match multipart.complete(upload, parts).await? {
        Completion::Done => Ok(()),
        Completion::NoSuchUpload => find_object(context, upload).await,
        Completion::PartsChanged => {
            let detail = "Parts were sent again while the upload was being completed. Complete it again.";
            Err(Problem::conflict("part-missing", "Parts have changed", detail))
        }
    }
}

/// For a multipart upload that S3 doesn't know any more: another request has just completed it, or one did that died before it
/// could say so. Otherwise it was aborted.
async fn find_object(context: &Context, upload: &Upload) -> Result<(), Problem> {
    if context.multipart()?.object_size_bytes(upload.id).await? == Some(upload.size_bytes) {
        return Ok(());
    }
    // Between our read and now it may also have been claimed, found to be a duplicate and its object removed.
    let current = context.uploads.get(upload.id).await?.ok_or_else(Problem::not_found)?;
    match current.state {
        UploadState::Waiting => {
            let detail = "Its parts were thrown away. Upload the file again.";
            Err(Problem::conflict("upload-aborted", "Upload aborted", detail))
        }
        _ => Ok(()),
    }
}
