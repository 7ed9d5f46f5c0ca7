use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use local::{Options, Stack};
use serde_json::Value;
use tests::{Film, Person, World, eventually};

/// A film of `seconds`, two pictures in each, that is cheap to encode.
async fn film(file_name: &str, size: &str, seconds: u32, codecs: &str) -> Result<Film> {
    let picture = format!("-f lavfi -i testsrc2=size={size}:rate=2:duration={seconds}");
    let sound = format!("-f lavfi -i sine=sample_rate=48000:duration={seconds}");
    Film::made(file_name, &format!("{picture} {sound} {codecs}")).await
}

/// A key frame every four seconds, and nothing that ffmpeg would add where the picture changes.
const H264: &str = "-c:v libx264 -preset ultrafast -g 8 -sc_threshold 0 -pix_fmt yuv420p -bf 0";

/// What a player has of a video.
struct Played {
    site: String,
    viewer: Person,
    cookies: String,
    hls_url: String,
    dash_url: String,
}

impl Played {
    async fn start(viewer: &Person, upload: &Value) -> Result<Self> {
        let video = upload["video_id"].as_str().context("a video")?;
        let playback = viewer.post_nothing(&format!("/videos/{video}/playback")).await?;
        ensure!(playback.status == 200, "{}", playback.json);
        let url = |kind: &str| anyhow::Ok(playback.json[kind].as_str().context("a manifest")?.to_owned());
        Ok(Self {
            site: viewer.site.clone(),
            viewer: viewer.clone(),
            cookies: playback.cookies(),
            hls_url: url("hls_url")?,
            dash_url: url("dash_url")?,
        })
    }

    fn content(&self) -> &str {
        self.hls_url.split('/').nth(2).unwrap_or_default()
    }

    async fn text(&self, path: &str) -> Result<String> {
        let answer = self.viewer.fetch(path, &self.cookies, "").await?;
        ensure!(answer.status == 200, "{path}: {}", answer.status);
        Ok(String::from_utf8(answer.bytes)?)
    }

    /// The heights that both HLS and DASH offer. The one manifest is replaced a moment before the other.
    async fn heights(&self) -> Result<BTreeSet<u32>> {
        let numbers = |text: &str, before: &str, after: char| -> BTreeSet<u32> {
            let found = text.split(before).skip(1).filter_map(|rest| rest.split(after).next());
            found.filter_map(|number| number.parse().ok()).collect()
        };
        let master = self.text(&self.hls_url).await?;
        let streams = master.lines().filter(|line| line.starts_with("#EXT-X-STREAM-INF"));
        let hls = streams.filter_map(|line| line.split("RESOLUTION=").nth(1)?.split('x').nth(1));
        let hls: BTreeSet<u32> =
            hls.filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).collect();
        let dash = numbers(&self.text(&self.dash_url).await?, " height=\"", '"');
        Ok(&hls & &dash)
    }

    /// The segments' lengths of each picture that HLS offers.
    async fn segments(&self) -> Result<BTreeSet<Vec<String>>> {
        let folder = self.hls_url.strip_suffix("master.m3u8").context("a folder")?;
        let master = self.text(&self.hls_url).await?;
        let mut all = BTreeSet::new();
        let lines: Vec<_> = master.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[0].starts_with("#EXT-X-STREAM-INF")) {
            let playlist = self.text(&format!("{folder}{}", pair[1])).await?;
            all.insert(
                playlist.lines().filter(|line| line.starts_with("#EXTINF")).map(str::to_owned).collect(),
            );
        }
        Ok(all)
    }

    /// Decodes the streams of both manifests, so many of pictures: how many pictures each of them has, and how many seconds of sound
    /// there are. Each by itself, because ffmpeg's DASH ends all streams where the first one ends.
    async fn decode(&self, pictures: usize) -> Result<Vec<(Vec<usize>, f64)>> {
        let mut decoded = Vec::new();
        for url in [&self.hls_url, &self.dash_url] {
            let mut counts = Vec::new();
            for stream in 0..pictures {
                counts.push(self.decode_stream(url, &format!("0:v:{stream}")).await?.len());
            }
            let samples: f64 = self.decode_stream(url, "0:a:0").await?.iter().sum();
            decoded.push((counts, samples / 48_000.0));
        }
        Ok(decoded)
    }

    /// The durations of all frames of a stream.
    async fn decode_stream(&self, url: &str, map: &str) -> Result<Vec<f64>> {
        // The static ffmpeg can't look up names.
        let site = self.site.replace("//localhost:", "//127.0.0.1:");
        let played = local::film::ffmpeg_command(&local::Project::find()?)
            .await?
            .args(["-v", "error", "-xerror", "-headers", &format!("Cookie: {}\r\n", self.cookies)])
            .args(["-i", &format!("{site}{url}"), "-map", map, "-f", "framecrc", "-"])
            .output()
            .await?;
        ensure!(played.status.success(), "{url}: {}", String::from_utf8_lossy(&played.stderr));
        let out = String::from_utf8_lossy(&played.stdout);
        // Stream, dts, pts, duration, size, checksum. Decoded sound has its sample rate as time base.
        let rows = out.lines().filter(|line| !line.starts_with('#'));
        rows.map(|row| Ok(row.split(',').nth(3).context("a duration")?.trim().parse()?)).collect()
    }
}

