//! Registering, passwords, and what becomes of sessions.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, Film, Person, World, eventually};

const PASSWORD: &str = "Correct horse 7 battery";
const ANOTHER: &str = "Another horse 8 battery";

fn new_email() -> String {
    format!("new-{}@example.org", uuid::Uuid::now_v7().simple())
}

/// The code in the newest mail to this address.
async fn mailed_code(stack: &local::Stack, email: &str) -> Result<String> {
    let mails = local::mails::mails(stack.endpoint()).await?;
    let mail = mails.into_iter().rev().find(|mail| mail.to == [email]).context("a mail")?;
    let code = mail.body_text.strip_prefix("Your code is ").and_then(|rest| rest.get(..6));
    let code = code.filter(|code| code.bytes().all(|digit| digit.is_ascii_digit()));
    Ok(code.with_context(|| format!("{mail:?} has no code"))?.to_owned())
}

async fn redeem(person: &Person, email: &str, code: &str, password: &str) -> Result<Answer> {
    person.post("/codes/redeem", json!({"email": email, "code": code, "password": password})).await
}

async fn refresh(person: &Person) -> Result<u16> {
    let request = person.request(Method::POST, "/session/refresh").header("cookie", &person.refresh_cookie);
    Ok(person.send(request).await?.status)
}

#[tokio::test]
async fn somebody_registers_confirms_and_signs_in() -> Result<()> {
    let world = World::get().await;
    let Some(stack) = world.stack() else { return Ok(()) };
    let (nobody, email) = (Person::nobody(&world.site), new_email());
    let sign_up = || nobody.post("/sign-up", json!({"email": email, "password": PASSWORD}));
    let first = sign_up().await?;
    assert_eq!((first.status, first.bytes.as_slice()), (202, &b""[..]), "{}", first.json);
    let early = nobody.post("/session", json!({"email": email, "password": PASSWORD})).await?;
    assert_eq!((early.status, early.problem()), (401, "invalid-credentials"), "it waits for its code");

    let wrong = redeem(&nobody, &email, "000000", PASSWORD).await?;
    assert_eq!((wrong.status, wrong.problem()), (409, "wrong-code"));
    let code = mailed_code(stack, &email).await?;
    assert_eq!(redeem(&nobody, &email, &code, PASSWORD).await?.status, 204);
    let person = Person::sign_in(&world.site, &email, PASSWORD).await?;
    assert_eq!(person.get("/me").await?.json["roles"], json!(["viewer"]));
    assert_eq!(redeem(&nobody, &email, &code, ANOTHER).await?.status, 409, "a code is used once");

    // Registering once more answers the same, and is a way to a new password for whoever gets the mail.
    let second = sign_up().await?;
    assert_eq!((second.status, &second.bytes), (first.status, &first.bytes));
    Person::sign_in(&world.site, &email, PASSWORD).await.context("nothing has changed yet")?;
    let code = mailed_code(stack, &email).await?;
    assert_eq!(redeem(&nobody, &email, &code, ANOTHER).await?.status, 204);
    Person::sign_in(&world.site, &email, ANOTHER).await?;
    let old = nobody.post("/session", json!({"email": email, "password": PASSWORD})).await?;
    assert_eq!(old.status, 401, "the old password is gone");
    assert_eq!(refresh(&person).await?, 401, "and so are the sessions");
    Ok(())
}

#[tokio::test]
async fn whoever_registers_with_a_foreign_email_leaves_no_password_behind() -> Result<()> {
    let world = World::get().await;
    let Some(stack) = world.stack() else { return Ok(()) };
    let (nobody, email) = (Person::nobody(&world.site), new_email());
    let foreign = json!({"email": email, "password": "the password of a stranger"});
    assert_eq!(nobody.post("/sign-up", foreign.clone()).await?.status, 202);
    assert_eq!(nobody.post("/sign-up", json!({"email": email, "password": PASSWORD})).await?.status, 202);
    assert_eq!(redeem(&nobody, &email, &mailed_code(stack, &email).await?, PASSWORD).await?.status, 204);
    assert_eq!(nobody.post("/session", foreign).await?.status, 401);
    Person::sign_in(&world.site, &email, PASSWORD).await?;
    Ok(())
}

