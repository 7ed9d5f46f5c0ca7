use anyhow::{Context as _, Result};
use serde_json::json;
use tests::{Film, Person, World, sample};

#[tokio::test]
async fn media_is_had_with_the_cookies_of_that_very_video_only() -> Result<()> {
    let world = World::get().await;
    let (publisher, viewer) = (world.person("publisher").await?, world.person("viewer").await?);
    let one = publisher.publish(&Film::unique()?).await?;
    let two = publisher.publish(&Film::unique()?).await?;
    let play = async |upload: &serde_json::Value| {
        viewer
            .post_nothing(&format!("/videos/{}/playback", upload["video_id"].as_str().unwrap_or_default()))
            .await
    };
    let (one, two) = (play(&one).await?, play(&two).await?);
    assert_eq!((one.status, two.status), (200, 200), "{}", one.json);
    let folder =
        one.json["hls_url"].as_str().and_then(|url| url.strip_suffix("master.m3u8")).context("HLS")?;
    for cookie in one.set_cookies() {
        for attribute in
            [format!("Path={folder}"), "Secure".into(), "HttpOnly".into(), "SameSite=Strict".into()]
        {
            assert!(cookie.contains(&attribute), "{attribute} is missing");
        }
    }
    for kind in ["hls_url", "dash_url"] {
        let path = one.json[kind].as_str().context("a manifest")?;
        assert_eq!(viewer.fetch(path, &one.cookies(), "").await?.status, 200, "{kind}");
        assert_eq!(viewer.fetch(path, "", "").await?.status, 403, "{kind} without cookies");
        assert_eq!(viewer.fetch(path, &two.cookies(), "").await?.status, 403, "{kind} with another video's");
        let stretched = path.replace("/media/", "/media/../media/");
        assert_ne!(viewer.fetch(&stretched, &two.cookies(), "").await?.status, 200, "{stretched}");
    }
    let original = format!("{folder}original");
    assert_eq!(viewer.fetch(&original, "", "").await?.status, 403);
    let poster = one.json["poster_url"].as_str().context("a poster")?;
    assert_eq!(
        viewer.fetch(poster, &one.cookies(), "").await?.status,
        403,
        "a video's cookies are for its media"
    );
    let listed = viewer.get("/videos").await?;
    let picture = viewer.fetch(poster, &listed.cookies(), "").await?;
    assert_eq!((picture.status, picture.header("content-type")), (200, "image/jpeg"));
    assert_eq!(
        viewer.fetch(one.json["hls_url"].as_str().unwrap_or_default(), &listed.cookies(), "").await?.status,
        403
    );
    Ok(())
}

#[tokio::test]
async fn thumbnails_and_subtitles_come_with_the_film() -> Result<()> {
    let world = World::get().await;
    let (publisher, viewer) = (world.person("publisher").await?, world.person("viewer").await?);
    let upload = publisher.publish(&sample("h264_aac_tx3g.mp4")?.made_unique()).await?;
    let video = upload["video_id"].as_str().context("a video")?;
    let playback = viewer.post_nothing(&format!("/videos/{video}/playback")).await?;
    let cookies = playback.cookies();
    let text = async |path: &str| -> Result<String> {
        let answer = viewer.fetch(path, &cookies, "").await?;
        assert_eq!((answer.status, answer.header("content-type")), (200, "text/vtt"), "{path}");
        Ok(String::from_utf8(answer.bytes)?)
    };
    let thumbnails = playback.json["thumbnails_url"].as_str().context("thumbnails")?;
    let folder = thumbnails.strip_suffix("thumbnails.vtt").context("a folder")?;
    // A film can be played before its pictures are made: there are none as long as the text is empty.
    let mut tiles = text(thumbnails).await?;
    for _ in 0..100 {
        if tiles.contains("-->") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        tiles = text(thumbnails).await?;
    }
    assert!(
        tiles.contains("00:00:00.000 --> ") && tiles.contains("\nsprite-1.jpg#xywh=0,0,160,90\n"),
        "{tiles}"
    );
    assert_eq!(viewer.fetch(thumbnails, "", "").await?.status, 403);
    let sprite = viewer.fetch(&format!("{folder}sprite-1.jpg"), &cookies, "").await?;
    assert_eq!((sprite.status, sprite.header("content-type")), (200, "image/jpeg"));

    let master = viewer.fetch(&format!("{folder}master.m3u8"), &cookies, "").await?;
    let master = String::from_utf8(master.bytes)?;
    let mpd = viewer.fetch(&format!("{folder}manifest.mpd"), &cookies, "").await?;
    let mpd = String::from_utf8(mpd.bytes)?;
    let said = [(1, "en", "The film <i>begins</i>"), (2, "sv", "Här &amp; där: 1 &lt; 2")];
    for (number, language, words) in said {
        assert!(master.contains(&format!("LANGUAGE=\"{language}\"")), "{master}");
        assert!(mpd.contains(&format!("<BaseURL>subtitles-{number}.vtt</BaseURL>")), "{mpd}");
        let playlist = viewer.fetch(&format!("{folder}subtitles-{number}.m3u8"), &cookies, "").await?;
        assert!(String::from_utf8(playlist.bytes)?.contains(&format!("\nsubtitles-{number}.vtt\n")));
        let spoken = text(&format!("{folder}subtitles-{number}.vtt")).await?;
        assert!(spoken.starts_with("WEBVTT\n") && spoken.contains(words), "{spoken}");
        assert!(spoken.contains("\n00:00:00.500 --> 00:00:02.500\n"), "{spoken}");
    }
    Ok(())
}

