//! A signed part is good for that part of that upload, with that size and checksum, and for nothing else.

use anyhow::{Context as _, Result};
use reqwest::{Client, Method};
use serde_json::Value;
use tests::{Film, Part, World};

async fn status(method: Method, url: &str, signed: &Value, bytes: &[u8]) -> Result<u16> {
    let mut request = Client::new().request(method, url).body(bytes.to_vec());
    for (name, value) in signed["headers"].as_object().into_iter().flatten() {
        request = request.header(name, value.as_str().context("a header's value")?);
    }
    Ok(request.send().await?.status().as_u16())
}

#[tokio::test]
async fn a_signature_is_good_for_one_part_and_nothing_else() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let film = Film::unique()?;
    let (upload, other) =
        (publisher.create_upload(&film).await?, publisher.create_upload(&Film::unique()?).await?);
    let bytes = &film.bytes[..];
    let answer = publisher.sign_parts(&upload, &[Part { number: 1, bytes }]).await?;
    let signed = answer.json["parts"][0].clone();
    let url = signed["url"].as_str().context("a URL")?.to_owned();
    let [id, other_id] = [&upload, &other].map(|upload| upload["id"].as_str().unwrap_or_default().to_owned());
    assert!(
        url.contains(&id) && url.contains("partNumber=1"),
        "the URL is of another form: nothing is tried"
    );
    let mut changed = bytes.to_vec();
    changed[0] ^= 1;
    let mut longer = bytes.to_vec();
    longer.push(0);
    let put = Method::PUT;
    let tries = [
        ("another key", status(put.clone(), &url.replace(&id, &other_id), &signed, bytes).await?),
        (
            "another part",
            status(put.clone(), &url.replace("partNumber=1", "partNumber=2"), &signed, bytes).await?,
        ),
        (
            "the whole object",
            status(put.clone(), url.split('?').next().unwrap_or_default(), &signed, bytes).await?,
        ),
        ("other bytes", status(put.clone(), &url, &signed, &changed).await?),
        ("more bytes", status(put.clone(), &url, &signed, &longer).await?),
        ("fewer bytes", status(put.clone(), &url, &signed, &bytes[1..]).await?),
        ("reading", status(Method::GET, &url, &signed, b"").await?),
        ("deleting", status(Method::DELETE, &url, &signed, b"").await?),
        (
            "for longer",
            status(put.clone(), &url.replace("X-Amz-Expires=", "X-Amz-Expires=9"), &signed, bytes).await?,
        ),
    ];
    for (what, status) in tries {
        assert!((400..500).contains(&status), "{what}: {status}");
    }
    assert_eq!(status(put.clone(), &url, &signed, bytes).await?, 200, "it is good for its own part");
    let aborted = publisher.delete(&format!("/uploads/{id}")).await?;
    assert_eq!(aborted.status, 204, "{}", aborted.json);
    let late = status(put, &url, &signed, bytes).await?;
    assert!((400..500).contains(&late), "after the upload was given up: {late}");
    Ok(())
}
