//! A film that the service has already need not be sent: it asks for some places of the file, and this shows them.

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::{PartFile, Progress};
use crate::client::{Client, Refusal, Upload};

/// Hashes the whole file and shows that it is here. The upload as it is then; nothing if the service has no such film, or can't be asked
/// just now.
///
/// # Errors
/// When the file can't be read.
pub(super) async fn show_possession(
    client: &mut Client,
    upload: &Upload,
    file: &PartFile,
    progress: &Progress,
) -> Result<Option<Upload>> {
    let mut digests = Vec::new();
    // From the end, so that these are others than those that are about to be sent; each is hashed once.
    for number in (1..=upload.part_count).rev() {
        let part = BASE64_STANDARD.decode(file.sha256(upload, number).await?).context("a digest of ours")?;
        digests.push(part);
    }
    digests.reverse();
    let digest = BASE64_STANDARD.encode(digest(&SHA256, &digests.concat()));
    match ask(client, upload, file, &format!("{digest}-{}", upload.part_count)).await {
        Ok(upload) => {
            progress.phase("the film is here already");
            Ok(Some(upload))
        }
        // A refusal is the usual answer. Whatever else is wrong, sending the file meets it too, and tells it better.
        Err(error) if is_of_the_service(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn ask(client: &mut Client, upload: &Upload, file: &PartFile, digest: &str) -> Result<Upload> {
    let challenge = client.create_challenge(&upload.id, digest).await?;
    let nonce = BASE64_STANDARD.decode(&challenge.nonce).context("the nonce is no base64")?;
    let mut shown = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &nonce));
    for range in challenge.ranges {
        shown.update(&file.range_bytes(range.start, range.length).await?);
    }
    client.answer_challenge(&upload.id, &BASE64_STANDARD.encode(shown.sign())).await
}

fn is_of_the_service(error: &anyhow::Error) -> bool {
    error.is::<Refusal>() || error.chain().any(|cause| cause.is::<reqwest::Error>())
}
