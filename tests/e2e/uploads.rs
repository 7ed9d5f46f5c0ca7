use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Film, Part, World, announce, digest_of, put, sample};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_film_of_several_parts_is_uploaded_in_any_order_and_resumed() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let film = Film::unique()?.padded_to(20 * MIB);
    let upload = publisher.create_upload(&film).await?;
    assert_eq!((&upload["state"], &upload["part_count"]), (&json!("waiting"), &json!(3)));
    assert_eq!(upload["part_size_bytes"], json!(8 * MIB));

    publisher.send_parts(&upload, &film, &[3, 1]).await?;
    // Somewhere else, later: what is there is told, so that only the rest is sent.
    let path = format!("/uploads/{}", upload["id"].as_str().unwrap_or_default());
    let found = publisher.get(&path).await?.json;
    let numbers: Vec<_> =
        found["parts"].as_array().into_iter().flatten().map(|part| &part["number"]).collect();
    assert_eq!(numbers, [&json!(1), &json!(3)]);
    assert_eq!(found["parts"][1]["size_bytes"], json!(film.bytes.len() - 16 * MIB));
    assert!(!found.to_string().contains("upload_id"), "S3's upload id stays on the server");

    let too_early = publisher.complete(&upload).await?;
    assert_eq!((too_early.status, too_early.problem()), (409, "part-missing"), "{}", too_early.json);
    assert!(
        too_early.json["detail"].as_str().is_some_and(|detail| detail.contains('2')),
        "{}",
        too_early.json
    );

    publisher.send_parts(&upload, &film, &[2, 2]).await?;
    let (first, second) = tokio::join!(publisher.complete(&upload), publisher.complete(&upload));
    assert_eq!((first?.status, second?.status), (200, 200), "completing twice at once is completing");
    let settled = publisher.settled(&upload).await?;
    assert_eq!(settled["state"], "ready", "{settled}");
    assert_eq!(publisher.complete(&upload).await?.status, 200, "and so is completing again, later");
    Ok(())
}

#[tokio::test]
async fn a_part_with_other_bytes_than_its_checksum_says_is_refused_by_s3() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let film = Film::unique()?;
    let upload = publisher.create_upload(&film).await?;
    let part = Part { number: 1, bytes: &film.bytes };
    let signed = publisher.sign_parts(&upload, &[part]).await?.json["parts"][0].clone();

    let mut damaged = film.bytes.clone();
    damaged[70_000] ^= 1;
    assert_eq!(put(&signed, &damaged).await?.status, 400, "one flipped bit");
    let mut unsigned = signed.clone();
    unsigned["headers"]["x-amz-checksum-sha256"] = json!(tests::sha256(&damaged));
    assert_eq!(put(&unsigned, &damaged).await?.status, 403, "another checksum than was signed");
    assert_eq!(put(&signed, &film.bytes[..1000]).await?.status / 100, 4, "another size than was signed");
    let missing = publisher.complete(&upload).await?;
    assert_eq!((missing.status, missing.problem()), (409, "part-missing"), "nothing of it was kept");

    assert_eq!(put(&signed, &film.bytes).await?.status, 200);
    assert_eq!(put(&signed, &film.bytes).await?.status, 200, "the same part again replaces itself");
    assert_eq!(publisher.complete(&upload).await?.status, 200);
    assert_eq!(publisher.settled(&upload).await?["state"], "ready");
    Ok(())
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_a_byte_is_sent() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let good = announce(&Film::unique()?);
    for (field, value) in [
        ("size_bytes", json!(0)),
        ("size_bytes", json!(-1)),
        ("size_bytes", json!("12")),
        ("name", json!("")),
        ("name", json!("x".repeat(301))),
        ("description", json!("x".repeat(5_001))),
        ("file_name", json!("")),
        ("digest", json!("no digest")),
        ("checksum", json!("md5")),
    ] {
        let mut wrong = good.clone();
        wrong[field] = value.clone();
        let answer = publisher.post("/uploads", wrong).await?;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "invalid-request"),
            "{field} {value}: {}",
            answer.json
        );
        assert_eq!(answer.json["errors"][0]["field"], field, "{}", answer.json);
    }
    let mut endless = good.clone();
    endless["size_bytes"] = json!(1_u64 << 60);
    let answer = publisher.post("/uploads", endless).await?;
    assert_eq!((answer.status, answer.problem()), (413, "payload-too-large"), "{}", answer.json);
    let viewer = world.person("viewer").await?;
    let answer = viewer.post("/uploads", good).await?;
    assert_eq!((answer.status, answer.problem()), (403, "forbidden"));
    Ok(())
}

