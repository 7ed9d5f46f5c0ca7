//! Uploads: a file on its way from a publisher's machine to S3, part by part.
//!
//! The server plans the parts, picks the key and signs each part; the bytes go straight to S3. Which parts have arrived
//! is S3's to say, so an upload can be resumed from anywhere. S3's own id of a multipart upload never leaves the server.

mod abort_upload;
mod complete_upload;
mod context;
mod create_upload;
mod get_upload;
mod idempotency_key;
mod list_uploads;
mod missing_parts;
mod multipart;
mod new_upload;
mod owned;
mod sign_parts;
mod view;

pub use context::{Context, Creation, Environment};

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The area's routes, below the API's root.
pub fn router() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(create_upload::create_upload, list_uploads::list_uploads))
        .routes(routes!(get_upload::get_upload, abort_upload::abort_upload))
        .routes(routes!(sign_parts::sign_parts))
        .routes(routes!(complete_upload::complete_upload))
}
