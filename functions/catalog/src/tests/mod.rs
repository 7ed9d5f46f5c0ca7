//! The area's routes, asked with the events that Lambda brings.

mod fake_dynamodb;

use axum::body::to_bytes;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lambda_http::Request;
use serde_json::{Value, json};
use signed_cookies::{PublicKey, SigningKey, Verifier};
use tower::ServiceExt as _;

use crate::context::{Context, Deletion, Environment, MediaKey};
use fake_dynamodb::FakeDynamoDb;

const LIST_VIDEOS: &str = include_str!("../../../../events/list-videos.json");
const GET_VIDEO: &str = include_str!("../../../../events/get-video.json");
const UPDATE_VIDEO: &str = include_str!("../../../../events/update-video.json");
const DELETE_VIDEO: &str = include_str!("../../../../events/delete-video.json");

const VIDEO: &str = "01936a3e-7c00-7000-8000-0000000000a1";
const OWNER: &str = "owner-1";
const TITLE: &str = "<Émile & “the” 🎬>";

/// The record of a video in its fourth version.
fn record() -> Value {
    json!({
        "id": { "S": VIDEO }, "owner_id": { "S": OWNER }, "title": { "S": TITLE },
        "created_at": { "S": "2026-11-21T08:00:00.000Z" }, "updated_at": { "S": "2026-11-21T09:00:00.000Z" },
        "version": { "N": "4" }, "content_id": { "S": VIDEO }, "size_bytes": { "N": "1000" },
        "media": { "M": { "streaming": { "S": "adaptive" }, "duration_ms": { "N": "60000" }, "has_poster": { "BOOL": true } } },
        "listing": { "S": "all" },
    })
}

/// Tables with that one video and this media key.
fn tables(key: Vec<u8>) -> FakeDynamoDb {
    FakeDynamoDb::answering(move |operation, input| match (operation, input["TableName"].as_str()) {
        ("GetItem", Some("keys")) => {
            (200, json!({ "Item": { "private_key_pkcs8": { "B": BASE64_STANDARD.encode(&key) } } }))
        }
        ("GetItem", Some("videos")) if input["Key"]["id"]["S"] == VIDEO => (200, json!({ "Item": record() })),
        ("GetItem", Some("contents")) => (
            200,
            json!({ "Item": {
            "pk": { "S": format!("content#{VIDEO}") }, "sk": { "S": "content" }, "content_id": { "S": VIDEO },
            "state": { "S": "ready" }, "listings": { "N": "1" }, "original_key": { "S": "media/x/original" },
            "size_bytes": { "N": "1000" }, "etag": { "S": "e" },
        } }),
        ),
        ("GetItem", _) => (200, json!({})),
        ("Query", _) => (200, json!({ "Items": [record(), record()], "Count": 2, "ScannedCount": 2 })),
        ("UpdateItem", _) => (200, json!({ "Attributes": record() })),
        ("TransactWriteItems", _) => (200, json!({})),
        other => panic!("the catalog is not known to ask {other:?}"),
    })
}

fn one_video() -> FakeDynamoDb {
    tables(SigningKey::generate().expect("there is randomness"))
}

/// The event, sent by somebody, about the video, with changes.
fn event(text: &str, (sub, groups): (&str, &str), change: impl FnOnce(&mut Value)) -> Request {
    let mut event: Value = serde_json::from_str(text).expect("events are JSON");
    let claims = &mut event["requestContext"]["authorizer"]["jwt"]["claims"];
    (claims["sub"], claims["cognito:groups"]) = (json!(sub), json!(groups));
    if event["rawPath"] != "/api/videos" {
        event["rawPath"] = json!(format!("/api/videos/{VIDEO}"));
    }
    change(&mut event);
    lambda_http::request::from_str(&event.to_string()).expect("events are the gateway's")
}

