//! Watching: who may have the media of a video, and the key that says so.

mod context;
pub mod create_media_key;
mod start_playback;

pub use context::Context;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The area's routes, below the API's root.
pub fn router() -> OpenApiRouter<Context> {
    OpenApiRouter::new().routes(routes!(start_playback::start_playback))
}

#[cfg(test)]
mod tests;
