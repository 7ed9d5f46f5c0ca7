//! An AWS in memory, for scenarios by the thousand: DynamoDB, S3 and SQS answer the SDK's requests within the process.
//!
//! It has what the functions that are tried here ask for and nothing else; whatever else is asked for is answered by 501, so that
//! a new call is noticed. Nobody is kept out, nothing is paged, and a part may be as small as it likes. `same.rs` holds its errors against
//! the local AWS's.

mod dynamodb;
mod s3;
mod same;
mod sqs;
mod xml;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;

/// An address, and not a name, so that the SDK puts a bucket's name in the path. Nobody connects to it.
const ENDPOINT: &str = "http://127.0.0.1";

/// A request as it was sent.
struct Request {
    method: String,
    /// Decoded.
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Bytes,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What is answered to a request.
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Answer {
    fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// An AWS of its own, with nothing in it.
#[derive(Clone)]
pub struct MemoryAws(Arc<Services>);

struct Services {
    dynamodb: dynoxide::Database,
    s3: Mutex<s3::S3>,
    sqs: Mutex<sqs::Sqs>,
    random: Mutex<fastrand::Rng>,
}

impl fmt::Debug for MemoryAws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryAws")
    }
}

impl MemoryAws {
    /// The seed decides which of several calls at the same time is answered first.
    pub fn new(seed: u64) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(Services {
            dynamodb: dynoxide::Database::memory()?,
            s3: Mutex::default(),
            sqs: Mutex::default(),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
        })))
    }

    /// The configuration of any SDK client for it.
    pub fn sdk_config(&self) -> SdkConfig {
        let retries = RetryConfig::standard()
            .with_initial_backoff(std::time::Duration::from_millis(1))
            .with_max_backoff(std::time::Duration::from_millis(2));
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::from_keys(
                "test", "test", None,
            )))
            .endpoint_url(ENDPOINT)
            .retry_config(retries)
            .timeout_config(TimeoutConfig::disabled())
            .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
                aws_smithy_async::rt::sleep::TokioSleep::new(),
            ))
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(self.clone())
            .build()
    }

    /// Takes everything visible out of a queue, without the SDK, which costs more than all else here: ids and bodies.
    pub fn take_all(&self, queue_url: &str) -> Vec<(String, String)> {
        self.0.sqs.lock().unwrap_or_else(PoisonError::into_inner).take_all(queue_url)
    }

    fn answer(&self, request: &Request) -> Answer {
        match request.header("x-amz-target").and_then(|target| target.split_once('.')) {
            Some(("DynamoDB_20120810", operation)) => {
                dynamodb::answer(&self.0.dynamodb, operation, &request.body)
            }
            Some(("AmazonSQS", operation)) => {
                let mut sqs = self.0.sqs.lock().unwrap_or_else(PoisonError::into_inner);
                sqs.answer(operation, &request.body)
            }
            Some(_) => Answer::new(501, r#"{"__type":"NotImplemented"}"#),
            None => self.0.s3.lock().unwrap_or_else(PoisonError::into_inner).answer(request),
        }
    }

    /// Lets others go first, as a network would.
    async fn travel(&self) {
        let turns = self.0.random.lock().unwrap_or_else(PoisonError::into_inner).u8(0..3);
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }
}

impl HttpClient for MemoryAws {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for MemoryAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let aws = self.clone();
        HttpConnectorFuture::new(async move {
            let request = read(request).await.map_err(|error| ConnectorError::user(error.into()))?;
            aws.travel().await;
            let Answer { status, headers, body } = aws.answer(&request);
            aws.travel().await;
            let status = status.try_into().map_err(|_| ConnectorError::other("a status".into(), None))?;
            let mut response = HttpResponse::new(status, SdkBody::from(body));
            for (name, value) in headers {
                response.headers_mut().insert(name, value);
            }
            Ok(response)
        })
    }
}

async fn read(mut request: HttpRequest) -> anyhow::Result<Request> {
    let decode =
        |text: &str| anyhow::Ok(percent_encoding::percent_decode_str(text).decode_utf8()?.into_owned());
    let body = std::mem::replace(request.body_mut(), SdkBody::empty());
    let body = match body.bytes() {
        Some(bytes) => Bytes::copy_from_slice(bytes),
        None => ByteStream::new(body).collect().await?.into_bytes(),
    };
    let uri = request.uri();
    let (path, query) = uri.strip_prefix(ENDPOINT).unwrap_or(uri).split_once('?').unwrap_or((uri, ""));
    let path = path.strip_prefix(ENDPOINT).unwrap_or(path);
    let mut pairs = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.insert(decode(name)?, decode(value)?);
    }
    Ok(Request {
        method: request.method().to_owned(),
        path: decode(path)?,
        query: pairs,
        headers: request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        body,
    })
}
