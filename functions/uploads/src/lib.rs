//! Uploads: a file on its way from a publisher's machine to S3, part by part.
//!
//! The server plans the parts, picks the key and signs each part; the bytes go straight to S3. Which parts have arrived
//! is S3's to say, so an upload can be resumed from anywhere. S3's own id of a multipart upload never leaves the server.

mod abort_upload;
mod answer_challenge;
mod complete_upload;
mod context;
mod create_challenge;
mod create_upload;
mod get_quota;
mod get_upload;
mod idempotency_key;
mod limits;
mod list_account_uploads;
mod list_jobs;
mod list_uploads;
mod missing_parts;
mod multipart;
mod new_upload;
mod owned;
mod package_queue;
mod possession;
mod retry_upload;
mod sign_parts;
mod view;

pub use context::{Context, Environment};
pub use limits::{LimitsByRole, RoleLimits};

use axum::Router;
use axum::routing::{get, post};
use utoipa::OpenApi;

/// The area's routes, below the API's root.
pub fn router() -> Router<Context> {
    Router::new()
        .route("/uploads", post(create_upload::create_upload).get(list_uploads::list_uploads))
        .route("/quota", get(get_quota::get_quota))
        .route("/admin/accounts/{id}/uploads", get(list_account_uploads::list_account_uploads))
        .route("/uploads/{id}", get(get_upload::get_upload).delete(abort_upload::abort_upload))
        .route("/uploads/{id}/parts", post(sign_parts::sign_parts))
        .route("/uploads/{id}/complete", post(complete_upload::complete_upload))
        .route("/admin/jobs", get(list_jobs::list_jobs))
        .route("/uploads/{id}/retry", post(retry_upload::retry_upload))
        .route("/uploads/{id}/challenge", post(create_challenge::create_challenge))
        .route("/uploads/{id}/proof", post(answer_challenge::answer_challenge))
}

/// The area's part of the API's document.
#[derive(Debug, OpenApi)]
#[openapi(paths(
    create_upload::create_upload,
    list_uploads::list_uploads,
    get_quota::get_quota,
    list_account_uploads::list_account_uploads,
    get_upload::get_upload,
    abort_upload::abort_upload,
    sign_parts::sign_parts,
    complete_upload::complete_upload,
    retry_upload::retry_upload,
    create_challenge::create_challenge,
    answer_challenge::answer_challenge,
    list_jobs::list_jobs
))]
pub struct Document;
