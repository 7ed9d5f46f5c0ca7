//! The catalog: the videos that one can find, show, edit and delete.

mod context;
mod delete_video;
mod get_video;
mod list_videos;
mod update_video;
mod video;

pub use context::{Context, Environment};

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The area's routes, below the API's root.
pub fn router() -> OpenApiRouter<Context> {
    OpenApiRouter::new().routes(routes!(list_videos::list_videos)).routes(routes!(
        get_video::get_video,
        update_video::update_video,
        delete_video::delete_video
    ))
}

#[cfg(test)]
mod tests;
