//! Matinee as a program uses it: its API over HTTP, nothing else.

mod messages;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

pub use messages::{ArrivedPart, Challenge, FileRange, NewUpload, SignedPart, Ticket, Upload, Uploads};

/// How long a service may take to take a connection, and to go on with an answer.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const SILENT_AT_MOST: Duration = Duration::from_secs(60);
const POLL_EVERY: Duration = Duration::from_millis(200);

/// Somebody signed in.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    site: String,
    access_token: String,
    refresh_cookie: String,
}

/// The service refused a request.
#[derive(Debug)]
pub struct Refusal {
    /// The answer's status.
    pub status: StatusCode,
    /// How long to wait before asking again, if the service says so.
    pub retry_after: Option<Duration>,
    detail: String,
}

impl Refusal {
    /// What a service that does not go on would have had to say.
    pub(crate) fn timeout() -> Self {
        Self {
            status: StatusCode::REQUEST_TIMEOUT,
            retry_after: None,
            detail: "The connection moved no more bytes.".into(),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.status, self.detail)
    }
}

impl std::error::Error for Refusal {}

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

impl Client {
    /// Signs in at the site.
    ///
    /// # Errors
    /// When the site does not answer or the password is wrong.
    pub async fn sign_in(site: &str, email: &str, password: &str) -> Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .read_timeout(SILENT_AT_MOST)
            .build()
            .context("making an HTTP client")?;
        let body = json!({"email": email, "password": password});
        let answer = http.post(format!("{site}/api/session")).json(&body).send().await?;
        let answer = successful(answer).await.context("signing in")?;
        let refresh_cookie = cookies(&answer);
        let session: Value = answer.json().await?;
        let access_token = token(&session)?;
        Ok(Self { http, site: site.to_owned(), access_token, refresh_cookie })
    }

    /// The token that requests carry, for some minutes.
    #[must_use]
    pub fn access_token(&self) -> &str {
        &self.access_token
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

    /// One page of the caller's uploads, newest first.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn uploads(&mut self, cursor: Option<&str>) -> Result<Uploads> {
        let mut path = "/uploads?limit=100".to_owned();
        if let Some(cursor) = cursor {
            // Writing to a String cannot fail.
            let _ = write!(path, "&cursor={}", utf8_percent_encode(cursor, NON_ALPHANUMERIC));
        }
        Ok(self.send(Method::GET, &path, |request| request).await?.json().await?)
    }

    /// An upload as it is now.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn upload(&mut self, id: &str) -> Result<Upload> {
        Ok(self.send(Method::GET, &format!("/uploads/{id}"), |request| request).await?.json().await?)
    }

    /// Has parts signed: their numbers and their SHA-256 in base64.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn sign_parts(&mut self, upload_id: &str, parts: &[(u32, String)]) -> Result<Vec<SignedPart>> {
        let parts: Vec<Value> =
            parts.iter().map(|(number, sha256)| json!({"number": number, "sha256": sha256})).collect();
        let body = json!({ "parts": parts });
        let path = format!("/uploads/{upload_id}/parts");
        let answer = self.send(Method::POST, &path, |request| request.json(&body)).await?;
        Ok(answer.json::<SignedParts>().await?.parts)
    }

    /// Asks what to show of the file with this content digest.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn create_challenge(&mut self, upload_id: &str, digest: &str) -> Result<Challenge> {
        let body = json!({ "digest": digest });
        let path = format!("/uploads/{upload_id}/challenge");
        Ok(self.send(Method::POST, &path, |request| request.json(&body)).await?.json().await?)
    }

    /// Shows it: the HMAC-SHA-256 in base64. The upload is complete then.
    ///
    /// # Errors
    /// When it is wrong, or there is no such film; which of both is not told.
    pub async fn answer_challenge(&mut self, upload_id: &str, hmac: &str) -> Result<Upload> {
        let body = json!({ "hmac": hmac });
        let path = format!("/uploads/{upload_id}/proof");
        Ok(self.send(Method::POST, &path, |request| request.json(&body)).await?.json().await?)
    }

    /// What sends requests in nobody's name, to the store for example.
    #[must_use]
    pub fn http(&self) -> reqwest::Client {
        self.http.clone()
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
            let now = self.upload(&upload.id).await?;
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
        let renewed = cookies(&answer);
        if !renewed.is_empty() {
            self.refresh_cookie = renewed;
        }
        self.access_token = token(&answer.json().await?)?;
        Ok(())
    }
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

/// The answer, or a [`Refusal`].
pub(crate) async fn successful(answer: Response) -> Result<Response> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let retry_after =
        answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let text = answer.text().await.unwrap_or_default();
    let problem: Value = serde_json::from_str(&text).unwrap_or_default();
    let detail = problem["detail"].as_str().or(problem["title"].as_str()).unwrap_or(text.trim()).to_owned();
    bail!(Refusal { status, retry_after: retry_after.map(Duration::from_secs), detail })
}
