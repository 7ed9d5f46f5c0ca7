//! The area's functions, asked with the events that Lambda brings.

mod fake_aws;
mod live_channels;
mod viewers;

use axum::body::to_bytes;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use signed_cookies::{PublicKey, Refusal, Verifier};
use tower::ServiceExt as _;

use crate::{Context, create_media_key};
use fake_aws::FakeAws;

const START_PLAYBACK: &str = include_str!("../../../../events/start-playback.json");
const CREATE_MEDIA_KEY: &str = include_str!("../../../../events/create-media-key.json");

const CONTENT: &str = "01936a3e-7c00-7000-8000-0000000000c1";

async fn deploy(aws: &FakeAws, request_type: &str) -> Result<Value, String> {
    let mut event: Value = serde_json::from_str(CREATE_MEDIA_KEY).expect("events are JSON");
    event["RequestType"] = json!(request_type);
    let context = create_media_key::Context::new(&aws.sdk(), "keys", aws.connector());
    let event = serde_json::from_value(event).expect("it is what CloudFormation sends");
    let handled = create_media_key::handle(&context, event).await;
    handled.map_err(|error| error.to_string())?;
    Ok(aws.state(|state| state.answers.last().expect("it was answered").3.clone()))
}

/// A deployment with a key and a video.
async fn deployed(media: Value) -> (FakeAws, Verifier) {
    let aws = FakeAws::default();
    let answer = deploy(&aws, "Create").await.expect("nothing is in the way");
    let pem = answer["Data"]["PublicKeyPem"].as_str().expect("it is the public half");
    aws.state(|state| {
        state.video = Some(json!({
            "id": { "S": "01937b2e-6c40-7f3a-9d12-4b8e5a7c6d21" }, "owner_id": { "S": "owner-1" },
            "title": { "S": "A film" }, "created_at": { "S": "2026-11-21T08:00:00.000Z" },
            "updated_at": { "S": "2026-11-21T08:00:00.000Z" }, "version": { "N": "1" },
            "content_id": { "S": CONTENT }, "size_bytes": { "N": "1000" }, "media": { "M": media },
        }));
    });
    (aws, Verifier::new("K1", PublicKey::from_pem(pem).expect("it is a public key")))
}

async fn start_playback(aws: &FakeAws) -> (StatusCode, HeaderMap, Value) {
    play(Context::new(&aws.sdk(), "videos", "keys", "K1")).await
}

async fn play(context: Context) -> (StatusCode, HeaderMap, Value) {
    let app = http_api::app(crate::router().with_state(context));
    let request = lambda_http::request::from_str(START_PLAYBACK).expect("events are the gateway's");
    let (parts, body) = app.oneshot(request).await.expect("a router never fails").into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("it is in memory");
    (parts.status, parts.headers, serde_json::from_slice(&body).unwrap_or_default())
}

fn cookies(headers: &HeaderMap) -> Vec<&str> {
    headers.get_all("set-cookie").iter().map(|value| value.to_str().expect("it is text")).collect()
}

#[tokio::test]
async fn watching_is_permitted_for_one_content_and_fifteen_minutes() {
    let (aws, verifier) =
        deployed(json!({ "streaming": { "S": "adaptive" }, "has_poster": { "BOOL": true }, "has_thumbnails": { "BOOL": true } })).await;
    let (status, headers, playback) = start_playback(&aws).await;
    assert_eq!(status, StatusCode::OK, "{playback}");
    let cookies = cookies(&headers);
    let kept_close = format!("Path=/media/{CONTENT}/; Secure; HttpOnly; SameSite=Strict");
    assert!(cookies.len() == 4 && cookies.iter().all(|cookie| cookie.ends_with(&kept_close)), "{cookies:?}");
    let sent: Vec<&str> = cookies.iter().filter_map(|cookie| cookie.split(';').next()).collect();
    let sent = sent.join("; ");
    let url = |path: &Value| format!("http://localhost:8080{}", path.as_str().expect("it is there"));
    let now = library::Timestamp::now().unix_ms() / 1000;
    assert_eq!(verifier.verify(&sent, &url(&playback["hls_url"]), now), Ok(()));
    assert_eq!(verifier.verify(&sent, &url(&playback["dash_url"]), now + 14 * 60), Ok(()));
    assert_eq!(verifier.verify(&sent, &url(&playback["dash_url"]), now + 15 * 60 + 1), Err(Refusal::Expired));
    assert_eq!(verifier.verify(&sent, &url(&playback["poster_url"]), now), Err(Refusal::NotCovered));
    assert_eq!(playback["thumbnails_url"], format!("/media/{CONTENT}/thumbnails.vtt"));
    assert_eq!(verifier.verify(&sent, &url(&playback["thumbnails_url"]), now), Ok(()));
    assert_eq!(playback["renew_after_seconds"], 600);
    assert_eq!(playback.get("progressive_url"), None);
}

