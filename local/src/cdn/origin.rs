//! An origin that speaks HTTP: the API, the live relay.

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use std::net::SocketAddr;

use super::refusal;

/// Headers that belong to one connection and are not passed on (RFC 9110, section 7.6.1).
const OF_THE_CONNECTION: [HeaderName; 6] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const VIEWER_ADDRESS: HeaderName = HeaderName::from_static("x-matinee-viewer-address");
const VIEWER_HOST: HeaderName = HeaderName::from_static("x-matinee-viewer-host");
const ORIGIN_SECRET: HeaderName = HeaderName::from_static("x-matinee-origin-secret");

/// Passes requests on to an origin and its answers back, both as they stream: nothing is kept, and whoever hangs up ends the
/// request behind as well.
#[derive(Clone)]
pub struct Origin {
    name: &'static str,
    http: reqwest::Client,
    base: String,
    secret: Option<HeaderValue>,
}

impl Origin {
    /// The origin `name` at `base`, which may have a path in front of all others.
    pub fn new(name: &'static str, base: String) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
        Self { name, http: http.unwrap_or_default(), base, secret: None }
    }

    /// The same origin, told where each request comes from and which host it was sent to, and by the secret that it may believe that.
    pub fn told_of_the_viewer(mut self, secret: &str) -> Self {
        self.secret = HeaderValue::from_str(secret).ok();
        self
    }

    /// Its address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Passes one request on.
    pub async fn forward(&self, request: Parts, body: Body) -> Response {
        let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = end_to_end(&request.headers);
        let host = headers.remove(header::HOST);
        if let Some(ConnectInfo(viewer)) = request.extensions.get::<ConnectInfo<SocketAddr>>()
            && let Ok(viewer) = HeaderValue::from_str(&viewer.ip().to_string())
        {
            if let Some(secret) = &self.secret {
                // Whatever the viewer says under these names is written over.
                headers.insert(VIEWER_ADDRESS, viewer.clone());
                headers.insert(ORIGIN_SECRET, secret.clone());
                headers.insert(VIEWER_HOST, host.unwrap_or(HeaderValue::from_static("")));
            }
            headers.append(X_FORWARDED_FOR, viewer);
        }
        let body = reqwest::Body::wrap_stream(body.into_data_stream());
        let url = format!("{}{path}", self.base);
        self.answer(self.http.request(request.method, url).headers(headers).body(body)).await
    }

    /// Passes on a request without a body, the viewer's headers of these names and no others, and the headers that
    /// `signature` makes for method and address.
    pub async fn forward_signed(
        &self,
        request: &Parts,
        names: &[HeaderName],
        signature: impl Fn(&str, &str) -> anyhow::Result<Vec<(String, String)>>,
    ) -> Response {
        let url = format!("{}{}", self.base, request.uri.path());
        let signature = match signature(request.method.as_str(), &url) {
            Ok(signature) => signature,
            Err(error) => {
                eprintln!("  a request to {} can't be signed: {error:#}", self.name);
                return refusal(StatusCode::BAD_GATEWAY, "BadGateway", "The origin can't be asked");
            }
        };
        let mut sent = self.http.request(request.method.clone(), url);
        for name in names {
            if let Some(value) = request.headers.get(name) {
                sent = sent.header(name, value);
            }
        }
        for (name, value) in signature {
            sent = sent.header(name, value);
        }
        self.answer(sent).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Response {
        match request.send().await {
            Ok(answer) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = answer.status();
                *response.headers_mut() = end_to_end(answer.headers());
                *response.body_mut() = Body::from_stream(answer.bytes_stream());
                response
            }
            Err(error) => {
                eprintln!("  {} does not answer: {error}", self.name);
                refusal(StatusCode::BAD_GATEWAY, "BadGateway", "The origin did not answer")
            }
        }
    }
}

/// The headers that are passed on, repeated ones included.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    headers
        .iter()
        .filter(|(name, _)| !OF_THE_CONNECTION.contains(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
