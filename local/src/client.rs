//! Matinee as a program uses it: its API over HTTP, nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// Parts signed at a time. A signature lives for minutes, so it is fetched shortly before it is used.
const PARTS_PER_BATCH: u64 = 8;
const POLL_EVERY: Duration = Duration::from_millis(200);

/// Somebody signed in.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    site: String,
    access_token: String,
    refresh_cookie: String,
}

/// An upload, as far as this program reads it.
#[derive(Clone, Debug, Deserialize)]
pub struct Upload {
    /// Its id, and that of the video that it becomes.
    pub id: String,
    /// `waiting`, `uploaded`, `checking`, `duplicate`, `processing`, `ready` or `failed`.
    pub state: String,
    /// Why it is in that state, in a sentence.
    pub reason: Option<String>,
    /// Size of each part but the last, in bytes.
    pub part_size_bytes: u64,
    /// Number of parts.
    pub part_count: u64,
    /// The video that it became.
    pub video_id: Option<String>,
    /// The video that holds the same bytes already.
    pub duplicate_of: Option<String>,
}

/// What is to be uploaded.
#[derive(Debug, Serialize)]
pub struct NewUpload<'a> {
    /// Title of the film.
    pub name: &'a str,
    /// What it is about.
    pub description: Option<&'a str>,
    /// Name of the file.
    pub file_name: &'a str,
    /// Its size.
    pub size_bytes: u64,
}

/// What a viewer of live channels tells the relay, and where that is.
#[derive(Clone, Debug, Deserialize)]
pub struct Ticket {
    /// The viewer's id.
    pub user_id: String,
    /// The right to watch, for some minutes.
    pub ticket: String,
    /// The relay's name or address.
    pub host: String,
    /// The relay's port.
    pub port: u16,
}

/// The right to watch one film, for some minutes.
#[derive(Debug)]
pub struct Playback {
    /// Addresses by kind: `hls_url`, `dash_url`, `progressive_url`, `poster_url`.
    pub addresses: Vec<(String, String)>,
    cookies: String,
}

#[derive(Deserialize)]
struct Usage {
    sessions: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct SignedParts {
    parts: Vec<SignedPart>,
}

#[derive(Deserialize)]
struct SignedPart {
    number: u64,
    url: String,
    headers: BTreeMap<String, String>,
}

impl Client {
    /// Signs in at the site.
    ///
    /// # Errors
    /// When the site does not answer or the password is wrong.
    pub async fn sign_in(site: &str, email: &str, password: &str) -> Result<Self> {
        let http = reqwest::Client::new();
        let body = json!({"email": email, "password": password});
        let answer = http.post(format!("{site}/api/session")).json(&body).send().await?;
        let answer = successful(answer).await.context("signing in")?;
        let refresh_cookie = cookies(&answer);
        let session: Value = answer.json().await?;
        let access_token = token(&session)?;
        Ok(Self { http, site: site.to_owned(), access_token, refresh_cookie })
    }

    /// Announces a film. With the same key, a repeat answers the upload that is there.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn create_upload(
        &mut self,
        new: &NewUpload<'_>,
        idempotency_key: Option<&str>,
    ) -> Result<Upload> {
        let answer = self
            .send(Method::POST, "/uploads", |request| {
                let request = request.json(new);
                match idempotency_key {
                    Some(key) => request.header("idempotency-key", key),
                    None => request,
                }
            })
            .await?;
        Ok(answer.json().await?)
    }

    /// Sends the parts of the file, each with its checksum, and tells after each how many bytes are there.
    ///
    /// # Errors
    /// When the file cannot be read, or the API or the store refuses a part.
    pub async fn send_parts(
        &mut self,
        upload: &Upload,
        file: &mut File,
        mut progress: impl FnMut(u64),
    ) -> Result<()> {
        let mut sent_bytes = 0;
        let mut first = 1;
        while first <= upload.part_count {
            let last = upload.part_count.min(first + PARTS_PER_BATCH - 1);
            let mut checksums = Vec::new();
            for number in first..=last {
                let part = read_part(file, upload, number).await?;
                let sha256 = BASE64_STANDARD.encode(digest(&SHA256, &part));
                checksums.push(json!({"number": number, "sha256": sha256}));
            }
            let body = json!({"parts": checksums});
            let path = format!("/uploads/{}/parts", upload.id);
            let answer = self.send(Method::POST, &path, |request| request.json(&body)).await?;
            let signed: SignedParts = answer.json().await?;
            for part in signed.parts {
                let content = read_part(file, upload, part.number).await?;
                sent_bytes += content.len() as u64;
                let mut request = self.http.put(&part.url).body(content);
                for (name, value) in &part.headers {
                    request = request.header(name, value);
                }
                successful(request.send().await?).await.with_context(|| format!("part {}", part.number))?;
                progress(sent_bytes);
            }
            first = last + 1;
        }
        Ok(())
    }

    /// Says that all parts are there.
    ///
    /// # Errors
    /// When the API refuses, because a part is missing for example.
    pub async fn complete(&mut self, upload: &Upload) -> Result<Upload> {
        let path = format!("/uploads/{}/complete", upload.id);
        Ok(self.send(Method::POST, &path, |request| request).await?.json().await?)
    }