#[tokio::test]
async fn every_segment_of_a_playlist_is_there_by_its_range() -> Result<()> {
    let world = World::get().await;
    let (publisher, viewer) = (world.person("publisher").await?, world.person("viewer").await?);
    let upload = publisher.publish(&Film::unique()?).await?;
    let video = upload["video_id"].as_str().context("a video")?;
    let playback = viewer.post_nothing(&format!("/videos/{video}/playback")).await?;
    let cookies = playback.cookies();
    let master = playback.json["hls_url"].as_str().context("HLS")?;
    let folder = master.strip_suffix("master.m3u8").context("a folder")?;
    let text = String::from_utf8(viewer.fetch(master, &cookies, "").await?.bytes)?;
    let playlists: Vec<_> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert!(!playlists.is_empty(), "{text}");
    for playlist in playlists {
        let text =
            String::from_utf8(viewer.fetch(&format!("{folder}{playlist}"), &cookies, "").await?.bytes)?;
        let mut range = None;
        let mut segments = 0;
        for line in text.lines() {
            if let Some(spec) = line.strip_prefix("#EXT-X-BYTERANGE:") {
                let (length, offset) = spec.split_once('@').context("a range with its offset")?;
                range = Some((offset.parse::<usize>()?, length.parse::<usize>()?));
            } else if let (false, Some((offset, length))) = (line.starts_with('#'), range.take()) {
                let bytes = format!("bytes={offset}-{}", offset + length - 1);
                let segment = viewer.fetch(&format!("{folder}{line}"), &cookies, &bytes).await?;
                assert_eq!((segment.status, segment.bytes.len()), (206, length), "{line} {bytes}");
                assert_eq!(&segment.bytes[4..8], b"moof", "a segment starts with its header");
                segments += 1;
            }
        }
        assert!(segments > 0, "{text}");
        let beyond = viewer.fetch(&format!("{folder}video.mp4"), &cookies, "bytes=99999999999-").await?;
        assert_eq!(beyond.status, 416);
    }
    Ok(())
}

