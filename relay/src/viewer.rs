//! A viewer of one channel.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use live::{ChannelId, ViewerId};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tracing::{debug, info};

use crate::connections::Connection;
use crate::delivery::{Account, Delivery, End, FedRelay};
use crate::media::Media;
use crate::metrics::{add, decrement, increment};
use crate::usage::Session;

/// What somebody who connected wants, with every right to it.
pub(crate) struct Wish {
    pub viewer: ViewerId,
    pub channel: ChannelId,
    pub session: Arc<Session>,
    /// What they sent beyond what was asked of them, in bytes.
    pub input_bytes: usize,
}

struct Watching {
    session: Arc<Session>,
}

impl Account for Watching {
    const ENDS_WITH_INPUT: bool = false;

    #[inline]
    fn delivered(&self, media: &Media, bytes: usize, now_ms: u64) {
        self.session.delivered(now_ms);
        add(&media.counts.delivered_bytes, bytes as u64);
        increment(&media.counts.delivered_writes);
    }
}

/// Sends a channel to a viewer until there is a reason not to.
pub(crate) fn watch(media: Rc<Media>, stream: TcpStream, wish: Wish, connection: Connection) {
    let guard = Counted::new(&media, |media| &media.counts.viewers);
    let outlet = media.channels.borrow_mut().outlet(wish.channel);
    let account = Watching { session: wish.session };
    let delivery = Delivery::new(&media, stream, outlet, account, wish.input_bytes);
    increment(&media.counts.viewers_accepted);
    debug!(viewer = %wish.viewer, channel = %wish.channel, "viewer came");
    spawn_local(watching(delivery, wish.viewer, wish.channel, (guard, connection)));
}

/// What there is of a viewer for as long as it watches, so it is small.
#[expect(clippy::manual_async_fn, reason = "an async fn holds its arguments twice")]
fn watching(
    mut delivery: Delivery<Watching>,
    viewer: ViewerId,
    channel: ChannelId,
    kept: (Counted, Connection),
) -> impl Future<Output = ()> {
    async move {
        let _kept = kept;
        let end = poll_fn(|context| delivery.poll(context)).await;
        delivery.media().count_end(end);
        if matches!(end, End::TooSlow | End::Flooding) {
            info!(%viewer, %channel, reason = ?end, "viewer sent away");
        }
        delivery.close().await;
    }
}

/// Sends all channels to another relay until there is a reason not to.
pub(crate) fn feed(media: Rc<Media>, stream: TcpStream, connection: Connection) {
    let guard = Counted::new(&media, |media| &media.counts.feeds);
    let outlet = Rc::clone(&media.feed.outlet);
    let mut delivery = Delivery::new(&media, stream, outlet, FedRelay, 0);
    spawn_local(async move {
        let _kept = (guard, connection);
        let end = poll_fn(|context| delivery.poll(context)).await;
        info!(reason = ?end, "relay no longer fed");
        delivery.close().await;
    });
}

/// Somebody in a gauge. Also notices if a fault of ours ends them.
struct Counted {
    media: Rc<Media>,
    gauge: fn(&Media) -> &Cell<u64>,
}

impl Counted {
    fn new(media: &Rc<Media>, gauge: fn(&Media) -> &Cell<u64>) -> Self {
        increment(gauge(media));
        Self { media: Rc::clone(media), gauge }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        decrement((self.gauge)(&self.media));
        if thread::panicking() {
            increment(&self.media.counts.viewers_panicked);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, C, D, F: Future>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_viewer_that_watches_is_small() {
        let bytes = size_of_future(watching);
        assert!(bytes <= 512, "{bytes} bytes");
    }
}
