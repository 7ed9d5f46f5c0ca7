//! What somebody may upload and keep.

use anyhow::{Context as _, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::{join_all, try_join_all};
use serde_json::{Value, json};
use tests::{Film, Person, World, announce};

async fn quota(person: &Person) -> Result<[u64; 4]> {
    let answer = person.get("/quota").await?;
    assert_eq!(answer.status, 200, "{}", answer.json);
    let number = |name: &str| answer.json[name].as_u64().with_context(|| format!("{name}: {}", answer.json));
    Ok([number("bytes_used")?, number("bytes_limit")?, number("uploads_waiting")?, number("uploads_limit")?])
}

#[tokio::test]
async fn of_fifty_uploads_begun_at_once_exactly_as_many_as_fit_are_let_in() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let body = announce(&Film::unique()?);
    let size = body["size_bytes"].as_u64().context("a size")?;
    let [0, _, 0, limit] = quota(&publisher).await? else { anyhow::bail!("they have nothing yet") };
    // All but five are taken.
    let taken = try_join_all((5..limit).map(|_| publisher.post("/uploads", body.clone()))).await?;
    assert!(taken.iter().all(|answer| answer.status == 201));

    let answers = try_join_all((0..50).map(|_| publisher.post("/uploads", body.clone()))).await?;
    let (let_in, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(let_in.len(), 5);
    for answer in &refused {
        assert_eq!((answer.status, answer.problem()), (409, "too-many-uploads"), "{}", answer.json);
        assert_eq!(answer.json["quota"]["uploads_waiting"], json!(limit), "{}", answer.json);
    }
    assert_eq!(quota(&publisher).await?[0], limit * size);
    assert_eq!(quota(&publisher).await?[2], limit);

    // One that is given up makes room for one, twice is once.
    let path = format!("/uploads/{}", let_in[0].json["id"].as_str().context("an id")?);
    for answer in join_all([publisher.delete(&path), publisher.delete(&path)]).await {
        assert!(matches!(answer?.status, 204 | 404));
    }
    assert_eq!(quota(&publisher).await?[2], limit - 1);
    assert_eq!(publisher.post("/uploads", body.clone()).await?.status, 201);
    assert_eq!(publisher.post("/uploads", body).await?.status, 409);
    Ok(())
}

#[tokio::test]
async fn what_becomes_of_an_upload_is_counted() -> Result<()> {
    let world = World::get().await;
    let (ann, bob) = (world.person("publisher").await?, world.person("publisher").await?);
    let film = Film::unique()?;
    let size = film.bytes.len() as u64;
    let used = async |person: &Person| -> Result<(u64, u64)> {
        let [bytes, _, uploads, _] = quota(person).await?;
        Ok((bytes, uploads))
    };
    let upload = ann.create_upload(&film).await?;
    assert_eq!(used(&ann).await?, (size, 1), "waiting");
    ann.send_film(&upload, &film).await?;
    assert_eq!(used(&ann).await?, (size, 0), "complete");
    let ready = ann.settled(&upload).await?;
    assert_eq!((ready["state"].clone(), used(&ann).await?), (json!("ready"), (size, 0)));

    let again = ann.upload(&film).await?;
    assert_eq!(ann.settled(&again).await?["state"], "duplicate");
    assert_eq!(used(&ann).await?, (size, 0), "a duplicate is nothing more");
    let junk = Film::of("junk.mp4", format!("no film {}", upload["id"]));
    let junk = ann.upload(&junk).await?;
    assert_eq!(ann.settled(&junk).await?["state"], "failed");
    assert_eq!(used(&ann).await?, (size, 0), "what is no film neither");

    bob.publish(&film).await?;
    assert_eq!(used(&bob).await?, (size, 0), "what is shared counts in full");
    let video = format!("/videos/{}", ready["video_id"].as_str().context("a video")?);
    let etag = ann.get(&video).await?.header("etag").to_owned();
    let deletion = ann.request(reqwest::Method::DELETE, &video).header("if-match", etag);
    assert_eq!(ann.send(deletion).await?.status, 204);
    assert_eq!((used(&ann).await?, used(&bob).await?), ((0, 0), (size, 0)));
    Ok(())
}

#[tokio::test]
async fn a_film_that_does_not_fit_is_refused_before_a_byte_is_sent() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let mut body = announce(&Film::unique()?);
    let answer = publisher.get("/quota").await?.json;
    let (largest, limit) = (&answer["file_bytes_limit"], &answer["bytes_limit"]);
    let (largest, limit) = (largest.as_u64().context("a limit")?, limit.as_u64().context("a limit")?);
    body["size_bytes"] = json!(largest + 1);
    let refused = publisher.post("/uploads", body.clone()).await?;
    assert_eq!((refused.status, refused.problem()), (413, "payload-too-large"), "{}", refused.json);
    let mut left = limit;
    while left >= largest {
        body["size_bytes"] = json!(largest);
        assert_eq!(publisher.post("/uploads", body.clone()).await?.status, 201);
        left -= largest;
    }
    body["size_bytes"] = json!(left + 1);
    let refused = publisher.post("/uploads", body.clone()).await?;
    assert_eq!((refused.status, refused.problem()), (409, "quota-exceeded"), "{}", refused.json);
    assert_eq!(refused.json["quota"]["bytes_used"], json!(limit - left), "{}", refused.json);
    assert_eq!(quota(&publisher).await?[0], limit - left);

    let admin = world.person("admin").await?;
    assert!(quota(&admin).await?[1] > limit, "admins have limits of their own");
    Ok(())
}

#[tokio::test]
async fn a_limit_that_is_passed_meanwhile_is_told_at_completion_and_the_parts_stay() -> Result<()> {
    let world = World::get().await;
    let Some(stack) = world.stack() else { return Ok(()) };
    let publisher = world.person("publisher").await?;
    let film = Film::unique()?;
    let upload = publisher.create_upload(&film).await?;
    publisher.send_parts(&upload, &film, &[1]).await?;
    // As if the operator had lowered the limit below what they have.
    let limit = quota(&publisher).await?[1];
    let dynamodb = aws_sdk_dynamodb::Client::new(&stack.sdk_config());
    let count = async |bytes: u64| {
        dynamodb
            .update_item()
            .table_name(&stack.outputs()["ContentsTable"])
            .key("pk", AttributeValue::S(format!("owner#{}", publisher.id)))
            .key("sk", AttributeValue::S("quota".to_owned()))
            .update_expression("SET #bytes = :bytes")
            .expression_attribute_names("#bytes", "bytes")
            .expression_attribute_values(":bytes", AttributeValue::N(bytes.to_string()))
            .send()
            .await
    };
    count(limit + 1).await?;
    let refused = publisher.complete(&upload).await?;
    assert_eq!((refused.status, refused.problem()), (409, "quota-exceeded"), "{}", refused.json);
    assert_eq!(refused.json["quota"]["bytes_used"], json!(limit + 1), "{}", refused.json);
    let waiting: Value =
        publisher.get(&format!("/uploads/{}", upload["id"].as_str().unwrap_or_default())).await?.json;
    assert_eq!(waiting["parts"].as_array().map(Vec::len), Some(1), "{waiting}");

    count(film.bytes.len() as u64).await?;
    assert_eq!(publisher.complete(&upload).await?.status, 200);
    assert_eq!(publisher.settled(&upload).await?["state"], "ready");
    Ok(())
}
