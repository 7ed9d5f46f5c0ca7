//! Every operation of the API's document, tried by everybody. An operation without a row fails.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, Film, Person, World, announce};

use crate::contract::{document, operations};

/// Who tries: the columns of the table.
///
/// - `nobody` sends no token, `forged` one whose claims were changed, `expired` one that was good ten minutes ago;
/// - `disabled` has been a publisher with a session, and still has its access token (docs/decisions.md says what that is good for);
/// - `viewer` and `publisher` have nothing here, `other` lists a video of the same content, `owner` has the upload and the video.
const COLUMNS: [&str; 9] =
    ["nobody", "forged", "expired", "disabled", "viewer", "publisher", "other", "owner", "admin"];

/// An operation, and the status with which each column is answered.
struct Row(&'static str, [u16; COLUMNS.len()]);

/// Tried from top to bottom, and each row from left to right.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    //                         nobody forged expired disabled viewer publisher other owner admin
    // What needs no session looks at no token either.
    Row("sign_in",             [401,  401,   401,    401,     401,   401,      401,  401,  401]),
    Row("refresh_session",     [401,  401,   401,    401,     401,   401,      401,  401,  401]),
    Row("sign_out",            [204,  204,   204,    204,     204,   204,      204,  204,  204]),
    Row("sign_up",             [202,  202,   202,    202,     202,   202,      202,  202,  202]),
    Row("send_code",           [202,  202,   202,    202,     202,   202,      202,  202,  202]),
    Row("redeem_code",         [409,  409,   409,    409,     409,   409,      409,  409,  409]),
    Row("get_health",          [200,  200,   200,    200,     200,   200,      200,  200,  200]),
    // With a wrong password.
    Row("change_password",     [401,  401,   401,    401,     403,   403,      403,  403,  403]),
    Row("delete_account",      [401,  401,   401,    401,     403,   403,      403,  403,  403]),
    Row("export_account",      [401,  401,   401,    401,     200,   200,      200,  200,  200]),
    Row("get_me",              [401,  401,   401,    401,     200,   200,      200,  200,  200]),
    Row("list_sign_ins",       [401,  401,   401,    200,     200,   200,      200,  200,  200]),
    Row("create_upload",       [401,  401,   401,    201,     403,   201,      201,  201,  201]),
    Row("list_uploads",        [401,  401,   401,    200,     200,   200,      200,  200,  200]),
    Row("get_quota",           [401,  401,   401,    200,     403,   200,      200,  200,  200]),
    Row("get_upload",          [401,  401,   401,    404,     404,   404,      404,  200,  200]),
    Row("sign_parts",          [401,  401,   401,    404,     404,   404,      404,  200,  404]),
    Row("create_challenge",    [401,  401,   401,    404,     404,   404,      404,  200,  404]),
    // Of nothing that is stored.
    Row("answer_challenge",    [401,  401,   401,    404,     404,   404,      404,  409,  404]),
    // No part is there.
    Row("complete_upload",     [401,  401,   401,    404,     404,   404,      404,  409,  404]),
    // It has not failed.
    Row("retry_upload",        [401,  401,   401,    404,     404,   404,      404,  409,  409]),
    Row("abort_upload",        [401,  401,   401,    404,     404,   404,      404,  204,  404]),
    Row("list_videos",         [401,  401,   401,    200,     200,   200,      200,  200,  200]),
    Row("get_video",           [401,  401,   401,    200,     200,   200,      200,  200,  200]),
    // Of a state that it never had.
    Row("update_video",        [401,  401,   401,    403,     403,   403,      403,  412,  412]),
    Row("delete_video",        [401,  401,   401,    403,     403,   403,      403,  412,  412]),
    Row("start_playback",      [401,  401,   401,    200,     200,   200,      200,  200,  200]),
    // With an id that the owner has registered: nobody learns whose it is, but that it is taken.
    Row("register_viewer",     [401,  401,   401,    403,     403,   403,      403,  200,  200]),
    Row("get_usage",           [401,  401,   401,    403,     403,   403,      403,  200,  200]),
    Row("list_channels",       [401,  401,   401,    200,     200,   200,      200,  200,  200]),
    Row("list_jobs",           [401,  401,   401,    403,     403,   403,      403,  403,  200]),
    Row("list_dead_letters",   [401,  401,   401,    403,     403,   403,      403,  403,  200]),
    Row("redrive_dead_letters",[401,  401,   401,    403,     403,   403,      403,  403,  200]),
    // The account is one of its own.
    Row("list_accounts",       [401,  401,   401,    403,     403,   403,      403,  403,  200]),
    Row("get_account",         [401,  401,   401,    403,     403,   403,      403,  403,  200]),
    Row("set_roles",           [401,  401,   401,    403,     403,   403,      403,  403,  204]),
    Row("disable_account",     [401,  401,   401,    403,     403,   403,      403,  403,  204]),
    Row("enable_account",      [401,  401,   401,    403,     403,   403,      403,  403,  204]),
    Row("end_account_sessions",[401,  401,   401,    403,     403,   403,      403,  403,  204]),
    Row("list_account_sign_ins",[401, 401,   401,    403,     403,   403,      403,  403,  200]),
    Row("list_account_uploads",[401,  401,   401,    403,     403,   403,      403,  403,  200]),
    // The last one, although access tokens live on for minutes.
    Row("sign_out_everywhere", [401,  401,   401,    204,     204,   204,      204,  204,  204]),
];

