//! The commands of docs/uploads.md do what it says they do.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use tests::{Film, World};
use tokio::process::Command;

/// The blocks of the page that are to be run, in their order.
fn blocks() -> Result<Vec<String>> {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/uploads.md");
    let page = std::fs::read_to_string(page)?;
    let blocks = page.split("```sh run\n").skip(1);
    blocks.map(|rest| Ok(rest.split_once("```").context("a block ends")?.0.to_owned())).collect()
}

/// Runs blocks as somebody would who has said what, where and who. Answers what was printed.
async fn run(
    blocks: &[String],
    folder: &Path,
    site: &str,
    (email, password): (&str, &str),
) -> Result<String> {
    let done = Command::new("bash")
        .args(["-c", &blocks.concat()])
        .current_dir(folder)
        .envs([("SITE", site), ("EMAIL", email), ("PASSWORD", password), ("FILE", "a film.mp4")])
        .output()
        .await
        .context("bash")?;
    let printed = String::from_utf8_lossy(&done.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{}: {printed}\n{complaint}", done.status);
    Ok(printed)
}

#[tokio::test]
async fn the_commands_of_the_page_upload_a_film_and_resume_it() -> Result<()> {
    let world = World::get().await;
    let (email, password) = world.account("publisher").await?;
    let folder = tempfile::tempdir()?;
    let film = Film::unique()?.padded_to(17 * 1024 * 1024);
    std::fs::write(folder.path().join("a film.mp4"), &film.bytes)?;
    let blocks = blocks()?;
    ensure!(blocks.len() == 4, "the page has {} blocks to run", blocks.len());

    // Somebody whose machine went down: two of three parts are sent.
    let until_two = blocks[2].replace("seq \"$PART_COUNT\"", "seq 2");
    ensure!(until_two != blocks[2], "the block goes through the parts");
    let begun = [blocks[0].clone(), blocks[1].clone(), until_two];
    run(&begun, folder.path(), &world.site, (&email, &password)).await?;
    let publisher = tests::Person::sign_in(&world.site, &email, &password).await?;
    let uploads = publisher.get("/uploads").await?;
    let id = uploads.json["items"][0]["id"].as_str().context("an upload")?.to_owned();
    let begun = publisher.get(&format!("/uploads/{id}")).await?;
    let arrived: Vec<_> =
        begun.json["parts"].as_array().into_iter().flatten().map(|part| &part["number"]).collect();
    assert_eq!(arrived, [1, 2]);

    let printed = run(&blocks, folder.path(), &world.site, (&email, &password)).await?;
    let uploads = publisher.get("/uploads").await?;
    let items = uploads.json["items"].as_array().context("uploads")?;
    assert_eq!((items.len(), items[0]["id"].as_str()), (1, Some(id.as_str())));
    assert_eq!(items[0]["state"], "ready");
    let video = items[0]["video_id"].as_str().context("a video")?;
    assert!(printed.trim_end().ends_with(&format!("{}/watch/{video}", world.site)), "{printed}");
    assert!(!folder.path().join("session").exists(), "no session stays behind");
    Ok(())
}
