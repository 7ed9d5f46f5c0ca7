//! What the log of a function has of a request: enough to find it by, and nothing that opens a door.

use anyhow::{Context as _, Result, ensure};
use local::deployment::STACK;
use local::{Stack, signed_request};
use serde_json::{Value, json};
use tests::{World, eventually};
use uuid::Uuid;

/// The lines of a function that have this text in them.
async fn lines(stack: &Stack, function: &str, text: &str) -> Result<Vec<String>> {
    let headers =
        [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "Logs_20140328.FilterLogEvents")];
    let body = json!({
        "logGroupName": format!("/aws/lambda/{STACK}/{function}"),
        "filterPattern": format!("\"{text}\""),
    });
    let http = reqwest::Client::new();
    let found = signed_request::post(&http, stack.endpoint(), "logs", &headers, body.to_string()).await?;
    let found: Value = serde_json::from_str(&found)?;
    let events = found["events"].as_array().context("events")?;
    Ok(events.iter().filter_map(|event| Some(event["message"].as_str()?.to_owned())).collect())
}

#[tokio::test]
async fn a_problem_is_found_in_the_log_by_its_id_and_no_secret_is() -> Result<()> {
    let world = World::get().await;
    let Some(stack) = world.stack() else { return Ok(()) };
    let viewer = world.person("viewer").await?;
    let path = format!("/uploads/{}", Uuid::now_v7());
    let answer = viewer.get(&path).await?;
    ensure!(answer.status == 404, "{}", answer.json);
    let request_id = answer.json["request_id"].as_str().context("a problem has a request id")?;

    let line: Value = eventually("the line of that request", async || {
        let lines = lines(stack, "get-upload", request_id).await?;
        let mut lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(lines.find(|line| line["span"]["requestId"] == *request_id && line["message"] == "answered"))
    })
    .await?;
    assert_eq!((&line["status"], &line["path"]), (&json!(404), &json!(format!("/api{path}"))), "{line}");
    ensure!(line["gateway_request_id"].is_string(), "the gateway's log has another id: {line}");
    let trace = line["span"]["xrayTraceId"].as_str().context("the id of a trace")?;
    ensure!(trace.starts_with("Root=1-"), "{trace}");

    let token = viewer.access_token.as_deref().context("a token")?;
    let (_, signature) = token.rsplit_once('.').context("a signature")?;
    for function in ["get-upload", "sign-in"] {
        for secret in [&signature[..40], "Correct horse"] {
            ensure!(lines(stack, function, secret).await?.is_empty(), "{function} logs a secret");
        }
    }
    Ok(())
}