const THE_OWNER: (&str, &str) = (OWNER, "[publisher]");
const AN_ADMIN: (&str, &str) = ("admin-1", "[admin viewer]");
const A_VIEWER: (&str, &str) = ("viewer-1", "[viewer]");

fn body(body: Value) -> impl FnOnce(&mut Value) {
    move |event| {
        event["headers"]["if-match"] = json!("\"4\"");
        event["isBase64Encoded"] = json!(false);
        event["body"] = json!(body.to_string());
    }
}

fn if_match(tag: Option<&'static str>) -> impl FnOnce(&mut Value) {
    move |event| {
        let headers = event["headers"].as_object_mut().expect("it is an object");
        headers.remove("if-match");
        headers.extend(tag.map(|tag| ("if-match".to_owned(), json!(tag))));
    }
}

async fn ask(tables: &FakeDynamoDb, request: Request) -> (StatusCode, HeaderMap, Value) {
    let environment = Environment {
        videos_table: "videos".to_owned(),
        media_key: Some(MediaKey { table: "keys".to_owned(), key_pair_id: "K1".to_owned() }),
        deletion: Some(Deletion {
            uploads_table: "uploads".to_owned(),
            contents_table: "contents".to_owned(),
        }),
    };
    let app = http_api::app(crate::router().with_state(Context::new(&tables.sdk(), environment)));
    let (parts, body) = app.oneshot(request).await.expect("a router never fails").into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("it is in memory");
    (parts.status, parts.headers, serde_json::from_slice(&body).unwrap_or_default())
}

fn code(problem: &Value) -> &str {
    problem["type"].as_str().and_then(|urn| urn.strip_prefix("urn:matinee:problem:")).unwrap_or_default()
}

fn operations(tables: &FakeDynamoDb) -> Vec<String> {
    tables.asked().into_iter().map(|(operation, _)| operation).collect()
}

#[tokio::test]
async fn a_list_comes_with_cookies_for_posters_alone() {
    let key = SigningKey::generate().expect("there is randomness");
    let public =
        SigningKey::from_pkcs8(&key).and_then(|key| key.public_key_pem()).expect("it was made just now");
    let verifier = Verifier::new("K1", PublicKey::from_pem(&public).expect("it was made just now"));
    let (status, headers, body) = ask(&tables(key), event(LIST_VIDEOS, A_VIEWER, |_| ())).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let cookies: Vec<&str> =
        headers.get_all("set-cookie").iter().map(|value| value.to_str().expect("it is text")).collect();
    assert_eq!(cookies.len(), 4);
    assert!(cookies.iter().all(|cookie| cookie.contains("Path=/posters/;")), "{cookies:?}");
    let sent: Vec<&str> = cookies.iter().filter_map(|cookie| cookie.split(';').next()).collect();
    let now = library::Timestamp::now().unix_ms() / 1000;
    let poster =
        format!("https://films.example{}", body["items"][0]["poster_url"].as_str().expect("it has one"));
    assert_eq!(verifier.verify(&sent.join("; "), &poster, now), Ok(()));
    assert!(verifier.verify(&sent.join("; "), &poster, now + 3601).is_err());
    let media = format!("https://films.example/media/{VIDEO}/master.m3u8");
    assert!(verifier.verify(&sent.join("; "), &media, now).is_err());
}

#[tokio::test]
async fn a_page_says_where_the_next_begins() {
    let tables = one_video();
    let (_, _, first) =
        ask(&tables, event(LIST_VIDEOS, A_VIEWER, |event| event["rawQueryString"] = json!("limit=1"))).await;
    assert_eq!(first["items"].as_array().map(Vec::len), Some(1));
    let cursor = first["next_cursor"].as_str().expect("there is more").to_owned();
    let query = format!("limit=100&cursor={cursor}");
    let (_, _, second) =
        ask(&tables, event(LIST_VIDEOS, A_VIEWER, |event| event["rawQueryString"] = json!(query))).await;
    assert_eq!((second["items"].as_array().map(Vec::len), second.get("next_cursor")), (Some(2), None));
    let queries: Vec<Value> =
        tables.asked().into_iter().filter(|(name, _)| name == "Query").map(|(_, input)| input).collect();
    assert_eq!(queries[1]["ExclusiveStartKey"]["id"]["S"], VIDEO);
}

