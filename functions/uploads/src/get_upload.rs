use axum::extract::State;
use http_api::{Caller, Json, NotFound, Path, Problem, Unauthenticated};
use library::{TaskName, Upload, UploadId, UploadState};

use crate::Context;
use crate::owned::{ensure_waiting, visible_upload};
use crate::view::{EncodingView, UploadView, UploadedPart};

/// Shows an upload, with the parts that have arrived while it waits for more, and how far its encoding is while it is encoded.
///
/// Whoever resumes an upload asks here which parts are missing.
#[utoipa::path(
    get, path = "/uploads/{id}", operation_id = "get_upload", tag = "uploads",
    security(("bearer" = [])),
    params(("id" = UploadId, Path, description = "The upload.")),
    responses(
        (status = 200, description = "The upload.", body = UploadView),
        Unauthenticated, NotFound,
    )
)]
pub(crate) async fn get_upload(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<UploadId>,
) -> Result<Json<UploadView>, Problem> {
    let upload = visible_upload(&context, &caller, id).await?;
    if ensure_waiting(&upload).is_err() {
        let encoding = encoding(&context, &upload).await?;
        return Ok(Json(UploadView::new(upload)?.with_encoding(encoding)));
    }
    let parts = arrived(&context, &upload).await?;
    Ok(Json(UploadView::new(upload)?.with_parts(parts)))
}

/// How far the encoding of an upload's content is that can't be watched before.
async fn encoding(context: &Context, upload: &Upload) -> anyhow::Result<Option<EncodingView>> {
    let (UploadState::Processing, Some(content_id)) = (upload.state, upload.content_id) else {
        return Ok(None);
    };
    let counted = context.contents.pieces_left(content_id, TaskName::Encode).await?;
    Ok(counted.map(|(pieces, pieces_left)| EncodingView { pieces, pieces_left }))
}

/// The parts that S3 has. When it has put them together already, and the record doesn't say so yet, all of them: then
/// nothing is sent again, and completing finds that it is done.
async fn arrived(context: &Context, upload: &Upload) -> anyhow::Result<Vec<UploadedPart>> {
    let multipart = context.multipart()?;
    if let Some(parts) = multipart.parts(upload).await? {
        return Ok(parts.into_iter().map(UploadedPart::from).collect());
    }
    let object_size_bytes = multipart.object_size_bytes(upload.id).await?;
    let is_whole = object_size_bytes == Some(upload.size_bytes);
    Ok(if is_whole { UploadedPart::all(upload.plan()?) } else { Vec::new() })
}
