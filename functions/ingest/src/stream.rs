//! Records of the stream of the contents' table. Filters see to it that a function gets those of contents in a certain state only.

use library::ContentId;
use serde::{Deserialize, Serialize};

/// What the stream tells. Only what is read here is deserialised.
#[derive(Clone, Debug, Deserialize)]
pub struct StreamEvent {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Clone, Debug, Deserialize)]
struct Record {
    dynamodb: Change,
}

#[derive(Clone, Debug, Deserialize)]
struct Change {
    #[serde(rename = "SequenceNumber")]
    sequence_number: String,
    #[serde(rename = "NewImage")]
    new_image: Image,
}

#[derive(Clone, Debug, Deserialize)]
struct Image {
    content_id: Text,
}

#[derive(Clone, Debug, Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

/// Handles the contents that the records name, in the stream's order, up to the first that fails: that one is logged with the whole
/// chain of its error and comes again, with all that follow.
pub(crate) async fn each_content(
    event: StreamEvent,
    handle: impl AsyncFn(ContentId) -> anyhow::Result<()>,
) -> StreamResponse {
    let mut response = StreamResponse::default();
    for Record { dynamodb: change } in event.records {
        let content_id = &change.new_image.content_id.text;
        let outcome = match content_id.parse() {
            Ok(content_id) => handle(content_id).await,
            Err(error) => Err(anyhow::Error::new(error).context("a record names no content")),
        };
        if let Err(error) = outcome {
            tracing::error!(
                content_id,
                error = format!("{error:#}"),
                "a record failed and the stream comes again from there"
            );
            response.batch_item_failures.push(StreamFailure { item_identifier: change.sequence_number });
            break;
        }
    }
    response
}

/// From which record on the stream is to come again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamResponse {
    /// The first record that failed; empty when none did.
    pub batch_item_failures: Vec<StreamFailure>,
}

/// A record that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamFailure {
    /// Its sequence number in the stream.
    pub item_identifier: String,
}
