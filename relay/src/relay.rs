//! A relay as a whole: its ports, its two threads, its end.
//!
//! One thread carries media and nothing else. What may be slow (health, metrics, the store, tickets) is the second thread's.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_local;
use tracing::info;

use crate::clock::Clock;
use crate::config::Config;
use crate::listeners::Port;
use crate::media::{Media, Question};
use crate::state::State;
use crate::{drain, limits, listeners, server, socket, source};

/// So many questions whether somebody may watch wait for the second thread; further ones wait to be asked.
const QUESTIONS: usize = 1_024;

/// A relay whose ports are open and that doesn't run yet.
pub struct Relay {
    config: Config,
    connections: usize,
    server: TcpListener,
    stream: TcpListener,
    http_stream: Option<TcpListener>,
    feed: Option<TcpListener>,
    addresses: Addresses,
}

/// Where a relay listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Health, readiness and metrics.
    pub server: SocketAddr,
    /// Viewers that send a line.
    pub stream: SocketAddr,
    /// Viewers over HTTP.
    pub http_stream: Option<SocketAddr>,
    /// Other relays.
    pub feed: Option<SocketAddr>,
}

impl Relay {
    /// Opens all ports.
    pub fn bind(config: Config) -> Result<Self> {
        let connections = limits::raise_descriptors(config.max_connections);
        let server = socket::listen(&config.server)?;
        let stream = socket::listen(&config.stream)?;
        let http_stream = config.http_stream.as_ref().map(socket::listen).transpose()?;
        let feed = config.feed.as_ref().map(socket::listen).transpose()?;
        let addresses = Addresses {
            server: server.local_addr()?,
            stream: stream.local_addr()?,
            http_stream: http_stream.as_ref().map(TcpListener::local_addr).transpose()?,
            feed: feed.as_ref().map(TcpListener::local_addr).transpose()?,
        };
        Ok(Self { config, connections, server, stream, http_stream, feed, addresses })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Runs until `drain` is ready and all viewers were then sent away, or until `hurry` is ready too, which ends it at once.
    /// Carries media on the calling thread.
    pub fn run(self, drain: impl Future<Output = ()>, hurry: impl Future<Output = ()>) -> Result<()> {
        let clock = Arc::new(Clock::new());
        let state = Arc::new(State::new());
        let (questions, asked) = mpsc::channel(QUESTIONS);
        let (over, is_over) = watch::channel(false);
        let media = Media::new(&self.config, self.connections, clock, Arc::clone(&state), questions);
        let second = thread::Builder::new()
            .name("second".to_owned())
            .spawn({
                let (config, server) = (self.config.clone(), self.server.try_clone()?);
                move || second_thread(config, server, state, asked, is_over)
            })
            .context("start the second thread")?;
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
        let carried = runtime.block_on(self.carry(Rc::new(media), drain, hurry));
        over.send_replace(true);
        // Viewers that are still there end here.
        drop(runtime);
        let second = second.join().map_err(|_| anyhow!("the second thread panicked"))?;
        carried.and(second)
    }

    async fn carry(
        self,
        media: Rc<Media>,
        drain: impl Future<Output = ()>,
        hurry: impl Future<Output = ()>,
    ) -> Result<()> {
        let Addresses { server, stream, http_stream, feed } = self.addresses;
        info!(%server, %stream, ?http_stream, ?feed, connections = self.connections, "listening");
        let mut listeners = Vec::new();
        let ports = [
            (Some(self.stream), Port::Line),
            (self.http_stream, Port::Http),
            (self.feed, Port::Feed),
        ];
        for (listener, port) in ports {
            let Some(listener) = listener else { continue };
            let listener = tokio::net::TcpListener::from_std(listener)?;
            listeners.push(spawn_local(listeners::run(Rc::clone(&media), listener, port)));
        }
        spawn_local(source::run(Rc::clone(&media)));
        spawn_local(Rc::clone(&media).expire());
        spawn_local(Rc::clone(&media).flush_by_the_clock());
        spawn_local(Rc::clone(&media).beat());
        drain.await;
        for listener in listeners {
            listener.abort();
        }
        let mut hurry = pin!(hurry);
        tokio::select! {
            () = drain::send_all_away(&media) => {}
            () = &mut hurry => info!("told to hurry"),
        }
        Ok(())
    }
}

/// Serves HTTP and does what may be slow, until it is over.
fn second_thread(
    config: Config,
    server: TcpListener,
    state: Arc<State>,
    mut asked: mpsc::Receiver<Question>,
    mut is_over: watch::Receiver<bool>,
) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(server)?;
        state.knows_keys.store(true, std::sync::atomic::Ordering::Relaxed);
        let serve = axum::serve(listener, server::router(Arc::clone(&state)));
        tokio::spawn(async move {
            while let Some(question) = asked.recv().await {
                let _ = question.answer.send(!config.require_ticket);
            }
        });
        tokio::select! {
            served = serve => served.context("serve health and metrics"),
            _ = is_over.wait_for(|over| *over) => Ok(()),
        }
    })
}
