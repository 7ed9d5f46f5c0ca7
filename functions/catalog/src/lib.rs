//! The catalog: the videos that one can find, show, edit and delete.

mod context;
mod delete_video;
mod get_video;
mod list_videos;
mod update_video;
mod video;

pub use context::{Context, Environment};

use axum::Router;
use axum::routing::get;
use utoipa::OpenApi;

/// The area's routes, below the API's root.
pub fn router() -> Router<Context> {
    let video =
        get(get_video::get_video).patch(update_video::update_video).delete(delete_video::delete_video);
    Router::new().route("/videos", get(list_videos::list_videos)).route("/videos/{id}", video)
}

/// The area's part of the API's document.
#[derive(Debug, OpenApi)]
#[openapi(paths(
    list_videos::list_videos,
    get_video::get_video,
    update_video::update_video,
    delete_video::delete_video
))]
pub struct Document;

#[cfg(test)]
mod tests;
