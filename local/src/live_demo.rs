//! Live channels without a browser: five viewers watch, what they got is looked at, and so is what is on their account.

mod played;
mod viewer;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::client::Client;
use crate::demo_world::{ADMIN, Account, PUBLISHER, VIEWER};
use crate::film;
use crate::project::Project;
use played::Played;
use viewer::{Watched, watch};

/// Who watches what, in whose name. The last channel doesn't exist: its viewer is let in and gets nothing.
const VIEWERS: [(&str, &Account, &str); 5] = [
    ("live-demo-1", &VIEWER, "zato01"),
    ("live-demo-2", &PUBLISHER, "zato01"),
    ("live-demo-3", &VIEWER, "zato02"),
    ("live-demo-4", &PUBLISHER, "zato02"),
    ("live-demo-5", &ADMIN, "nobody"),
];

/// Bytes of each packet of the source.
const PAYLOAD_BYTES: u64 = 1316;
/// Viewers come one after another, so that those of one channel don't begin with the same packet.
const ARRIVE_EVERY: Duration = Duration::from_millis(400);
/// Within so long, usage is what it is going to be.
const USAGE_TAKES_AT_MOST: Duration = Duration::from_secs(15);
/// What usage and the viewer's own clock may differ by. Before and after are whole seconds each.
const USAGE_MAY_DIFFER_BY_S: f64 = 1.5;

/// Lets five viewers watch for `seconds`, keeps what they get in the folder that it answers, and prints what came of it.
///
/// # Errors
/// When a step fails, a stream doesn't play, two viewers of a channel got different bytes, or usage isn't what was watched.
pub async fn run(project: &Project, site: &str, seconds: u64) -> Result<()> {
    let folder = project.kept().join("live-demo");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let mut accounts = BTreeMap::new();
    for (_, account, _) in VIEWERS {
        if !accounts.contains_key(account.email) {
            let client = Client::sign_in(site, account.email, account.password).await?;
            accounts.insert(account.email, client);
        }
    }
    let mut watching = Vec::new();
    let mut before = Vec::new();
    for (number, (id, account, channel)) in (0..).zip(VIEWERS) {
        let client = accounts.get_mut(account.email).context("everybody is signed in")?;
        let ticket = client.register_viewer(id).await?;
        before.push(client.live_usage(id).await?.get(channel).copied().unwrap_or_default());
        let file = folder.join(format!("{id}-{channel}.ts"));
        let arrives = ARRIVE_EVERY * number;
        watching.push(tokio::spawn(async move {
            tokio::time::sleep(arrives).await;
            let watched = watch(&ticket, channel, Duration::from_secs(seconds), &file).await;
            watched.with_context(|| format!("{id} on {channel}"))
        }));
    }
    say(&format!("five viewers watch for {seconds} s; what they get is kept in {}", folder.display()));
    let mut complaints = Vec::new();
    let mut streams: Vec<(&str, PathBuf)> = Vec::new();
    say(&format!(
        "\n{:<14}{:<10}{:>9}{:>12}{:>9}{:>9}   plays",
        "viewer", "channel", "packets", "bytes", "seconds", "usage"
    ));
    let mut all_watched = Vec::new();
    for task in watching {
        all_watched.push(task.await??);
    }
    for (((id, account, channel), watched), before) in VIEWERS.into_iter().zip(all_watched).zip(before) {
        let client = accounts.get_mut(account.email).context("everybody is signed in")?;
        let usage = settled_usage(client, id, channel, before, &watched).await?;
        let off = (usage as f64 - watched.seconds()).abs();
        if off > USAGE_MAY_DIFFER_BY_S {
            complaints.push(format!("{id}: usage says {usage} s, but it was {:.1} s", watched.seconds()));
        }
        let plays = match (channel, watched.bytes) {
            ("nobody", 0) => "nothing, as it should be".to_owned(),
            ("nobody", _) => {
                complaints.push(format!("{id} got something of a channel that does not exist"));
                "?".to_owned()
            }
            _ => match Played::file(film::ffmpeg_command(project).await?, &watched.file).await {
                Ok(played) => {
                    if played.seconds < seconds as f64 - 2.0 {
                        complaints.push(format!("{id}: only {:.1} s can be played", played.seconds));
                    }
                    streams.push((channel, watched.file.clone()));
                    played.to_string()
                }
                Err(error) => {
                    complaints.push(format!("{id}: {error:#}"));
                    "no".to_owned()
                }
            },
        };
        say(&format!(
            "{id:<14}{channel:<10}{:>9}{:>12}{:>9.1}{usage:>9}   {plays}",
            watched.bytes.div_ceil(PAYLOAD_BYTES),
            watched.bytes,
            watched.seconds(),
        ));
    }
    for pair in streams.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        match overlap(&pair[0].1, &pair[1].1)? {
            Some(bytes) => {
                say(&format!("both viewers of {} got the same {bytes} bytes while both watched", pair[0].0))
            }
            None => complaints.push(format!("the viewers of {} got different bytes", pair[0].0)),
        }
    }
    if !complaints.is_empty() {
        bail!("{}", complaints.join("\n"));
    }
    Ok(())
}

/// What usage has grown by, once it is as much as was watched; or what it is when that takes too long.
async fn settled_usage(
    client: &mut Client,
    viewer_id: &str,
    channel: &str,
    before: u64,
    watched: &Watched,
) -> Result<u64> {
    let asked = Instant::now();
    loop {
        let now = client.live_usage(viewer_id).await?.get(channel).copied().unwrap_or_default();
        let usage = now.saturating_sub(before);
        let is_settled = (usage as f64 - watched.seconds()).abs() <= USAGE_MAY_DIFFER_BY_S;
        if is_settled || asked.elapsed() > USAGE_TAKES_AT_MOST {
            return Ok(usage);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// How many bytes two stretches of one stream have in common, the second of which begins later; none if they are not the same
/// from there to the end of one of them.
fn overlap(earlier: &Path, later: &Path) -> Result<Option<usize>> {
    let [earlier, later] = [earlier, later].map(std::fs::read);
    let (earlier, later) = (earlier?, later?);
    // Packets that only fill up the rate are all alike, so the beginning alone can be found in wrong places.
    let packet = usize::try_from(PAYLOAD_BYTES)?;
    Ok((0..earlier.len()).step_by(packet).find_map(|start| {
        let common = later.len().min(earlier.len() - start);
        (common > packet * 100 && earlier[start..start + common] == later[..common]).then_some(common)
    }))
}

/// Tells people something. They may have read enough, as `head` does; the job is done to its end all the same.
fn say(line: &str) {
    let _read_enough = writeln!(std::io::stdout(), "{line}");
}