#[tokio::test]
async fn a_cursor_that_was_never_given_is_refused() {
    for cursor in ["", "x", "%00", "AAAAAAAAAAAAAAAA"] {
        let query = format!("cursor={cursor}");
        let request = event(LIST_VIDEOS, A_VIEWER, |event| event["rawQueryString"] = json!(query));
        let (status, _, body) = ask(&one_video(), request).await;
        assert_eq!((status, &body["errors"][0]["field"]), (StatusCode::BAD_REQUEST, &json!("cursor")));
    }
}

#[tokio::test]
async fn a_video_is_shown_with_its_version_and_as_its_caller_may_treat_it() {
    for (caller, editable) in [(A_VIEWER, false), (THE_OWNER, true), (AN_ADMIN, true)] {
        let (status, headers, body) = ask(&one_video(), event(GET_VIDEO, caller, |_| ())).await;
        assert_eq!((status, &headers["etag"]), (StatusCode::OK, &"\"4\"".parse().expect("it is a header")));
        assert_eq!(
            body,
            json!({
                "id": VIDEO, "title": TITLE, "owner_id": OWNER, "created_at": "2026-11-21T08:00:00.000Z",
                "updated_at": "2026-11-21T09:00:00.000Z", "duration_ms": 60000, "size_bytes": 1000,
                "poster_url": format!("/posters/{VIDEO}.jpg"), "streaming": "adaptive", "editable": editable,
            })
        );
    }
}

#[tokio::test]
async fn what_names_no_video_is_not_found() {
    for id in ["01936a3e-7c00-7000-8000-0000000000ff", "7", "..", "%2e%2e", "%F0%9F%8E%AC"] {
        let request =
            event(GET_VIDEO, A_VIEWER, |event| event["rawPath"] = json!(format!("/api/videos/{id}")));
        let (status, _, body) = ask(&one_video(), request).await;
        assert_eq!((status, code(&body)), (StatusCode::NOT_FOUND, "not-found"), "{id}");
    }
}

#[tokio::test]
async fn an_edit_is_made_for_the_version_that_was_read() {
    let tables = one_video();
    let change = json!({ "title": format!("  {TITLE} "), "description": "" });
    let (status, headers, _) = ask(&tables, event(UPDATE_VIDEO, THE_OWNER, body(change))).await;
    assert_eq!((status, &headers["etag"]), (StatusCode::OK, &"\"4\"".parse().expect("it is a header")));
    let (_, update) = tables.asked().pop().expect("it was asked");
    assert!(
        update["ConditionExpression"].as_str().is_some_and(|condition| condition.contains("=")),
        "{update}"
    );
    let values = update["ExpressionAttributeValues"].to_string();
    assert!(
        values.contains(TITLE) && values.contains("\"N\":\"4\"") && values.contains("\"N\":\"5\""),
        "{values}"
    );
}

#[tokio::test]
async fn an_edit_without_a_version_or_of_an_old_one_is_refused() {
    for (tag, status) in [(None, 428), (Some("\"3\""), 412), (Some("W/\"4\""), 412), (Some("nonsense"), 412)]
    {
        let tables = one_video();
        let (found, _, _) = ask(&tables, event(UPDATE_VIDEO, THE_OWNER, if_match(tag))).await;
        assert_eq!(found.as_u16(), status, "{tag:?}");
        assert!(!operations(&tables).contains(&"UpdateItem".to_owned()));
    }
}

