//! Ids that are none, in each parameter of each path: refused as unknown or invalid, whatever is in them.

use anyhow::Result;
use reqwest::Method;
use tests::{Film, Person, World};

use crate::contract::{document, operations};

const TRICKY: [&str; 14] = [
    "..",
    "%2e%2e",
    "..%2f..%2fsession",
    "%2e%2e%2f",
    "%00",
    "x%00y",
    "%0d%0aset-cookie:%20a=b",
    "%ff",
    "*",
    "%F0%9F%8E%AC",
    "content%23x",
    "00000000-0000-0000-0000-000000000000",
    "' OR 1=1--",
    "%7B%22S%22:%22x%22%7D",
];

#[tokio::test]
async fn an_id_that_is_none_finds_nothing_and_breaks_nothing() -> Result<()> {
    let world = World::get().await;
    let admin = world.person("admin").await?;
    let long = "x".repeat(5_000);
    let mut wrong = Vec::new();
    for (operation, (method, template)) in operations(&document()?)? {
        let (Some(start), Some(end)) = (template.find('{'), template.find('}')) else { continue };
        for id in TRICKY.into_iter().chain([long.as_str()]) {
            let path = format!("{}{id}{}", &template[..start], &template[end + 1..]);
            let request = admin.request(Method::from_bytes(method.as_bytes())?, &path);
            let answer = admin.send(request.header("if-match", "\"1\"").body("{}")).await?;
            // Where accounts aren't known, names of people are anything that fits a line: an admin is told that this one has nothing.
            let nothing = match operation.as_str() {
                "get_usage" => serde_json::json!({"sessions": {}}),
                "list_account_uploads" => serde_json::json!({"items": []}),
                _ => serde_json::Value::Null,
            };
            let is_a_name = answer.status == 200 && answer.json == nothing;
            if answer.status >= 500 || (answer.status < 400 && !is_a_name) {
                wrong.push(format!("{operation} with {id:.40}: {} {}", answer.status, answer.json));
            }
            if answer.headers.contains_key("set-cookie") {
                wrong.push(format!("{operation} with {id:.40} sets a cookie"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Cookies are for one content. No spelling of a path gets out of it.
#[tokio::test]
async fn cookies_for_one_film_open_no_other_however_its_path_is_spelled() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let [mine, other] =
        [publisher.publish(&Film::unique()?).await?, publisher.publish(&Film::unique()?).await?];
    let id = |upload: &serde_json::Value| upload["video_id"].as_str().unwrap_or_default().to_owned();
    let playback = publisher.post_nothing(&format!("/videos/{}/playback", id(&mine))).await?;
    assert_eq!(playback.status, 200, "{}", playback.json);
    let cookies = playback.cookies();
    let nobody = Person::nobody(&world.site);
    let own = nobody.fetch(&format!("/media/{}/manifest.mpd", id(&mine)), &cookies, "").await?;
    assert_eq!(own.status, 200, "the cookies are good for their own film");
    let (mine, other) = (id(&mine), id(&other));
    let mut wrong = Vec::new();
    for path in [
        format!("/media/{other}/manifest.mpd"),
        format!("/media/{mine}/../{other}/manifest.mpd"),
        format!("/media/{mine}/%2e%2e/{other}/manifest.mpd"),
        format!("/media/{mine}/..%2f{other}/manifest.mpd"),
        format!("/media/{mine}%2f..%2f{other}/manifest.mpd"),
        format!("/media/{mine}/%252e%252e/{other}/manifest.mpd"),
        format!("/media//{other}/manifest.mpd"),
        format!("/media/{mine}/..;/{other}/manifest.mpd"),
        format!("/media/{mine}%00/../{other}/manifest.mpd"),
        format!("/media/{other}/original"),
        format!("/media/{mine}/../../pieces/"),
        "/media/".to_owned(),
    ] {
        let answer = nobody.fetch(&path, &cookies, "").await?;
        // A path that is resolved to a page's is answered by the page, as any unknown path is.
        let is_media = answer.status < 400 && !answer.header("content-type").starts_with("text/html");
        if is_media || answer.status >= 500 {
            wrong.push(format!("{path}: {} {}", answer.status, answer.header("content-type")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
