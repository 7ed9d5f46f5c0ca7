//! Live channels from the source to the viewer, with the relay that is deployed: what viewers get, who gets nothing, and what is
//! on their account whatever becomes of the relay and of its database.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use local::live::Live;
use local::{Project, Stack, film, live};
use relay::channel_source::Film;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::Value;
use tests::{Got, Person, Studio, Viewer, World, eventually};
use tokio::time::sleep;

use crate::door::Door;

/// What usage may differ from the truth by. It is told in whole seconds, which half a second of it is for.
const TOLERANCE_S: f64 = 1.0 + 0.5;

/// The stack, if it is one of ours and hence has something live.
async fn stack() -> Option<(&'static World, &'static Stack)> {
    let world = World::get().await;
    Some((world, world.stack()?))
}

fn seconds(count: f64) -> Duration {
    Duration::from_secs_f64(count)
}

/// Waits until usage is what it should be, and says what it was in the end.
async fn usage_is(person: &Person, viewer_id: &str, channel: &str, truth: f64, what: &str) -> Result<()> {
    let asked = Instant::now();
    loop {
        let usage = person.usage(viewer_id, channel).await?;
        let off = usage as f64 - truth;
        if off.abs() <= TOLERANCE_S {
            let after = asked.elapsed().as_secs_f64();
            eprintln!("{what}: {usage} s of {truth:.2} s, {off:+.2} s off, {after:.1} s later");
            return Ok(());
        }
        ensure!(asked.elapsed() < seconds(8.0), "{what}: usage says {usage} s, the truth is {truth:.2} s");
        sleep(seconds(0.2)).await;
    }
}

#[tokio::test]
async fn whoever_has_registered_gets_the_channel_byte_for_byte_from_now_on() -> Result<()> {
    let Some((world, stack)) = stack().await else { return Ok(()) };
    let person = world.person("viewer").await?;
    // The source shuffles and doubles; the relay must not let anybody see it.
    let studio = Studio::open(stack, &["--shuffle", "20", "--duplicates", "0.05"], &[]).await?;
    // What was on its shuffled way when the relay came is missing for good, and no longer matters after the window.
    sleep(seconds(0.5)).await;
    let ticket = person.new_viewer().await?;
    let (early, other) = (studio.watch(&ticket).await?, studio.watch(&person.new_viewer().await?).await?);
    early.has(300_000).await?;
    let late = studio.watch(&ticket).await?;
    late.has(300_000).await?;
    let [early, other, late] = [early, other, late].map(Viewer::leave);
    let serials = |got: &Got| -> Result<(u64, u64)> {
        let packets = got.packets(&studio.channel)?;
        Ok((packets.first().context("a packet")?.serial, packets.last().context("a packet")?.serial))
    };
    let (first, last) = serials(&early)?;
    serials(&other)?;
    let now = serials(&late)?.0;
    assert!(now > first + 200, "the late one gets nothing of the past: {now}, {first}");
    assert!(last > now, "the early one saw the late one's beginning");
    Ok(())
}

#[tokio::test]
async fn registering_by_text_answers_nothing_and_may_be_repeated() -> Result<()> {
    let Some((world, _)) = stack().await else { return Ok(()) };
    let person = world.person("viewer").await?;
    let viewer_id = person.new_viewer().await?.viewer_id;
    for body in [viewer_id.clone(), format!("{viewer_id}\r\nand more\n")] {
        let answer = person.send(person.request(Method::POST, "/register").body(body)).await?;
        assert_eq!((answer.status, answer.bytes.len()), (200, 0), "{}", answer.json);
    }
    for malformed in ["", "\n", "two words", &"x".repeat(65)] {
        let answer =
            person.send(person.request(Method::POST, "/register").body(malformed.to_owned())).await?;
        assert_eq!(answer.status, 400, "{malformed:?}");
    }
    let somebody = world.person("viewer").await?;
    let answer = somebody.send(somebody.request(Method::POST, "/register").body(viewer_id)).await?;
    assert_eq!(answer.status, 403, "an id of somebody else");
    Ok(())
}