/// A stack with this policy, and a publisher in it.
async fn with_ladder(policy: &str) -> Result<(Stack, Person)> {
    let parameters = vec![("Ladder".to_owned(), policy.to_owned())];
    let stack = Stack::start(Options { parameters, ..Options::default() }).await?;
    stack.create_user("publisher@example.org", "Correct horse 7 battery", "publisher").await?;
    let publisher =
        Person::sign_in(stack.site_url(), "publisher@example.org", "Correct horse 7 battery").await?;
    Ok((stack, publisher))
}

/// What lies under a content's prefixes in the media bucket, with the time of its writing.
async fn objects(stack: &Stack, prefix: &str) -> Result<Vec<(String, String)>> {
    let found =
        stack.endpoint().s3().list_objects_v2().bucket(&stack.outputs()["MediaBucket"]).prefix(prefix);
    let found = found.send().await?;
    let describe = |object: &aws_sdk_s3::types::Object| {
        Some((object.key()?.to_owned(), object.last_modified()?.to_string()))
    };
    Ok(found.contents().iter().filter_map(describe).collect())
}

#[tokio::test]
async fn a_film_that_browsers_do_not_play_is_encoded_and_plays() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    for (film, height) in [
        (film("pcm.mov", "320x180", 10, &format!("{H264} -c:a pcm_s16le")).await?, 180),
        (film("old.mkv", "320x180", 10, "-c:v mpeg2video -b:v 1M -r 25 -c:a ac3").await?, 180),
    ] {
        let upload = publisher.publish(&film).await.with_context(|| film.file_name.clone())?;
        let played = Played::start(&publisher, &upload).await?;
        assert_eq!(played.heights().await?, BTreeSet::from([height]), "{}", film.file_name);
        let pictures = if film.file_name == "pcm.mov" { 20 } else { 250 };
        for (streams, sound) in played.decode(1).await? {
            assert_eq!(streams, [pictures], "{}", film.file_name);
            assert!((sound - 10.0).abs() < 0.1, "{}: {sound} s of sound", film.file_name);
        }
        let Some(stack) = world.stack() else { continue };
        let prefix = format!("pieces/{}/", played.content());
        eventually("the end of the pieces", async || {
            Ok(objects(stack, &prefix).await?.is_empty().then_some(()))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_film_gets_its_ladder_at_once_where_the_operator_says_always() -> Result<()> {
    if World::get().await.stack().is_none() {
        return Ok(());
    }
    let (_stack, publisher) = with_ladder("always").await?;
    // Two pieces.
    let film = film("long.mp4", "1920x1080", 48, &format!("{H264} -c:a aac")).await?;
    let upload = publisher.publish(&film).await?;
    let played = Played::start(&publisher, &upload).await?;
    eventually("the ladder", async || {
        Ok((played.heights().await? == BTreeSet::from([360, 720, 1080])).then_some(()))
    })
    .await?;
    let segments = played.segments().await?;
    assert_eq!(segments.len(), 1, "all renditions are cut at the same moments: {segments:?}");
    for (streams, sound) in played.decode(4).await? {
        assert_eq!(streams, [96; 4], "the original and three renditions");
        assert!((sound - 48.0).abs() < 0.1, "{sound} s of sound");
    }
    Ok(())
}

#[tokio::test]
async fn a_film_gets_its_ladder_once_when_somebody_plays_it_where_the_operator_says_on_demand() -> Result<()>
{
    if World::get().await.stack().is_none() {
        return Ok(());
    }
    let (stack, publisher) = with_ladder("on-demand").await?;
    let film = film("short.mp4", "1280x720", 8, &format!("{H264} -c:a aac")).await?;
    let upload = publisher.publish(&film).await?;
    let id = upload["id"].as_str().context("an id")?;
    let before = objects(&stack, &format!("media/{id}/")).await?;
    assert!(!before.iter().any(|(key, _)| key.contains("360p")), "nobody has played it: {before:?}");

    let plays = try_join_all((0..5).map(|_| Played::start(&publisher, &upload))).await?;
    let played = plays.first().context("a play")?;
    eventually("the ladder", async || {
        Ok((played.heights().await? == BTreeSet::from([360, 720])).then_some(()))
    })
    .await?;
    for (streams, _) in played.decode(3).await? {
        assert_eq!(streams, [16; 3], "the original and two renditions");
    }
    eventually("the end of the pieces", async || {
        Ok(objects(&stack, &format!("pieces/{id}/")).await?.is_empty().then_some(()))
    })
    .await?;
    let after = objects(&stack, &format!("media/{id}/")).await?;
    Played::start(&publisher, &upload).await?;
    let planned = stack.endpoint();
    let dynamodb = aws_sdk_dynamodb::Client::new(&planned.sdk_config());
    let content = dynamodb
        .get_item()
        .table_name(&stack.outputs()["ContentsTable"])
        .key("pk", aws_sdk_dynamodb::types::AttributeValue::S(format!("content#{id}")))
        .key("sk", aws_sdk_dynamodb::types::AttributeValue::S("content".to_owned()))
        .send()
        .await?;
    let encoding = content.item.as_ref().and_then(|item| item.get("encoding")?.as_s().ok());
    assert_eq!(encoding.map(String::as_str), Some("done"), "a further play asks for nothing");
    assert_eq!(objects(&stack, &format!("media/{id}/")).await?, after);
    Ok(())
}