#[tokio::test]
async fn who_loses_a_race_is_told_to_read_again() {
    let tables = FakeDynamoDb::answering(|operation, _| match operation {
        "UpdateItem" => (
            400,
            json!({
                "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "Item": {
                    "version": { "N": "5" }, "title": { "S": "theirs" }, "id": { "S": VIDEO }, "owner_id": { "S": OWNER },
                    "created_at": record()["created_at"], "updated_at": record()["updated_at"],
                    "content_id": { "S": VIDEO }, "size_bytes": { "N": "1" }, "media": record()["media"],
                },
            }),
        ),
        _ => (200, json!({ "Item": record() })),
    });
    let (status, _, problem) =
        ask(&tables, event(UPDATE_VIDEO, THE_OWNER, body(json!({ "title": "mine" })))).await;
    assert_eq!((status, code(&problem)), (StatusCode::PRECONDITION_FAILED, "precondition-failed"));
}

#[tokio::test]
async fn titles_have_1_to_300_characters_and_descriptions_5000() {
    for (change, status) in [
        (json!({ "title": "🎬".repeat(300) }), 200),
        (json!({ "title": "🎬".repeat(301) }), 400),
        (json!({ "title": " \n\t " }), 400),
        (json!({ "title": 7 }), 400),
        (json!({ "description": "é".repeat(5000) }), 200),
        (json!({ "description": "é".repeat(5001) }), 400),
        (json!({ "owner_id": "me" }), 400),
        (json!([]), 400),
    ] {
        let (found, _, problem) = ask(&one_video(), event(UPDATE_VIDEO, THE_OWNER, body(change))).await;
        assert_eq!(found.as_u16(), status, "{problem}");
    }
}

#[tokio::test]
async fn others_may_see_a_video_but_neither_edit_nor_delete_it() {
    let another_publisher = ("publisher-2", "[publisher]");
    for caller in [A_VIEWER, another_publisher] {
        for text in [UPDATE_VIDEO, DELETE_VIDEO] {
            let tables = one_video();
            let (status, _, problem) =
                ask(&tables, event(text, caller, body(json!({ "title": "mine" })))).await;
            assert_eq!((status, code(&problem)), (StatusCode::FORBIDDEN, "forbidden"));
            assert_eq!(operations(&tables), ["GetItem"]);
        }
    }
}

#[tokio::test]
async fn the_owner_and_an_admin_delete_in_one_transaction() {
    for caller in [THE_OWNER, AN_ADMIN] {
        let tables = one_video();
        let (status, _, body) = ask(&tables, event(DELETE_VIDEO, caller, if_match(None))).await;
        assert_eq!((status, body), (StatusCode::NO_CONTENT, Value::Null));
        assert_eq!(operations(&tables), ["GetItem", "GetItem", "TransactWriteItems"]);
    }
}

#[tokio::test]
async fn a_deletion_honours_the_version_that_it_names() {
    let (status, _, _) = ask(&one_video(), event(DELETE_VIDEO, THE_OWNER, if_match(Some("\"3\"")))).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED);
    let (status, _, _) = ask(&one_video(), event(DELETE_VIDEO, THE_OWNER, if_match(Some("\"4\"")))).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
}

#[test]
fn the_document_names_every_operation_by_its_module() {
    let document = serde_json::to_value(http_api::merge([<crate::Document as utoipa::OpenApi>::openapi()]))
        .expect("it serializes");
    let operation = |path: &str, method: &str| document["paths"][path][method]["operationId"].clone();
    assert_eq!(operation("/videos", "get"), "list_videos");
    assert_eq!(operation("/videos/{id}", "get"), "get_video");
    assert_eq!(operation("/videos/{id}", "patch"), "update_video");
    assert_eq!(operation("/videos/{id}", "delete"), "delete_video");
    let change = &document["components"]["schemas"]["VideoChange"];
    assert_eq!(change["properties"]["title"]["maxLength"], 300);
    assert_eq!(change.get("required"), None);
}
