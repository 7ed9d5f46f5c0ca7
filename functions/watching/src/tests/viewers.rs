//! Registering viewers, tickets and their keys.

use axum::Router;
use axum::body::to_bytes;
use axum::http::StatusCode;
use live::TicketKeys;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::fake_aws::FakeAws;
use crate::register_viewer::{self, Relay};
use crate::rotate_ticket_key;

const REGISTER_VIEWER: &str = include_str!("../../../../events/register-viewer.json");
const ROTATE_TICKET_KEY: &str = include_str!("../../../../events/rotate-ticket-key.json");

/// Whoever sends the event.
const CALLER: &str = "7c1e0a52-90f1-70d3-3b1c-5a2f6e3d9b48";
const OTHER: &str = "01937b2e-6c40-7f3a-9d12-4b8e5a7c6d21";

/// Sends an event to a router and answers status and body.
pub(super) async fn send(router: Router, event: &Value) -> (StatusCode, String) {
    let request = lambda_http::request::from_str(&event.to_string()).expect("events are the gateway's");
    let answer = http_api::app(router).oneshot(request).await.expect("a router never fails");
    let status = answer.status();
    let body = to_bytes(answer.into_body(), usize::MAX).await.expect("it is in memory");
    (status, String::from_utf8(body.to_vec()).expect("it is text"))
}

/// The event as if an admin had sent it.
pub(super) fn by_an_admin(mut event: Value) -> Value {
    event["requestContext"]["authorizer"]["jwt"]["claims"]["cognito:groups"] = json!("[admin]");
    event
}

fn event(body: &str) -> Value {
    let mut event: Value = serde_json::from_str(REGISTER_VIEWER).expect("events are JSON");
    event["body"] = json!(body);
    // The event is that of the text form.
    event["headers"]["accept"] = json!("*/*");
    event
}

async fn ask(aws: &FakeAws, event: &Value) -> (StatusCode, String) {
    let relay = Relay { host: "live.example".to_owned(), port: 9111 };
    let context = register_viewer::Context::new(&aws.sdk(), "viewers", "ticket-keys", Some(relay));
    send(register_viewer::router(context), event).await
}

async fn rotate(aws: &FakeAws) -> Result<(), String> {
    let context = rotate_ticket_key::Context::new(&aws.sdk(), "ticket-keys", aws.connector());
    let event = serde_json::from_str(ROTATE_TICKET_KEY).expect("it is what EventBridge sends");
    rotate_ticket_key::handle(&context, event).await.map_err(|error| error.to_string())
}

/// Makes the keys of a table older.
fn age_keys(aws: &FakeAws, days: u64) {
    aws.state(|state| {
        for item in state.items("ticket-keys") {
            let created_ms: u64 =
                item["created_ms"]["N"].as_str().expect("a number").parse().expect("a number");
            let mut item = item;
            item["created_ms"]["N"] = json!((created_ms - days * 86_400_000).to_string());
            state.keep("ticket-keys", item);
        }
    });
}

#[tokio::test]
async fn an_id_that_nobody_has_becomes_the_callers_and_stays_so() {
    let aws = FakeAws::default();
    for body in ["living-room\n", "living-room", "living-room\r\nmore\n"] {
        assert_eq!(ask(&aws, &event(body)).await, (StatusCode::OK, String::new()), "{body:?}");
    }
    let owners: Vec<_> = aws.state(|state| state.items("viewers"));
    assert!(owners.contains(&json!({ "viewer_id": { "S": "living-room" }, "owner_id": { "S": CALLER } })));
    assert_eq!(owners.len(), 2, "the viewer, and the account's count: {owners:?}");
}

#[tokio::test]
async fn what_is_no_id_is_refused() {
    let aws = FakeAws::default();
    for body in ["", "\n", " anna", "anna bell", "än", "\nanna", &"x".repeat(65)] {
        assert_eq!(ask(&aws, &event(body)).await.0, StatusCode::BAD_REQUEST, "{body:?}");
    }
}

