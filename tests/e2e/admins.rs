//! What admins do with accounts, and what they can't do to each other.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, Film, Person, World, eventually};

async fn change(admin: &Person, method: Method, path: &str, body: Option<Value>) -> Result<Answer> {
    let request = admin.request(method, path);
    admin.send(if let Some(body) = body { request.json(&body) } else { request }).await
}

async fn set_roles(admin: &Person, id: &str, roles: &[&str]) -> Result<Answer> {
    let path = format!("/admin/accounts/{id}/roles");
    change(admin, Method::PUT, &path, Some(json!({ "roles": roles }))).await
}

async fn disable(admin: &Person, id: &str) -> Result<Answer> {
    change(admin, Method::POST, &format!("/admin/accounts/{id}/disable"), None).await
}

async fn enable(admin: &Person, id: &str) -> Result<Answer> {
    change(admin, Method::POST, &format!("/admin/accounts/{id}/enable"), None).await
}

async fn account(admin: &Person, id: &str) -> Result<Value> {
    let answer = admin.get(&format!("/admin/accounts/{id}")).await?;
    ensure!(answer.status == 200, "{id}: {} {}", answer.status, answer.json);
    Ok(answer.json)
}

async fn refresh(person: &Person) -> Result<Answer> {
    let request = person.request(Method::POST, "/session/refresh").header("cookie", &person.refresh_cookie);
    person.send(request).await
}

#[tokio::test]
async fn an_admin_finds_accounts_by_their_email() -> Result<()> {
    let world = World::get().await;
    let Some(stack) = world.stack() else { return Ok(()) };
    let admin = world.person("admin").await?;
    let prefix = format!("paged-{}", uuid::Uuid::now_v7().simple());
    let mut emails: Vec<_> = ["a", "b", "c"].map(|name| format!("{prefix}-{name}@example.org")).into();
    for email in &emails {
        stack.create_user(email, "Correct horse 7 battery", "viewer").await?;
    }
    let mut found = Vec::new();
    let mut path = format!("/admin/accounts?email={prefix}&limit=2");
    loop {
        let page = admin.get(&path).await?;
        assert_eq!(page.status, 200, "{}", page.json);
        let items = page.json["items"].as_array().context("items")?;
        assert!(items.len() <= 2);
        found.extend(items.iter().filter_map(|item| item["email"].as_str().map(str::to_owned)));
        match page.json["next_cursor"].as_str() {
            Some(cursor) => path = format!("/admin/accounts?email={prefix}&limit=2&cursor={cursor}"),
            None => break,
        }
    }
    found.sort();
    emails.sort();
    assert_eq!(found, emails);
    let nobody = admin.get(&format!("/admin/accounts?email={prefix}-x")).await?;
    assert_eq!(nobody.json, json!({"items": []}));
    let all = admin.get("/admin/accounts?limit=1").await?;
    assert_eq!(all.json["items"].as_array().map(Vec::len), Some(1));
    for (query, field) in [("email=%22%20or%20a", "email"), ("limit=0", "limit")] {
        let refused = admin.get(&format!("/admin/accounts?{query}")).await?;
        assert_eq!((refused.status, &refused.json["errors"][0]["field"]), (400, &json!(field)), "{query}");
    }
    Ok(())
}

