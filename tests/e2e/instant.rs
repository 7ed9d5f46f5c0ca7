//! Files that are stored already are listed without sending them, for who has them and for nobody else.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tests::{Answer, Film, Person, World, digest_of};

const MIB: usize = 1 << 20;

async fn challenge(person: &Person, upload: &Value, digest: &str) -> Result<Answer> {
    let path = format!("/uploads/{}/challenge", upload["id"].as_str().context("an id")?);
    person.post(&path, json!({"digest": digest})).await
}

async fn answer(person: &Person, upload: &Value, hmac: &str) -> Result<Answer> {
    let path = format!("/uploads/{}/proof", upload["id"].as_str().context("an id")?);
    person.post(&path, json!({"hmac": hmac})).await
}

/// The right answer to a challenge for who has these bytes.
pub fn right(challenge: &Value, bytes: &[u8]) -> Result<String> {
    let nonce = BASE64_STANDARD.decode(challenge["nonce"].as_str().context("a nonce")?)?;
    let mut shown = Vec::new();
    for range in challenge["ranges"].as_array().context("ranges")? {
        let place =
            |name: &str| Ok::<_, anyhow::Error>(usize::try_from(range[name].as_u64().context("a number")?)?);
        let (start, length) = (place("start")?, place("length")?);
        shown.extend_from_slice(&bytes[start..start + length]);
    }
    Ok(BASE64_STANDARD.encode(sign(&Key::new(HMAC_SHA256, &nonce), &shown)))
}

fn digest(film: &Film) -> String {
    digest_of(&film.bytes, 8 * MIB)
}

/// Begins an upload of the film and shows that it is there, without a part.
async fn prove(person: &Person, film: &Film) -> Result<(Value, Answer)> {
    let upload = person.create_upload(film).await?;
    let challenge = challenge(person, &upload, &digest(film)).await?;
    ensure!(challenge.status == 200, "{}", challenge.json);
    let proved = answer(person, &upload, &right(&challenge.json, &film.bytes)?).await?;
    Ok((upload, proved))
}

async fn content_of(person: &Person, upload: &Value) -> Result<String> {
    let video = upload["video_id"].as_str().context("a video")?;
    let playback = person.post_nothing(&format!("/videos/{video}/playback")).await?;
    Ok(playback.json["hls_url"].as_str().and_then(|path| path.split('/').nth(2)).context("HLS")?.to_owned())
}

#[tokio::test]
async fn who_has_a_stored_film_lists_it_without_sending_a_byte() -> Result<()> {
    let world = World::get().await;
    let (ann, bob) = (world.person("publisher").await?, world.person("publisher").await?);
    let film = Film::unique()?.padded_to(20 * MIB);
    let anns = ann.publish(&film).await?;
    let (upload, proved) = prove(&bob, &film).await?;
    assert_eq!((proved.status, &proved.json["state"]), (200, &json!("ready")), "{}", proved.json);
    assert_eq!(content_of(&bob, &proved.json).await?, content_of(&ann, &anns).await?, "stored once");
    let video = bob.get(&format!("/videos/{}", proved.json["video_id"].as_str().context("a video")?)).await?;
    assert_eq!((video.status, &video.json["title"]), (200, &upload["name"]));
    let quota = bob.get("/quota").await?.json;
    assert_eq!((&quota["bytes_used"], &quota["uploads_waiting"]), (&json!(film.bytes.len()), &json!(0)));

    // There is nowhere to send parts to any more, and asking again is no matter.
    let too_late = bob.send_parts(&upload, &film, &[1]).await;
    assert!(too_late.is_err(), "it waits for nothing");
    assert_eq!(bob.complete(&upload).await?.json["state"], "ready");
    let Some(stack) = world.stack() else { return Ok(()) };
    let key = format!("media/{}/original", upload["id"].as_str().unwrap_or_default());
    let bucket = &stack.outputs()["UploadBucket"];
    let begun = stack.endpoint().s3().list_multipart_uploads().bucket(bucket).prefix(&key).send().await?;
    assert!(begun.uploads().is_empty(), "its multipart upload is gone");
    let objects = stack.endpoint().s3().list_objects_v2().bucket(bucket).prefix(&key).send().await?;
    assert!(objects.contents().is_empty(), "it has no object");
    Ok(())
}

#[tokio::test]
async fn who_has_listed_it_already_is_told_so() -> Result<()> {
    let world = World::get().await;
    let ann = world.person("publisher").await?;
    let film = Film::unique()?;
    let first = ann.publish(&film).await?;
    let (_, proved) = prove(&ann, &film).await?;
    assert_eq!((proved.status, &proved.json["state"]), (200, &json!("duplicate")), "{}", proved.json);
    assert_eq!(proved.json["duplicate_of"], first["video_id"]);
    let quota = ann.get("/quota").await?.json;
    assert_eq!((&quota["bytes_used"], &quota["uploads_waiting"]), (&json!(film.bytes.len()), &json!(0)));
    Ok(())
}

