//! Being asked to end.

use std::future::pending;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info};

/// Ready when the process is asked to end the next time from now on: by SIGTERM, or by SIGINT from a terminal.
pub async fn asked_to_end() {
    let (mut terminate, mut interrupt) =
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
            (Err(error), _) | (_, Err(error)) => {
                error!(%error, "signals can't be heard");
                return pending().await;
            }
        };
    tokio::select! {
        () = heard(&mut terminate) => info!("SIGTERM"),
        () = heard(&mut interrupt) => info!("SIGINT"),
    }
}

async fn heard(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        pending().await
    }
}
