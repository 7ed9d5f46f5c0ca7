//! What the media thread has: the channels, everybody who takes something from them, and its numbers.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use live::{ChannelId, ViewerId};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::budget::Budget;
use crate::channel::Sink;
use crate::channels::{Channels, Limits};
use crate::clock::Clock;
use crate::config::Config;
use crate::connections::{Connections, Handshakes};
use crate::delivery::End;
use crate::departures::Departures;
use crate::feed::Feed;
use crate::metrics::{MediaCounts, increment};
use crate::state::State;
use crate::tickets::Question;
use crate::usage::{ChannelsNow, Session, Sessions};
use crate::waiting::Waiting;

/// How often held packets are looked at, while there are any.
const EXPIRE_EVERY: Duration = Duration::from_millis(10);

/// How often the thread beats and publishes its numbers.
const BEAT_EVERY: Duration = Duration::from_millis(250);

/// Beats in a second.
const BEATS_PER_SECOND: u64 = 4;

/// The media thread's things. Nothing here is shared with another thread, so nothing is locked.
pub(crate) struct Media {
    pub config: Rc<Config>,
    pub clock: Arc<Clock>,
    pub state: Arc<State>,
    sessions: Sessions,
    channels_now: ChannelsNow,
    pub counts: MediaCounts,
    pub budget: Rc<Budget>,
    pub channels: RefCell<Channels>,
    pub feed: Feed,
    pub connections: Connections,
    pub handshakes: Handshakes,
    pub departures: Departures,
    /// Those whose socket is full, or who have ended their input: they are looked at every second.
    pub stalled: RefCell<Waiting>,
    /// Called when the first packet is held back.
    holding: Notify,
    /// Whether viewers are to be called with the next tick of FLUSH_INTERVAL_MS.
    unflushed: Cell<bool>,
    questions: mpsc::Sender<Question>,
}

impl Media {
    pub fn new(
        config: Config,
        connections: usize,
        clock: Arc<Clock>,
        state: Arc<State>,
        sessions: Sessions,
        channels_now: ChannelsNow,
        questions: mpsc::Sender<Question>,
    ) -> Self {
        let budget = Rc::new(Budget::new(config.max_buffer_bytes));
        let limits = Limits {
            max_channels: config.max_channels,
            channel_buffer_bytes: config.channel_buffer_bytes,
            channel_idle_ms: config.patience.channel_idle.as_millis() as u64,
            reorder: config.reorder,
        };
        Self {
            clock,
            state,
            sessions,
            channels_now,
            counts: MediaCounts::default(),
            channels: RefCell::new(Channels::new(limits, Rc::clone(&budget))),
            feed: Feed::new(Rc::clone(&budget)),
            budget,
            connections: Connections::new(connections),
            handshakes: Handshakes::default(),
            departures: Departures::default(),
            stalled: RefCell::default(),
            holding: Notify::new(),
            unflushed: Cell::new(false),
            questions,
            config: Rc::new(config),
        }
    }

    /// Begins a session of this viewer if it may watch now.
    pub async fn admit(
        &self,
        viewer: ViewerId,
        channel: ChannelId,
        ticket: Option<&str>,
    ) -> Option<Arc<Session>> {
        let (answer, answered) = oneshot::channel();
        let question = Question { viewer: viewer.clone(), ticket: ticket.map(Box::from), answer };
        self.questions.send(question).await.ok()?;
        let may_watch = answered.await.unwrap_or(false);
        // A ticket can be shown any number of times while it holds. Where none are needed, the network is trusted anyhow.
        let too_many = self.config.require_ticket
            && self.sessions.open_count(&viewer) >= self.config.max_sessions_per_viewer;
        (may_watch && !too_many).then(|| self.sessions.start(viewer, channel))
    }

    /// A read turn is over: viewers are called, unless they are called by the clock.
    pub fn turn_over(&self) {
        if self.channels.borrow().holds() {
            self.holding.notify_one();
        }
        if self.config.flush_interval.is_zero() {
            self.flush();
        } else {
            self.unflushed.set(true);
        }
    }

    /// The connection to the channel source was made or lost.
    pub fn source_connected(&self, connected: bool) {
        self.counts.source_connected.set(u64::from(connected));
        self.state.source_connected.store(connected, Relaxed);
    }

    /// Counts why a viewer was sent away.
    pub fn count_end(&self, end: End) {
        match end {
            End::TooSlow => increment(&self.counts.viewers_too_slow),
            End::Flooding => increment(&self.counts.viewers_flooding),
            End::Gone | End::SentAway => {}
        }
    }

    fn flush(&self) {
        self.channels.borrow_mut().wake_viewers();
        if self.feed.is_wanted() {
            self.feed.outlet.wake();
        }
    }

    /// Passes on what was held back long enough, for ever. One timer for all channels, and none while nothing is held.
    pub async fn expire(self: Rc<Self>) {
        loop {
            self.holding.notified().await;
            loop {
                sleep(EXPIRE_EVERY).await;
                let sink = Sink { counts: &self.counts, feed: &self.feed, now_ms: self.clock.now_ms() };
                let still_holding = self.channels.borrow_mut().expire(&sink);
                if self.config.flush_interval.is_zero() {
                    self.flush();
                } else {
                    self.unflushed.set(true);
                }
                if !still_holding {
                    break;
                }
            }
        }
    }

    /// Calls viewers every FLUSH_INTERVAL_MS, for ever, if that isn't 0.
    pub async fn flush_by_the_clock(self: Rc<Self>) {
        if self.config.flush_interval.is_zero() {
            return pending().await;
        }
        let mut ticks = interval(self.config.flush_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.unflushed.take() {
                self.flush();
            }
        }
    }

    /// Shows that the thread lives, publishes its numbers and looks after what is slow, for ever.
    pub async fn beat(self: Rc<Self>) {
        let mut ticks = interval(BEAT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for beat in 0_u64.. {
            ticks.tick().await;
            let now_ms = self.clock.now_ms();
            if beat % BEATS_PER_SECOND == 0 {
                self.clock.follow_system();
                self.channels.borrow_mut().forget_idle(now_ms);
                self.stalled.borrow_mut().wake();
            }
            self.publish(now_ms);
            self.state.beat();
        }
    }

    fn publish(&self, now_ms: u64) {
        let mut channels = self.channels.borrow_mut();
        let seen = channels.now(now_ms);
        let counts = &self.counts;
        counts.channels.set(channels.existing() as u64);
        counts.channels_watched.set(seen.iter().filter(|channel| channel.viewers > 0).count() as u64);
        counts.buffer_bytes.set(self.budget.held() as u64);
        counts.connections.set(self.connections.len() as u64);
        self.channels_now.replace(seen);
        self.state.metrics.publish(counts);
    }
}