/// What there is to try it on.
struct Things {
    /// Of the owner, without a part.
    upload: Value,
    /// Of the owner.
    video_id: String,
    /// A name for live channels that the owner has registered.
    viewer_id: String,
    /// Of somebody who does nothing here.
    account_id: String,
}

impl Things {
    async fn of(owner: &Person, film: &Film, account_id: String) -> Result<Self> {
        let ready = owner.publish(film).await?;
        let video_id = ready["video_id"].as_str().context("a video")?.to_owned();
        let upload = owner.create_upload(&Film::unique()?).await?;
        let viewer_id = format!("tv@{}", upload["id"].as_str().context("an id")?);
        let register = owner.request(Method::POST, "/register").body(viewer_id.clone());
        let registered = owner.send(register).await?;
        ensure!(registered.status == 200, "registering: {} {}", registered.status, registered.json);
        Ok(Self { upload, video_id, viewer_id, account_id })
    }

    /// An address of the document with ids of these in it.
    fn path(&self, template: &str) -> Result<String> {
        let mut path = String::new();
        for segment in template.trim_start_matches('/').split('/') {
            let id = match (path.as_str(), segment) {
                ("/uploads", "{id}") => self.upload["id"].as_str().context("an id")?,
                ("/videos", "{id}") => &self.video_id,
                ("/admin/accounts", "{id}") => &self.account_id,
                ("/usage", "{user_id}") => &self.viewer_id,
                (before, segment) if segment.starts_with('{') => {
                    anyhow::bail!("nothing here has a {segment} after {before}")
                }
                _ => segment,
            };
            path = format!("{path}/{id}");
        }
        Ok(path)
    }

    /// What the operation is sent besides its address. Operations that aren't named here are sent nothing.
    fn fill(&self, operation: &str, request: reqwest::RequestBuilder) -> Result<reqwest::RequestBuilder> {
        // Somebody else each time: the fifth wrong password locks an e-mail, whether it has an account or not.
        let email = format!("nobody-{}@example.org", uuid::Uuid::now_v7().simple());
        let (right, wrong) = ("Correct horse 7 battery", "Wrong horse 7 battery");
        Ok(match operation {
            "sign_in" => request.json(&json!({"email": email, "password": wrong})),
            "sign_up" => request.json(&json!({"email": email, "password": right})),
            "send_code" => request.json(&json!({"email": email})),
            "redeem_code" => request.json(&json!({"email": email, "code": "123456", "password": right})),
            "change_password" => request.json(&json!({"old_password": wrong, "password": right})),
            "delete_account" => request.json(&json!({"password": wrong})),
            "create_upload" => request.json(&announce(&Film::unique()?)),
            "create_challenge" => request.json(&json!({"digest": tests::digest_of(b"unknown", 8 << 20)})),
            "answer_challenge" => request.json(&json!({"hmac": tests::sha256(b"")})),
            "sign_parts" => request.json(&json!({"parts": [{"number": 1, "sha256": tests::sha256(b"")}]})),
            "update_video" => request.header("if-match", "\"0\"").json(&json!({"title": "x"})),
            "delete_video" => request.header("if-match", "\"0\""),
            "set_roles" => request.json(&json!({"roles": ["viewer"]})),
            "register_viewer" => request.body(self.viewer_id.clone()),
            "redrive_dead_letters" => request.json(&json!({})),
            _ => request,
        })
    }
}

