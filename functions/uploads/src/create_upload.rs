use anyhow::Context as _;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use http_api::{
    Caller, Conflict, Forbidden, IdempotencyKeyReused, InvalidBody, Json, Problem, Publisher, Unauthenticated,
};
use library::{Created, Upload, UploadId};

use crate::Context;
use crate::idempotency_key::IdempotencyKey;
use crate::limits::RoleLimits;
use crate::new_upload::NewUpload;
use crate::owned::owner_id;
use crate::view::UploadView;

/// Begins an upload: plans its parts and picks its place.
///
/// A repeat under the same `Idempotency-Key` answers the upload that the first request began. What doesn't fit beside the caller's other
/// files is refused as `quota-exceeded`, and one more than may wait at once as `too-many-uploads`, both with their `quota`.
#[utoipa::path(
    post, path = "/uploads", operation_id = "create_upload", tag = "uploads",
    security(("bearer" = [])),
    params((
        "Idempotency-Key" = Option<String>, Header,
        description = "The client's name for this one intention, 1 to 255 printable ASCII characters."
    )),
    request_body = NewUpload,
    responses(
        (
            status = 201, description = "The upload, which waits for its parts.", body = UploadView,
            headers(("Location" = String, description = "Its address."))
        ),
        InvalidBody, Unauthenticated, Forbidden, Conflict, IdempotencyKeyReused,
    )
)]
pub(crate) async fn create_upload(
    State(context): State<Context>,
    Publisher(caller): Publisher,
    IdempotencyKey(key): IdempotencyKey,
    Json(request): Json<NewUpload>,
) -> Result<impl IntoResponse, Problem> {
    let upload = match key {
        None => create(&context, &caller, request).await?,
        Some(key) => create_once(&context, &caller, &key, request).await?,
    };
    let view = UploadView::new(upload)?;
    Ok((StatusCode::CREATED, [(LOCATION, format!("/api/uploads/{}", view.id()))], Json(view)))
}

async fn create(context: &Context, caller: &Caller, request: NewUpload) -> Result<Upload, Problem> {
    let limits = context.limits()?.of(caller);
    let mut upload = request.into_record(UploadId::new(), owner_id(caller), limits)?;
    begin(context, &mut upload).await?;
    let outcome = context.uploads.create(&upload, limits.total).await?;
    answer(context, limits, upload, outcome).await
}

/// The first request under a key creates the upload, and every other one finds it. Of two at the same time, each begins a
/// multipart upload in S3; the one whose record comes second throws its own away.
async fn create_once(
    context: &Context,
    caller: &Caller,
    key: &str,
    request: NewUpload,
) -> Result<Upload, Problem> {
    let limits = context.limits()?.of(caller);
    let owner_id = owner_id(caller);
    let id = UploadId::from_idempotency_key(&owner_id, key);
    let fingerprint = request.fingerprint()?;
    if let Some(earlier) = context.uploads.get(id).await? {
        return same_request(earlier, &fingerprint);
    }
    let mut upload = request.into_record(id, owner_id, limits)?;
    upload.request_fingerprint = Some(fingerprint);
    begin(context, &mut upload).await?;
    let outcome = context.uploads.create_once(&upload, limits.total).await?;
    answer(context, limits, upload, outcome).await
}

async fn answer(
    context: &Context,
    limits: RoleLimits,
    upload: Upload,
    outcome: Created,
) -> Result<Upload, Problem> {
    if outcome != Created::New {
        context.multipart()?.abort(upload.id, &upload.s3_upload_id).await?;
    }
    match outcome {
        Created::New => Ok(upload),
        Created::Exists(earlier) => {
            let fingerprint = upload.request_fingerprint.context("an id is taken that is made anew")?;
            same_request(*earlier, &fingerprint)
        }
        Created::Spent => Err(Problem::conflict(
            "upload-deleted",
            "The upload was deleted",
            "The upload that was begun under this Idempotency-Key has been deleted. Send another key.",
        )),
        Created::NoRoom(usage) => Err(limits.no_room(upload.size_bytes, usage)),
    }
}

async fn begin(context: &Context, upload: &mut Upload) -> anyhow::Result<()> {
    let multipart = context.multipart()?;
    upload.s3_upload_id = multipart.begin(upload.id, &upload.content_type, upload.checksum).await?;
    tracing::info!(upload_id = %upload.id, size_bytes = upload.size_bytes, "begun");
    Ok(())
}

fn same_request(earlier: Upload, fingerprint: &str) -> Result<Upload, Problem> {
    if earlier.request_fingerprint.as_deref() == Some(fingerprint) {
        Ok(earlier)
    } else {
        Err(Problem::idempotency_key_reused())
    }
}
