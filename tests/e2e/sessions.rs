use anyhow::Result;
use reqwest::Method;
use serde_json::json;
use tests::{Person, World};

#[tokio::test]
async fn a_session_starts_goes_on_and_ends() -> Result<()> {
    let world = World::get().await;
    let (email, password) = world.account("publisher").await?;
    let nobody = Person::nobody(&world.site);

    let signed_in = nobody.post("/session", json!({"email": email, "password": password})).await?;
    assert_eq!(signed_in.status, 200, "{}", signed_in.json);
    assert_eq!(signed_in.json["user"]["email"], email);
    let roles = &signed_in.json["user"]["roles"];
    assert!(roles.as_array().is_some_and(|roles| roles.contains(&json!("publisher"))), "{roles}");
    assert!(
        signed_in.json["expires_in_seconds"].as_u64().is_some_and(|seconds| (60..=900).contains(&seconds))
    );
    let cookies = signed_in.set_cookies();
    assert_eq!(cookies.len(), 1);
    for attribute in ["matinee_refresh=", "Path=/api/session", "HttpOnly", "Secure", "SameSite=Strict"] {
        assert!(cookies[0].contains(attribute), "{attribute} is missing");
    }
    assert!(!signed_in.json.to_string().contains("refresh"), "the refresh token is for the cookie alone");

    let refresh = nobody.request(Method::POST, "/session/refresh").header("cookie", signed_in.cookies());
    let refreshed = nobody.send(refresh).await?;
    assert_eq!(refreshed.status, 200, "{}", refreshed.json);
    let token = refreshed.json["access_token"].as_str().unwrap_or_default();
    let me = Person::with_token(&world.site, token).get("/me").await?;
    assert_eq!((me.status, &me.json["email"], &me.json["roles"]), (200, &json!(email), roles));
    assert_eq!(me.json["id"], signed_in.json["user"]["id"]);

    let end = nobody.request(Method::DELETE, "/session").header("cookie", signed_in.cookies());
    let ended = nobody.send(end).await?;
    assert_eq!(ended.status, 204);
    assert!(ended.set_cookies().iter().any(|cookie| cookie.contains("Max-Age=0")), "the cookie is cleared");
    let refresh = nobody.request(Method::POST, "/session/refresh").header("cookie", signed_in.cookies());
    let refused = nobody.send(refresh).await?;
    assert_eq!((refused.status, refused.problem()), (401, "session-ended"));
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_look_the_same() -> Result<()> {
    let world = World::get().await;
    let (email, _) = world.account("viewer").await?;
    let nobody = Person::nobody(&world.site);
    let mut answers = Vec::new();
    for email in [email.as_str(), "nobody-knows-me@example.org"] {
        let answer =
            nobody.post("/session", json!({"email": email, "password": "Wrong horse 7 battery"})).await?;
        assert!(answer.set_cookies().is_empty());
        let mut body = answer.json.clone();
        body["request_id"] = json!(null);
        answers.push((answer.status, body));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0, 401);
    Ok(())
}

#[tokio::test]
async fn a_session_that_is_made_up_is_refused_and_forgotten() -> Result<()> {
    let world = World::get().await;
    let nobody = Person::nobody(&world.site);
    for cookie in ["", "matinee_refresh=", "matinee_refresh=x", "matinee_refresh=a.b", "other=1"] {
        let refresh = nobody.request(Method::POST, "/session/refresh").header("cookie", cookie);
        let answer = nobody.send(refresh).await?;
        assert_eq!((answer.status, answer.problem()), (401, "session-ended"), "{cookie:?}");
        let end = nobody.request(Method::DELETE, "/session").header("cookie", cookie);
        assert_eq!(nobody.send(end).await?.status, 204, "signing out of nothing is done at once: {cookie:?}");
    }
    Ok(())
}

#[tokio::test]
async fn guesses_at_once_lock_an_account_whether_it_exists_or_not() -> Result<()> {
    let world = World::get().await;
    let (email, password) = world.account("viewer").await?;
    let nobody = Person::nobody(&world.site);
    let unknown = format!("nobody-{}@example.org", uuid::Uuid::now_v7().simple());
    for email in [email.as_str(), &unknown] {
        let guess = || nobody.post("/session", json!({"email": email, "password": "Wrong horse 7 battery"}));
        let mut made = 0;
        for answer in futures_util::future::join_all((0..20).map(|_| guess())).await {
            let answer = answer?;
            match answer.status {
                401 => made += 1,
                429 => assert!(matches!(answer.header("retry-after").parse(), Ok(1..=60)), "{}", answer.json),
                status => anyhow::bail!("{status}: {}", answer.json),
            }
        }
        assert_eq!(made, 5, "{email}");
    }
    let right = nobody.post("/session", json!({"email": email, "password": password})).await?;
    assert_eq!((right.status, right.problem()), (429, "account-locked"), "the right password included");
    Ok(())
}

#[tokio::test]
async fn what_is_no_sign_in_is_a_clear_problem() -> Result<()> {
    let world = World::get().await;
    let nobody = Person::nobody(&world.site);
    let wrong = nobody.post("/session", json!({"email": "a@example.org"})).await?;
    assert_eq!((wrong.status, wrong.problem()), (400, "invalid-request"), "{}", wrong.json);
    assert!(wrong.json["detail"].as_str().is_some_and(|detail| detail.contains("password")));
    let no_json = nobody.request(Method::POST, "/session").header("content-type", "text/plain").body("hello");
    let no_json = nobody.send(no_json).await?;
    assert_eq!((no_json.status, no_json.problem()), (415, "unsupported-media-type"));
    let broken =
        nobody.request(Method::POST, "/session").header("content-type", "application/json").body("{");
    let broken = nobody.send(broken).await?;
    assert_eq!((broken.status, broken.problem()), (400, "invalid-request"));
    Ok(())
}
