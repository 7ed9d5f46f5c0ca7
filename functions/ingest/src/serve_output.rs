//! Computes what was promised and isn't written yet: any bytes of an output, from ranges of the original.
//!
//! CloudFront asks the media bucket first and this function when the object isn't there, with the same path. Whoever may
//! have the content was decided by then: CloudFront alone may call the function, and it has checked the cookies.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use aws_config::SdkConfig;
use bytes::Bytes;
use cold_start::required_env;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use lambda_runtime::{MetadataPrelude, StreamResponse};
use library::{Content, ContentId, ContentState, Contents};
use media::{MediaError, Output, Plan, Treatment};
use serde::Deserialize;

use crate::byte_range::Asked;
use crate::clients;
use crate::object_source::ObjectSource;
use crate::object_store::IMMUTABLE;

/// What the plans of a warm function may take, of 1024 MB. The longest films have tables of 128 MiB.
const PLANS_BYTES: usize = 256 << 20;
/// What is computed at once at first, so that the first bytes are soon there, and then twice as much each time.
const FIRST_WINDOW_BYTES: u64 = 256 << 10;
/// What is computed at once at the most.
const MOST_WINDOW_BYTES: u64 = 2 << 20;
/// No answer is longer: Lambda lets 6 MB through at once, then 2 MB a second, and 200 MB at all.
const MOST_ANSWERED_BYTES: u64 = 64 << 20;

/// What the function is told by its environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The table of contents.
    pub contents_table: String,
    /// The bucket that holds originals.
    pub upload_bucket: String,
}

impl Environment {
    /// Reads it.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env() -> anyhow::Result<Self> {
        Ok(Self {
            contents_table: required_env("CONTENTS_TABLE")?,
            upload_bucket: required_env("UPLOAD_BUCKET")?,
        })
    }
}

/// What a cold start builds, and the plans that a warm function keeps.
#[derive(Debug)]
pub struct Context {
    contents: Contents,
    s3: aws_sdk_s3::Client,
    upload_bucket: String,
    /// The plan that was used last comes last.
    plans: Mutex<Vec<(ContentId, Arc<Planned>)>>,
}

/// A film whose tables were read.
#[derive(Debug)]
struct Planned {
    source: ObjectSource,
    plan: Plan,
}

impl Context {
    /// Builds the clients.
    pub fn new(sdk: &SdkConfig, environment: Environment) -> Self {
        Self {
            contents: Contents::new(clients::dynamodb(sdk), environment.contents_table),
            s3: clients::s3(sdk),
            upload_bucket: environment.upload_bucket,
            plans: Mutex::default(),
        }
    }
}

/// A request to the function's URL. Only what is read here is deserialised.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UrlRequest {
    raw_path: String,
    #[serde(default)]
    headers: RequestHeaders,
    request_context: RequestContext,
}

