//! Which calls of which functions go wrong, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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

/// Longer than a lease lasts here.
const SLOW: Duration = Duration::from_millis(250);

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
    /// The process dies after it.
    KilledAfter,
}

impl Fault {
    pub const ALL: [Self; 7] = [
        Self::Unsent,
        Self::AnswerLost,
        Self::Throttled,
        Self::Slow,
        Self::Truncated,
        Self::KilledBefore,
        Self::KilledAfter,
    ];
}

/// A fault at one call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Strike {
    /// The function, by its name.
    pub function: &'static str,
    /// Which of all calls that it makes in a scenario, counted from 1.
    pub call: usize,
    pub fault: Fault,
    /// From then on at every call of that operation, until the cause is removed.
    pub for_good: bool,
}

impl fmt::Debug for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, call, fault, for_good } = self;
        write!(f, "{fault:?} at call {call} of {function}{}", if *for_good { ", for good" } else { "" })
    }
}

/// The faults of one scenario.
#[derive(Clone, Debug)]
pub struct Schedule(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    strikes: Vec<Strike>,
    calls: BTreeMap<&'static str, usize>,
    broken: BTreeMap<(&'static str, String), Fault>,
    struck: BTreeSet<String>,
    is_healed: bool,
}

impl Schedule {
    pub fn new(strikes: Vec<Strike>) -> Self {
        let (calls, broken, struck) = Default::default();
        Self(Arc::new(Mutex::new(State { strikes, calls, broken, struck, is_healed: false })))
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_healed = true;
    }

    /// What went wrong.
    pub fn struck(&self) -> BTreeSet<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).struck.clone()
    }

    fn next(&self, function: &'static str, operation: &str) -> Option<Fault> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_healed {
            return None;
        }
        let calls = state.calls.entry(function).or_default();
        *calls += 1;
        let call = *calls;
        let place = (function, operation.to_owned());
        let mut fault = state.broken.get(&place).copied();
        let strike = state.strikes.iter().find(|strike| (strike.function, strike.call) == (function, call));
        if let Some(strike) = strike.copied() {
            fault = Some(strike.fault);
            state.struck.insert(format!("{strike:?}: {operation}"));
            if strike.for_good {
                state.broken.insert(place, strike.fault);
            }
        }
        fault
    }
}

/// One life of a function's process. Once it is killed, none of its calls gets anywhere.
#[derive(Clone, Debug)]
pub struct Process {
    schedule: Schedule,
    function: &'static str,
    inner: SharedHttpClient,
    killed: Arc<Notify>,
    is_dead: Arc<AtomicBool>,
}

impl Process {
    pub fn new(schedule: &Schedule, function: &'static str, inner: SharedHttpClient) -> Self {
        Self { schedule: schedule.clone(), function, inner, killed: Arc::default(), is_dead: Arc::default() }
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
            let operation = operation(&request, target.as_deref());
            match process.schedule.next(process.function, &operation) {
                None => inner.call(request).await,
                Some(Fault::Unsent) => Err(ConnectorError::io("it was not sent".into())),
                Some(Fault::AnswerLost) => {
                    let _lost = inner.call(request).await;
                    Err(ConnectorError::io("the answer was lost".into()))
                }
                Some(Fault::Throttled) => throttled(target.as_deref()),
                Some(Fault::Slow) => {
                    tokio::time::sleep(SLOW).await;
                    inner.call(request).await
                }
                Some(Fault::Truncated) => truncated(inner.call(request).await?).await,
                Some(Fault::KilledBefore) => process.die().await,
                Some(Fault::KilledAfter) => {
                    let _unheard = inner.call(request).await;
                    process.die().await
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