#[tokio::test]
async fn an_admin_changes_roles_ends_sessions_and_shuts_out() -> Result<()> {
    let world = World::get().await;
    let Some(stack) = world.stack() else { return Ok(()) };
    let admin = world.person("admin").await?;
    let email = format!("subject-{}@example.org", uuid::Uuid::now_v7().simple());
    let password = "Correct horse 7 battery";
    stack.create_user(&email, password, "viewer").await?;
    let subject = Person::sign_in(&world.site, &email, password).await?;
    let found = account(&admin, &subject.id).await?;
    assert_eq!((&found["email"], &found["roles"]), (&json!(email), &json!(["viewer"])));
    assert_eq!((&found["enabled"], &found["confirmed"]), (&json!(true), &json!(true)));
    assert_eq!(found["last_sign_in"]["outcome"], "signed-in");
    assert!(found["created_at"].is_string());

    // The whole set, as often as one likes; it counts from the next token on.
    for _ in 0..2 {
        assert_eq!(set_roles(&admin, &subject.id, &["viewer", "publisher"]).await?.status, 204);
    }
    assert_eq!(account(&admin, &subject.id).await?["roles"], json!(["viewer", "publisher"]));
    let refreshed = refresh(&subject).await?;
    let token = refreshed.json["access_token"].as_str().context("a token")?;
    let publisher = Person::with_token(&world.site, token);
    let upload = publisher.create_upload(&Film::unique()?).await?;
    let uploads = admin.get(&format!("/admin/accounts/{}/uploads", subject.id)).await?;
    assert_eq!(uploads.json["items"][0]["id"], upload["id"]);
    assert_eq!(uploads.json["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(set_roles(&admin, &subject.id, &[]).await?.status, 204);
    assert_eq!(account(&admin, &subject.id).await?["roles"], json!([]));
    let wrong = set_roles(&admin, &subject.id, &["emperor"]).await?;
    assert_eq!((wrong.status, &wrong.json["errors"][0]["field"]), (400, &json!("roles[0]")));

    let sign_ins = admin.get(&format!("/admin/accounts/{}/sign-ins?limit=1", subject.id)).await?;
    assert_eq!(sign_ins.json["items"][0]["outcome"], "signed-in");
    let path = format!("/admin/accounts/{}/sessions", subject.id);
    assert_eq!(change(&admin, Method::DELETE, &path, None).await?.status, 204);
    assert_eq!(refresh(&subject).await?.status, 401, "the session has ended");

    let subject = Person::sign_in(&world.site, &email, password).await?;
    for _ in 0..2 {
        assert_eq!(disable(&admin, &subject.id).await?.status, 204);
    }
    assert_eq!(account(&admin, &subject.id).await?["enabled"], json!(false));
    assert_eq!(refresh(&subject).await?.status, 401);
    assert_eq!(subject.get("/me").await?.status, 401);
    let body = json!({"email": email, "password": password});
    let refused = Person::nobody(&world.site).post("/session", body).await?;
    assert_eq!((refused.status, refused.problem()), (401, "invalid-credentials"), "as for a wrong password");
    for _ in 0..2 {
        assert_eq!(enable(&admin, &subject.id).await?.status, 204);
    }
    assert_eq!(refresh(&subject).await?.status, 401, "sessions that have ended stay so");
    let subject = Person::sign_in(&world.site, &email, password).await?;

    // Once its owner has deleted it, nobody gets it back.
    assert_eq!(subject.post("/me/deletion", json!({ "password": password })).await?.status, 202);
    let answer = enable(&admin, &subject.id).await?;
    assert!(answer.problem() == "being-removed" || answer.status == 404, "{}", answer.json);
    eventually("the end of the account", async || {
        let gone = admin.get(&format!("/admin/accounts/{}", subject.id)).await?.status == 404;
        Ok(gone.then_some(()))
    })
    .await
}

#[tokio::test]
async fn nobody_does_anything_to_an_account_that_is_none_or_their_own() -> Result<()> {
    let world = World::get().await;
    let (email, password) = world.account("admin").await?;
    let admin = Person::sign_in(&world.site, &email, &password).await?;
    for (id, status) in
        [(admin.id.as_str(), 409), (email.as_str(), 404), ("%22", 404), (&"a".repeat(200), 404)]
    {
        for answer in [disable(&admin, id).await?, set_roles(&admin, id, &["viewer"]).await?] {
            assert_eq!(answer.status, status, "{id}: {}", answer.json);
            assert!(status != 409 || answer.problem() == "own-account", "{}", answer.json);
        }
    }
    // What leaves them an admin is no harm.
    assert_eq!(set_roles(&admin, &admin.id, &["admin", "publisher"]).await?.status, 204);
    let refused = admin.post("/me/deletion", json!({ "password": password })).await?;
    assert_eq!((refused.status, refused.problem()), (409, "is-admin"), "{}", refused.json);
    assert_eq!(admin.get("/me").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn an_admin_who_was_shut_out_does_nothing_to_accounts_with_the_token_they_still_have() -> Result<()> {
    let world = World::get().await;
    let admin = world.person("admin").await?;
    let (demoted, disabled) = (world.person("admin").await?, world.person("admin").await?);
    assert_eq!(set_roles(&admin, &demoted.id, &["viewer"]).await?.status, 204);
    assert_eq!(disable(&admin, &disabled.id).await?.status, 204);
    for (person, status) in [(&demoted, 403), (&disabled, 401)] {
        assert_eq!(person.get("/admin/accounts").await?.status, status);
        assert_eq!(set_roles(person, &person.id, &["admin"]).await?.status, status);
        assert_eq!(enable(person, &disabled.id).await?.status, status);
        assert_eq!(disable(person, &admin.id).await?.status, status);
    }
    assert_eq!(account(&admin, &demoted.id).await?["roles"], json!(["viewer"]));
    assert_eq!(account(&admin, &disabled.id).await?["enabled"], json!(false));
    Ok(())
}

#[tokio::test]
async fn admins_who_shut_each_other_out_at_the_same_moment_leave_one() -> Result<()> {
    let world = World::get().await;
    let judge = world.person("admin").await?;
    for round in 0..4 {
        let (a, b) = (world.person("admin").await?, world.person("admin").await?);
        let by_role = round % 2 == 0;
        let shut_out = async |by: &Person, whom: &Person| match by_role {
            true => set_roles(by, &whom.id, &["viewer"]).await,
            false => disable(by, &whom.id).await,
        };
        let (first, second) = tokio::try_join!(shut_out(&a, &b), shut_out(&b, &a))?;
        let mut left = 0;
        for person in [&a, &b] {
            let account = account(&judge, &person.id).await?;
            let is_admin = account["roles"].as_array().is_some_and(|roles| roles.contains(&json!("admin")));
            left += usize::from(is_admin && account["enabled"] == json!(true));
        }
        assert!(left >= 1, "round {round}: {} {} leave nobody", first.status, second.status);
        let done = [&first, &second].iter().filter(|answer| answer.status == 204).count();
        assert!(done + left >= 2, "who is told that it is done has done it: {done} done, {left} left");
    }
    Ok(())
}
