//! Every operation, tried by everybody. A new operation without a row fails.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, Film, Part, Person, World, announce};

use crate::contract::{document, operations};

/// What nobody, somebody with a forged token, a viewer, another publisher, an admin and the owner are answered.
struct Row(&'static str, [u16; 6]);

const ROWS: [Row; 26] = [
    //                      nobody forged viewer other admin owner
    Row("sign_in", [401, 401, 401, 401, 401, 401]),
    Row("refresh_session", [401, 401, 401, 401, 401, 401]),
    Row("sign_out", [204, 204, 204, 204, 204, 204]),
    Row("sign_up", [202, 202, 202, 202, 202, 202]),
    Row("send_code", [202, 202, 202, 202, 202, 202]),
    Row("redeem_code", [409, 409, 409, 409, 409, 409]),
    Row("change_password", [401, 401, 403, 403, 403, 403]),
    Row("export_account", [401, 401, 200, 200, 200, 200]),
    Row("delete_account", [401, 401, 403, 403, 403, 403]),
    Row("list_sign_ins", [401, 401, 200, 200, 200, 200]),
    Row("get_me", [401, 401, 200, 200, 200, 200]),
    Row("create_upload", [401, 401, 403, 201, 201, 201]),
    Row("list_uploads", [401, 401, 200, 200, 200, 200]),
    Row("get_upload", [401, 401, 404, 404, 200, 200]),
    Row("sign_parts", [401, 401, 404, 404, 404, 200]),
    Row("complete_upload", [401, 401, 404, 404, 404, 409]),
    Row("abort_upload", [401, 401, 404, 404, 404, 204]),
    Row("list_videos", [401, 401, 200, 200, 200, 200]),
    Row("get_video", [401, 401, 200, 200, 200, 200]),
    Row("update_video", [401, 401, 403, 403, 412, 412]),
    Row("start_playback", [401, 401, 200, 200, 200, 200]),
    Row("delete_video", [401, 401, 403, 403, 412, 412]),
    // With an id that the owner has registered: nobody learns whose it is, but that it is taken.
    Row("register_viewer", [401, 401, 403, 403, 200, 200]),
    Row("get_usage", [401, 401, 403, 403, 200, 200]),
    Row("list_channels", [401, 401, 200, 200, 200, 200]),
    // The last one, although access tokens live on for minutes.
    Row("sign_out_everywhere", [401, 401, 204, 204, 204, 204]),
];

/// An id that nobody else registers.
fn viewer_of(upload: &Value) -> Result<String> {
    Ok(format!("tv@{}", upload["id"].as_str().context("an id")?))
}

async fn send(person: &Person, operation: &str, upload: &Value, video: &str) -> Result<Answer> {
    let id = upload["id"].as_str().context("an id")?;
    let with_etag = |method, path: &str| person.request(method, path).header("if-match", "\"0\"");
    match operation {
        "sign_in" => {
            // Somebody else each time: the fifth wrong password locks an account, there or not.
            let email = format!("nobody-{}@example.org", uuid::Uuid::now_v7().simple());
            let body = json!({"email": email, "password": "Wrong horse 7 battery"});
            person.post("/session", body).await
        }
        "sign_up" => {
            let email = format!("new-{}@example.org", uuid::Uuid::now_v7().simple());
            person.post("/sign-up", json!({"email": email, "password": "Correct horse 7 battery"})).await
        }
        "send_code" => {
            let email = format!("nobody-{}@example.org", uuid::Uuid::now_v7().simple());
            person.post("/codes", json!({"email": email})).await
        }
        "redeem_code" => {
            let email = format!("nobody-{}@example.org", uuid::Uuid::now_v7().simple());
            let body = json!({"email": email, "code": "123456", "password": "Correct horse 7 battery"});
            person.post("/codes/redeem", body).await
        }
        "change_password" => {
            let body =
                json!({"old_password": "Wrong horse 7 battery", "password": "Correct horse 8 battery"});
            person.post("/me/password", body).await
        }
        "export_account" => person.get("/me/export").await,
        "delete_account" => person.post("/me/deletion", json!({"password": "Wrong horse 7 battery"})).await,
        "list_sign_ins" => person.get("/me/sign-ins").await,
        "sign_out_everywhere" => person.delete("/sessions").await,
        "refresh_session" => person.post_nothing("/session/refresh").await,
        "sign_out" => person.delete("/session").await,
        "get_me" => person.get("/me").await,
        "create_upload" => person.post("/uploads", announce(&Film::unique()?)).await,
        "list_uploads" => person.get("/uploads").await,
        "get_upload" => person.get(&format!("/uploads/{id}")).await,
        "sign_parts" => person.sign_parts(upload, &[Part { number: 1, bytes: b"" }]).await,
        "complete_upload" => person.complete(upload).await,
        "abort_upload" => person.delete(&format!("/uploads/{id}")).await,
        "list_videos" => person.get("/videos").await,
        "get_video" => person.get(&format!("/videos/{video}")).await,
        "update_video" => {
            let request = with_etag(Method::PATCH, &format!("/videos/{video}"));
            person.send(request.json(&json!({"title": "x"}))).await
        }
        "delete_video" => person.send(with_etag(Method::DELETE, &format!("/videos/{video}"))).await,
        "start_playback" => person.post_nothing(&format!("/videos/{video}/playback")).await,
        "register_viewer" => {
            person.send(person.request(Method::POST, "/register").body(viewer_of(upload)?)).await
        }
        "get_usage" => person.get(&format!("/usage/{}", viewer_of(upload)?)).await,
        "list_channels" => person.get("/channels").await,
        other => anyhow::bail!("{other} has no request here"),
    }
}

#[tokio::test]
async fn every_operation_answers_everybody_as_the_table_says() -> Result<()> {
    let world = World::get().await;
    let owner = world.person("publisher").await?;
    let token = owner.access_token.clone().context("a token")?;
    let callers = [
        Person::nobody(&world.site),
        Person::with_token(&world.site, &forged(&token)?),
        world.person("viewer").await?,
        world.person("publisher").await?,
        world.person("admin").await?,
        owner.clone(),
    ];
    let video = owner.publish(&Film::unique()?).await?;
    let video = video["video_id"].as_str().context("a video")?;
    let upload = owner.create_upload(&Film::unique()?).await?;
    let registered = send(&owner, "register_viewer", &upload, video).await?;
    assert_eq!(registered.status, 200, "{}", registered.json);

    let named: BTreeSet<_> = ROWS.iter().map(|Row(operation, _)| (*operation).to_owned()).collect();
    assert_eq!(named, operations(&document()?)?.into_keys().collect(), "a row for each operation");
    let mut wrong = Vec::new();
    for Row(operation, expected) in ROWS {
        for (who, (caller, expected)) in
            ["nobody", "forged", "viewer", "other", "admin", "owner"].iter().zip(callers.iter().zip(expected))
        {
            let answer = send(caller, operation, &upload, video).await?;
            if answer.status != expected {
                wrong.push(format!(
                    "{operation} by {who}: {} instead of {expected}: {}",
                    answer.status, answer.json
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The token with other claims under the old signature.
fn forged(token: &str) -> Result<String> {
    use base64::Engine as _;
    let base64 = base64::prelude::BASE64_URL_SAFE_NO_PAD;
    let parts: Vec<_> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { anyhow::bail!("a token has three parts") };
    let mut claims: Value = serde_json::from_slice(&base64.decode(claims)?)?;
    claims["cognito:groups"] = json!(["admin"]);
    Ok(format!("{header}.{}.{signature}", base64.encode(claims.to_string())))
}
