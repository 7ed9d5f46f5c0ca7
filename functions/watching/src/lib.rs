//! Watching: who may have the media of a video, and the key that says so; who may watch live channels, as whom, which there
//! are, and how long who watched.

mod context;
pub mod create_media_key;
pub mod create_origin_secret;
mod custom_resource;
pub mod get_usage;
pub mod list_channels;
pub mod register_viewer;
pub mod rotate_ticket_key;
mod start_playback;

pub use context::Context;

use axum::Router;
use axum::routing::post;
use utoipa::OpenApi;

/// The routes for films, below the API's root. Those for live channels are with their functions, which share nothing.
pub fn router() -> Router<Context> {
    Router::new().route("/videos/{id}/playback", post(start_playback::start_playback))
}

/// The area's part of the API's document.
#[derive(Debug, OpenApi)]
#[openapi(paths(
    start_playback::start_playback,
    register_viewer::register_viewer,
    get_usage::get_usage,
    list_channels::list_channels,
))]
pub struct Document;

#[cfg(test)]
mod tests;
