use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, Film, Person, World};

async fn update(person: &Person, id: &str, if_match: Option<&str>, body: Value) -> Result<Answer> {
    let mut request = person.request(Method::PATCH, &format!("/videos/{id}")).json(&body);
    if let Some(etag) = if_match {
        request = request.header("if-match", etag);
    }
    person.send(request).await
}

#[tokio::test]
async fn of_two_edits_of_one_version_one_is_refused() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let upload = publisher.publish(&Film::unique()?).await?;
    let id = upload["video_id"].as_str().unwrap_or_default();
    let shown = publisher.get(&format!("/videos/{id}")).await?;
    let etag = shown.header("etag").to_owned();
    assert!(!etag.is_empty() && shown.json["editable"] == json!(true));

    let missing = update(&publisher, id, None, json!({"title": "x"})).await?;
    assert_eq!((missing.status, missing.problem()), (428, "precondition-required"));
    let (a, b) = tokio::join!(
        update(&publisher, id, Some(&etag), json!({"title": "from here"})),
        update(&publisher, id, Some(&etag), json!({"title": "from there", "description": "new"})),
    );
    let (a, b) = (a?, b?);
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let winner = if a.status == 200 { &a } else { &b };
    assert_ne!(winner.header("etag"), etag);
    let shown = publisher.get(&format!("/videos/{id}")).await?;
    assert_eq!(shown.json["title"], winner.json["title"]);
    assert_eq!(shown.header("etag"), winner.header("etag"));

    for wrong in
        [json!({"title": ""}), json!({"title": "x".repeat(301)}), json!({"owner_id": "me"}), json!([])]
    {
        let answer = update(&publisher, id, Some(shown.header("etag")), wrong).await?;
        assert_eq!((answer.status, answer.problem()), (400, "invalid-request"), "{}", answer.json);
    }
    Ok(())
}

#[tokio::test]
async fn others_see_a_video_and_only_its_owner_and_admins_change_it() -> Result<()> {
    let world = World::get().await;
    let (publisher, other) = (world.person("publisher").await?, world.person("publisher").await?);
    let (viewer, admin) = (world.person("viewer").await?, world.person("admin").await?);
    let upload = publisher.publish(&Film::unique()?).await?;
    let id = upload["video_id"].as_str().unwrap_or_default();
    for stranger in [&other, &viewer] {
        let shown = stranger.get(&format!("/videos/{id}")).await?;
        assert_eq!((shown.status, &shown.json["editable"]), (200, &json!(false)));
        let etag = shown.header("etag").to_owned();
        assert_eq!(update(stranger, id, Some(&etag), json!({"title": "mine"})).await?.status, 403);
        assert_eq!(stranger.delete(&format!("/videos/{id}")).await?.status, 403);
    }
    let etag = admin.get(&format!("/videos/{id}")).await?.header("etag").to_owned();
    assert_eq!(update(&admin, id, Some(&etag), json!({"title": "tidied"})).await?.status, 200);
    let stale = admin.request(Method::DELETE, &format!("/videos/{id}")).header("if-match", etag);
    assert_eq!(admin.send(stale).await?.status, 412);
    assert_eq!(admin.delete(&format!("/videos/{id}")).await?.status, 204);
    for path in [format!("/videos/{id}"), format!("/uploads/{id}")] {
        assert_eq!(publisher.get(&path).await?.status, 404, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn the_library_comes_in_pages_newest_first() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let mut mine = Vec::new();
    for _ in 0..3 {
        mine.push(publisher.publish(&Film::unique()?).await?["video_id"].clone());
    }
    mine.reverse();
    let viewer = world.person("viewer").await?;
    let (mut seen, mut times, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = viewer.get(&format!("/videos?limit=2{cursor}")).await?.json;
        for video in page["items"].as_array().into_iter().flatten() {
            times.push(video["created_at"].as_str().unwrap_or_default().to_owned());
            if video["owner_id"] == json!(publisher.id) {
                seen.push(video["id"].clone());
            }
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, mine);
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    for id in ["nonsense", "00000000-0000-0000-0000-000000000000"] {
        let answer = viewer.get(&format!("/videos/{id}")).await?;
        assert_eq!((answer.status, answer.problem()), (404, "not-found"), "{id}");
    }
    Ok(())
}