#[tokio::test]
async fn a_weak_password_is_refused_by_name() -> Result<()> {
    let world = World::get().await;
    let (email, _) = world.account("viewer").await?;
    for email in [email, new_email()] {
        let body = json!({"email": email, "password": "elevenchars"});
        let refused = Person::nobody(&world.site).post("/sign-up", body).await?;
        assert_eq!((refused.status, &refused.json["errors"][0]["field"]), (400, &json!("password")));
    }
    Ok(())
}

#[tokio::test]
async fn a_forgotten_password_is_reset_by_a_mailed_code() -> Result<()> {
    let world = World::get().await;
    let Some(stack) = world.stack() else { return Ok(()) };
    let (email, password) = world.account("publisher").await?;
    let person = Person::sign_in(&world.site, &email, &password).await?;
    let nobody = Person::nobody(&world.site);
    let known = nobody.post("/codes", json!({"email": email})).await?;
    let unknown = nobody.post("/codes", json!({"email": new_email()})).await?;
    assert_eq!((known.status, &known.bytes), (202, &Vec::new()));
    assert_eq!((unknown.status, &unknown.bytes), (202, &Vec::new()));
    let code = mailed_code(stack, &email).await?;
    assert_eq!(redeem(&nobody, &email, &code, ANOTHER).await?.status, 204);
    assert_eq!(refresh(&person).await?, 401, "the session has ended");
    let person = Person::sign_in(&world.site, &email, ANOTHER).await?;
    assert_eq!(person.get("/me").await?.json["roles"], json!(["publisher"]), "what one may do stays");
    Ok(())
}

#[tokio::test]
async fn the_fifth_wrong_code_locks_codes_whether_there_is_an_account_or_not() -> Result<()> {
    let world = World::get().await;
    let (email, _) = world.account("viewer").await?;
    let nobody = Person::nobody(&world.site);
    for email in [email, new_email()] {
        for _ in 0..5 {
            let wrong = redeem(&nobody, &email, "000000", PASSWORD).await?;
            assert_eq!((wrong.status, wrong.problem()), (409, "wrong-code"));
        }
        let locked = redeem(&nobody, &email, "000000", PASSWORD).await?;
        assert_eq!((locked.status, locked.problem()), (429, "codes-locked"));
        assert!(matches!(locked.header("retry-after").parse(), Ok(1..=900)));
    }
    Ok(())
}

#[tokio::test]
async fn a_change_of_password_ends_the_other_sessions_and_this_one_goes_on() -> Result<()> {
    let world = World::get().await;
    let (email, password) = world.account("viewer").await?;
    let elsewhere = Person::sign_in(&world.site, &email, &password).await?;
    let mut here = Person::sign_in(&world.site, &email, &password).await?;
    let wrong = here.post("/me/password", json!({"old_password": ANOTHER, "password": ANOTHER})).await?;
    assert_eq!((wrong.status, wrong.problem()), (403, "forbidden"));
    let changed = here.post("/me/password", json!({"old_password": password, "password": ANOTHER})).await?;
    assert_eq!(changed.status, 200, "{}", changed.json);
    assert_eq!(refresh(&elsewhere).await?, 401);
    assert_eq!(refresh(&here).await?, 401, "the cookie from before");
    here.refresh_cookie = changed.cookies();
    assert_eq!(refresh(&here).await?, 200);
    Person::sign_in(&world.site, &email, ANOTHER).await?;
    Ok(())
}

