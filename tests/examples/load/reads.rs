//! Requests at a rate that does not wait for answers, on the routes that read.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use tests::{Film, Person, World};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::figures::Figures;
use crate::memory::Sampling;

/// API Gateway gives up after as long.
const LONGEST: Duration = Duration::from_secs(30);

/// Sends `rate` requests a second for so many seconds.
pub async fn run(world: &World, rate: u64, seconds: u64) -> Result<()> {
    let publisher = world.person("publisher").await?;
    let upload = publisher.publish(&Film::unique()?).await?;
    let upload_id = upload["id"].as_str().context("an upload")?;
    let video_id = upload["video_id"].as_str().context("a video")?;
    let routes = [
        ("get_me", "/me".to_owned()),
        ("get_upload", format!("/uploads/{upload_id}")),
        ("get_video", format!("/videos/{video_id}")),
        ("list_uploads", "/uploads".to_owned()),
        ("list_videos", "/videos".to_owned()),
    ];
    for (_, path) in &routes {
        ensure!(publisher.get(path).await?.status == 200, "{path} is not answered");
    }
    let sampling = world.stack().map(|stack| Sampling::start(&stack.endpoint().url));
    let figures = send(&publisher, &routes, rate, seconds).await?;
    println!("{}", Figures::heading());
    let mut others = 0;
    for (name, mut figures) in figures {
        println!("{}", figures.row(name));
        others += figures.others_than("200");
    }
    if let Some(sampling) = sampling {
        println!("\n{}", sampling.end().await.table());
    }
    ensure!(others == 0, "{others} requests were not answered with 200");
    Ok(())
}

async fn send(
    person: &Person,
    routes: &[(&'static str, String)],
    rate: u64,
    seconds: u64,
) -> Result<BTreeMap<&'static str, Figures>> {
    let mut ticks = interval(Duration::from_secs(1) / u32::try_from(rate)?);
    // Behind its time, it sends what it owes: the rate is kept, and times count from when a request was due.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut requests = JoinSet::new();
    let started = Instant::now();
    for index in 0..rate * seconds {
        let due = ticks.tick().await;
        let (name, path) = routes[usize::try_from(index)? % routes.len()].clone();
        let person = person.clone();
        requests.spawn(async move {
            let request = person.request(Method::GET, &path).timeout(LONGEST);
            let outcome = match person.send(request).await {
                Ok(answer) => answer.status.to_string(),
                Err(error) => error.root_cause().to_string(),
            };
            (name, outcome, due.elapsed())
        });
    }
    println!("{} requests were sent in {:.1} s", rate * seconds, started.elapsed().as_secs_f64());
    let mut figures: BTreeMap<_, Figures> = BTreeMap::new();
    while let Some(done) = requests.join_next().await {
        let (name, outcome, took) = done?;
        figures.entry(name).or_default().note(outcome, took);
    }
    println!("the last answer came after {:.1} s", started.elapsed().as_secs_f64());
    Ok(figures)
}
