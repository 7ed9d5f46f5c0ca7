//! Batches that a table's stream brings to a function with `ReportBatchItemFailures`.

use serde::{Deserialize, Serialize};

/// Changes of items, in the stream's order. `T` is what is read of each: `Keys`, `NewImage`.
#[derive(Clone, Debug, Deserialize)]
pub struct StreamEvent<T> {
    #[serde(rename = "Records")]
    records: Vec<Record<T>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Record<T> {
    dynamodb: Change<T>,
}

#[derive(Clone, Debug, Deserialize)]
struct Change<T> {
    #[serde(rename = "SequenceNumber")]
    sequence_number: String,
    #[serde(flatten)]
    of: T,
}

/// A string attribute, as streams write it.
#[derive(Clone, Debug, Deserialize)]
pub struct Text {
    /// What it says.
    #[serde(rename = "S")]
    pub text: String,
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

/// Handles the changes up to the first that fails: that one is logged with the whole chain of its error and comes again, with all that
/// follow, because a stream is read in order.
pub async fn each_change<T>(
    event: StreamEvent<T>,
    handle: impl AsyncFn(T) -> anyhow::Result<()>,
) -> StreamResponse {
    let mut response = StreamResponse::default();
    for Record { dynamodb: Change { sequence_number, of } } in event.records {
        if let Err(error) = handle(of).await {
            let error = format!("{error:#}");
            tracing::error!(sequence_number, error, "a change failed and the stream comes again from there");
            response.batch_item_failures.push(StreamFailure { item_identifier: sequence_number });
            break;
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::json;

    use super::*;

    #[derive(Clone, Debug, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Named {
        keys: Keys,
    }

    #[derive(Clone, Debug, Deserialize)]
    struct Keys {
        id: Text,
    }

    fn event(ids: &[&str]) -> StreamEvent<Named> {
        let records = ids.iter().map(|id| {
            json!({ "eventName": "MODIFY", "dynamodb": {
                "SequenceNumber": format!("number of {id}"), "SizeBytes": 12,
                "Keys": { "id": { "S": id } }, "NewImage": { "id": { "S": id }, "size": { "N": "1" } },
            } })
        });
        serde_json::from_value(json!({ "Records": records.collect::<Vec<_>>() })).expect("it is an event")
    }

    #[tokio::test]
    async fn a_change_that_fails_comes_again_with_all_that_follow() {
        let handled = RefCell::new(Vec::new());
        let response = each_change(event(&["one", "two", "three"]), async |change: Named| {
            handled.borrow_mut().push(change.keys.id.text.clone());
            if change.keys.id.text == "two" { anyhow::bail!("no") } else { Ok(()) }
        });
        let response = serde_json::to_value(response.await).expect("it is JSON");
        assert_eq!(handled.into_inner(), ["one", "two"]);
        assert_eq!(response, json!({ "batchItemFailures": [{ "itemIdentifier": "number of two" }] }));
    }

    #[tokio::test]
    async fn nothing_comes_again_where_nothing_failed() {
        let response = each_change(event(&["one", "two"]), async |_| Ok(())).await;
        assert_eq!(response, StreamResponse::default());
    }
}