/// Function URLs tell headers in lower case.
#[derive(Clone, Debug, Default, Deserialize)]
struct RequestHeaders {
    range: Option<String>,
    #[serde(rename = "if-range")]
    if_range: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct RequestContext {
    http: RequestLine,
}

#[derive(Clone, Debug, Deserialize)]
struct RequestLine {
    method: String,
}

/// An answer whose body comes as it is computed. An error in its middle can't be told any more: the caller has to break off.
pub type Answer = StreamResponse<BoxStream<'static, io::Result<Bytes>>>;

/// Answers a request for `/media/{content}/{file}` as the bucket will once the file is there, in status, headers and
/// bytes: 200, 206 or 416. There is no ETag, because the bucket's can't be known yet.
///
/// 404 is what was never promised, is in no plan, or whose content is gone. What Lambda can't deliver at once is cut: a range
/// gets its beginning, which the standard allows, and a whole file that is too long gets 503 until it is written.
///
/// # Errors
/// AWS did not answer well. The caller is told 502, and tries again.
pub async fn handle(context: &Context, request: UrlRequest) -> anyhow::Result<Answer> {
    let method = request.request_context.http.method.as_str();
    if !matches!(method, "GET" | "HEAD") {
        let mut answer = problem(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "Only GET and HEAD are answered here.",
        );
        answer.metadata_prelude.headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(answer);
    }
    let Some((content_id, name)) = address(&request.raw_path) else { return Ok(not_found()) };
    let Some(planned) = context.planned(content_id).await? else { return Ok(not_found()) };
    if let Some(answer) = text(&planned, &name, method).await? {
        return Ok(answer);
    }
    let Some(output) = planned.plan.outputs().into_iter().find(|output| output.name == name) else {
        return Ok(not_found());
    };
    // Without an ETag there is nothing that a condition could be met by.
    let range = request.headers.range.as_deref().filter(|_| request.headers.if_range.is_none());
    let (status, range) = match Asked::from_header(range, output.size_bytes) {
        Asked::Whole => (StatusCode::OK, 0..output.size_bytes),
        Asked::Part(range) => {
            let end = range.end.min(range.start + MOST_ANSWERED_BYTES);
            (StatusCode::PARTIAL_CONTENT, range.start..end)
        }
        Asked::Beyond => {
            let mut answer = problem(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "range-not-satisfiable",
                "The file ends before this range.",
            );
            let length = format!("bytes */{}", output.size_bytes);
            answer.metadata_prelude.headers.insert(CONTENT_RANGE, length.try_into()?);
            return Ok(answer);
        }
    };
    let headers = headers(&output, status, &range)?;
    let prelude = MetadataPrelude { status_code: status, headers, cookies: Vec::new() };
    if method == "HEAD" {
        return Ok(StreamResponse { metadata_prelude: prelude, stream: stream::empty().boxed() });
    }
    if range.end - range.start > MOST_ANSWERED_BYTES {
        let mut answer = problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "being-written",
            "The file is being written; until then it is had by ranges.",
        );
        answer.metadata_prelude.headers.insert(RETRY_AFTER, HeaderValue::from_static("60"));
        return Ok(answer);
    }
    // Before anything is answered, because until then an error can be told.
    let mut windows = windows(range);
    let first = windows.next().unwrap_or_default();
    let first = match planned.plan.read_output(&planned.source, &name, first).await {
        Ok(first) => first,
        Err(error) => {
            context.forget(content_id);
            // The original went with its content, or there is trouble.
            return match context.planned(content_id).await {
                Ok(None) => Ok(not_found()),
                _ => Err(error).context("reading the original"),
            };
        }
    };
    let rest = windows.map(move |window| {
        let (planned, name) = (planned.clone(), name.clone());
        async move { planned.plan.read_output(&planned.source, &name, window).await }
    });
    // One window is computed while another one is on its way.
    let body = stream::once(async { Ok(first) }).chain(stream::iter(rest).buffered(2)).boxed();
    Ok(StreamResponse { metadata_prelude: prelude, stream: body })
}

/// Texts that the bucket doesn't have yet: subtitles, made on the spot, and of thumbnails, which aren't, a WebVTT without any, which a
/// player takes for what it is and asks for again.
async fn text(planned: &Planned, name: &str, method: &str) -> anyhow::Result<Option<Answer>> {
    let (body, cache_control) = if name == media::THUMBNAILS {
        (Bytes::from_static(b"WEBVTT\n"), "no-store")
    } else {
        let subtitles = planned.plan.subtitle(&planned.source, name).await;
        match subtitles.context("reading the subtitles of the original")? {
            Some(file) => (file.body, IMMUTABLE),
            None => return Ok(None),
        }
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/vtt"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let body = if method == "HEAD" { Bytes::new() } else { body };
    Ok(Some(StreamResponse {
        metadata_prelude: MetadataPrelude { status_code: StatusCode::OK, headers, cookies: Vec::new() },
        stream: stream::once(async { Ok(body) }).boxed(),
    }))
}

/// The content and the file of a path.
fn address(path: &str) -> Option<(ContentId, String)> {
    let (content, name) = path.strip_prefix("/media/")?.split_once('/')?;
    Some((content.parse().ok()?, name.to_owned()))
}

/// As the bucket's objects have them.
fn headers(output: &Output, status: StatusCode, range: &Range<u64>) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: String| -> anyhow::Result<()> {
        headers.insert(name, value.try_into()?);
        Ok(())
    };
    set(CONTENT_TYPE, output.content_type.to_owned())?;
    set(CACHE_CONTROL, IMMUTABLE.to_owned())?;
    set(ACCEPT_RANGES, "bytes".to_owned())?;
    set(CONTENT_LENGTH, (range.end - range.start).to_string())?;
    if status == StatusCode::PARTIAL_CONTENT {
        set(CONTENT_RANGE, format!("bytes {}-{}/{}", range.start, range.end - 1, output.size_bytes))?;
    }
    Ok(headers)
}