#[tokio::test]
async fn whoever_has_no_ticket_for_their_id_is_closed_without_a_byte() -> Result<()> {
    let Some((world, stack)) = stack().await else { return Ok(()) };
    let person = world.person("viewer").await?;
    let studio = Studio::open(stack, &[], &[]).await?;
    let (mine, other) = (person.new_viewer().await?, person.new_viewer().await?);
    let Studio { channel, .. } = &studio;
    let flipped = |ticket: &str| ticket.chars().rev().collect::<String>();
    for line in [
        format!("{} {channel} {}\n", mine.viewer_id, other.ticket),
        format!("{} {channel} {}\n", mine.viewer_id, flipped(&mine.ticket)),
        format!("{} {channel} {}\n", mine.viewer_id, mine.ticket.replacen(['0', '1', '2'], "3", 1)),
        format!("{} {channel}\n", mine.viewer_id),
        format!("{} {channel}1 {}\n", mine.viewer_id, mine.ticket),
        "\n".to_owned(),
        "x".repeat(300),
    ] {
        let mut viewer = Viewer::connect(studio.ports().stream, &line).await?;
        let got = viewer.is_closed(seconds(3.0)).await.with_context(|| format!("{line:?}"))?;
        assert!(got.bytes.is_empty(), "{line:?}");
    }
    // A channel that nobody sends is no reason to refuse.
    let patient = Viewer::connect(studio.ports().stream, &mine.line("nobody")).await?;
    sleep(seconds(1.0)).await;
    let got = patient.leave();
    assert!(got.bytes.is_empty() && !got.closed);
    Ok(())
}

