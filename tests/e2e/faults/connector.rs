//! A way to AWS on which chosen calls go wrong.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use tokio::sync::Notify;

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It is never sent.
    Unsent,
    /// AWS does it, and the answer is lost.
    AnswerLost,
    /// AWS has too much to do.
    Throttled,
    /// It takes so long that leases end.
    Slow,
    /// AWS does it, and half of the answer arrives.
    Truncated,
    /// The process dies before it.
    KilledBefore,
    /// AWS does it, the process dies, and nobody hears of it.
    KilledAfter,
    /// The process stands still before it, until it is told to go on.
    Paused,
}

/// Decides what goes wrong.
pub trait Luck: fmt::Debug + Send + Sync {
    /// What goes wrong with the next call, which asks for that operation.
    fn next(&self, operation: &str) -> Option<Fault>;

    /// How long a call takes that is slow.
    fn slow(&self) -> Duration {
        Duration::ZERO
    }

    /// Stands still.
    fn pause(&self) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// One fault, at a call of a run that is counted from 1, and whether it has struck.
#[derive(Clone, Debug)]
pub struct BadLuck(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    fault: Fault,
    at: usize,
    calls: AtomicUsize,
    struck: AtomicBool,
    paused: Notify,
    goes_on: Notify,
}

impl BadLuck {
    pub fn new(fault: Fault, at: usize) -> Self {
        let (calls, struck, paused, goes_on) = Default::default();
        Self(Arc::new(Inner { fault, at, calls, struck, paused, goes_on }))
    }

    /// None: everything goes well.
    pub fn none() -> Self {
        Self::new(Fault::Unsent, usize::MAX)
    }

    /// Waits until the process stands still.
    pub async fn paused(&self) {
        self.0.paused.notified().await;
    }

    pub fn go_on(&self) {
        self.0.goes_on.notify_one();
    }

    pub fn has_struck(&self) -> bool {
        self.0.struck.load(Ordering::SeqCst)
    }
}

impl Luck for BadLuck {
    fn next(&self, _operation: &str) -> Option<Fault> {
        let strikes = self.0.calls.fetch_add(1, Ordering::SeqCst) + 1 == self.0.at;
        self.0.struck.fetch_or(strikes, Ordering::SeqCst);
        strikes.then_some(self.0.fault)
    }

    fn pause(&self) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(async {
            self.0.paused.notify_one();
            self.0.goes_on.notified().await;
        })
    }
}

/// One life of a function's process. Once it is killed, none of its calls gets anywhere.
#[derive(Clone, Debug)]
pub struct Process {
    luck: Arc<dyn Luck>,
    inner: SharedHttpClient,
    killed: Arc<Notify>,
    is_dead: Arc<AtomicBool>,
}

impl Process {
    pub fn new(luck: impl Luck + 'static, inner: SharedHttpClient) -> Self {
        Self { luck: Arc::new(luck), inner, killed: Arc::default(), is_dead: Arc::default() }
    }

    /// Runs what the process does until it is done or killed: none then.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.killed.notified() => None,
            done = work => Some(done),
        }
    }

    async fn die<T>(&self) -> T {
        self.is_dead.store(true, Ordering::SeqCst);
        self.killed.notify_one();
        std::future::pending().await
    }
}

impl HttpClient for Process {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { process: self.clone(), inner })
    }
}

#[derive(Debug)]
struct Connector {
    process: Process,
    inner: SharedHttpConnector,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (process, inner) = (self.process.clone(), self.inner.clone());
        HttpConnectorFuture::new(async move {
            if process.is_dead.load(Ordering::SeqCst) {
                return std::future::pending().await;
            }
            let target = request.headers().get("x-amz-target").map(ToOwned::to_owned);
            match process.luck.next(&operation(&request, target.as_deref())) {
                None => inner.call(request).await,
                Some(Fault::Unsent) => Err(ConnectorError::io("it was not sent".into())),
                Some(Fault::AnswerLost) => {
                    let _lost = inner.call(request).await;
                    Err(ConnectorError::io("the answer was lost".into()))
                }
                Some(Fault::Throttled) => throttled(target.as_deref()),
                Some(Fault::Slow) => {
                    tokio::time::sleep(process.luck.slow()).await;
                    inner.call(request).await
                }
                Some(Fault::Truncated) => truncated(inner.call(request).await?).await,
                Some(Fault::KilledBefore) => process.die().await,
                Some(Fault::KilledAfter) => {
                    let _unheard = inner.call(request).await;
                    process.die().await
                }
                Some(Fault::Paused) => {
                    process.luck.pause().await;
                    inner.call(request).await
                }
            }
        })
    }
}

/// What is asked for, without of what: `DynamoDB_20120810.GetItem`, or `PUT uploadId` for S3.
fn operation(request: &HttpRequest, target: Option<&str>) -> String {
    if let Some(target) = target {
        return target.to_owned();
    }
    let query = request.uri().split_once('?').map_or("", |(_, query)| query);
    let names = query.split('&').filter_map(|pair| pair.split('=').next());
    let names: BTreeSet<_> =
        names.filter(|name| matches!(*name, "uploads" | "uploadId" | "delete" | "prefix")).collect();
    format!("{} {}", request.method(), names.into_iter().collect::<Vec<_>>().join(" "))
}

fn throttled(target: Option<&str>) -> Result<HttpResponse, ConnectorError> {
    let (status, body) = match target {
        Some(target) if target.starts_with("DynamoDB") => (
            400,
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"busy"}"#,
        ),
        Some(_) => (400, r#"{"__type":"com.amazonaws.sqs#RequestThrottled","message":"busy"}"#),
        None => (503, "<Error><Code>SlowDown</Code><Message>busy</Message></Error>"),
    };
    let status = status.try_into().map_err(|_| ConnectorError::other("a status".into(), None))?;
    Ok(HttpResponse::new(status, SdkBody::from(body)))
}

async fn truncated(mut response: HttpResponse) -> Result<HttpResponse, ConnectorError> {
    let body = std::mem::replace(response.body_mut(), SdkBody::empty());
    let whole = ByteStream::new(body).collect().await.map_err(|error| ConnectorError::io(error.into()))?;
    let whole = whole.into_bytes();
    if whole.is_empty() {
        // There is nothing to be cut: the connection ends within the head.
        return Err(ConnectorError::io("the answer broke off".into()));
    }
    *response.body_mut() = SdkBody::from(whole.slice(..whole.len() / 2));
    Ok(response)
}
