//! Takes connections, on each port those that it is for.

use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::connections::Pending;
use crate::media::Media;
use crate::metrics::increment;
use crate::viewer::{self, Wish};
use crate::{handshake, live_http, socket};

/// How long nothing is accepted when nothing can be: descriptors come back as viewers leave.
const PAUSE: Duration = Duration::from_millis(100);

/// Who comes to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// Viewers that send a line.
    Line,
    /// Viewers over HTTP.
    Http,
    /// Other relays, which say nothing.
    Feed,
}

/// Accepts for ever.
pub(crate) async fn run(media: Rc<Media>, listener: TcpListener, port: Port) {
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                failing = false;
                accepted(&media, stream, port);
            }
            Err(error) => {
                increment(&media.counts.accept_failures);
                // One line for a shortage, however often it is met.
                if !std::mem::replace(&mut failing, true) {
                    warn!(%error, ?port, "connection not accepted");
                }
                sleep(PAUSE).await;
            }
        }
    }
}

fn accepted(media: &Rc<Media>, stream: TcpStream, port: Port) {
    let Some(connection) = media.connections.open() else {
        increment(&media.counts.connections_over_limit);
        return;
    };
    if let Err(error) = socket::prepare(&stream, &media.config.patience) {
        // It has gone already, mostly.
        debug!(%error, "connection not prepared");
        return;
    }
    if port == Port::Feed {
        viewer::feed(Rc::clone(media), stream, connection);
        return;
    }
    let pending = media.handshakes.place();
    let number = pending.number();
    let task = tokio::task::spawn_local({
        let media = Rc::clone(media);
        async move {
            let shaken = timeout(media.config.patience.handshake, shake(&media, stream, port, pending)).await;
            match shaken {
                Ok(Some((stream, wish))) => viewer::watch(media, stream, wish, connection),
                Ok(None) => increment(&media.counts.viewers_refused),
                Err(_) => increment(&media.counts.handshakes_timed_out),
            }
        }
    });
    let limit = media.config.patience.pending_handshakes;
    if media.handshakes.enter(number, task.abort_handle(), limit) {
        increment(&media.counts.handshakes_pushed_out);
    }
}

async fn shake(
    media: &Rc<Media>,
    mut stream: TcpStream,
    port: Port,
    pending: Pending,
) -> Option<(TcpStream, Wish)> {
    let wish = match port {
        Port::Http => live_http::read_wish(media, &mut stream, pending).await,
        Port::Line | Port::Feed => handshake::read_wish(media, &mut stream, pending).await,
    };
    wish.map(|wish| (stream, wish))
}
