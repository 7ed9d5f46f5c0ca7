//! A film on its way to a service, here or deployed: recognised if it was begun before, sent in parallel parts with checksums, and
//! followed until it can be watched. Nothing is kept on this machine: what has arrived is asked of the service.

mod instant;
mod part_file;
mod progress;
mod recognise;
mod retry;
mod send;

use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::StatusCode;
use uuid::Uuid;

use crate::client::{Client, NewUpload, Refusal, Upload};

pub use part_file::PartFile;
pub use progress::Progress;
pub use send::send_parts;

use instant::show_possession;
use recognise::{Recognised, recognise};
use retry::persist;

/// Parts may turn out to be missing when all seemed sent; that is put right, but not for ever.
const ROUNDS: usize = 3;
/// A film is ready a second after its last byte; one that has to be encoded takes as long as it takes.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// What is to be uploaded.
#[derive(Clone, Debug)]
pub struct Film {
    /// Where it lies.
    pub file: PathBuf,
    /// What it is to be called; the file's name without its ending, if nothing else.
    pub name: Option<String>,
    /// What it is about.
    pub description: Option<String>,
}

/// Uploads a film and waits until it can be watched. Answers where.
///
/// # Errors
/// When the file can't be read, the service refuses, or nothing gets through for minutes. The same call goes on then.
pub async fn run(site: &str, email: &str, password: &str, film: &Film) -> Result<String> {
    let file = PartFile::open(&film.file)?;
    let mut client = Client::sign_in(site, email, password).await?;
    let progress = Progress::shown(file.size_bytes());
    let upload = begin(&mut client, film, &file, &progress).await?;
    let upload = send_all(&mut client, upload, &file, &progress).await?;
    let upload = follow(&mut client, upload, &progress).await?;
    progress.end();
    let video_id = match (upload.video_id, upload.duplicate_of) {
        (Some(video_id), _) => video_id,
        (None, Some(video_id)) => {
            eprintln!("  You have this film already, so nothing was stored twice.");
            video_id
        }
        (None, None) => bail!("The upload is {}: {}", upload.state, upload.reason.unwrap_or_default()),
    };
    Ok(format!("{site}/watch/{video_id}"))
}

/// The upload that this file was begun in, or a new one.
async fn begin(client: &mut Client, film: &Film, file: &PartFile, progress: &Progress) -> Result<Upload> {
    let file_name =
        film.file.file_name().and_then(|name| name.to_str()).context("the file's name is not UTF-8")?;
    progress.phase("looking whether part of it has arrived");
    match recognise(client, file, file_name, progress).await? {
        Recognised::Begun(upload) => {
            if !upload.parts.is_empty() {
                let (arrived, all) = (upload.parts.len(), upload.part_count);
                progress.say(&format!(
                    "Going on with “{}” of {}: {arrived} of {all} parts have arrived.",
                    upload.name, upload.created_at
                ));
            }
            return Ok(upload);
        }
        Recognised::Other { upload, part } => progress.say(&format!(
            "This is not the file that “{}” of {} began with: part {part} differs. It is sent as a new upload.",
            upload.name, upload.created_at
        )),
        Recognised::Unknown => {}
    }
    let stem = film.file.file_stem().and_then(|name| name.to_str());
    let new = NewUpload {
        name: film.name.as_deref().or(stem).context("the film has no name")?,
        description: film.description.as_deref(),
        file_name,
        size_bytes: file.size_bytes(),
    };
    // Makes the repeat harmless whose first answer was lost.
    let key = Uuid::now_v7().to_string();
    persist(progress, async || client.create_upload(&new, Some(&key)).await).await
}

/// Sends what is missing, and completes.
async fn send_all(
    client: &mut Client,
    mut upload: Upload,
    file: &PartFile,
    progress: &Progress,
) -> Result<Upload> {
    for _ in 0..ROUNDS {
        if upload.state != "waiting" {
            return Ok(upload);
        }
        let missing = missing_parts(&upload, file)?;
        progress.arrived(
            file.size_bytes() - missing.iter().map(|number| file.part_bytes(&upload, *number)).sum::<u64>(),
        );
        if let Some(shown) = send_or_show(client, &upload, file, missing, progress).await? {
            return Ok(shown);
        }
        progress.phase("completing");
        match persist(progress, async || client.complete(&upload).await).await {
            Err(error) if is_conflict(&error) => {
                upload = persist(progress, async || client.upload(&upload.id).await).await?;
            }
            completed => return completed,
        }
    }
    bail!("parts of the upload keep getting lost")
}

/// Sends parts, and meanwhile hashes the file and asks whether it is there already. Answers the upload if that completed it.
async fn send_or_show(
    client: &mut Client,
    upload: &Upload,
    file: &PartFile,
    missing: Vec<u32>,
    progress: &Progress,
) -> Result<Option<Upload>> {
    progress.phase("sending");
    if missing.is_empty() {
        return Ok(None);
    }
    let mut asking = client.clone();
    let mut sending = pin!(send_parts(client, upload, file, missing, progress));
    tokio::select! {
        sent = &mut sending => sent.map(|()| None),
        shown = show_possession(&mut asking, upload, file, progress) => match shown? {
            Some(upload) => Ok(Some(upload)),
            None => sending.await.map(|()| None),
        },
    }
}

/// The parts that S3 has not, or has otherwise than the plan says.
fn missing_parts(upload: &Upload, file: &PartFile) -> Result<Vec<u32>> {
    if upload.size_bytes != file.size_bytes() {
        bail!("the upload is of another file: its size differs");
    }
    let has = |number: u32| {
        upload
            .parts
            .iter()
            .any(|part| part.number == number && part.size_bytes == file.part_bytes(upload, number))
    };
    Ok((1..=upload.part_count).filter(|number| !has(*number)).collect())
}

fn is_conflict(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refusal>().is_some_and(|refusal| refusal.status == StatusCode::CONFLICT)
}

/// Asks until nothing more will happen: often at first and after each change, then less and less.
async fn follow(client: &mut Client, upload: Upload, progress: &Progress) -> Result<Upload> {
    let (mut last, mut wait) = (String::new(), SHORTEST_WAIT);
    loop {
        let now = persist(progress, async || client.upload(&upload.id).await).await?;
        if matches!(now.state.as_str(), "ready" | "failed" | "duplicate") {
            return Ok(now);
        }
        wait = if now.state == last { LONGEST_WAIT.min(wait.mul_f64(1.5)) } else { SHORTEST_WAIT };
        progress.phase(&now.state);
        last = now.state;
        tokio::time::sleep(wait).await;
    }
}
