//! The three tables together, for what spans them.

use aws_sdk_dynamodb::Client;

use crate::contents::Contents;
use crate::uploads::Uploads;
use crate::videos::Videos;

/// The names of the three tables.
#[derive(Clone, Debug)]
pub struct Tables {
    /// The table of uploads.
    pub uploads: String,
    /// The table of contents.
    pub contents: String,
    /// The table of videos.
    pub videos: String,
}

/// The three tables. Its transitions each have a file: `start_processing`, `finish`, `fail` and `delete_video`.
#[derive(Clone, Debug)]
pub struct Library {
    pub(crate) client: Client,
    pub(crate) tables: Tables,
    /// The uploads.
    pub uploads: Uploads,
    /// The contents.
    pub contents: Contents,
    /// The videos.
    pub videos: Videos,
}

impl Library {
    /// The library in these tables.
    pub fn new(client: Client, tables: Tables) -> Self {
        Self {
            uploads: Uploads::new(client.clone(), &tables.uploads, &tables.contents),
            contents: Contents::new(client.clone(), &tables.contents),
            videos: Videos::new(client.clone(), &tables.videos),
            client,
            tables,
        }
    }
}
