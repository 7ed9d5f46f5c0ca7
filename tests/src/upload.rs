//! Uploading, step by step or at once.

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::film::Film;
use crate::person::Person;
use crate::world::eventually;

/// A part of a file.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// From 1.
    pub number: usize,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// The SHA-256 of bytes in base64.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(digest(&SHA256, bytes))
}

/// The content digest of a file that is cut in parts of this size.
#[must_use]
pub fn digest_of(bytes: &[u8], part_size_bytes: usize) -> String {
    let parts: Vec<_> = bytes.chunks(part_size_bytes).map(|part| digest(&SHA256, part)).collect();
    let joined: Vec<u8> = parts.iter().flat_map(|part| part.as_ref().to_vec()).collect();
    format!("{}-{}", sha256(&joined), parts.len())
}

/// The body that announces a film.
#[must_use]
pub fn announce(film: &Film) -> Value {
    json!({
        "name": film.file_name,
        "file_name": film.file_name,
        "size_bytes": film.bytes.len(),
        "content_type": "video/mp4",
    })
}

/// Puts a part where its signature says.
///
/// # Errors
/// When there is no answer.
pub async fn put(signed: &Value, bytes: &[u8]) -> Result<Answer> {
    let mut request = reqwest::Client::new().put(signed["url"].as_str().context("a part has a URL")?);
    for (name, value) in signed["headers"].as_object().context("a part has headers")? {
        request = request.header(name, value.as_str().unwrap_or_default());
    }
    Answer::read(request.body(bytes.to_vec()).send().await?).await
}

impl Person {
    /// Announces a film.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn create_upload(&self, film: &Film) -> Result<Value> {
        let answer = self.post("/uploads", announce(film)).await?;
        ensure!(answer.status == 201, "creating an upload: {} {}", answer.status, answer.json);
        Ok(answer.json)
    }

    /// Signs parts with their checksums.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn sign_parts(&self, upload: &Value, parts: &[Part<'_>]) -> Result<Answer> {
        let with_checksums = upload["checksum"] == "sha256";
        let parts: Vec<Value> = parts
            .iter()
            .map(|part| match with_checksums {
                true => json!({"number": part.number, "sha256": sha256(part.bytes)}),
                false => json!({"number": part.number}),
            })
            .collect();
        self.post(&format!("/uploads/{}/parts", id(upload)?), json!({"parts": parts})).await
    }

    /// Sends these parts of a film.
    ///
    /// # Errors
    /// When one is refused.
    pub async fn send_parts(&self, upload: &Value, film: &Film, numbers: &[usize]) -> Result<()> {
        let size = usize::try_from(upload["part_size_bytes"].as_u64().context("a part size")?)?;
        let parts: Vec<Part<'_>> = film
            .bytes
            .chunks(size)
            .zip(1..)
            .filter(|(_, number)| numbers.contains(number))
            .map(|(bytes, number)| Part { number, bytes })
            .collect();
        let signed = self.sign_parts(upload, &parts).await?;
        ensure!(signed.status == 200, "signing parts: {} {}", signed.status, signed.json);
        for (part, signed) in parts.iter().zip(signed.json["parts"].as_array().into_iter().flatten()) {
            let answer = put(signed, part.bytes).await?;
            let text = String::from_utf8_lossy(&answer.bytes);
            ensure!(answer.status == 200, "sending part {}: {} {text}", part.number, answer.status);
        }
        Ok(())
    }

    /// Says that all parts are there.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn complete(&self, upload: &Value) -> Result<Answer> {
        self.post_nothing(&format!("/uploads/{}/complete", id(upload)?)).await
    }

    /// Uploads a film and completes it.
    ///
    /// # Errors
    /// When anything is refused.
    pub async fn upload(&self, film: &Film) -> Result<Value> {
        let upload = self.create_upload(film).await?;
        self.send_film(&upload, film).await?;
        Ok(upload)
    }

    /// Sends all of a film and completes its upload.
    ///
    /// # Errors
    /// When anything is refused.
    pub async fn send_film(&self, upload: &Value, film: &Film) -> Result<()> {
        let count = usize::try_from(upload["part_count"].as_u64().context("a part count")?)?;
        self.send_parts(upload, film, &(1..=count).collect::<Vec<_>>()).await?;
        let completed = self.complete(upload).await?;
        ensure!(completed.status == 200, "completing: {} {}", completed.status, completed.json);
        Ok(())
    }

    /// Waits until an upload has come to its end, and answers it as it is then.
    ///
    /// # Errors
    /// When it does not within a minute.
    pub async fn settled(&self, upload: &Value) -> Result<Value> {
        let path = format!("/uploads/{}", id(upload)?);
        eventually("the end of an upload", async || {
            let answer = self.get(&path).await?;
            ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.json);
            let ended = matches!(answer.json["state"].as_str(), Some("ready" | "failed" | "duplicate"));
            Ok(ended.then_some(answer.json))
        })
        .await
    }

    /// Uploads a film and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn publish(&self, film: &Film) -> Result<Value> {
        let upload = self.upload(film).await?;
        let settled = self.settled(&upload).await?;
        ensure!(settled["state"] == "ready", "{settled}");
        Ok(settled)
    }
}

fn id(upload: &Value) -> Result<&str> {
    upload["id"].as_str().context("an upload has an id")
}
