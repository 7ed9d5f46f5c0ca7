//! Somebody who is signed in.

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::answer::Answer;

/// A person and their session, or nobody in particular.
#[derive(Clone, Debug)]
pub struct Person {
    /// The service.
    pub site: String,
    /// Who they are; empty for nobody.
    pub id: String,
    /// The access token; none for nobody.
    pub access_token: Option<String>,
    /// The cookie that renews the session, as a request sends it.
    pub refresh_cookie: String,
    http: Client,
}

impl Person {
    /// Somebody without a session.
    #[must_use]
    pub fn nobody(site: &str) -> Self {
        Self {
            site: site.to_owned(),
            id: String::new(),
            access_token: None,
            refresh_cookie: String::new(),
            http: client(site),
        }
    }

    /// Somebody with a token of any kind.
    #[must_use]
    pub fn with_token(site: &str, access_token: &str) -> Self {
        Self { access_token: Some(access_token.to_owned()), ..Self::nobody(site) }
    }

    /// Signs in.
    ///
    /// # Errors
    /// When the service refuses.
    pub async fn sign_in(site: &str, email: &str, password: &str) -> Result<Self> {
        let nobody = Self::nobody(site);
        let answer = nobody.post("/session", json!({"email": email, "password": password})).await?;
        ensure!(answer.status == 200, "signing in as {email}: {} {}", answer.status, answer.json);
        let id = answer.json["user"]["id"].as_str().context("a user has an id")?.to_owned();
        let access_token = answer.json["access_token"].as_str().context("a session has a token")?;
        Ok(Self {
            id,
            refresh_cookie: answer.cookies(),
            access_token: Some(access_token.to_owned()),
            ..nobody
        })
    }

    /// A request to the API, `path` below `/api`.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}/api{path}", self.site));
        match &self.access_token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When there is no answer; an answer that refuses is an answer.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer> {
        Answer::read(request.send().await?).await
    }

    /// GET.
    ///
    /// # Errors
    /// As for [`Person::send`].
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(self.request(Method::GET, path)).await
    }

    /// POST with a JSON body.
    ///
    /// # Errors
    /// As for [`Person::send`].
    pub async fn post(&self, path: &str, body: Value) -> Result<Answer> {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    /// POST without a body.
    ///
    /// # Errors
    /// As for [`Person::send`].
    pub async fn post_nothing(&self, path: &str) -> Result<Answer> {
        self.send(self.request(Method::POST, path)).await
    }

    /// DELETE.
    ///
    /// # Errors
    /// As for [`Person::send`].
    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// GET of something of the site that is not the API, with these cookies, and a range if not empty.
    ///
    /// # Errors
    /// As for [`Person::send`].
    pub async fn fetch(&self, path: &str, cookies: &str, range: &str) -> Result<Answer> {
        let mut request = self.http.get(format!("{}{path}", self.site));
        for (name, value) in [("cookie", cookies), ("range", range)] {
            if !value.is_empty() {
                request = request.header(name, value);
            }
        }
        self.send(request).await
    }
}

/// What sends requests: on this machine from an address of its own, as people have one each. What an address may try is limited, and
/// tests are many. Only Linux has the whole of 127/8 without asking for it.
fn client(site: &str) -> Client {
    let is_here = site.starts_with("http://localhost") || site.starts_with("http://127.0.0.1");
    if !is_here || !cfg!(target_os = "linux") {
        return Client::new();
    }
    let [.., a, b, c] = *uuid::Uuid::now_v7().as_bytes();
    // Odd at the end: neither a network's own address nor its broadcast.
    let address = std::net::Ipv4Addr::new(127, a, b, c & 0xFC | 1);
    Client::builder().local_address(std::net::IpAddr::V4(address)).build().unwrap_or_default()
}
