//! A stack of one's own: what it serves, what it refuses, and that nothing of it stays.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use local::{Options, Stack};
use reqwest::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};

async fn stack() -> Stack {
    Stack::start(Options::default()).await.expect("the service starts")
}

#[tokio::test]
async fn a_stack_serves_guards_and_leaves_nothing_behind() {
    let stack = stack().await;
    let site = stack.site_url().to_owned();
    let get = async |path: &str| reqwest::get(format!("{site}{path}")).await.expect("an answer");

    let unsigned = get("/api/me").await;
    assert_eq!(unsigned.status(), StatusCode::UNAUTHORIZED);
    assert!(unsigned.headers().contains_key("content-security-policy"), "every answer is secured");

    let media = get("/media/7/master.m3u8").await;
    assert_eq!(media.status(), StatusCode::FORBIDDEN);
    assert!(media.text().await.unwrap().contains("MissingKey"), "CloudFront's word for no cookies");

    let written =
        reqwest::Client::new().request(Method::PUT, format!("{site}/posters/7.jpg")).send().await.unwrap();
    assert_eq!(written.status(), StatusCode::FORBIDDEN);

    let environment = stack.function_env("PackageVideo").unwrap();
    assert_eq!(environment["_HANDLER"], "package_video");
    assert_eq!(environment["MEDIA_BUCKET"], stack.outputs()["MediaBucket"]);
    assert_eq!(environment["AWS_ENDPOINT_URL"], stack.endpoint().url);

    let endpoint = stack.endpoint().url.clone();
    let folder = PathBuf::from(stack.data().expect("it has a folder of its own"));
    assert!(folder.exists());
    drop(stack);
    assert!(!folder.exists(), "its folder is gone");
    assert!(reqwest::get(&endpoint).await.is_err(), "its local AWS is gone");
    assert!(reqwest::get(&site).await.is_err(), "its site is gone");
}

#[tokio::test]
async fn a_range_of_a_large_object_costs_no_more_than_the_range() {
    let stack = stack().await;
    let s3 = stack.endpoint().s3();
    let bucket = &stack.outputs()["WebBucket"];
    let content: Vec<u8> = (0..64 << 20).map(|position: u32| (position / 4096) as u8).collect();
    s3.put_object().bucket(bucket).key("large").body(content.clone().into()).send().await.unwrap();

    let started = Instant::now();
    for start in [0, 10 << 20, 63 << 20] {
        let range = format!("bytes={start}-{}", start + 4095);
        let part = s3.get_object().bucket(bucket).key("large").range(range).send().await.unwrap();
        let bytes = part.body.collect().await.unwrap().into_bytes();
        assert_eq!(bytes, content[start..start + 4096]);
    }
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());

    let whole = s3.get_object().bucket(bucket).key("large").send().await.unwrap();
    assert_eq!(whole.body.collect().await.unwrap().into_bytes().len(), content.len());
}

#[tokio::test]
async fn a_relay_that_is_killed_is_started_again_and_none_outlives_its_stack() {
    let stack = Stack::start(Options { live: true, ..Options::default() }).await.expect("the service starts");
    let live = stack.live().expect("something is live");
    let ports = live.ports();
    let health = format!("http://127.0.0.1:{}/health", ports.relay.server);
    let before = live.relay_pid().expect("the relay runs");
    kill_process(Pid::from_raw(before).unwrap(), Signal::KILL).unwrap();
    let killed = Instant::now();
    while live.relay_pid().is_none_or(|now| now == before) || reqwest::get(&health).await.is_err() {
        assert!(killed.elapsed() < Duration::from_secs(20), "it stays away");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(stack);
    for port in [ports.source, ports.relay.stream, ports.relay.http_stream, ports.relay.server] {
        assert!(
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err(),
            "port {port} is still served"
        );
    }
}
