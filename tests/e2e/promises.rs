//! Outputs that aren't in the bucket, as they are while a film is being written: here, they are taken away again.

use anyhow::{Context as _, Result, ensure};
use tests::{Answer, Film, Person, World};

/// A film of which nothing is in the bucket but the manifests.
struct Promised {
    folder: String,
    cookies: String,
    /// What was in the bucket.
    written: Vec<(&'static str, Vec<u8>)>,
}

async fn promised(stack: &local::Stack, person: &Person) -> Result<Promised> {
    let upload = person.publish(&Film::unique()?).await?;
    let video = upload["video_id"].as_str().context("a video")?;
    let playback = person.post_nothing(&format!("/videos/{video}/playback")).await?;
    let master = playback.json["hls_url"].as_str().context("HLS")?;
    let folder = master.strip_suffix("master.m3u8").context("a folder")?.to_owned();
    let (s3, bucket) = (stack.endpoint().s3(), &stack.outputs()["MediaBucket"]);
    let mut written = Vec::new();
    for name in ["video.mp4", "audio.mp4"] {
        let key = format!("{}{name}", folder.trim_start_matches('/'));
        let bytes = tests::eventually("the output", async || {
            let object = s3.get_object().bucket(bucket).key(&key).send().await;
            Ok(object.ok().map(|object| object.body))
        });
        written.push((name, bytes.await?.collect().await?.to_vec()));
        s3.delete_object().bucket(bucket).key(&key).send().await?;
        ensure!(s3.head_object().bucket(bucket).key(&key).send().await.is_err(), "{key} is gone");
    }
    Ok(Promised { folder, cookies: playback.cookies(), written })
}

#[tokio::test]
async fn what_is_not_in_the_bucket_is_computed_byte_for_byte() -> Result<()> {
    let world = World::get().await;
    let Some(stack) = world.stack() else { return Ok(()) };
    let person = world.person("publisher").await?;
    let Promised { folder, cookies, written } = promised(stack, &person).await?;
    for (name, bytes) in &written {
        let path = format!("{folder}{name}");
        let get = async |range: &str| person.fetch(&path, &cookies, range).await;
        let kind = format!("{}/mp4", name.trim_end_matches(".mp4"));
        let is_as_in_the_bucket = |answer: &Answer| {
            answer.header("content-type") == kind
                && answer.header("accept-ranges") == "bytes"
                && answer.header("cache-control") == "private, max-age=31536000, immutable"
        };
        let whole = get("").await?;
        assert!(whole.status == 200 && whole.bytes == *bytes && is_as_in_the_bucket(&whole), "{name}");
        let size = bytes.len();
        for (range, first, last) in [
            ("bytes=0-0".to_owned(), 0, 0),
            ("bytes=1000-70000".to_owned(), 1000, 70_000),
            (format!("bytes={}-", size - 1), size - 1, size - 1),
            (format!("bytes={}-99999999999", size - 10), size - 10, size - 1),
            ("bytes=-5000".to_owned(), size - 5000, size - 1),
        ] {
            let last = last.min(size - 1);
            let part = get(&range).await?;
            assert_eq!((part.status, part.bytes.len()), (206, last - first + 1), "{name} {range}");
            assert!(part.bytes == bytes[first..=last] && is_as_in_the_bucket(&part), "{name} {range}");
            assert_eq!(part.header("content-range"), format!("bytes {first}-{last}/{size}"));
        }
        let beyond = get(&format!("bytes={size}-")).await?;
        assert_eq!((beyond.status, beyond.header("content-range")), (416, &*format!("bytes */{size}")));

        let url = format!("{}{path}", world.site);
        let head = reqwest::Client::new().head(url).header("cookie", &cookies).send().await?;
        assert_eq!(head.status(), 200);
        assert_eq!(head.headers()["content-length"], size.to_string().as_str());
        assert_eq!(head.bytes().await?.len(), 0);
    }
    let missing = person.fetch(&format!("{folder}subtitles.vtt"), &cookies, "").await?;
    assert_eq!((missing.status, missing.header("content-type")), (404, "application/problem+json"));
    Ok(())
}

#[tokio::test]
async fn what_is_computed_is_had_like_what_is_written_with_the_right_cookies_only() -> Result<()> {
    let world = World::get().await;
    let Some(stack) = world.stack() else { return Ok(()) };
    let person = world.person("publisher").await?;
    let (one, two) = (promised(stack, &person).await?, promised(stack, &person).await?);
    let path = format!("{}video.mp4", one.folder);
    assert_eq!(person.fetch(&path, &one.cookies, "bytes=0-9").await?.status, 206);
    assert_eq!(person.fetch(&path, "", "bytes=0-9").await?.status, 403, "without cookies");
    assert_eq!(person.fetch(&path, &two.cookies, "bytes=0-9").await?.status, 403, "with another content's");

    // The function's own address, which is no secret, is the CDN's alone.
    let id =
        stack.outputs()["OutputsUrl"].trim_start_matches("https://").split('.').next().unwrap_or_default();
    let url = format!("{}/_aws/lambda-url/{id}{path}", stack.endpoint().url);
    for cookies in ["", &one.cookies] {
        let answer = reqwest::Client::new().get(&url).header("cookie", cookies).send().await?;
        assert_eq!(answer.status(), 403, "without a signature");
    }
    Ok(())
}
