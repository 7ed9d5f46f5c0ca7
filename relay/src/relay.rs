//! A relay as a whole: its ports, its two threads, its end.
//!
//! One thread carries media and nothing else. What may be slow (health, metrics, the store, tickets) is the second thread's.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use live::LiveStore;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing::field::display;
use tracing::{error, info};

use crate::clock::Clock;
use crate::config::Config;
use crate::listeners::Port;
use crate::media::Media;
use crate::second_thread::{Phase, SecondThread};
use crate::state::State;
use crate::tickets::Tickets;
use crate::usage::{ChannelsNow, Sessions, UsageWriter};
use crate::{drain, limits, listeners, socket, source};

/// So many questions whether somebody may watch wait for the second thread; further ones wait to be asked.
const QUESTIONS: usize = 1_024;

/// A relay whose ports are open and that doesn't run yet.
pub struct Relay {
    config: Config,
    store: LiveStore,
    connections: usize,
    server: TcpListener,
    /// Where viewers and other relays come.
    listeners: Vec<(TcpListener, Port)>,
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
    ///
    /// # Errors
    /// When one can't be opened; names it.
    pub fn bind(config: Config, store: LiveStore) -> Result<Self> {
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
        let ports = [(Some(stream), Port::Line), (http_stream, Port::Http), (feed, Port::Feed)];
        let listeners = ports.into_iter().filter_map(|(listener, port)| Some((listener?, port))).collect();
        Ok(Self { config, store, connections, server, listeners, addresses })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Carries media on the calling thread until `drain` is ready; then sends all viewers away, stores their usage and returns.
    /// Both are cut short when `hurry` is ready, which isn't polled before.
    ///
    /// # Errors
    /// When a thread can't be started, or ended otherwise than it should.
    pub fn run(self, drain: impl Future<Output = ()>, hurry: impl Future<Output = ()>) -> Result<()> {
        let Self { config, store, connections, server, listeners, addresses } = self;
        let Addresses { server: health, stream, http_stream, feed } = addresses;
        let (http_stream, feed) = (http_stream.map(display), feed.map(display));
        info!(server = %health, %stream, http_stream, feed, connections, "listening");

        let (clock, state) = (Arc::new(Clock::new()), Arc::new(State::new()));
        let (sessions, channels_now) = (Sessions::default(), ChannelsNow::default());
        let (questions, asked) = mpsc::channel(QUESTIONS);
        let (phase, phase_seen) = watch::channel(Phase::Running);
        let (ended, has_ended) = oneshot::channel();
        let second = SecondThread {
            server,
            state: Arc::clone(&state),
            tickets: Tickets::new(
                store.clone(),
                Arc::clone(&clock),
                Arc::clone(&state),
                config.require_ticket,
            ),
            asked,
            usage: UsageWriter::new(
                sessions.clone(),
                channels_now.clone(),
                store,
                config.task_id.clone(),
                {
                    let clock = Arc::clone(&clock);
                    move || clock.now_ms()
                },
                (&state.metrics).into(),
            ),
            usage_at_end: config.patience.usage_at_end,
            phase: phase_seen,
        };
        let second = thread::Builder::new()
            .name("second".to_owned())
            .spawn(move || {
                // Dropped however this thread ends, which the other one waits for.
                let _ended: oneshot::Sender<()> = ended;
                second.run()
            })
            .context("start the second thread")?;

        let media = Rc::new(Media::new(config, connections, clock, state, sessions, channels_now, questions));
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
        let carried = runtime.block_on(carry(media, listeners, drain, hurry, phase, has_ended));
        let second = second.join().map_err(|_| anyhow!("the second thread panicked"))?;
        carried.and(second)
    }
}

async fn carry(
    media: Rc<Media>,
    ports: Vec<(TcpListener, Port)>,
    drain: impl Future<Output = ()>,
    hurry: impl Future<Output = ()>,
    phase: watch::Sender<Phase>,
    mut second_ended: oneshot::Receiver<()>,
) -> Result<()> {
    let mut listeners = JoinSet::new();
    for (listener, port) in ports {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        listeners.spawn_local(listeners::run(Rc::clone(&media), listener, port));
    }
    let mut works = JoinSet::new();
    works.spawn_local(source::run(Rc::clone(&media)));
    works.spawn_local(Rc::clone(&media).expire());
    works.spawn_local(Rc::clone(&media).flush_by_the_clock());
    works.spawn_local(Rc::clone(&media).beat());

    // None of the relay's own tasks ever ends but by a fault. What still works then ends in peace, and somebody starts it again.
    let ended = tokio::select! {
        () = drain => Ok(()),
        _ = works.join_next() => Err(anyhow!("a task of the media thread ended")),
        _ = listeners.join_next() => Err(anyhow!("a listener ended")),
        _ = &mut second_ended => Err(anyhow!("the second thread ended")),
    };
    if let Err(fault) = &ended {
        error!("{fault}");
    }
    listeners.shutdown().await;
    let mut hurry = pin!(hurry);
    let hurried = unless(hurry.as_mut(), drain::send_all_away(&media)).await;
    drain::end_all(&media).await;
    phase.send_replace(if hurried { Phase::Hurried } else { Phase::Drained });
    let usage_stored = async {
        let _ = second_ended.await;
    };
    let mut usage_stored = pin!(usage_stored);
    if !hurried && unless(hurry, usage_stored.as_mut()).await {
        phase.send_replace(Phase::Hurried);
    }
    if *phase.borrow() == Phase::Hurried {
        usage_stored.await;
    }
    ended
}

/// Does something unless told to hurry. Says whether it was told so.
async fn unless(hurry: Pin<&mut impl Future<Output = ()>>, work: impl Future<Output = ()>) -> bool {
    tokio::select! {
        biased;
        () = hurry => {
            info!("told to hurry");
            true
        }
        () = work => false,
    }
}
