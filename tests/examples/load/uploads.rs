//! Many uploads at once, each of another film, from the first request until it can be watched.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Result, ensure};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tests::{Film, World};

use crate::figures::Figures;
use crate::memory::Sampling;

/// Below the limit of what a publisher may upload at once.
const OF_ONE_PUBLISHER: u64 = 10;

/// Uploads `count` films all at once.
pub async fn run(world: &World, count: u64) -> Result<()> {
    let sampling = world.stack().map(|stack| Sampling::start(&stack.endpoint().url));
    let mut publishers = Vec::new();
    for _ in 0..count.div_ceil(OF_ONE_PUBLISHER) {
        publishers.push(world.person("publisher").await?);
    }
    let started = Instant::now();
    let mut uploads = FuturesUnordered::new();
    for publisher in publishers.iter().cycle().take(usize::try_from(count)?) {
        uploads.push(async move {
            let film = Film::unique()?;
            let started = Instant::now();
            let upload = publisher.upload(&film).await?;
            let completed = started.elapsed();
            let settled = publisher.settled(&upload).await?;
            anyhow::Ok((settled, completed, started.elapsed()))
        });
    }
    let (mut sending, mut whole, mut videos) = (Figures::default(), Figures::default(), BTreeSet::new());
    while let Some(done) = uploads.next().await {
        match done {
            Ok((settled, completed, ready)) => {
                let state = settled["state"].as_str().unwrap_or_default().to_owned();
                sending.note(state.clone(), completed);
                whole.note(state, ready);
                videos.extend(settled["video_id"].as_str().map(ToOwned::to_owned));
            }
            Err(error) => whole.note(format!("{error:#}"), started.elapsed()),
        }
    }
    let took = started.elapsed();
    println!("{}", Figures::heading());
    println!("{}", sending.row("created, sent, completed"));
    println!("{}", whole.row("all, until it is ready"));
    println!("{count} uploads in {:.1} s", took.as_secs_f64());
    if let Some(sampling) = sampling {
        println!("\n{}", sampling.end().await.table());
    }
    ensure!(whole.others_than("ready") == 0, "not all uploads are ready");
    ensure!(videos.len() as u64 == count, "{} videos came of {count} uploads", videos.len());
    Ok(())
}
