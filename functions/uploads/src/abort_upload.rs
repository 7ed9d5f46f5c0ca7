use axum::extract::State;
use axum::http::StatusCode;
use http_api::{Caller, Conflict, NotFound, Path, Problem, Unauthenticated};
use library::{Removed, Upload, UploadId, UploadState};

use crate::Context;
use crate::owned::{own_upload, wrong_state};

/// Gives an upload up that still waits for parts, or takes one off the list that failed or is a duplicate.
///
/// What has become a video is deleted as a video.
#[utoipa::path(
    delete, path = "/uploads/{id}", operation_id = "abort_upload", tag = "uploads",
    security(("bearer" = [])),
    params(("id" = UploadId, Path, description = "The upload.")),
    responses(
        (status = 204, description = "It is gone."),
        Unauthenticated, NotFound, Conflict,
    )
)]
pub(crate) async fn abort_upload(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<UploadId>,
) -> Result<StatusCode, Problem> {
    let upload = own_upload(&context, &caller, id).await?;
    match upload.state {
        UploadState::Waiting => throw_parts_away(&context, &upload).await?,
        UploadState::Failed | UploadState::Duplicate => {}
        _ => return Err(wrong_state(&upload)),
    }
    match context.library()?.remove_upload(id).await? {
        Removed::Gone => Ok(StatusCode::NO_CONTENT),
        Removed::Kept(upload) => Err(wrong_state(&upload)),
    }
}

/// The parts go first, because without the record nobody could find them. If they have become an object meanwhile, the
/// completion has won: S3's event about the object is on its way, and needs the record.
async fn throw_parts_away(context: &Context, upload: &Upload) -> Result<(), Problem> {
    let multipart = context.multipart()?;
    multipart.abort(upload.id, &upload.s3_upload_id).await?;
    if multipart.object_size_bytes(upload.id).await?.is_some() {
        let detail = "That is not possible any more: all parts have arrived and the upload is complete.";
        return Err(Problem::conflict("upload-state", "Not possible in this state", detail));
    }
    Ok(())
}
