//! What is live, and how long who was delivered it.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::fake_aws::FakeAws;
use super::viewers::{by_an_admin, send};
use crate::context::now_ms;
use crate::{get_usage, list_channels};

const GET_USAGE: &str = include_str!("../../../../events/get-usage.json");
const LIST_CHANNELS: &str = include_str!("../../../../events/list-channels.json");

/// Whoever sends the events.
const CALLER: &str = "7c1e0a52-90f1-70d3-3b1c-5a2f6e3d9b48";

async fn usage(aws: &FakeAws, event: &Value) -> (StatusCode, String) {
    let context = get_usage::Context::new(&aws.sdk(), "viewers", "usage", "relays");
    send(get_usage::router(context), event).await
}

fn event(viewer: &str) -> Value {
    let mut event: Value = serde_json::from_str(GET_USAGE).expect("events are JSON");
    let path = format!("/api/usage/{viewer}");
    event["rawPath"] = json!(path);
    event["requestContext"]["http"]["path"] = json!(path);
    event["pathParameters"]["user_id"] = json!(viewer);
    event
}

/// A minute's segment of a session that ended, or one that began two minutes ago and goes on.
fn segment(viewer: &str, session: u64, channel: &str, is_open: bool) -> Value {
    let number = |ms: u64| json!({ "N": ms.to_string() });
    let now_ms = now_ms();
    let hour_s = (now_ms - 600_000) / 3_600_000 * 3_600;
    let interval = json!({ "L": [number(now_ms - 600_000), number(now_ms - 540_000)] });
    let mut segment = json!({
        "viewer_id": { "S": viewer }, "segment": { "S": format!("{hour_s:010}#task#{session}") },
        "channel": { "S": channel }, "intervals": { "L": [interval] }, "seen_ms": number(now_ms - 540_000),
        "version": number(1), "expires_at": number(0),
    });
    if is_open {
        segment["open_since_ms"] = number(now_ms - 120_000);
    }
    segment
}

#[tokio::test]
async fn usage_is_one_line_of_seconds_by_channel_in_order() {
    let aws = FakeAws::default();
    aws.state(|state| {
        state.keep("usage", segment(CALLER, 0, "zato02", false));
        state.keep("usage", segment(CALLER, 1, "zato01", false));
        state.keep("usage", segment(CALLER, 2, "zato01", false));
        state.keep("usage", segment("somebody-else", 3, "zato03", false));
    });
    let expected = "{\"sessions\":{\"zato01\":120,\"zato02\":60}}\n".to_owned();
    assert_eq!(usage(&aws, &event(CALLER)).await, (StatusCode::OK, expected));
}

#[tokio::test]
async fn what_goes_on_counts_as_far_as_its_relay_says() {
    let aws = FakeAws::default();
    let beat_ms = now_ms() - 60_000;
    aws.state(|state| {
        state.keep("usage", segment(CALLER, 0, "zato01", true));
        state.keep(
            "relays",
            json!({
                "task_id": { "S": "task" }, "part": { "S": "beat" }, "beat_ms": { "N": beat_ms.to_string() },
                "quiet": { "M": {} }, "expires_at": { "N": "0" },
            }),
        );
    });
    let (_, line) = usage(&aws, &event(CALLER)).await;
    // A minute that ended, and one until the relay died, and half a second.
    assert!(
        ["120", "121"].iter().any(|seconds| line == format!("{{\"sessions\":{{\"zato01\":{seconds}}}}}\n")),
        "{line}"
    );
}

#[tokio::test]
async fn callers_see_viewers_of_their_own_and_admins_all() {
    let aws = FakeAws::default();
    let own = json!({ "viewer_id": { "S": "tv" }, "owner_id": { "S": CALLER } });
    let other = json!({ "viewer_id": { "S": "radio" }, "owner_id": { "S": "somebody" } });
    aws.state(|state| {
        state.keep("viewers", own);
        state.keep("viewers", other);
    });
    let nothing = "{\"sessions\":{}}\n".to_owned();
    for mine in [CALLER, "tv"] {
        assert_eq!(usage(&aws, &event(mine)).await, (StatusCode::OK, nothing.clone()), "{mine}");
    }
    for not_mine in ["radio", "nobody-has-it"] {
        assert_eq!(usage(&aws, &event(not_mine)).await.0, StatusCode::FORBIDDEN, "{not_mine}");
        assert_eq!(usage(&aws, &by_an_admin(event(not_mine))).await.0, StatusCode::OK, "{not_mine}");
    }
    assert_eq!(usage(&aws, &event(&"x".repeat(65))).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn channels_of_all_relays_are_listed_together() {
    let aws = FakeAws::default();
    let row = |task: &str, viewers: u64, age_ms: u64| {
        let at_ms = (now_ms() - age_ms).to_string();
        let channel =
            json!({ "bits_per_second": { "N": "2400000" }, "viewers": { "N": viewers.to_string() } });
        json!({
            "task_id": { "S": task }, "part": { "S": "channels#000" }, "at_ms": { "N": at_ms },
            "channels": { "M": { "zato01": { "M": channel } } }, "expires_at": { "N": "0" },
        })
    };
    aws.state(|state| {
        state.keep("relays", row("a", 1, 0));
        state.keep("relays", row("b", 2, 5_000));
        state.keep("relays", row("dead", 40, 25_000));
    });
    let context = list_channels::Context::new(&aws.sdk(), "relays");
    let event = serde_json::from_str(LIST_CHANNELS).expect("events are JSON");
    let (status, body) = send(list_channels::router(context), &event).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body, r#"{"items":[{"id":"zato01","bits_per_second":2400000,"viewers":3}]}"#);
}

#[tokio::test]
async fn a_storage_that_is_down_is_our_fault() {
    let aws = FakeAws::default();
    aws.state(|state| state.is_down = true);
    assert_eq!(usage(&aws, &event(CALLER)).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(usage(&aws, &event("tv")).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    let context = list_channels::Context::new(&aws.sdk(), "relays");
    let event = serde_json::from_str(LIST_CHANNELS).expect("events are JSON");
    assert_eq!(send(list_channels::router(context), &event).await.0, StatusCode::INTERNAL_SERVER_ERROR);
}
