//! Another try in the deployed stack, where each function has the rights of its own role: for a film that could not be packaged, and for
//! messages that were given up.

use anyhow::{Context as _, Result, ensure};
use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem, Update};
use library::{Library, Tables, UploadId, Work};
use local::Stack;
use serde_json::{Value, json};
use tests::{Film, Person, World, eventually};

fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

fn tables(stack: &Stack) -> Tables {
    let name = |table: &str| stack.outputs()[table].clone();
    Tables { uploads: name("UploadsTable"), contents: name("ContentsTable"), videos: name("VideosTable") }
}

/// A film of somebody as it is before it is packaged, with nobody told to do it. What packages is too quick to be held up, so its
/// records are taken back there when it is done.
async fn unpackaged(stack: &Stack, publisher: &Person) -> Result<UploadId> {
    let upload = publisher.publish(&Film::unique()?).await?;
    let id: UploadId = upload["id"].as_str().context("an id")?.parse()?;
    let dynamodb = aws_sdk_dynamodb::Client::new(&stack.sdk_config());
    let tables = tables(stack);
    eventually("the last output", async || {
        let content = Update::builder()
            .table_name(&tables.contents)
            .key("pk", text(format!("content#{}", id.as_content())))
            .key("sk", text("content"))
            .update_expression("SET #state = :processing REMOVE promise, media")
            .condition_expression(
                "#state = :ready AND attribute_not_exists(lease_until_ms) AND (attribute_not_exists(promise) OR promise = :kept)",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":processing", text("processing"))
            .expression_attribute_values(":ready", text("ready"))
            .expression_attribute_values(":kept", text("kept"))
            .build()?;
        let upload = Update::builder()
            .table_name(&tables.uploads)
            .key("id", text(id))
            .update_expression("SET #state = :processing")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":processing", text("processing"))
            .build()?;
        let video = Delete::builder().table_name(&tables.videos).key("id", text(id)).build()?;
        let transaction = dynamodb.transact_write_items().set_transact_items(Some(vec![
            TransactWriteItem::builder().update(content).build(),
            TransactWriteItem::builder().update(upload).build(),
            TransactWriteItem::builder().delete(video).build(),
        ]));
        match transaction.send().await {
            Ok(_) => Ok(Some(())),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_transaction_canceled_exception()) => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    })
    .await?;
    Ok(id)
}

/// That a film is ready and plays.
async fn plays(publisher: &Person, id: UploadId) -> Result<()> {
    let settled = publisher.settled(&json!({"id": id.to_string()})).await?;
    ensure!(settled["state"] == "ready", "{settled}");
    let video = settled["video_id"].as_str().context("a video")?;
    let playback = publisher.post_nothing(&format!("/videos/{video}/playback")).await?;
    let hls = playback.json["hls_url"].as_str().context("HLS")?;
    let answer = publisher.fetch(hls, &playback.cookies(), "").await?;
    ensure!(answer.status == 200, "{hls}: {}", answer.status);
    Ok(())
}

async fn state_of(publisher: &Person, id: UploadId) -> Result<Value> {
    Ok(publisher.get(&format!("/uploads/{id}")).await?.json)
}

#[tokio::test]
async fn a_film_that_could_not_be_packaged_is_ready_after_another_try() -> Result<()> {
    let world = World::get().await;
    let Some(stack) = world.stack() else { return Ok(()) };
    let publisher = world.person("publisher").await?;
    let id = unpackaged(stack, &publisher).await?;
    let library = Library::new(aws_sdk_dynamodb::Client::new(&stack.sdk_config()), tables(stack));
    ensure!(
        library.give_up(id.as_content(), Work::Packaging, "Something broke.").await?,
        "it is not given up"
    );
    let failed = state_of(&publisher, id).await?;
    ensure!(failed["state"] == "failed" && failed["retryable"] == true, "{failed}");

    let retry = format!("/uploads/{id}/retry");
    let answer = publisher.post_nothing(&retry).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.json);
    ensure!(answer.json["state"] != "failed", "{}", answer.json);
    plays(&publisher, id).await?;
    // A repeat that comes late finds it done.
    let again = publisher.post_nothing(&retry).await?;
    ensure!(again.status == 200 && again.json["state"] == "ready", "{} {}", again.status, again.json);
    Ok(())
}

#[tokio::test]
async fn a_dead_letter_that_an_admin_gives_back_does_its_work() -> Result<()> {
    let world = World::get().await;
    let Some(stack) = world.stack() else { return Ok(()) };
    let (publisher, admin) = (world.person("publisher").await?, world.person("admin").await?);
    let id = unpackaged(stack, &publisher).await?;
    let sqs = aws_sdk_sqs::Client::new(&stack.sdk_config());
    sqs.send_message()
        .queue_url(&stack.outputs()["PackageDeadLettersUrl"])
        .message_body(json!({"content_id": id.as_content().to_string()}).to_string())
        .send()
        .await?;
    let waiting = state_of(&publisher, id).await?;
    let answer = admin.post("/admin/dead-letters/redrive", json!({"queue": "package"})).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.json);
    // How many it moved is not looked at: other tests move dead letters at the same time, and may have come first.
    ensure!(answer.json["queues"][0]["name"] == "package", "{}", answer.json);
    ensure!(waiting["state"] == "processing" || waiting["state"] == "ready", "{waiting}");
    plays(&publisher, id).await
}
