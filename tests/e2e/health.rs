//! What a monitor is told, when all is well and when it isn't.

use anyhow::{Context as _, Result, ensure};
use ingest::health::{Context, Environment};
use library::Tables;
use local::Stack;
use serde_json::{Value, json};
use tests::{Person, World};
use tower::ServiceExt as _;
use uuid::Uuid;

#[tokio::test]
async fn anybody_is_told_how_the_service_is_and_nothing_more() -> Result<()> {
    let world = World::get().await;
    let answer = Person::nobody(&world.site).get("/health").await?;
    ensure!(answer.status == 200, "{}: {}", answer.status, answer.json);
    ensure!(answer.header("cache-control") == "no-store");
    let checks = answer.json["checks"].as_array().context("checks")?;
    let names: Vec<_> = checks.iter().map(|check| check["name"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["records", "objects", "queues", "dead_letters"]);
    for check in checks {
        // Others' tests give work up.
        let is_well =
            check["status"] == "pass" || (check["name"] == "dead_letters" && check["status"] == "warn");
        ensure!(is_well, "{check}");
        ensure!(check.as_object().is_some_and(|fields| fields.len() == 3), "{check}");
    }
    Ok(())
}

/// The stack's own parts.
fn whole(stack: &Stack, dead_letters_url: &str) -> Environment {
    let output = |name: &str| stack.outputs()[name].clone();
    Environment {
        tables: Tables {
            uploads: output("UploadsTable"),
            contents: output("ContentsTable"),
            videos: output("VideosTable"),
        },
        buckets: vec![output("UploadBucket"), output("MediaBucket")],
        queue_urls: vec![dead_letters_url.to_owned()],
        dead_letters_urls: vec![dead_letters_url.to_owned()],
    }
}

async fn ask(stack: &Stack, environment: Environment) -> Result<(u16, Value)> {
    let context = Context::new(&stack.sdk_config(), environment);
    let event = include_str!("../../events/get-health.json");
    let request = lambda_http::request::from_str(event)?.map(axum::body::Body::new);
    let answer = http_api::app(ingest::health::router().with_state(context)).oneshot(request).await?;
    let status = answer.status().as_u16();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 16).await?;
    Ok((status, serde_json::from_slice(&body)?))
}

fn of<'a>(health: &'a Value, name: &str) -> &'a Value {
    let mut checks = health["checks"].as_array().into_iter().flatten();
    checks.find(|check| check["name"] == name).map_or(&Value::Null, |check| &check["status"])
}

#[tokio::test]
async fn what_is_broken_or_was_given_up_is_told() -> Result<()> {
    let Some(stack) = World::get().await.stack() else { return Ok(()) };
    let sqs = aws_sdk_sqs::Client::new(&stack.sdk_config());
    let queue = sqs.create_queue().queue_name(format!("health-{}", Uuid::now_v7().simple())).send().await?;
    let url = queue.queue_url.context("a queue has an address")?;

    let (status, health) = ask(stack, whole(stack, &url)).await?;
    assert_eq!((status, &health["status"]), (200, &json!("pass")), "{health}");

    sqs.send_message().queue_url(&url).message_body("given up").send().await?;
    let (status, health) = ask(stack, whole(stack, &url)).await?;
    assert_eq!(
        (status, &health["status"], of(&health, "dead_letters")),
        (200, &json!("warn"), &json!("warn"))
    );

    let missing = || format!("missing-{}", Uuid::now_v7().simple());
    type Break = fn(&mut Environment, String);
    let breaks: [(&str, Break); 4] = [
        ("records", |environment, missing| environment.tables.contents = missing),
        ("objects", |environment, missing| environment.buckets[1] = missing),
        ("queues", |environment, missing| environment.queue_urls[0].push_str(&missing)),
        ("dead_letters", |environment, missing| environment.dead_letters_urls[0].push_str(&missing)),
    ];
    for (part, breaking) in breaks {
        let mut environment = whole(stack, &url);
        breaking(&mut environment, missing());
        let (status, health) = ask(stack, environment).await?;
        assert_eq!((status, &health["status"]), (503, &json!("fail")), "without {part}: {health}");
        for other in ["records", "objects", "queues"] {
            let expected = if other == part { "fail" } else { "pass" };
            assert_eq!(of(&health, other), expected, "without {part}");
        }
    }
    sqs.delete_queue().queue_url(url).send().await?;
    Ok(())
}
