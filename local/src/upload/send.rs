//! Parts on their way to the store, several at a time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use futures_util::TryStreamExt;
use reqwest::{Body, StatusCode};
use tokio::task::JoinSet;

use super::progress::Sending;
use super::retry::{Patience, persist};
use super::{PartFile, Progress};
use crate::client::{Client, Refusal, SignedPart, Upload, successful};

/// Enough to fill a long line. Whoever is interrupted loses at most so many unfinished parts, so more is not better.
const LANES: usize = 4;
/// Parts signed at a time.
const BATCH: usize = 8;
/// Signatures live longer; one that waited for so long is taken anew.
const SIGNATURES_LAST: Duration = Duration::from_secs(5 * 60);
/// How often one part may be hashed and signed anew.
const SIGN_ATTEMPTS: u32 = 4;
/// A connection that moves no byte for this long is dead, whatever TCP still hopes.
const STALLED_AFTER: Duration = Duration::from_secs(60);

/// How a part ended.
enum Sent {
    Arrived,
    /// The signature has expired, or what arrived is not what was hashed.
    NeedsSignature(anyhow::Error),
}

/// Sends these parts of a file. What has arrived when it fails stays with the store.
///
/// # Errors
/// When the file can't be read, or the API or the store refuses a part for good.
pub async fn send_parts(
    client: &mut Client,
    upload: &Upload,
    file: &PartFile,
    numbers: Vec<u32>,
    progress: &Progress,
) -> Result<()> {
    let mut left = VecDeque::from(numbers);
    let mut signed: VecDeque<(SignedPart, Instant)> = VecDeque::new();
    let mut signings: BTreeMap<u32, u32> = BTreeMap::new();
    // Dropped, it ends what is under way.
    let mut lanes = JoinSet::new();
    loop {
        while lanes.len() < LANES && !(left.is_empty() && signed.is_empty()) {
            let Some((part, at)) = signed.pop_front() else {
                let batch: Vec<u32> = left.drain(..left.len().min(BATCH)).collect();
                let parts = sign(client, upload, file, &batch, progress).await?;
                signed.extend(parts.into_iter().map(|part| (part, Instant::now())));
                continue;
            };
            if at.elapsed() > SIGNATURES_LAST {
                left.push_front(part.number);
                continue;
            }
            let lane = Lane {
                http: client.http(),
                upload: upload.clone(),
                file: file.clone(),
                sending: progress.sending(),
            };
            let setbacks = progress.handle();
            lanes.spawn(async move { (part.number, lane.send(&part, &setbacks).await) });
        }
        let Some(done) = lanes.join_next().await else { return Ok(()) };
        let (number, sent) = done.context("a part's task ended")?;
        if let Sent::NeedsSignature(why) = sent.with_context(|| format!("part {number}"))? {
            let attempts = signings.entry(number).or_default();
            *attempts += 1;
            if *attempts == SIGN_ATTEMPTS {
                return Err(why.context(format!("part {number}")));
            }
            file.forget_sha256(upload, number);
            left.push_front(number);
        }
    }
}

async fn sign(
    client: &mut Client,
    upload: &Upload,
    file: &PartFile,
    numbers: &[u32],
    progress: &Progress,
) -> Result<Vec<SignedPart>> {
    let mut parts = Vec::with_capacity(numbers.len());
    for number in numbers {
        parts.push((*number, file.sha256(upload, *number).await?));
    }
    persist(progress, async || client.sign_parts(&upload.id, &parts).await).await
}

/// What one part needs.
struct Lane {
    http: reqwest::Client,
    upload: Upload,
    file: PartFile,
    sending: Arc<Sending>,
}

impl Lane {
    async fn send(&self, part: &SignedPart, progress: &Progress) -> Result<Sent> {
        let mut patience = Patience::default();
        loop {
            let Err(error) = self.put(part).await else {
                self.sending.confirm();
                return Ok(Sent::Arrived);
            };
            self.sending.take_back();
            // A file that can't be read breaks a request as a dead network does, but for good.
            self.file.probe(&self.upload, part.number).await?;
            let status = error.downcast_ref::<Refusal>().map(|refusal| refusal.status);
            if let Some(StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST) = status {
                return Ok(Sent::NeedsSignature(error));
            }
            patience.after(error, progress).await?;
        }
    }

    async fn put(&self, part: &SignedPart) -> Result<()> {
        let sending = Arc::clone(&self.sending);
        let bytes =
            self.file.bytes(&self.upload, part.number).inspect_ok(move |bytes| sending.add(bytes.len()));
        let mut request = self.http.put(&part.url).body(Body::wrap_stream(bytes));
        // Without it, S3 would be sent chunks, which it does not take.
        request = request.header("content-length", self.file.part_bytes(&self.upload, part.number));
        for (name, value) in
            part.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"))
        {
            request = request.header(name, value);
        }
        let answer = tokio::select! {
            answer = request.send() => answer,
            () = self.stalls() => bail!(Refusal::timeout()),
        };
        // The address is a secret, and errors are shown.
        let answer =
            answer.map_err(|error| anyhow!(error.without_url())).context("the storage can't be reached")?;
        successful(answer).await.map(drop)
    }

    /// Ends when nothing has moved for too long.
    async fn stalls(&self) {
        let mut before = None;
        loop {
            let now = Some(self.sending.bytes());
            if now == before {
                return;
            }
            before = now;
            tokio::time::sleep(STALLED_AFTER).await;
        }
    }
}