#[tokio::test]
async fn parts_that_make_no_sense_are_not_signed() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let upload = publisher.create_upload(&Film::unique()?).await?;
    let path = format!("/uploads/{}/parts", upload["id"].as_str().unwrap_or_default());
    let sha256 = tests::sha256(b"");
    let hundred_and_one: Vec<Value> = (1..=101).map(|n| json!({"number": n, "sha256": sha256})).collect();
    for parts in [
        json!([]),
        json!([{"number": 0, "sha256": sha256}]),
        json!([{"number": 2, "sha256": sha256}]),
        json!([{"number": 1}]),
        json!([{"number": 1, "sha256": "short"}]),
        json!([{"number": 1, "sha256": sha256}, {"number": 1, "sha256": sha256}]),
        json!(hundred_and_one),
    ] {
        let answer = publisher.post(&path, json!({"parts": parts})).await?;
        assert_eq!((answer.status, answer.problem()), (400, "invalid-request"), "{parts}: {}", answer.json);
    }
    Ok(())
}

#[tokio::test]
async fn a_strangers_upload_is_as_good_as_absent() -> Result<()> {
    let world = World::get().await;
    let (publisher, stranger) = (world.person("publisher").await?, world.person("publisher").await?);
    let film = Film::unique()?;
    let upload = publisher.create_upload(&film).await?;
    let id = upload["id"].as_str().unwrap_or_default();
    let part = Part { number: 1, bytes: &film.bytes };
    let answers = [
        stranger.get(&format!("/uploads/{id}")).await?,
        stranger.sign_parts(&upload, &[part]).await?,
        stranger.complete(&upload).await?,
        stranger.delete(&format!("/uploads/{id}")).await?,
    ];
    for answer in answers {
        assert_eq!((answer.status, answer.problem()), (404, "not-found"));
    }
    let listed = stranger.get("/uploads").await?.json;
    assert!(!listed.to_string().contains(id), "nor is it in their list");
    assert_eq!(
        publisher.get(&format!("/uploads/{id}")).await?.status,
        200,
        "it is still there for its owner"
    );
    Ok(())
}

#[tokio::test]
async fn a_repeated_creation_with_its_key_is_one_upload() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let body = announce(&Film::unique()?);
    let key = tests::sha256(body.to_string().as_bytes());
    let create = |body: &Value| {
        publisher.send(publisher.request(Method::POST, "/uploads").header("idempotency-key", &key).json(body))
    };
    let (first, second) = tokio::join!(create(&body), create(&body));
    let (first, second, third) = (first?, second?, create(&body).await?);
    assert!(first.status == 201 && second.status == 201 && third.status == 201);
    assert_eq!(first.json["id"], second.json["id"]);
    assert_eq!(first.json["id"], third.json["id"]);
    assert!(first.header("location").ends_with(first.json["id"].as_str().unwrap_or_default()));
    let mut other = body.clone();
    other["name"] = json!("another film");
    let reused = create(&other).await?;
    assert_eq!((reused.status, reused.problem()), (422, "idempotency-key-reused"));
    let listed = publisher.get("/uploads").await?.json;
    let listed = listed["items"].as_array().into_iter().flatten();
    assert_eq!(listed.filter(|upload| upload["id"] == first.json["id"]).count(), 1);
    Ok(())
}