#[tokio::test]
async fn expired_and_forged_cookies_are_refused() -> Result<()> {
    let world = World::get().await;
    let Some(stack) = world.stack() else { return Ok(()) };
    let publisher = world.person("publisher").await?;
    let upload = publisher.publish(&Film::unique()?).await?;
    let video = upload["video_id"].as_str().context("a video")?;
    let playback = publisher.post_nothing(&format!("/videos/{video}/playback")).await?;
    let path = playback.json["hls_url"].as_str().context("HLS")?;
    let content = path.split('/').nth(2).context("a content")?;

    // With the real key, as start_playback would have signed it an hour ago.
    let keys = stack.outputs()["MediaKeysTable"].clone();
    let keys = signed_cookies::MediaKeys::new(aws_sdk_dynamodb::Client::new(&stack.sdk_config()), keys);
    let key_pair_id = &stack.function("StartPlayback")?.environment["MEDIA_KEY_PAIR_ID"];
    let cookies = signed_cookies::MediaCookies::new(keys, key_pair_id.as_str());
    let now = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed()?.as_secs())?;
    for (expires_at, status) in [(now + 60, 200), (now - 1, 403)] {
        let header = cookies.for_content(content, expires_at).await?;
        let header: Vec<_> = header.iter().filter_map(|cookie| cookie.split(';').next()).collect();
        assert_eq!(publisher.fetch(path, &header.join("; "), "").await?.status, status);
    }
    let forged = playback.cookies().replace("CloudFront-Signature=M", "CloudFront-Signature=N");
    assert_eq!(publisher.fetch(path, &forged, "").await?.status, 403);
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_cannot_be_played() -> Result<()> {
    let world = World::get().await;
    let viewer = world.person("viewer").await?;
    let answer = viewer.post_nothing("/videos/01890000-0000-7000-8000-000000000000/playback").await?;
    assert_eq!((answer.status, answer.problem()), (404, "not-found"));
    let nobody = Person::nobody(&world.site);
    let answer = nobody.post_nothing("/videos/01890000-0000-7000-8000-000000000000/playback").await?;
    assert_eq!(answer.status, 401);
    Ok(())
}

#[tokio::test]
async fn what_browsers_play_as_it_is_is_played_from_the_original() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let codecs = "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libvorbis";
    let film = "-f lavfi -i testsrc2=size=160x90:rate=10:duration=2 -f lavfi -i sine=duration=2";
    let film = Film::made("vp8.webm", &format!("{film} {codecs}")).await?;
    let upload = publisher.publish(&film).await?;
    let video = upload["video_id"].as_str().context("a video")?;
    assert_eq!(publisher.get(&format!("/videos/{video}")).await?.json["streaming"], json!("progressive"));
    let playback = publisher.post_nothing(&format!("/videos/{video}/playback")).await?;
    let path = playback.json["progressive_url"].as_str().context("the original")?;
    let whole = publisher.fetch(path, &playback.cookies(), "").await?;
    assert!(whole.status == 200 && whole.bytes == film.bytes);
    let range = publisher.fetch(path, &playback.cookies(), "bytes=100-199").await?;
    assert!(range.status == 206 && range.bytes == film.bytes[100..200]);
    assert_eq!(publisher.fetch(path, "", "bytes=0-0").await?.status, 403);
    Ok(())
}

#[tokio::test]
async fn an_ordinary_player_plays_both_manifests_with_the_cookies() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let upload = publisher.publish(&Film::unique()?).await?;
    let video = upload["video_id"].as_str().context("a video")?;
    let playback = publisher.post_nothing(&format!("/videos/{video}/playback")).await?;
    let ffmpeg = local::film::ffmpeg(&local::Project::find()?).await?;
    // The static ffmpeg can't look up names.
    let site = world.site.replace("//localhost:", "//127.0.0.1:");
    for kind in ["hls_url", "dash_url"] {
        let url = format!("{site}{}", playback.json[kind].as_str().context("a manifest")?);
        for (cookies, plays) in [(playback.cookies(), true), ("CloudFront-Policy=none".to_owned(), false)] {
            let played = tokio::process::Command::new(&ffmpeg)
                .args(["-v", "error", "-xerror", "-headers", &format!("Cookie: {cookies}\r\n")])
                .args(["-i", &url, "-map", "0", "-f", "framecrc", "-"])
                .output()
                .await?;
            let (out, err) =
                (String::from_utf8_lossy(&played.stdout), String::from_utf8_lossy(&played.stderr));
            assert_eq!(played.status.success(), plays, "{kind}: {:?} {err}", played.status);
            // Six seconds of 24 pictures; the picture is stream 0 or 1.
            let frames = |stream| out.lines().filter(|line| line.starts_with(stream)).count();
            assert!(!plays || frames("0,") == 144 || frames("1,") == 144, "{kind}: {out}");
        }
    }
    Ok(())
}
