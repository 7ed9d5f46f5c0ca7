//! Watching: who may have the media of a video, and the key that says so.

mod context;
pub mod create_media_key;
mod start_playback;

pub use context::Context;

use axum::Router;
use axum::routing::post;
use utoipa::OpenApi;

/// The area's routes, below the API's root.
pub fn router() -> Router<Context> {
    Router::new().route("/videos/{id}/playback", post(start_playback::start_playback))
}

/// The area's part of the API's document.
#[derive(Debug, OpenApi)]
#[openapi(paths(start_playback::start_playback))]
pub struct Document;

#[cfg(test)]
mod tests;