#[tokio::test]
async fn a_film_that_is_being_worked_on_is_joined_too() -> Result<()> {
    let world = World::get().await;
    let (ann, bob) = (world.person("publisher").await?, world.person("publisher").await?);
    // Sound that has to be encoded: it is processing for seconds.
    let film = Film::made(
        "film.mov",
        "-f lavfi -i testsrc2=size=320x240:rate=10:duration=40 -f lavfi -i sine=duration=40 -c:v libx264 \
         -preset ultrafast -g 20 -pix_fmt yuv420p -c:a pcm_s16le",
    )
    .await?;
    let anns = ann.upload(&film).await?;
    tests::eventually("a content that is processing", async || {
        let path = format!("/uploads/{}", anns["id"].as_str().unwrap_or_default());
        Ok((ann.get(&path).await?.json["state"] != "uploaded").then_some(()))
    })
    .await?;
    let (upload, proved) = prove(&bob, &film).await?;
    let joined = matches!(proved.json["state"].as_str(), Some("processing" | "ready"));
    assert!(proved.status == 200 && joined, "{}", proved.json);
    let (anns, bobs) = (ann.settled(&anns).await?, bob.settled(&upload).await?);
    assert_eq!((&anns["state"], &bobs["state"]), (&json!("ready"), &json!("ready")));
    assert_eq!(content_of(&ann, &anns).await?, content_of(&bob, &bobs).await?);
    Ok(())
}

/// What a refusal looks like: all but the request's own name.
fn looks(answer: &Answer) -> (u16, Value) {
    let mut body = answer.json.clone();
    body.as_object_mut().map(|body| body.remove("request_id"));
    (answer.status, body)
}

#[tokio::test]
async fn every_refusal_looks_like_an_unknown_film_and_takes_as_long() -> Result<()> {
    let world = World::get().await;
    let (ann, bob, eve) = (
        world.person("publisher").await?,
        world.person("publisher").await?,
        world.person("publisher").await?,
    );
    let film = Film::unique()?.padded_to(9 * MIB);
    ann.publish(&film).await?;
    let begin = async || eve.create_upload(&film).await;
    let asked = async |upload: &Value, digest: &str| -> Result<Value> {
        let asked = challenge(&eve, upload, digest).await?;
        ensure!(asked.status == 200, "{}", asked.json);
        Ok(asked.json)
    };

    // The bare digest, with an answer made of nothing, of noise, and of all but one of the places.
    let bare = begin().await?;
    let about_it = asked(&bare, &digest(&film)).await?;
    let mut lacking = film.bytes.clone();
    let missing = usize::try_from(about_it["ranges"][100]["start"].as_u64().context("a place")?)?;
    lacking[missing] ^= 1;
    let (partial, noise) = (begin().await?, begin().await?);
    asked(&noise, &digest(&film)).await?;
    // Of a film that nobody has sent.
    let unknown = begin().await?;
    let nobodys = Film::unique()?.padded_to(9 * MIB);
    let about_nobodys = asked(&unknown, &digest(&nobodys)).await?;
    // Another size with the digest of the film: the last byte is missing.
    let shorter = Film { bytes: film.bytes[..film.bytes.len() - 1].to_vec(), ..film.clone() };
    let other_size = eve.create_upload(&shorter).await?;
    let about_shorter = asked(&other_size, &digest(&film)).await?;
    // Somebody else's answer, who has the film, and an earlier answer of one's own.
    let bobs = bob.create_upload(&film).await?;
    let about_bobs = challenge(&bob, &bobs, &digest(&film)).await?.json;
    let (replayed, never_asked, expired) = (begin().await?, begin().await?, begin().await?);
    asked(&replayed, &digest(&film)).await?;
    let about_expired = asked(&expired, &digest(&film)).await?;
    if let Some(stack) = world.stack() {
        let dynamodb = aws_sdk_dynamodb::Client::new(&stack.sdk_config());
        let past = AttributeValue::S("2020-01-01T00:00:00.000Z".to_owned());
        let id = expired["id"].as_str().context("an id")?;
        let update = dynamodb.update_item().table_name(&stack.outputs()["UploadsTable"]);
        let update = update.key("id", AttributeValue::S(id.to_owned()));
        let update = update.update_expression("SET challenge.expires_at = :past");
        update.expression_attribute_values(":past", past).send().await?;
    }

    let partial_asked = asked(&partial, &digest(&film)).await?;
    let mut tries = vec![
        ("a bare digest", &bare, right(&about_it, &lacking)?),
        ("noise", &noise, "bm9pc2U=".to_owned()),
        ("what is no base64", &partial, "?".to_owned()),
        ("an unknown film", &unknown, right(&about_nobodys, &nobodys.bytes)?),
        ("another size", &other_size, right(&about_shorter, &film.bytes)?),
        ("somebody else's answer", &replayed, right(&about_bobs, &film.bytes)?),
        ("no challenge", &never_asked, right(&about_it, &film.bytes)?),
    ];
    if world.stack().is_some() {
        tries.push(("an expired challenge", &expired, right(&about_expired, &film.bytes)?));
    }
    let refusals = try_join_all(tries.iter().map(async |(what, upload, hmac)| -> Result<_> {
        let begun = Instant::now();
        let refused = answer(&eve, upload, hmac).await?;
        Ok((*what, refused, begun.elapsed()))
    }))
    .await?;
    let expected = looks(&refusals[0].1);
    assert_eq!((expected.0, refusals[0].1.problem()), (409, "not-proved"), "{}", expected.1);
    for (what, refused, took) in &refusals {
        assert_eq!(looks(refused), expected, "{what}");
        assert!(*took >= Duration::from_secs(8), "{what}: after {took:?}");
    }
    // Each was one attempt: the right answer comes too late.
    let (first, second) = (right(&about_it, &film.bytes)?, right(&partial_asked, &film.bytes)?);
    let (again, late) = tokio::join!(answer(&eve, &bare, &first), answer(&eve, &partial, &second));
    assert_eq!((looks(&again?), looks(&late?)), (expected.clone(), expected));

    // Nothing came of any of it, and the file can be sent still.
    assert_eq!(
        eve.get("/quota").await?.json["uploads_waiting"],
        json!(tries.len() + usize::from(world.stack().is_none()))
    );
    let videos = eve.get("/uploads").await?.json.to_string();
    assert!(!videos.contains("video_id"), "{videos}");
    eve.send_film(&bare, &film).await?;
    assert_eq!(eve.settled(&bare).await?["state"], "ready");
    Ok(())
}