#[tokio::test]
async fn signing_out_everywhere_ends_every_session() -> Result<()> {
    let world = World::get().await;
    let (email, password) = world.account("viewer").await?;
    let people = [
        Person::sign_in(&world.site, &email, &password).await?,
        Person::sign_in(&world.site, &email, &password).await?,
    ];
    let ended = people[0].delete("/sessions").await?;
    assert_eq!(ended.status, 204);
    assert!(ended.set_cookies().iter().any(|cookie| cookie.contains("Max-Age=0")), "the cookie is cleared");
    for person in people {
        assert_eq!(refresh(&person).await?, 401);
    }
    Person::sign_in(&world.site, &email, &password).await?;
    Ok(())
}

#[tokio::test]
async fn the_history_shows_attempts_to_their_owner_and_nobody_says_from_where_but_the_cdn() -> Result<()> {
    let world = World::get().await;
    let (email, password) = world.account("viewer").await?;
    let stranger = Person::nobody(&world.site);
    let attempt = |password: &str| {
        let request = stranger.request(Method::POST, "/session");
        let request = request.json(&json!({"email": email, "password": password}));
        let request =
            request.header("x-matinee-viewer-address", "192.0.2.66").header("x-forwarded-for", "192.0.2.66");
        request.header("x-matinee-origin-secret", "a guess").header("user-agent", "curl/8.14.1")
    };
    assert_eq!(stranger.send(attempt(ANOTHER)).await?.status, 401);
    let first = stranger.send(attempt(&password)).await?;
    assert_eq!(first.json["previous_sign_in"], Value::Null);
    let second = stranger.send(attempt(&password)).await?;
    let previous = &second.json["previous_sign_in"];
    assert_eq!((&previous["outcome"], &previous["device"]), (&json!("signed-in"), &json!("curl")));

    let person = Person::sign_in(&world.site, &email, &password).await?;
    let list = person.get("/me/sign-ins").await?;
    let items = list.json["items"].as_array().context("a list")?;
    let outcomes: Vec<_> = items.iter().map(|item| item["outcome"].as_str().unwrap_or_default()).collect();
    assert_eq!(outcomes, ["signed-in", "signed-in", "signed-in", "refused"]);
    for item in items {
        let address = item["address"].as_str().context("an address")?;
        ensure!(address != "192.0.2.66", "a viewer said where they are: {item}");
        ensure!(address == "::1" || address.starts_with("127."), "{item}");
    }
    let pages = person.get("/me/sign-ins?limit=3").await?;
    let cursor = pages.json["next_cursor"].as_str().context("a second page")?;
    let rest = person.get(&format!("/me/sign-ins?limit=3&cursor={cursor}")).await?;
    assert_eq!(rest.json, json!({"items": [items[3]]}));
    let other = world.person("viewer").await?;
    let others = other.get(&format!("/me/sign-ins?cursor={cursor}")).await?;
    assert_eq!(others.json, json!({"items": []}), "a cursor opens nobody else's list");
    Ok(())
}

#[tokio::test]
async fn an_address_that_guesses_at_many_accounts_is_stopped_and_its_neighbour_is_not() -> Result<()> {
    if !cfg!(target_os = "linux") {
        eprintln!("not tried: everybody has the same address on this machine");
        return Ok(());
    }
    let world = World::get().await;
    let Some(_) = world.stack() else { return Ok(()) };
    let guesser = Person::nobody(&world.site);
    let guess = |person: &Person| {
        let request = person
            .request(Method::POST, "/session")
            .json(&json!({"email": new_email(), "password": PASSWORD}));
        let person = person.clone();
        async move { person.send(request).await }
    };
    let mut made = 0;
    let mut stopped = 0;
    // Ten minutes by the clock may end meanwhile; then a second budget begins.
    for _ in 0..12 {
        for answer in futures_util::future::join_all((0..10).map(|_| guess(&guesser))).await {
            let answer = answer?;
            match answer.status {
                401 => made += 1,
                429 if answer.problem() == "address-locked" => {
                    assert!(matches!(answer.header("retry-after").parse(), Ok(1..=600)));
                    stopped += 1;
                }
                status => anyhow::bail!("{status}: {}", answer.json),
            }
        }
    }
    assert_eq!(made + stopped, 120);
    assert!((50..=100).contains(&made), "{made} were made");
    assert_eq!(guess(&Person::nobody(&world.site)).await?.status, 401, "a neighbour");
    Ok(())
}