#[tokio::test]
async fn every_operation_answers_everybody_as_the_table_says() -> Result<()> {
    let world = World::get().await;
    let Some(stack) = world.stack() else { return Ok(()) };
    let operations = operations(&document()?)?;
    let named: BTreeSet<_> = ROWS.iter().map(|Row(operation, _)| (*operation).to_owned()).collect();
    assert_eq!(named, operations.keys().cloned().collect(), "a row for each operation");
    assert_eq!(named.len(), ROWS.len(), "and one only");

    let (owner, other) = (world.person("publisher").await?, world.person("publisher").await?);
    let film = Film::unique()?;
    let things = Things::of(&owner, &film, world.person("viewer").await?.id).await?;
    other.publish(&film).await?;
    let (email, password) = world.account("publisher").await?;
    let disabled = Person::sign_in(&world.site, &email, &password).await?;
    stack.disable_user(&email).await?;
    let token = owner.access_token.clone().context("a token")?;
    let expired = Person::with_token(&world.site, &signed_with_end(stack, &token, -60)?);
    let nobody = Person::nobody(&world.site);
    let forged = Person::with_token(&world.site, &forged(&token)?);
    let [viewer, publisher, admin] =
        [world.person("viewer").await?, world.person("publisher").await?, world.person("admin").await?];
    let callers = [nobody, forged, expired, disabled, viewer, publisher, other, owner, admin];

    let mut wrong = Vec::new();
    for &Row(operation, expected) in ROWS {
        let (method, template) = &operations[operation];
        let (method, path) = (Method::from_bytes(method.as_bytes())?, things.path(template)?);
        for ((who, caller), expected) in COLUMNS.iter().zip(&callers).zip(expected) {
            let request = things.fill(operation, caller.request(method.clone(), &path))?;
            let Answer { status, json, .. } = caller.send(request).await?;
            if status != expected {
                wrong.push(format!("{operation} by {who}: {status} instead of {expected}: {json}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// That the expired token is refused for its age alone is shown by one that is made in the same way and has not expired.
#[tokio::test]
async fn a_token_is_good_until_its_end_and_not_a_minute_longer() -> Result<()> {
    let world = World::get().await;
    let Some(stack) = world.stack() else { return Ok(()) };
    let person = world.person("viewer").await?;
    let token = person.access_token.clone().context("a token")?;
    for (seconds, status) in [(60, 200), (-60, 401)] {
        let token = signed_with_end(stack, &token, seconds)?;
        let me = Person::with_token(&world.site, &token).get("/me").await?;
        assert_eq!(me.status, status, "ends in {seconds} seconds: {}", me.json);
    }
    Ok(())
}

/// Header, claims and signature.
fn parts_of(token: &str) -> Result<[&str; 3]> {
    token.split('.').collect::<Vec<_>>().try_into().ok().context("a token has three parts")
}

fn claims_of(token: &str) -> Result<Value> {
    Ok(serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts_of(token)?[1])?)?)
}

/// The token with other claims under the old signature.
fn forged(token: &str) -> Result<String> {
    let [header, _, signature] = parts_of(token)?;
    let mut claims = claims_of(token)?;
    claims["cognito:groups"] = json!(["admin"]);
    Ok(format!("{header}.{}.{signature}", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string())))
}

/// The token as it would be if it ended so many seconds from now, rightly signed: the local AWS's key lies in its folder.
fn signed_with_end(stack: &local::Stack, token: &str, seconds_from_now: i64) -> Result<String> {
    let pool = stack.outputs().get("UserPoolId").context("a user pool")?;
    let folder = stack.data().context("a local AWS of its own")?;
    let pem = folder.join("state/cognito-pool-keys").join(format!("{pool}-access.pem"));
    let pem = std::fs::read_to_string(&pem).with_context(|| format!("reading {}", pem.display()))?;
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let key = RsaKeyPair::from_pkcs8(&BASE64_STANDARD.decode(der)?)?;

    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed()?.as_secs())?;
    let mut claims = claims_of(token)?;
    claims["exp"] = json!(now + seconds_from_now);
    claims["iat"] = json!(now + seconds_from_now - 600);
    let signed = format!("{}.{}", parts_of(token)?[0], BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)?;
    Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
}