#[tokio::test]
async fn usage_is_what_was_watched_and_pauses_are_not() -> Result<()> {
    let Some((world, stack)) = stack().await else { return Ok(()) };
    let person = world.person("viewer").await?;
    let studio = Studio::open(stack, &[], &[]).await?;
    let ticket = person.new_viewer().await?;
    let (one, two) = (studio.watch(&ticket).await?, studio.watch(&ticket).await?);
    sleep(seconds(4.3)).await;
    let so_far = one.got().seconds() + two.got().seconds();
    usage_is(&person, &ticket.viewer_id, &studio.channel, so_far, "two sessions, still watching").await?;
    studio.source.signal(Signal::STOP);
    sleep(seconds(3.5)).await;
    studio.source.signal(Signal::CONT);
    one.has(one.got().bytes.len() + 100_000).await?;
    sleep(seconds(2.0)).await;
    let (one, two) = (one.leave(), two.leave());
    assert_eq!((one.stretches.len(), two.stretches.len()), (2, 2), "there was a pause");
    let truth = one.seconds() + two.seconds();
    usage_is(&person, &ticket.viewer_id, &studio.channel, truth, "two sessions with a pause").await?;
    one.packets(&studio.channel)?;
    assert_eq!(person.usage(&ticket.viewer_id, "nobody").await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_killed_relay_leaves_usage_right_and_viewers_come_back() -> Result<()> {
    let Some((world, stack)) = stack().await else { return Ok(()) };
    let person = world.person("viewer").await?;
    let mut studio = Studio::open(stack, &[], &[]).await?;
    let ticket = person.new_viewer().await?;
    let mut truth = 0.0;
    for round in 1..=4 {
        let mut viewer = studio.watch(&ticket).await?;
        // Any moment between two beats.
        let moment = u64::from(std::time::SystemTime::UNIX_EPOCH.elapsed()?.subsec_nanos()) % 1000;
        sleep(seconds(2.2) + Duration::from_millis(moment)).await;
        studio.kill_relay();
        let got = viewer.is_closed(seconds(2.0)).await?;
        got.packets(&studio.channel)?;
        truth += got.seconds();
        // What several rounds were off by adds up, each by less than a second.
        let off = f64::from(round - 1) * 0.5;
        let usage = person.usage(&ticket.viewer_id, &studio.channel).await? as f64;
        eprintln!("kill {round}: {usage} s of {truth:.2} s, {:+.2} s off", usage - truth);
        assert!((usage - truth).abs() <= TOLERANCE_S + off, "round {round}: {usage} s, not {truth:.2} s");
        studio.start_relay().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_relay_that_is_asked_to_end_sends_its_viewers_away_and_usage_is_complete() -> Result<()> {
    let Some((world, stack)) = stack().await else { return Ok(()) };
    let person = world.person("viewer").await?;
    let mut studio = Studio::open(stack, &[], &[]).await?;
    let mut watching = Vec::new();
    for _ in 0..10 {
        let ticket = person.new_viewer().await?;
        watching.push((studio.watch(&ticket).await?, ticket));
    }
    sleep(seconds(3.4)).await;
    let took = studio.terminate_relay().await?;
    eprintln!("SIGTERM with {} viewers: {:.2} s", watching.len(), took.as_secs_f64());
    assert!(took < seconds(8.0), "{took:?}");
    for (mut viewer, ticket) in watching {
        let got = viewer.is_closed(seconds(1.0)).await?;
        let packets = got.packets(&studio.channel)?;
        assert_eq!(packets.len() * 1316, got.bytes.len(), "closed between two packets");
        usage_is(&person, &ticket.viewer_id, &studio.channel, got.seconds(), "after SIGTERM").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_database_that_is_away_stops_no_stream_and_usage_is_right_afterwards() -> Result<()> {
    let Some((world, stack)) = stack().await else { return Ok(()) };
    let person = world.person("viewer").await?;
    let door = Door::before(&stack.endpoint().url).await?;
    let studio = Studio::open(stack, &[], &[("AWS_ENDPOINT_URL", &door.url())]).await?;
    let (before, during) = (person.new_viewer().await?, person.new_viewer().await?);
    let one = studio.watch(&before).await?;
    sleep(seconds(2.0)).await;
    door.close();
    // Keys are known, so tickets are still good.
    let two = studio.watch(&during).await?;
    sleep(seconds(8.0)).await;
    let left_while_away = studio.watch(&during).await?;
    sleep(seconds(2.0)).await;
    let left_while_away = left_while_away.leave();
    door.open();
    sleep(seconds(2.0)).await;
    let (one, two) = (one.leave(), two.leave());
    for got in [&one, &two, &left_while_away] {
        got.packets(&studio.channel)?;
        assert_eq!(got.stretches.len(), 1, "nobody noticed");
    }
    usage_is(&person, &before.viewer_id, &studio.channel, one.seconds(), "database away, watched all along")
        .await?;
    let truth = two.seconds() + left_while_away.seconds();
    usage_is(&person, &during.viewer_id, &studio.channel, truth, "database away, came meanwhile").await
}

#[tokio::test]
async fn the_site_streams_a_channel_over_http_and_notices_when_nobody_listens() -> Result<()> {
    let Some((world, stack)) = stack().await else { return Ok(()) };
    let person = world.person("viewer").await?;
    let ports = stack.live().map(Live::ports).context("something is live")?.relay;
    let ticket = person.new_viewer().await?;
    let url = format!("{}/live/zato01", world.site);
    let http = reqwest::Client::new();
    let refused = http.get(&url).basic_auth(&ticket.viewer_id, Some("1.2.3")).send().await?;
    assert_eq!(refused.status(), 403);
    assert!(refused.headers().contains_key("content-security-policy"), "the site's headers are on it");

    let over_tcp = Viewer::connect(ports.stream, &ticket.line("zato01")).await?;
    over_tcp.has(100_000).await?;
    let mut answer = http.get(&url).basic_auth(&ticket.viewer_id, Some(&ticket.ticket)).send().await?;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "video/mp2t");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let mut over_http = Vec::new();
    while over_http.len() < 1_000_000 {
        over_http.extend(answer.chunk().await?.context("the stream ended")?);
    }
    over_tcp.has(over_tcp.got().bytes.len() + 400_000).await?;
    let over_tcp = over_tcp.leave().bytes;
    let same = over_tcp.windows(over_http.len()).step_by(188).any(|window| window == over_http);
    assert!(same, "what came over HTTP is not part of what came over TCP");

    let viewers = async || -> Result<u64> {
        let channels = person.get("/channels").await?;
        Ok(listed(&channels.json, "zato01")
            .and_then(|channel| channel["viewers"].as_u64())
            .unwrap_or_default())
    };
    eventually("the viewer over HTTP being counted", async || Ok((viewers().await? >= 1).then_some(())))
        .await?;
    drop(answer);
    eventually("the end of the request behind", async || Ok((viewers().await? == 0).then_some(()))).await
}

#[tokio::test]
async fn channels_that_are_on_are_listed_with_their_bitrate_and_viewers() -> Result<()> {
    let Some((world, stack)) = stack().await else { return Ok(()) };
    let person = world.person("viewer").await?;
    let studio = Studio::open(stack, &["--bitrate", "3000000"], &[]).await?;
    let ticket = person.new_viewer().await?;
    let _watching = [studio.watch(&ticket).await?, studio.watch(&ticket).await?];
    eventually("the channel with both its viewers", async || {
        let channels = person.get("/channels").await?;
        assert_eq!(channels.status, 200);
        let Some(channel) = listed(&channels.json, &studio.channel) else { return Ok(None) };
        let bitrate = channel["bits_per_second"].as_f64().context("a bitrate")?;
        Ok((channel["viewers"] == 2 && (bitrate / 3e6 - 1.0).abs() < 0.1).then_some(()))
    })
    .await
}

fn listed<'a>(channels: &'a Value, id: &str) -> Option<&'a Value> {
    channels["items"].as_array()?.iter().find(|channel| channel["id"] == id)
}

#[tokio::test]
async fn a_film_that_is_played_over_and_over_has_no_seam_for_ffmpeg() -> Result<()> {
    // It needs the ffmpeg that setting up a stack installs.
    let Some(_) = stack().await else { return Ok(()) };
    let project = Project::find()?;
    for file in live::make_films(&project).await? {
        let film = Film::read(&file)?;
        let packets = std::fs::metadata(&file)?.len() / 188;
        let mut played = Vec::new();
        (0..packets * 3).for_each(|number| film.write_packet(number, &mut played));
        let kept = tempfile::NamedTempFile::with_suffix(".ts")?;
        std::fs::write(kept.path(), played)?;
        let listed = film::ffmpeg_command(&project)
            .await?
            .args(["-v", "warning", "-xerror", "-nostdin", "-i"])
            .arg(kept.path())
            .args(["-map", "0", "-c", "copy", "-f", "framecrc", "-"])
            .output()
            .await?;
        let complaints = String::from_utf8_lossy(&listed.stderr);
        ensure!(listed.status.success() && complaints.is_empty(), "{}: {complaints}", file.display());
        // Each line: stream, decoding time, … in ticks of 90 kHz.
        for (stream, step, units) in [("0", 3600, 3 * 480), ("1", 1920, 3 * 900)] {
            let list = String::from_utf8_lossy(&listed.stdout);
            let fields = list.lines().map(|line| line.split(',').map(str::trim).collect::<Vec<_>>());
            let times: Vec<i64> = fields
                .filter(|fields| fields[0] == stream && fields.len() > 2)
                .map(|fields| fields[1].parse())
                .collect::<Result<_, _>>()?;
            assert_eq!(times.len(), units, "stream {stream} of {}", file.display());
            for pair in times.windows(2) {
                assert_eq!(pair[1] - pair[0], step, "stream {stream} of {} at {}", file.display(), pair[0]);
            }
        }
    }
    Ok(())
}