#[tokio::test]
async fn of_many_right_answers_to_one_challenge_one_is_taken() -> Result<()> {
    let world = World::get().await;
    let (ann, bob) = (world.person("publisher").await?, world.person("publisher").await?);
    let film = Film::unique()?;
    ann.publish(&film).await?;
    let upload = bob.create_upload(&film).await?;
    let asked = challenge(&bob, &upload, &digest(&film)).await?.json;
    let hmac = right(&asked, &film.bytes)?;
    let answers = try_join_all((0..6).map(|_| answer(&bob, &upload, &hmac))).await?;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 409)));
    let listed = bob.get("/uploads").await?.json;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["items"][0]["state"], "ready");
    Ok(())
}

#[tokio::test]
async fn what_its_last_owner_deleted_is_known_no_longer() -> Result<()> {
    let world = World::get().await;
    let (ann, bob) = (world.person("publisher").await?, world.person("publisher").await?);
    let film = Film::unique()?;
    let video = format!("/videos/{}", ann.publish(&film).await?["video_id"].as_str().context("a video")?);
    let upload = bob.create_upload(&film).await?;
    let asked = challenge(&bob, &upload, &digest(&film)).await?.json;
    let etag = ann.get(&video).await?.header("etag").to_owned();
    let deletion = ann.request(reqwest::Method::DELETE, &video).header("if-match", etag);
    assert_eq!(ann.send(deletion).await?.status, 204);
    let refused = answer(&bob, &upload, &right(&asked, &film.bytes)?).await?;
    assert_eq!((refused.status, refused.problem()), (409, "not-proved"), "{}", refused.json);
    Ok(())
}

#[tokio::test]
async fn challenges_are_few_and_make_sense() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let film = Film::unique()?;
    let upload = publisher.create_upload(&film).await?;
    for wrong in ["no digest".to_owned(), digest_of(&vec![1; 9 * MIB], 8 * MIB)] {
        let refused = challenge(&publisher, &upload, &wrong).await?;
        assert_eq!(
            (refused.status, refused.problem()),
            (400, "invalid-request"),
            "{wrong}: {}",
            refused.json
        );
    }
    let digest = digest(&film);
    let challenges = try_join_all((0..8).map(|_| challenge(&publisher, &upload, &digest))).await?;
    let (given, refused): (Vec<_>, Vec<_>) = challenges.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(given.len(), 3);
    for answer in refused {
        assert_eq!((answer.status, answer.problem()), (409, "too-many-challenges"), "{}", answer.json);
    }

    // An owner gets a hundred in a day. The eight from before are counted, refused ones too.
    let Some(stack) = world.stack() else { return Ok(()) };
    let dynamodb = aws_sdk_dynamodb::Client::new(&stack.sdk_config());
    let key = |value: &str| AttributeValue::S(value.to_owned());
    let day = dynamodb
        .update_item()
        .table_name(&stack.outputs()["ContentsTable"])
        .key("pk", key(&format!("owner#{}", publisher.id)))
        .key("sk", key("quota"))
        .update_expression("SET challenges = challenges + :most")
        .expression_attribute_values(":most", AttributeValue::N("90".to_owned()))
        .return_values(aws_sdk_dynamodb::types::ReturnValue::UpdatedNew);
    let counted = day.send().await?.attributes.and_then(|found| found.get("challenges").cloned());
    assert_eq!(counted, Some(AttributeValue::N("98".to_owned())));
    let mut answers = Vec::new();
    for _ in 0..2 {
        let upload = publisher.create_upload(&film).await?;
        for _ in 0..2 {
            answers.push(challenge(&publisher, &upload, &digest).await?.status);
        }
    }
    assert_eq!(answers, [200, 200, 409, 409]);
    Ok(())
}
