use anyhow::{Context as _, Result};
use aws_sdk_s3::Client as S3;
use serde_json::{Value, json};
use tests::{Film, Person, World, announce, eventually, sample};

/// The keys of all objects of a content, in both buckets.
async fn objects(stack: &local::Stack, content: &str) -> Result<Vec<String>> {
    let s3: S3 = stack.endpoint().s3();
    let mut keys = Vec::new();
    for (bucket, prefix) in [
        ("UploadBucket", format!("media/{content}/")),
        ("MediaBucket", format!("media/{content}/")),
        ("MediaBucket", format!("posters/{content}")),
    ] {
        let found = s3.list_objects_v2().bucket(&stack.outputs()[bucket]).prefix(prefix).send().await?;
        keys.extend(found.contents().iter().filter_map(|object| object.key().map(ToOwned::to_owned)));
    }
    Ok(keys)
}

async fn content_of(person: &Person, upload: &Value) -> Result<String> {
    let video = upload["video_id"].as_str().context("a video")?;
    let playback = person.post_nothing(&format!("/videos/{video}/playback")).await?;
    let path = playback.json["hls_url"].as_str().context("HLS")?;
    Ok(path.split('/').nth(2).context("a content")?.to_owned())
}

#[tokio::test]
async fn the_same_bytes_from_the_same_person_are_a_duplicate_of_the_first() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let film = Film::unique()?;
    let first = publisher.publish(&film).await?;
    let second = publisher.upload(&film).await?;
    let second = publisher.settled(&second).await?;
    assert_eq!(
        (&second["state"], &second["duplicate_of"]),
        (&json!("duplicate"), &first["video_id"]),
        "{second}"
    );
    let Some(stack) = world.stack() else { return Ok(()) };
    let id = second["id"].as_str().context("an id")?;
    eventually("the removal of the second copy", async || {
        Ok(objects(stack, id).await?.is_empty().then_some(()))
    })
    .await
}

#[tokio::test]
async fn the_same_bytes_from_two_people_are_one_content_until_the_last_listing_goes() -> Result<()> {
    let world = World::get().await;
    let (ann, bob) = (world.person("publisher").await?, world.person("publisher").await?);
    let film = Film::unique()?;
    let (anns, bobs) = tokio::join!(ann.publish(&film), bob.publish(&film));
    let (anns, bobs) = (anns?, bobs?);
    assert_ne!(anns["video_id"], bobs["video_id"], "a listing each");
    let content = content_of(&ann, &anns).await?;
    assert_eq!(content, content_of(&bob, &bobs).await?, "of one content");

    let delete = async |person: &Person, upload: &Value| {
        person.delete(&format!("/videos/{}", upload["video_id"].as_str().unwrap_or_default())).await
    };
    assert_eq!(delete(&ann, &anns).await?.status, 204);
    assert_eq!(delete(&ann, &anns).await?.status, 404, "deleting again finds nothing");
    let video = bobs["video_id"].as_str().context("a video")?;
    let playback = bob.post_nothing(&format!("/videos/{video}/playback")).await?;
    let hls = playback.json["hls_url"].as_str().context("HLS")?;
    assert_eq!(bob.fetch(hls, &playback.cookies(), "").await?.status, 200, "Bob's listing is not touched");

    assert_eq!(delete(&bob, &bobs).await?.status, 204);
    let Some(stack) = world.stack() else { return Ok(()) };
    eventually("the removal of the content", async || {
        Ok(objects(stack, &content).await?.is_empty().then_some(()))
    })
    .await?;
    // The same bytes are new again.
    let again = ann.publish(&film).await?;
    assert_ne!(content_of(&ann, &again).await?, content, "a content of its own");
    Ok(())
}

#[tokio::test]
async fn bytes_that_came_without_checksums_are_recognised_too() -> Result<()> {
    let world = World::get().await;
    let (ann, bob) = (world.person("publisher").await?, world.person("publisher").await?);
    let film = Film::unique()?;
    let first = ann.publish(&film).await?;
    for (person, state) in [(&bob, "ready"), (&ann, "duplicate")] {
        let mut body = announce(&film);
        body["checksum"] = json!("none");
        let upload = person.post("/uploads", body).await?.json;
        person.send_film(&upload, &film).await?;
        let settled = person.settled(&upload).await?;
        assert_eq!(settled["state"], state, "{settled}");
        if state == "ready" {
            assert_eq!(content_of(person, &settled).await?, content_of(&ann, &first).await?);
        }
        let Some(stack) = world.stack() else { continue };
        let id = settled["id"].as_str().context("an id")?;
        eventually("the removal of the copy", async || {
            Ok(objects(stack, id).await?.is_empty().then_some(()))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_whole_dead_letter_queue_is_redriven_by_one_command() -> Result<()> {
    let world = World::get().await;
    let Some(stack) = world.stack() else { return Ok(()) };
    let publisher = world.person("publisher").await?;
    // A content that nobody was told to package: its request lies among the dead letters.
    let film = sample("h264_aac_vfr.mp4")?.made_unique();
    let sqs = aws_sdk_sqs::Client::new(&stack.sdk_config());
    let upload = publisher.publish(&film).await?;
    let content = content_of(&publisher, &upload).await?;
    sqs.send_message()
        .queue_url(&stack.outputs()["PackageDeadLettersUrl"])
        .message_body(json!({"content_id": content}).to_string())
        .send()
        .await?;
    let project = local::Project::find()?;
    local::redrive::redrive(&project, Some(stack.endpoint()), local::deployment::STACK).await?;
    eventually("the dead letters' way back", async || {
        let mut left = 0;
        for queue in ["PackageDeadLettersUrl", "PackageQueueUrl"] {
            let asked = sqs
                .get_queue_attributes()
                .queue_url(&stack.outputs()[queue])
                .attribute_names(aws_sdk_sqs::types::QueueAttributeName::All)
                .send()
                .await?;
            let numbers = asked.attributes.unwrap_or_default();
            left += numbers
                .iter()
                .filter(|(name, _)| name.as_str().starts_with("ApproximateNumberOfMessages"))
                .filter_map(|(_, value)| value.parse::<u64>().ok())
                .sum::<u64>();
        }
        Ok((left == 0).then_some(()))
    })
    .await
}
