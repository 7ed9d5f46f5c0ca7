use axum::extract::State;
use http_api::{Admin, Forbidden, InvalidRequest, Json, Page, PageQuery, Problem, Query, Unauthenticated};
use library::{ContentId, Cursor, Timestamp, Upload, UploadId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Context;

/// An upload of somebody that became no video.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FailedJob {
    upload_id: UploadId,
    /// Whose it is.
    owner_id: UserId,
    /// What the video would have been called.
    name: String,
    /// What the file was called on its owner's machine.
    file_name: String,
    size_bytes: u64,
    /// What its owner is told.
    reason: String,
    created_at: Timestamp,
    /// When it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failed_at: Option<Timestamp>,
    /// The content that it belongs to, by which logs name it; none if it was refused before it had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    content_id: Option<ContentId>,
    /// Whether it may be retried, by its owner or an admin.
    retryable: bool,
    /// Until when, where it may.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_until: Option<Timestamp>,
}

impl From<Upload> for FailedJob {
    fn from(upload: Upload) -> Self {
        let retryable = upload.may_be_retried();
        Self {
            upload_id: upload.id,
            owner_id: upload.owner_id,
            name: upload.name,
            file_name: upload.file_name,
            size_bytes: upload.size_bytes,
            reason: upload.reason.unwrap_or_default(),
            created_at: upload.created_at,
            failed_at: upload.failed_at,
            content_id: upload.content_id,
            retryable,
            retry_until: upload.retry_until.filter(|_| retryable),
        }
    }
}

/// Lists failed uploads of everybody, the newest upload first. For admins.
#[utoipa::path(
    get, path = "/admin/jobs", operation_id = "list_jobs", tag = "admin",
    security(("bearer" = [])),
    params(PageQuery),
    responses(
        (status = 200, description = "A page of them.", body = Page<FailedJob>),
        InvalidRequest, Unauthenticated, Forbidden,
    )
)]
pub(crate) async fn list_jobs(
    State(context): State<Context>,
    Admin(_caller): Admin,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<FailedJob>>, Problem> {
    let cursor = query.cursor.as_deref().map(Cursor::decode).transpose();
    let cursor = cursor.map_err(|error| Problem::invalid_field("cursor", error.to_string()))?;
    let page = context.uploads.newest_failed(query.limit.get(), cursor).await?;
    let items = page.items.into_iter().map(FailedJob::from).collect();
    Ok(Json(Page { items, next_cursor: page.next.map(Cursor::encode) }))
}
