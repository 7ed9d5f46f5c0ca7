//! The end: viewers are sent away one after the other, so that the other relays aren't run over.

use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tracing::{info, warn};

use crate::media::Media;

const TICK: Duration = Duration::from_millis(20);

/// Few viewers aren't spread over the whole time: so many a second are no stampede.
const PER_SECOND_LEAST: f64 = 50.0;

/// How long those may still take who were told to leave last: to the end of a packet.
const LAST_PACKET: Duration = Duration::from_secs(1);

/// Sends everybody away, each at the end of a packet. Returns when all have left or the time is up; nobody comes any more, for
/// the listeners are closed.
pub(crate) async fn send_all_away(media: &Rc<Media>) {
    media.state.draining.store(true, Relaxed);
    media.counts.draining.set(1);
    media.handshakes.end();
    let all = media.departures.len();
    media.departures.begin();
    let span = media.config.drain;
    info!(viewers = all, seconds = span.as_secs_f64(), "draining");
    let per_second = (all as f64 / span.as_secs_f64()).max(PER_SECOND_LEAST);
    let start = Instant::now();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = 0;
    while media.departures.len() > 0 && start.elapsed() < span + LAST_PACKET {
        ticks.tick().await;
        let due =
            if start.elapsed() >= span { all } else { (start.elapsed().as_secs_f64() * per_second) as usize };
        media.departures.tell(due.min(all).saturating_sub(told));
        told = told.max(due.min(all));
    }
    match media.departures.len() {
        0 => info!("all viewers have left"),
        left => warn!(viewers = left, "some viewers took no more to the end of their packet"),
    }
}

/// Ends whoever is still there.
pub(crate) async fn end_all(media: &Rc<Media>) {
    media.handshakes.end();
    media.departures.tell_all_at_once();
    let start = Instant::now();
    while media.departures.len() > 0 && start.elapsed() < LAST_PACKET {
        sleep(TICK / 4).await;
    }
}
