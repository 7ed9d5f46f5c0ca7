//! Mails about devices that an account was not signed in to with before.

use anyhow::{Result, ensure};
use local::mails::{Mail, mails};
use reqwest::Method;
use serde_json::json;
use tests::{Person, World, eventually};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";

#[tokio::test]
async fn the_owner_is_mailed_about_each_new_device_once_and_not_about_the_first() -> Result<()> {
    let world = World::get().await;
    let Some(stack) = world.stack() else { return Ok(()) };
    let (email, password) = world.account("viewer").await?;
    let person = Person::nobody(&world.site);
    let sign_in = async |device: &str, password: &str| {
        let request = person.request(Method::POST, "/session").header("user-agent", device);
        let request = request.json(&json!({"email": email, "password": password}));
        anyhow::Ok(person.send(request).await?.status)
    };
    assert_eq!(sign_in("curl/8.14.1", &password).await?, 200, "the first one");
    assert_eq!(sign_in(FIREFOX, "Wrong horse 7 battery").await?, 401, "which makes no device known");
    for device in [FIREFOX, "curl/8.14.1", FIREFOX, IPHONE] {
        assert_eq!(sign_in(device, &password).await?, 200);
    }
    let mine = async || {
        let all = mails(stack.endpoint()).await?;
        anyhow::Ok(all.into_iter().filter(|mail| mail.to == [email.as_str()]).collect::<Vec<Mail>>())
    };
    // The stream is read in order: when the last one is there, all before it have been looked at.
    let mails = eventually("the mail about the last device", async || {
        let mails = mine().await?;
        Ok(mails.iter().any(|mail| mail.body_text.contains("Safari on iPhone")).then_some(mails))
    })
    .await?;
    assert_eq!(mails.len(), 2, "{mails:?}");
    ensure!(mails[0].body_text.contains("Device: Firefox on Linux"), "{:?}", mails[0]);
    for Mail { subject, body_text, .. } in &mails {
        ensure!(subject.contains("new device"), "{subject}");
        ensure!(body_text.contains("Time: 20") && body_text.contains(" UTC\n"), "{body_text}");
        ensure!(body_text.contains("Address: 127.") || body_text.contains("Address: ::1"), "{body_text}");
        ensure!(body_text.contains(&format!("{}/account", world.site)), "{body_text}");
    }
    Ok(())
}
