//! What another site can have a signed-in person's browser do: nothing that it can read, and nothing by a form.

use anyhow::Result;
use reqwest::Method;
use serde_json::json;
use tests::{Person, World};

const FOREIGN: [&str; 3] = ["https://evil.example", "http://localhost:1", "null"];

#[tokio::test]
async fn no_other_origin_may_read_an_answer_or_ask_to() -> Result<()> {
    let world = World::get().await;
    let person = world.person("viewer").await?;
    let mut wrong = Vec::new();
    for origin in FOREIGN {
        for (method, path) in [
            (Method::POST, "/session/refresh"),
            (Method::DELETE, "/session"),
            (Method::POST, "/session"),
            (Method::GET, "/me"),
            (Method::DELETE, "/sessions"),
        ] {
            // What a browser asks before it sends a request with another method, type or header than a form's.
            let preflight = Person::nobody(&world.site).request(Method::OPTIONS, path);
            let preflight = preflight
                .header("origin", origin)
                .header("access-control-request-method", method.as_str())
                .header("access-control-request-headers", "authorization, content-type");
            let asked = person.send(preflight).await?;
            if !asked.header("access-control-allow-origin").is_empty() {
                wrong.push(format!("{origin} may send {method} {path}"));
            }
        }
        let read = person.send(person.request(Method::GET, "/me").header("origin", origin)).await?;
        if !read.header("access-control-allow-origin").is_empty() {
            wrong.push(format!("{origin} may read /me"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// A form can send these three types and no other, to any site. So no route that takes a body takes one of them.
#[tokio::test]
async fn a_form_signs_nobody_in_and_changes_nothing() -> Result<()> {
    let world = World::get().await;
    let (email, password) = world.account("viewer").await?;
    let nobody = Person::nobody(&world.site);
    let body = json!({"email": email, "password": password}).to_string();
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    {
        let form = nobody.request(Method::POST, "/session").header("content-type", content_type);
        let answer = nobody.send(form.body(body.clone())).await?;
        assert_eq!(answer.status, 415, "{content_type}: {}", answer.json);
        assert!(answer.set_cookies().is_empty(), "{content_type} signs in");
    }
    let plain = nobody.send(nobody.request(Method::POST, "/session").body(body)).await?;
    assert_eq!(plain.status, 415, "without a type: {}", plain.json);
    Ok(())
}

/// Nobody can have somebody else sign in to a session that they know: each sign-in makes its own.
#[tokio::test]
async fn a_session_that_was_planted_is_not_the_one_that_one_gets() -> Result<()> {
    let world = World::get().await;
    let (email, password) = world.account("viewer").await?;
    let nobody = Person::nobody(&world.site);
    let body = json!({"email": email, "password": password});
    let attacker = nobody.post("/session", body.clone()).await?;
    let planted = attacker.cookies();
    let request = nobody.request(Method::POST, "/session").header("cookie", &planted).json(&body);
    let signed_in = nobody.send(request).await?;
    assert_eq!(signed_in.status, 200, "{}", signed_in.json);
    assert_ne!(signed_in.cookies(), planted, "the planted session goes on");
    assert_ne!(signed_in.json["access_token"], attacker.json["access_token"]);

    // Planted for a longer path, it stays, and browsers send it in front of the other.
    let both = format!("{planted}; {}", signed_in.cookies());
    let refresh = nobody.request(Method::POST, "/session/refresh").header("cookie", &both);
    let renewed = nobody.send(refresh).await?;
    assert_eq!((renewed.status, renewed.problem()), (401, "session-ended"), "{}", renewed.json);
    assert!(renewed.set_cookies().is_empty(), "the session of one's own is taken away");
    Ok(())
}

/// The cookie alone opens these two routes, and a neighbour on another port or subdomain is the same site to it.
#[tokio::test]
async fn a_session_is_neither_renewed_nor_ended_from_another_sites_page() -> Result<()> {
    let world = World::get().await;
    let (email, password) = world.account("viewer").await?;
    let nobody = Person::nobody(&world.site);
    let session = nobody.post("/session", json!({"email": email, "password": password})).await?.cookies();
    let ask = async |method: Method, path: &str, told: (&str, &str)| {
        let request = nobody.request(method, path).header("cookie", &session);
        nobody.send(request.header(told.0, told.1)).await
    };
    let from_elsewhere = ["same-site", "cross-site", "none"].map(|from| ("sec-fetch-site", from));
    // Browsers before 2023 tell no more than the origin.
    for told in from_elsewhere.into_iter().chain(FOREIGN.map(|origin| ("origin", origin))) {
        for (method, path) in [(Method::POST, "/session/refresh"), (Method::DELETE, "/session")] {
            let answer = ask(method, path, told).await?;
            assert_eq!(answer.status, 403, "{path} {told:?}: {}", answer.json);
            assert!(answer.set_cookies().is_empty(), "{path} {told:?}");
        }
    }
    let pretended = nobody.request(Method::POST, "/session/refresh").header("cookie", &session);
    let pretended =
        pretended.header("origin", "https://evil.example").header("x-matinee-viewer-host", "evil.example");
    assert_eq!(
        nobody.send(pretended).await?.status,
        403,
        "the CDN's word is written over what a request says"
    );
    let uninvited = nobody.send(nobody.request(Method::POST, "/session/refresh")).await?;
    assert_eq!(uninvited.status, 401, "{}", uninvited.json);
    assert!(uninvited.set_cookies().is_empty(), "a form that brings no cookie takes none away");
    let renewed = ask(Method::POST, "/session/refresh", ("origin", &world.site)).await?;
    assert_eq!(renewed.status, 200, "the session goes on: {}", renewed.json);
    assert_eq!(ask(Method::DELETE, "/session", ("sec-fetch-site", "same-origin")).await?.status, 204);
    Ok(())
}
