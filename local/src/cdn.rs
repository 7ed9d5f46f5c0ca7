//! Plays CloudFront: one origin in front of the pages, the API and the media.
//!
//! The behaviours, their order and the headers are those of `infra/cdn.yaml`. What it adds nothing to, as CloudFront
//! would not either: an answer is what the origin says, or a refusal.

mod bucket;
mod guard;
mod headers;
mod origin;

use anyhow::Result;
use aws_sdk_s3::Client;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::deployment::{Deployment, STACK};
use crate::endpoint::Endpoint;
use crate::signed_request;
use guard::Guard;
use origin::Origin;

/// The origins behind the CDN, and what it needs to guard them.
#[derive(Clone)]
pub struct Cdn {
    s3: Client,
    upload_bucket: String,
    media_bucket: String,
    web_bucket: String,
    api: Origin,
    /// Computes outputs that aren't in the media bucket yet.
    outputs: Origin,
    endpoint: Endpoint,
    /// None where nothing is live: as on AWS, its paths then are pages.
    relay: Option<Origin>,
    guard: Guard,
    content_security_policy: String,
}

/// Which origin answers, by the first pattern that a path matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behaviour {
    Document,
    Api,
    Original,
    /// The bucket first, and then the function that computes what isn't there yet.
    Media,
    Poster,
    Live,
    Page,
}

impl Behaviour {
    fn of(path: &str) -> Self {
        if path == "/api/openapi.json" {
            Self::Document
        } else if path.starts_with("/api/") {
            Self::Api
        } else if path.starts_with("/media/") && path.ends_with("/original") {
            Self::Original
        } else if path.starts_with("/media/") {
            Self::Media
        } else if path.starts_with("/posters/") {
            Self::Poster
        } else if path.starts_with("/live/") {
            Self::Live
        } else {
            Self::Page
        }
    }
}

impl Cdn {
    /// A CDN in front of what is deployed at `endpoint`, and of the relay at `relay_url`, if there is one.
    ///
    /// # Errors
    /// When the deployment lacks an output.
    pub fn new(endpoint: &Endpoint, deployment: &Deployment, relay_url: Option<String>) -> Result<Self> {
        // The path in front is how emulators tell APIs apart without DNS.
        let api = format!("{}/_aws/execute-api/{}", endpoint.url, deployment.output("ApiId")?);
        let outputs = deployment.output("OutputsUrl")?;
        let outputs = outputs.trim_start_matches("https://").split('.').next().unwrap_or_default();
        let outputs = format!("{}/_aws/lambda-url/{outputs}", endpoint.url);
        Ok(Self {
            s3: endpoint.s3(),
            upload_bucket: deployment.output("UploadBucket")?.to_owned(),
            media_bucket: deployment.output("MediaBucket")?.to_owned(),
            web_bucket: deployment.output("WebBucket")?.to_owned(),
            api: Origin::new("the API", api).told_of_the_viewer(deployment.origin_secret()?),
            outputs: Origin::new("the function of outputs", outputs),
            endpoint: endpoint.clone(),
            relay: relay_url.map(|url| Origin::new("the relay", url)),
            guard: Guard::new(endpoint, deployment.output("MediaKeysTable")?, STACK),
            content_security_policy: headers::content_security_policy(&endpoint.url),
        })
    }

    /// The address of the API behind it, stage included.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("{}/api", self.api.base())
    }

    /// Everything that it serves.
    pub fn router(self) -> Router {
        Router::new().fallback(answer).with_state(self)
    }
}

async fn answer(State(cdn): State<Cdn>, request: Request) -> Response {
    let mut response = cdn.dispatch(request).await;
    headers::secure(&mut response, &cdn.content_security_policy);
    response
}

impl Cdn {
    async fn dispatch(&self, request: Request) -> Response {
        let (request, body) = request.into_parts();
        let path = request.uri.path();
        let behaviour = Behaviour::of(path);
        if behaviour == Behaviour::Api {
            return self.api.forward(request, body).await;
        }
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return refusal(
                StatusCode::FORBIDDEN,
                "AccessDenied",
                "This distribution does not allow this method",
            );
        }
        if matches!(behaviour, Behaviour::Original | Behaviour::Media | Behaviour::Poster)
            && let Err(refusal) = self.guard.admit(&request).await
        {
            return refusal;
        }
        if let (Behaviour::Live, Some(relay)) = (behaviour, &self.relay) {
            return relay.forward(request, body).await;
        }
        match behaviour {
            Behaviour::Original => bucket::serve(&self.s3, &self.upload_bucket, path, &request).await,
            Behaviour::Media | Behaviour::Poster => {
                let found = bucket::serve(&self.s3, &self.media_bucket, path, &request).await;
                let is_missing = matches!(found.status(), StatusCode::FORBIDDEN | StatusCode::NOT_FOUND);
                if behaviour == Behaviour::Poster || !is_missing {
                    return found;
                }
                let sign = |method: &str, url: &str| {
                    signed_request::signature(&self.endpoint, "lambda", method, url, &[], b"")
                };
                self.outputs.forward_signed(&request, &[header::RANGE, header::IF_RANGE], sign).await
            }
            Behaviour::Document => bucket::serve(&self.s3, &self.web_bucket, path, &request).await,
            _ => {
                let file = if is_file_of_pages(path) { path } else { "/index.html" };
                bucket::serve(&self.s3, &self.web_bucket, file, &request).await
            }
        }
    }
}

/// Whether it isn't a path of a page. `PagePaths` in `infra/cdn.yaml` says the same.
fn is_file_of_pages(path: &str) -> bool {
    path.starts_with("/assets/") || matches!(path, "/favicon.svg" | "/theme.js")
}

/// An error as CloudFront words it.
fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"#
    );
    (status, [(header::CONTENT_TYPE, "text/xml")], Body::from(body)).into_response()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Behaviour, is_file_of_pages};

    #[test]
    fn what_comes_with_the_pages_is_a_file_and_all_else_is_a_page() {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let template =
            std::fs::read_to_string(project.join("infra/cdn.yaml")).expect("the template is there");
        for file in project.join("web/public").read_dir().expect("the folder is there") {
            let name = file.expect("it can be read").file_name().into_string().expect("it is UTF-8");
            assert!(is_file_of_pages(&format!("/{name}")), "{name} is served as a page");
            assert!(template.contains(&format!("'/{name}'")), "{name} is served as a page by CloudFront");
        }
        for page in
            ["/", "/index.html", "/confirm.", "/watch/a.b", "/admin/accounts/x@example.org", "/assets"]
        {
            assert!(!is_file_of_pages(page), "{page} is served as a file");
        }
    }

    #[test]
    fn the_first_pattern_that_matches_decides() {
        for (path, behaviour) in [
            ("/", Behaviour::Page),
            ("/watch/7", Behaviour::Page),
            ("/api", Behaviour::Page),
            ("/api/openapi.json", Behaviour::Document),
            ("/api/videos/7", Behaviour::Api),
            ("/media/7/original", Behaviour::Original),
            ("/media/7/master.m3u8", Behaviour::Media),
            ("/posters/7.jpg", Behaviour::Poster),
            ("/live/zato01", Behaviour::Live),
            ("/live", Behaviour::Page),
        ] {
            assert_eq!(Behaviour::of(path), behaviour, "{path}");
        }
    }
}