    /// Waits until the upload has come to its end, and tells each state that it passes.
    ///
    /// # Errors
    /// When the API does not answer, or the state does not change within `patience`.
    pub async fn follow(
        &mut self,
        upload: &Upload,
        patience: Duration,
        mut passed: impl FnMut(&str),
    ) -> Result<Upload> {
        let mut state = String::new();
        let mut since = std::time::Instant::now();
        loop {
            let path = format!("/uploads/{}", upload.id);
            let now: Upload = self.send(Method::GET, &path, |request| request).await?.json().await?;
            if now.state != state {
                state.clone_from(&now.state);
                since = std::time::Instant::now();
                passed(&state);
            }
            if matches!(now.state.as_str(), "ready" | "failed" | "duplicate") {
                return Ok(now);
            }
            if since.elapsed() > patience {
                bail!("the upload has been {state} for {} s", patience.as_secs());
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
    }

    /// Asks for the right to watch a video.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn start_playback(&mut self, video_id: &str) -> Result<Playback> {
        let path = format!("/videos/{video_id}/playback");
        let answer = self.send(Method::POST, &path, |request| request).await?;
        let cookies = cookies(&answer);
        let body: Value = answer.json().await?;
        let addresses = body.as_object().into_iter().flatten().filter_map(|(name, value)| {
            Some((name.clone(), value.as_str()?.to_owned())).filter(|_| name.ends_with("_url"))
        });
        Ok(Playback { addresses: addresses.collect(), cookies })
    }

    /// Fetches media with the cookies of a playback: all of it, or the range `first..=last` of its bytes.
    ///
    /// # Errors
    /// When the CDN refuses.
    pub async fn media(&self, playback: &Playback, path: &str, range: Option<(u64, u64)>) -> Result<Vec<u8>> {
        let mut request =
            self.http.get(format!("{}{path}", self.site)).header(header::COOKIE, &playback.cookies);
        if let Some((first, last)) = range {
            request = request.header(header::RANGE, format!("bytes={first}-{last}"));
        }
        let answer = successful(request.send().await?).await.with_context(|| path.to_owned())?;
        Ok(answer.bytes().await?.to_vec())
    }

    /// Registers a viewer of live channels in one's own name. Repeating it gives a new ticket.
    ///
    /// # Errors
    /// When the id is somebody else's.
    pub async fn register_viewer(&mut self, viewer_id: &str) -> Result<Ticket> {
        let answer = self
            .send(Method::POST, "/register", |request| {
                request.header(header::ACCEPT, "application/json").body(viewer_id.to_owned())
            })
            .await?;
        answer.json().await.context("registering: the answer names no ticket or no relay")
    }

    /// How long a viewer watched each channel in the last 24 hours, in seconds.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn live_usage(&mut self, viewer_id: &str) -> Result<BTreeMap<String, u64>> {
        let path = format!("/usage/{viewer_id}");
        let usage: Usage = self.send(Method::GET, &path, |request| request).await?.json().await?;
        Ok(usage.sessions)
    }

    /// Sends a request in the session's name, renewing the session once if it has run out.
    async fn send(
        &mut self,
        method: Method,
        path: &str,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response> {
        let url = format!("{}/api{path}", self.site);
        let answer =
            with(self.http.request(method.clone(), &url).bearer_auth(&self.access_token)).send().await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return successful(answer).await.with_context(|| format!("{method} {path}"));
        }
        self.renew().await?;
        let answer =
            with(self.http.request(method.clone(), &url).bearer_auth(&self.access_token)).send().await?;
        successful(answer).await.with_context(|| format!("{method} {path}"))
    }

    async fn renew(&mut self) -> Result<()> {
        let url = format!("{}/api/session/refresh", self.site);
        let answer = self.http.post(url).header(header::COOKIE, &self.refresh_cookie).send().await?;
        let answer = successful(answer).await.context("renewing the session")?;
        self.access_token = token(&answer.json().await?)?;
        Ok(())
    }
}

async fn read_part(file: &mut File, upload: &Upload, number: u64) -> Result<Vec<u8>> {
    let mut part = Vec::new();
    file.seek(std::io::SeekFrom::Start((number - 1) * upload.part_size_bytes)).await?;
    file.take(upload.part_size_bytes).read_to_end(&mut part).await?;
    Ok(part)
}

fn token(session: &Value) -> Result<String> {
    Ok(session["access_token"].as_str().context("the session has no access token")?.to_owned())
}

/// The cookies that an answer sets, as a request sends them back.
fn cookies(answer: &Response) -> String {
    let pairs = answer.headers().get_all(header::SET_COOKIE).iter().filter_map(|cookie| {
        let cookie = cookie.to_str().ok()?;
        Some(cookie.split(';').next()?.to_owned())
    });
    pairs.collect::<Vec<_>>().join("; ")
}

/// The answer, or its problem as an error.
async fn successful(answer: Response) -> Result<Response> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    let problem: Value = serde_json::from_str(&text).unwrap_or_default();
    match problem["detail"].as_str().or(problem["title"].as_str()) {
        Some(detail) => bail!("{status}: {detail}"),
        None => bail!("{status}: {}", text.trim()),
    }
}
