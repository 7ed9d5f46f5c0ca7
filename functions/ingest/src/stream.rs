//! The stream of the contents' table. Filters see to it that a function gets changes of contents in a certain state only.

use anyhow::Context as _;
use items::Text;
use library::ContentId;
use serde::Deserialize;

/// What is read of a change in the table of contents.
#[derive(Clone, Debug, Deserialize)]
pub struct ContentChange {
    #[serde(rename = "NewImage")]
    new_image: Image,
}

#[derive(Clone, Debug, Deserialize)]
struct Image {
    content_id: Text,
}

impl ContentChange {
    /// The content that changed.
    pub(crate) fn content_id(&self) -> anyhow::Result<ContentId> {
        let id = &self.new_image.content_id.text;
        id.parse().with_context(|| format!("a change names no content: {id}"))
    }
}
