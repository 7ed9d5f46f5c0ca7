//! A way to AWS that fails at a call of one's choice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use tokio::sync::Notify;

/// What goes wrong, at which call of a run, counted from 1.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The process dies before the call is sent.
    KillBefore(usize),
    /// The process dies after AWS has done what it was asked, and nobody hears of it.
    KillAfter(usize),
    /// AWS does what it is asked, and the answer is lost on the way.
    LoseAnswer(usize),
    /// The process stands still before the call is sent, until it is told to go on.
    Pause(usize),
}

/// The fault of one run, and whether it has struck.
#[derive(Clone, Debug)]
pub struct BadLuck(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    fault: Fault,
    calls: AtomicUsize,
    struck: AtomicBool,
    paused: Notify,
    goes_on: Notify,
}

impl BadLuck {
    pub fn new(fault: Fault) -> Self {
        Self(Arc::new(Inner {
            fault,
            calls: AtomicUsize::new(0),
            struck: AtomicBool::new(false),
            paused: Notify::new(),
            goes_on: Notify::new(),
        }))
    }

    /// None: everything goes well.
    pub fn none() -> Self {
        Self::new(Fault::Pause(usize::MAX))
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

    fn strikes_now(&self) -> Option<Fault> {
        let call = self.0.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let (Fault::KillBefore(at) | Fault::KillAfter(at) | Fault::LoseAnswer(at) | Fault::Pause(at)) =
            self.0.fault;
        let strikes = call == at;
        self.0.struck.fetch_or(strikes, Ordering::SeqCst);
        strikes.then_some(self.0.fault)
    }
}

/// One life of a function's process. Once it is killed, none of its calls gets anywhere.
#[derive(Clone, Debug)]
pub struct Process {
    bad_luck: BadLuck,
    inner: SharedHttpClient,
    killed: Arc<Notify>,
    dead: Arc<AtomicBool>,
}

impl Process {
    pub fn new(bad_luck: BadLuck, inner: SharedHttpClient) -> Self {
        Self { bad_luck, inner, killed: Arc::default(), dead: Arc::default() }
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
        self.dead.store(true, Ordering::SeqCst);
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
            if process.dead.load(Ordering::SeqCst) {
                return std::future::pending().await;
            }
            match process.bad_luck.strikes_now() {
                None => inner.call(request).await,
                Some(Fault::KillBefore(_)) => process.die().await,
                Some(Fault::KillAfter(_)) => {
                    let _unheard = inner.call(request).await;
                    process.die().await
                }
                Some(Fault::Pause(_)) => {
                    let inner_luck = &process.bad_luck.0;
                    inner_luck.paused.notify_one();
                    inner_luck.goes_on.notified().await;
                    inner.call(request).await
                }
                Some(Fault::LoseAnswer(_)) => {
                    let _lost = inner.call(request).await;
                    Err(ConnectorError::io("the answer was lost".into()))
                }
            }
        })
    }
}