#[tokio::test]
async fn an_upload_is_aborted_and_gone() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let film = Film::unique()?;
    let upload = publisher.create_upload(&film).await?;
    let path = format!("/uploads/{}", upload["id"].as_str().unwrap_or_default());
    let part = Part { number: 1, bytes: &film.bytes };
    let signed = publisher.sign_parts(&upload, &[part]).await?.json["parts"][0].clone();
    assert_eq!(publisher.delete(&path).await?.status, 204);
    assert_eq!(publisher.get(&path).await?.status, 404);
    assert_eq!(put(&signed, &film.bytes).await?.status, 404, "its parts have nowhere to go");
    assert_eq!(publisher.complete(&upload).await?.status, 404);

    let done = publisher.publish(&Film::unique()?).await?;
    let path = format!("/uploads/{}", done["id"].as_str().unwrap_or_default());
    let refused = publisher.delete(&path).await?;
    assert_eq!(refused.status, 409, "a ready video is deleted as a video: {}", refused.json);
    Ok(())
}

#[tokio::test]
async fn names_stay_as_people_write_them() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let name = format!("{:ж<300}", "\"Quotes\" & <b>angle</b> 'brackets' 🎬");
    assert_eq!(name.chars().count(), 300);
    let film = Film::unique()?;
    let mut body = announce(&film);
    body["name"] = json!(name);
    body["description"] = json!("<script>alert(1)</script>\n🎞️");
    body["file_name"] = json!("../../etc/pässwd \"x\".mp4");
    let created = publisher.post("/uploads", body).await?;
    assert_eq!(created.status, 201, "{}", created.json);
    publisher.send_film(&created.json, &film).await?;
    let settled = publisher.settled(&created.json).await?;
    let video =
        publisher.get(&format!("/videos/{}", settled["video_id"].as_str().unwrap_or_default())).await?;
    assert_eq!(video.json["title"], json!(name));
    assert_eq!(video.json["description"], json!("<script>alert(1)</script>\n🎞️"));
    Ok(())
}

#[tokio::test]
async fn my_uploads_come_in_pages_newest_first() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let mut created = Vec::new();
    for _ in 0..5 {
        created.push(publisher.create_upload(&Film::unique()?).await?["id"].clone());
    }
    created.reverse();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = publisher.get(&format!("/uploads?limit=2{cursor}")).await?.json;
        seen.extend(page["items"].as_array().into_iter().flatten().map(|upload| upload["id"].clone()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    seen.retain(|id| created.contains(id));
    assert_eq!(seen, created);
    for query in ["limit=0", "limit=101", "limit=x", "cursor=nonsense"] {
        let answer = publisher.get(&format!("/uploads?{query}")).await?;
        assert_eq!((answer.status, answer.problem()), (400, "invalid-request"), "{query}");
    }
    Ok(())
}

#[tokio::test]
async fn an_announced_digest_is_held_against_the_bytes() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    for (film, state) in [(Film::unique()?, "ready"), (Film::unique()?, "failed")] {
        let digest = match state {
            "ready" => digest_of(&film.bytes, 8 * MIB),
            _ => digest_of(b"something else", 8 * MIB),
        };
        let mut body = announce(&film);
        body["digest"] = json!(digest);
        let upload = publisher.post("/uploads", body).await?.json;
        publisher.send_film(&upload, &film).await?;
        let settled = publisher.settled(&upload).await?;
        assert_eq!(settled["state"], state, "{settled}");
    }
    Ok(())
}

#[tokio::test]
async fn an_upload_without_checksums_is_packaged_too() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let film = sample("h264_aac_moovend.mp4")?.made_unique();
    let mut body = announce(&film);
    body["checksum"] = json!("none");
    let upload = publisher.post("/uploads", body).await?.json;
    publisher.send_film(&upload, &film).await?;
    let settled = publisher.settled(&upload).await?;
    assert_eq!(settled["state"], "ready", "{settled}");
    Ok(())
}