#[tokio::test]
async fn a_deleted_account_takes_what_is_its_own_and_leaves_what_is_shared() -> Result<()> {
    let world = World::get().await;
    let Some(stack) = world.stack() else { return Ok(()) };
    let (email, password) = world.account("publisher").await?;
    let person = Person::sign_in(&world.site, &email, &password).await?;
    let other = world.person("publisher").await?;
    let film = Film::unique()?;
    let own = person.publish(&film).await?;
    let others = other.publish(&film).await?;
    let waiting = person.create_upload(&Film::unique()?).await?;
    let path = |upload: &Value| format!("/videos/{}", upload["video_id"].as_str().unwrap_or_default());
    let viewer = format!("tv@{}", person.id);
    let register =
        async |by: &Person| by.send(by.request(Method::POST, "/register").body(viewer.clone())).await;
    assert_eq!(register(&person).await?.status, 200);

    let export = person.get("/me/export").await?;
    assert_eq!((export.status, &export.json["email"]), (200, &json!(email)), "{}", export.json);
    assert!(export.header("content-disposition").starts_with("attachment"));
    let ids = |list: &str| -> Vec<&Value> {
        export.json[list].as_array().into_iter().flatten().map(|item| &item["id"]).collect()
    };
    assert_eq!(ids("videos"), [&own["video_id"]]);
    assert_eq!(ids("uploads"), [&waiting["id"], &own["id"]]);
    assert_eq!(export.json["live_viewers"], json!([viewer]));
    assert_eq!(export.json["sign_ins"][0]["outcome"], "signed-in");
    assert!(!export.json.to_string().contains("s3_upload_id"), "{}", export.json);

    let wrong = person.post("/me/deletion", json!({"password": ANOTHER})).await?;
    assert_eq!((wrong.status, wrong.problem()), (403, "forbidden"));
    let deleted = person.post("/me/deletion", json!({"password": password})).await?;
    assert_eq!(deleted.status, 202, "{}", deleted.json);
    assert_eq!(refresh(&person).await?, 401, "sessions end at once");
    let again =
        Person::nobody(&world.site).post("/session", json!({"email": email, "password": password})).await?;
    assert_eq!((again.status, again.problem()), (401, "invalid-credentials"));

    eventually("the removal", async || {
        let gone = other.get(&path(&own)).await?.status == 404 && register(&other).await?.status == 200;
        Ok(gone.then_some(()))
    })
    .await?;
    // What is shared is the other's now, and plays.
    assert_eq!(other.get(&path(&others)).await?.status, 200);
    assert_eq!(other.post_nothing(&format!("{}/playback", path(&others))).await?.status, 200);

    // The identity goes last. From then on the e-mail is anybody's who gets its mail, and knows nothing of before.
    eventually("the end of the identity", async || Ok((!stack.has_user(&email).await?).then_some(())))
        .await?;
    assert_eq!(person.get("/me").await?.status, 401, "with a token from before");
    assert_eq!(person.get("/uploads").await?.json["items"], json!([]), "with a token from before");
    assert_eq!(person.get("/me/sign-ins").await?.json["items"], json!([]));
    let nobody = Person::nobody(&world.site);
    assert_eq!(nobody.post("/sign-up", json!({"email": email, "password": ANOTHER})).await?.status, 202);
    assert_eq!(redeem(&nobody, &email, &mailed_code(stack, &email).await?, ANOTHER).await?.status, 204);
    let successor = Person::sign_in(&world.site, &email, ANOTHER).await?;
    assert_ne!(successor.id, person.id);
    assert_eq!(successor.get("/me").await?.json["roles"], json!(["viewer"]));
    Ok(())
}