#[tokio::test]
async fn other_methods_are_told_so() {
    let aws = FakeAws::default();
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let mut event = event("living-room");
        event["routeKey"] = json!("ANY /register");
        event["requestContext"]["http"]["method"] = json!(method);
        assert_eq!(ask(&aws, &event).await.0, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
}

#[tokio::test]
async fn an_id_of_somebody_else_is_refused_but_to_admins() {
    let aws = FakeAws::default();
    let taken = json!({ "viewer_id": { "S": "living-room" }, "owner_id": { "S": OTHER } });
    aws.state(|state| state.keep("viewers", taken.clone()));
    assert_eq!(ask(&aws, &event("living-room")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask(&aws, &by_an_admin(event("living-room"))).await.0, StatusCode::OK);
    assert!(aws.state(|state| state.items("viewers").contains(&taken)), "it stays whose it was");
}

#[tokio::test]
async fn the_ids_of_accounts_are_theirs_alone() {
    let aws = FakeAws::default();
    assert_eq!(ask(&aws, &event(CALLER)).await.0, StatusCode::OK);
    for other in [OTHER.to_owned(), OTHER.to_uppercase(), OTHER.replace('-', "")] {
        assert_eq!(ask(&aws, &event(&other)).await.0, StatusCode::FORBIDDEN, "{other}");
    }
    assert_eq!(ask(&aws, &by_an_admin(event(OTHER))).await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_account_has_fifty_viewers_at_most() {
    let aws = FakeAws::default();
    for number in 0..50 {
        assert_eq!(ask(&aws, &event(&format!("tv-{number}"))).await.0, StatusCode::OK, "{number}");
    }
    let (status, problem) = ask(&aws, &event("tv-50")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(problem.contains("urn:matinee:problem:too-many-viewers"), "{problem}");
    assert_eq!(ask(&aws, &event("tv-7")).await.0, StatusCode::OK, "those that it has are fine");
}

#[tokio::test]
async fn with_json_comes_what_a_viewers_line_needs() {
    let aws = FakeAws::default();
    rotate(&aws).await.expect("a key is made");
    let mut event = event("living-room");
    event["headers"]["accept"] = json!("text/html;q=0.1, application/json");
    let (status, body) = ask(&aws, &event).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let answer: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(
        (&answer["user_id"], &answer["host"], &answer["port"]),
        (&json!("living-room"), &json!("live.example"), &json!(9111))
    );
    assert!(answer["expires_at"].as_str().is_some_and(|moment| moment.ends_with('Z')), "{answer}");
    let client = crate::context::dynamodb(&aws.sdk());
    let keys = TicketKeys::new(client, "ticket-keys").verifying().await.expect("the keys are read");
    let (ticket, now_s) = (answer["ticket"].as_str().expect("a ticket"), crate::context::now_ms() / 1_000);
    let viewer = "living-room".parse().expect("an id");
    assert_eq!(keys.verify(ticket, &viewer, now_s), Ok(()));
    assert!(keys.verify(ticket, &viewer, now_s + 600 + 61).is_err());
}

#[tokio::test]
async fn a_storage_that_is_down_is_our_fault() {
    let aws = FakeAws::default();
    aws.state(|state| state.is_down = true);
    assert_eq!(ask(&aws, &event("living-room")).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(ask(&aws, &event("")).await.0, StatusCode::BAD_REQUEST, "that is theirs nevertheless");
}

#[tokio::test]
async fn a_key_is_made_once_a_month_and_deleted_after_two() {
    let aws = FakeAws::default();
    let count = || aws.state(|state| state.items("ticket-keys").len());
    for _ in 0..3 {
        rotate(&aws).await.expect("nothing is in the way");
        assert_eq!(count(), 2, "both halves of one key");
    }
    age_keys(&aws, 30);
    rotate(&aws).await.expect("nothing is in the way");
    assert_eq!(count(), 4);
    age_keys(&aws, 30);
    rotate(&aws).await.expect("nothing is in the way");
    assert_eq!(count(), 4, "one came and one went");
}

#[tokio::test]
async fn a_new_key_signs_only_when_every_relay_knows_it() {
    let aws = FakeAws::default();
    let keys = TicketKeys::new(crate::context::dynamodb(&aws.sdk()), "ticket-keys");
    let now_ms = crate::context::now_ms();
    let day_ms = 86_400_000;
    keys.rotate(now_ms).await.expect("a key");
    let first = keys.signing(now_ms).await.expect("the only key signs at once").id().clone();
    let later_ms = now_ms + 30 * day_ms;
    keys.rotate(later_ms).await.expect("another key");
    assert_eq!(keys.signing(later_ms + 179_000).await.expect("a key").id(), &first);
    assert_ne!(keys.signing(later_ms + 180_000).await.expect("a key").id(), &first);
}

#[tokio::test]
async fn a_daily_run_that_fails_is_retried() {
    let aws = FakeAws::default();
    aws.state(|state| state.is_down = true);
    assert!(rotate(&aws).await.is_err());
}

#[tokio::test]
async fn a_deployment_is_answered_without_any_half_of_the_key() {
    let aws = FakeAws::default();
    let context = rotate_ticket_key::Context::new(&aws.sdk(), "ticket-keys", aws.connector());
    let event: Value = serde_json::from_str(super::CREATE_MEDIA_KEY).expect("events are JSON");
    for (request_type, is_down, status) in
        [("Create", true, "FAILED"), ("Create", false, "SUCCESS"), ("Delete", true, "SUCCESS")]
    {
        aws.state(|state| state.is_down = is_down);
        let mut event = event.clone();
        event["RequestType"] = json!(request_type);
        let event = serde_json::from_value(event).expect("it is what CloudFormation sends");
        rotate_ticket_key::handle(&context, event).await.expect("the answer could be sent");
        let answer = aws.state(|state| state.answers.last().expect("it was answered").3.clone());
        assert_eq!((&answer["Status"], &answer["Data"]), (&json!(status), &json!({})), "{request_type}");
    }
    assert_eq!(aws.state(|state| state.items("ticket-keys").len()), 2, "the key outlives its stack");
}
