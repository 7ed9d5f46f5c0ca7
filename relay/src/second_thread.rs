//! What may be slow: health and metrics over HTTP, the right to watch, and storing usage.

use std::future::pending;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tracing::warn;

use crate::state::State;
use crate::tickets::{Question, Tickets};
use crate::usage::UsageWriter;
use crate::{load, server};

/// How long storing usage is still tried by a relay that was told to hurry.
const HURRIED: Duration = Duration::from_secs(1);

/// How far the relay's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Nobody wants it to end, or viewers are still there.
    Running,
    /// No viewer is left: usage won't change any more.
    Drained,
    /// And there is no time.
    Hurried,
}

/// The thread's things.
pub(crate) struct SecondThread<C> {
    pub server: TcpListener,
    pub state: Arc<State>,
    pub tickets: Tickets,
    pub asked: mpsc::Receiver<Question>,
    pub usage: UsageWriter<C>,
    pub usage_at_end: Duration,
    pub phase: watch::Receiver<Phase>,
}

impl<C: Fn() -> u64> SecondThread<C> {
    /// Runs until usage is stored, or the time for it is up.
    pub fn run(self) -> Result<()> {
        let Self { server, state, tickets, asked, usage, usage_at_end, phase } = self;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(server)?;
            let serve = axum::serve(listener, server::router(Arc::clone(&state)));
            let tickets = Arc::new(tickets);
            tokio::select! {
                served = serve => served.context("serve health and metrics"),
                () = load::report(state) => Ok(()),
                () = tickets.refresh() => Ok(()),
                () = Arc::clone(&tickets).answer(asked) => Ok(()),
                () = usage.run(reached(phase.clone(), Phase::Drained), usage_at_end) => Ok(()),
                () = async {
                    reached(phase, Phase::Hurried).await;
                    sleep(HURRIED).await;
                } => {
                    warn!("no time to store all usage");
                    Ok(())
                }
            }
        })
    }
}

/// Ready when the end has come so far.
async fn reached(mut phase: watch::Receiver<Phase>, so_far: Phase) {
    if phase.wait_for(|phase| *phase >= so_far).await.is_err() {
        // The media thread is gone without a word, and the process with it.
        pending().await
    }
}
