//! What S3 tells the queue about an object. Only what is read here is deserialised.

use anyhow::Context as _;
use percent_encoding::percent_decode_str;
use serde::Deserialize;

/// The body of a message that S3 sends. The test event, which S3 sends once when notifications are switched on, has no records.
#[derive(Debug, Deserialize)]
struct Notification {
    #[serde(default, rename = "Records")]
    records: Vec<Record>,
    #[serde(default, rename = "Event")]
    event: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Record {
    #[serde(rename = "eventName")]
    event_name: String,
    s3: Entity,
}

#[derive(Debug, Deserialize)]
struct Entity {
    object: Object,
}

#[derive(Debug, Deserialize)]
struct Object {
    key: String,
}

/// The keys of the objects that came into being, in the event's order.
///
/// # Errors
/// A body that is no event of S3's.
pub(crate) fn created_keys(body: &str) -> anyhow::Result<Vec<String>> {
    let notification: Notification = serde_json::from_str(body).context("the message is no event of S3's")?;
    let is_test = notification.event.as_deref() == Some("s3:TestEvent");
    anyhow::ensure!(is_test || !notification.records.is_empty(), "the event of S3's has no records");
    let created =
        notification.records.into_iter().filter(|record| record.event_name.starts_with("ObjectCreated:"));
    created.map(|record| decode_key(&record.s3.object.key)).collect()
}

/// Keys are spelled as in a form: `+` is a space, the rest percent-encoded.
fn decode_key(key: &str) -> anyhow::Result<String> {
    let key = key.replace('+', " ");
    Ok(percent_decode_str(&key).decode_utf8().context("the key of an object is not UTF-8")?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, keys: &[&str]) -> String {
        let records: Vec<_> = keys
            .iter()
            .map(|key| serde_json::json!({"eventName": name, "s3": {"bucket": {"name": "b"}, "object": {"key": key}}}))
            .collect();
        serde_json::json!({ "Records": records }).to_string()
    }

    #[test]
    fn every_created_object_is_named() {
        let body = event("ObjectCreated:CompleteMultipartUpload", &["media/a/original", "media/b/original"]);
        assert_eq!(created_keys(&body).expect("it is an event"), ["media/a/original", "media/b/original"]);
    }

    #[test]
    fn keys_are_decoded() {
        let body = event("ObjectCreated:Put", &["a+b%2Bc/%C3%A9%20.mp4"]);
        assert_eq!(created_keys(&body).expect("it is an event"), ["a b+c/é .mp4"]);
    }

    #[test]
    fn removed_objects_are_ignored() {
        assert!(created_keys(&event("ObjectRemoved:Delete", &["a"])).expect("it is an event").is_empty());
    }

    #[test]
    fn the_test_event_is_accepted() {
        let body = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-21T08:00:00.000Z","Bucket":"b"}"#;
        assert!(created_keys(body).expect("it is an event").is_empty());
    }

    #[test]
    fn anything_else_is_refused() {
        for body in ["", "{}", "[]", r#"{"Records":[]}"#, r#"{"Records":[{"eventName":"x"}]}"#, "no json"] {
            assert!(created_keys(body).is_err(), "{body}");
        }
    }
}