/// A range in windows that grow.
fn windows(range: Range<u64>) -> impl Iterator<Item = Range<u64>> + Send + 'static {
    let (mut start, mut length) = (range.start, FIRST_WINDOW_BYTES);
    std::iter::from_fn(move || {
        let end = range.end.min(start + length);
        let window = start..end;
        (start, length) = (end, (length * 2).min(MOST_WINDOW_BYTES));
        (!window.is_empty()).then_some(window)
    })
}

fn not_found() -> Answer {
    problem(StatusCode::NOT_FOUND, "not-found", "There is no such file.")
}

/// A refusal as the API words its own.
fn problem(status: StatusCode, code: &str, detail: &str) -> Answer {
    let title = status.canonical_reason().unwrap_or_default();
    let kind = format!("urn:matinee:problem:{code}");
    let body = serde_json::json!({"type": kind, "title": title, "status": status.as_u16(), "detail": detail});
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let body = Bytes::from(body.to_string());
    StreamResponse {
        metadata_prelude: MetadataPrelude { status_code: status, headers, cookies: Vec::new() },
        stream: stream::once(async { Ok(body) }).boxed(),
    }
}

impl Context {
    /// The plan of a content's outputs, if they were promised. What a warm function has planned before takes no call.
    async fn planned(&self, content_id: ContentId) -> anyhow::Result<Option<Arc<Planned>>> {
        if let Some(planned) = self.recall(content_id) {
            return Ok(Some(planned));
        }
        let Some(content) = self.contents.get(content_id).await? else { return Ok(None) };
        if content.state != ContentState::Ready || content.promise.is_none() {
            return Ok(None);
        }
        let planned = Arc::new(self.plan(&content).await?);
        self.keep(content_id, planned.clone());
        Ok(Some(planned))
    }

    async fn plan(&self, content: &Content) -> anyhow::Result<Planned> {
        let source = ObjectSource::original(&self.s3, &self.upload_bucket, content);
        let movie = media::open(&source).await.map_err(|error| match error {
            MediaError::Io(error) => anyhow::Error::new(error).context("reading the tables"),
            MediaError::Bad { reason } => anyhow::anyhow!("what was promised is no film any more: {reason}"),
        })?;
        match movie.treatment() {
            Treatment::Package(plan) => Ok(Planned { source, plan }),
            _ => anyhow::bail!("what was promised is not packaged any more"),
        }
    }

    fn recall(&self, content_id: ContentId) -> Option<Arc<Planned>> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        let at = plans.iter().position(|(id, _)| *id == content_id)?;
        let found = plans.remove(at);
        plans.push(found.clone());
        Some(found.1)
    }

    fn keep(&self, content_id: ContentId, planned: Arc<Planned>) {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        plans.push((content_id, planned));
        let taken = |plans: &[(ContentId, Arc<Planned>)]| -> usize {
            plans.iter().map(|(_, planned)| planned.plan.memory_bytes()).sum()
        };
        while plans.len() > 1 && taken(&plans) > PLANS_BYTES {
            plans.remove(0);
        }
    }

    fn forget(&self, content_id: ContentId) {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).retain(|(id, _)| *id != content_id);
    }
}