#[tokio::test]
async fn what_was_not_packaged_is_watched_as_it_was_sent() {
    let (aws, _) =
        deployed(json!({ "streaming": { "S": "progressive" }, "has_poster": { "BOOL": false } })).await;
    let (_, _, playback) = start_playback(&aws).await;
    assert_eq!(playback["progressive_url"], format!("/media/{CONTENT}/original"));
    for absent in ["hls_url", "dash_url", "poster_url", "thumbnails_url"] {
        assert_eq!(playback.get(absent), None);
    }
}

#[tokio::test]
async fn who_plays_a_film_asks_for_its_ladder_where_that_is_made_on_demand() {
    let adaptive = json!({ "streaming": { "S": "adaptive" }, "has_poster": { "BOOL": true } });
    let (aws, _) = deployed(adaptive.clone()).await;
    let on_demand =
        || Context::new(&aws.sdk(), "videos", "keys", "K1").with_ladders_on_demand(&aws.sdk(), "contents");
    for _ in 0..2 {
        let (status, headers, _) = play(on_demand()).await;
        assert_eq!((status, cookies(&headers).len()), (StatusCode::OK, 4), "whoever asked first");
    }
    let wanted = aws.state(|state| state.wanted.clone());
    assert_eq!(wanted.len(), 2);
    assert_eq!(wanted[0]["Key"]["pk"]["S"], format!("content#{CONTENT}"));
    assert_eq!(wanted[0]["ConditionExpression"], "(#state = :v0 AND attribute_not_exists(#encoding))");

    let (elsewhere, _) = deployed(adaptive).await;
    start_playback(&elsewhere).await;
    assert!(elsewhere.state(|state| state.wanted.is_empty()), "nobody asks where the operator wants none");
}

#[tokio::test]
async fn an_absent_video_gives_no_cookies() {
    let (aws, _) = deployed(json!({})).await;
    aws.state(|state| state.video = None);
    let (status, headers, problem) = start_playback(&aws).await;
    assert_eq!((status, cookies(&headers).len()), (StatusCode::NOT_FOUND, 0));
    assert_eq!(problem["type"], "urn:matinee:problem:not-found");
}

#[tokio::test]
async fn the_key_is_made_once_however_often_it_is_asked_for() {
    let aws = FakeAws::default();
    let first = deploy(&aws, "Create").await.expect("nothing is in the way");
    assert_eq!(first["Status"], "SUCCESS");
    for request_type in ["Create", "Update", "Create"] {
        assert_eq!(deploy(&aws, request_type).await.expect("nothing is in the way"), first);
    }
    let record = aws.state(|state| state.key.clone().expect("it was kept"));
    assert_eq!(record["public_key_pem"]["S"], first["Data"]["PublicKeyPem"]);
    assert!(record["created_at"]["S"].as_str().is_some_and(|moment| moment.ends_with('Z')), "{record}");
}

#[tokio::test]
async fn cloudformation_is_answered_where_it_asked_and_without_the_private_half() {
    let aws = FakeAws::default();
    let answer = deploy(&aws, "Create").await.expect("nothing is in the way");
    let event: Value = serde_json::from_str(CREATE_MEDIA_KEY).expect("events are JSON");
    for field in ["StackId", "RequestId", "LogicalResourceId"] {
        assert_eq!(answer[field], event[field]);
    }
    assert!(answer["PhysicalResourceId"].is_string());
    assert_eq!(answer["Data"].as_object().map(serde_json::Map::len), Some(1));
    let (method, url, headers, _) = aws.state(|state| state.answers.remove(0));
    assert_eq!((method.as_str(), json!(url)), ("PUT", event["ResponseURL"].clone()));
    assert!(!headers.contains(&"content-type".to_owned()), "{headers:?}");
}

#[tokio::test]
async fn the_key_outlives_its_stack() {
    let aws = FakeAws::default();
    deploy(&aws, "Create").await.expect("nothing is in the way");
    let answer = deploy(&aws, "Delete").await.expect("nothing is in the way");
    assert_eq!(answer["Status"], "SUCCESS");
    assert!(aws.state(|state| state.key.is_some()));
}

#[tokio::test]
async fn a_key_that_cant_be_made_fails_the_deployment() {
    let aws = FakeAws::default();
    aws.state(|state| state.is_down = true);
    let answer = deploy(&aws, "Create").await.expect("the answer could be sent");
    assert_eq!((&answer["Status"], answer["Reason"].is_string()), (&json!("FAILED"), true));
}

#[tokio::test]
async fn an_answer_that_is_not_taken_is_an_error_for_lambda_to_retry() {
    let aws = FakeAws::default();
    aws.state(|state| state.is_deaf = true);
    let error = deploy(&aws, "Create").await.expect_err("nobody heard it");
    assert!(!error.contains("X-Amz-Signature"), "{error}");
}
