//! The task that stores usage.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use live::{Beat, ChannelId, ChannelsRow, LiveStore, NotStored, Segment};
use prometheus_client::metrics::counter::Counter;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tracing::{error, info, warn};

use super::flow::Flow;
use super::tracked::{MAYBE_MS, Moment, SILENT_MS, Tracked};
use super::{ChannelsNow, Sessions};
use crate::meter::PAUSE_MS;
use crate::metrics::Metrics;

/// How often all sessions are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(125);

/// Looks from one beat to the next.
const LOOKS_PER_BEAT: u64 = 8;

/// Looks from one report of the channels to the next.
const LOOKS_PER_REPORT: u64 = 40;

/// So many beats may be on their way, so that a slow store gets each in time.
const BEATS_IN_FLIGHT: usize = 4;

/// A beat waits so many looks for segments that have to be closed first, and then speaks only for the time before.
const LOOKS_WAITED: u64 = 2;

/// So many quiet channels fit a beat. Beyond that it speaks only for the time before the others went quiet.
const QUIET_MAX: usize = 4_000;

/// What the writer counts.
#[derive(Clone, Debug, Default)]
pub struct UsageCounters {
    /// Segments that were stored.
    pub writes: Counter,
    /// Writes that failed; they are tried again.
    pub failures: Counter,
    /// Segments that could not be stored and were logged instead.
    pub rows_logged: Counter,
}

impl From<&Metrics> for UsageCounters {
    fn from(metrics: &Metrics) -> Self {
        Self {
            writes: metrics.usage_writes.clone(),
            failures: metrics.usage_write_failures.clone(),
            rows_logged: metrics.usage_rows_logged.clone(),
        }
    }
}

/// Stores the usage of all sessions, the relay's beat and its channels.
///
/// What a beat says must be true of the table as it is, for a reader believes it for good if no other follows. So segments
/// that count too long are closed first, and a beat that can't wait for that speaks for no later time than they are right.
pub struct UsageWriter<C> {
    sessions: Sessions,
    channels: ChannelsNow,
    store: LiveStore,
    task_id: String,
    now_ms: C,
    counters: UsageCounters,
    tracked: BTreeMap<u64, Tracked>,
    /// When each channel last brought payload, in unix milliseconds.
    channels_ms: HashMap<ChannelId, u64>,
    /// Sessions that want to be written, those first that count too much.
    waiting: VecDeque<u64>,
    flow: Flow,
    /// As things were at the last look.
    looked_ms: u64,
    /// Until when a beat may speak.
    right_until_ms: u64,
    /// Channels that bring nothing, and until when they are to count.
    quiet: BTreeMap<ChannelId, u64>,
    /// The same as the last beat had it.
    quiet_sent: BTreeMap<ChannelId, u64>,
    /// The last moment that a beat spoke for, sent and confirmed.
    beat_sent_ms: u64,
    is_beat_stored: bool,
    is_ending: bool,
    is_failing: bool,
}

enum Done {
    Segment(Segment, Result<(), NotStored>),
    Beat(Result<(), NotStored>),
    Channels(Result<(), NotStored>),
}

type Writes = FuturesUnordered<Pin<Box<dyn Future<Output = Done> + Send>>>;

impl<C: Fn() -> u64> UsageWriter<C> {
    /// A writer for these sessions and channels. `now_ms` tells the time that the sessions are told as well, in unix
    /// milliseconds; `task_id` must never have been used before.
    pub fn new(
        sessions: Sessions,
        channels: ChannelsNow,
        store: LiveStore,
        task_id: String,
        now_ms: C,
        counters: UsageCounters,
    ) -> Self {
        Self {
            sessions,
            channels,
            store,
            task_id,
            now_ms,
            counters,
            tracked: BTreeMap::new(),
            channels_ms: HashMap::new(),
            waiting: VecDeque::new(),
            flow: Flow::new(),
            looked_ms: 0,
            right_until_ms: 0,
            quiet: BTreeMap::new(),
            quiet_sent: BTreeMap::new(),
            beat_sent_ms: 0,
            is_beat_stored: false,
            is_ending: false,
            is_failing: false,
        }
    }

    /// Writes until `drained` is ready, and then what is left, for `at_end` at most. Segments that can't be stored by then are
    /// logged whole, as they are when this is given up earlier.
    pub async fn run(mut self, drained: impl Future<Output = ()>, at_end: Duration) {
        let mut drained = pin!(drained);
        let mut deadline = pin!(sleep_until(Instant::now()));
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut writes = Writes::new();
        let (mut looks, mut beat_due, mut beats, mut reports) = (0u64, None, 0usize, 0usize);
        loop {
            tokio::select! {
                () = &mut drained, if !self.is_ending => {
                    self.is_ending = true;
                    deadline.as_mut().reset(Instant::now() + at_end);
                    self.look();
                }
                () = &mut deadline, if self.is_ending => break,
                _ = ticks.tick() => {
                    self.look();
                    if looks % LOOKS_PER_BEAT == 0 || self.is_beat_outdated() {
                        beat_due.get_or_insert(looks);
                    }
                    if looks % LOOKS_PER_REPORT == 0 && reports == 0 {
                        reports = self.report(&writes);
                    }
                    looks += 1;
                }
                Some(done) = writes.next() => match done {
                    Done::Segment(segment, result) => self.segment_done(segment, result),
                    Done::Beat(result) => {
                        beats -= 1;
                        if self.note(&result) {
                            self.is_beat_stored = true;
                        } else {
                            beat_due.get_or_insert(looks);
                        }
                    }
                    Done::Channels(result) => {
                        reports -= 1;
                        self.note(&result);
                    }
                },
            }
            self.write(&writes);
            let is_clear = self.right_until_ms == self.looked_ms;
            // One that failed is due again, and as news only with the next look.
            if let Some(since) = beat_due
                && self.looked_ms > self.beat_sent_ms
                && beats < BEATS_IN_FLIGHT
                && (is_clear || looks > since + LOOKS_WAITED)
            {
                beats += usize::from(self.beat(&writes));
                beat_due = None;
            }
            if self.is_ending && self.tracked.is_empty() {
                break;
            }
        }
    }

    /// Finds what the tables don't say.
    fn look(&mut self) {
        let now_ms = (self.now_ms)();
        self.looked_ms = now_ms;
        for record in self.sessions.take_new() {
            self.tracked.insert(record.number, Tracked::new(record, now_ms));
        }
        self.look_at_channels();
        let (mut urgent, mut other) = (VecDeque::new(), VecDeque::new());
        let mut right_until_ms = now_ms;
        let mut quiet = BTreeMap::new();
        let channels_ms = &self.channels_ms;
        let is_end = self.is_ending;
        self.tracked.retain(|&number, tracked| {
            let channel = tracked.record().channel;
            let channel_ms = channels_ms.get(&channel).copied().unwrap_or(0);
            let look = tracked.look(Moment { now_ms, channel_ms, is_end });
            if look.is_wanting {
                let first = look.overcounted_from_ms.is_some() || look.is_over;
                if first { &mut urgent } else { &mut other }.push_back(number);
            }
            // The end of what counts now, if the beat doesn't say better.
            let mut counts_until_ms = look.overcounted_from_ms;
            if now_ms.saturating_sub(channel_ms) > SILENT_MS && tracked.is_open_in_table() {
                if quiet.len() < QUIET_MAX || quiet.contains_key(&channel) {
                    let is_pause = now_ms.saturating_sub(channel_ms) > PAUSE_MS;
                    quiet.insert(channel, channel_ms + if is_pause { 0 } else { MAYBE_MS });
                    counts_until_ms = counts_until_ms.filter(|from_ms| from_ms + SILENT_MS < channel_ms);
                } else {
                    counts_until_ms =
                        Some(counts_until_ms.map_or(channel_ms, |from_ms| from_ms.min(channel_ms)));
                }
            }
            if let Some(from_ms) = counts_until_ms {
                right_until_ms = right_until_ms.min(from_ms + SILENT_MS);
            }
            !look.is_done
        });
        urgent.append(&mut other);
        self.waiting = urgent;
        self.right_until_ms = right_until_ms;
        self.quiet = quiet;
    }

    /// A channel has brought payload when the media thread says so or when anybody was delivered some.
    fn look_at_channels(&mut self) {
        self.channels_ms.clear();
        for channel in self.channels.get().iter() {
            self.channels_ms.insert(channel.channel, channel.last_payload_ms);
        }
        for tracked in self.tracked.values() {
            let record = tracked.record();
            if let Some(last_ms) = record.meter().last_ms() {
                let channel_ms = self.channels_ms.entry(record.channel).or_default();
                *channel_ms = last_ms.max(*channel_ms);
            }
        }
    }

    /// Whether a channel that the last beat called quiet has brought more than that beat lets count.
    fn is_beat_outdated(&self) -> bool {
        self.looked_ms >= self.beat_sent_ms + 2 * LOOK_EVERY.as_millis() as u64
            && self.quiet_sent.iter().any(|(channel, until_ms)| {
                let is_quiet = self.quiet.contains_key(channel);
                !is_quiet && self.channels_ms.get(channel).is_some_and(|channel_ms| channel_ms > until_ms)
            })
    }

    fn moment(&self, number: u64) -> Moment {
        let channel = self.tracked.get(&number).map(|tracked| tracked.record().channel);
        let channel_ms = channel.and_then(|channel| self.channels_ms.get(&channel)).copied().unwrap_or(0);
        Moment { now_ms: (self.now_ms)(), channel_ms, is_end: self.is_ending }
    }

    /// Sends what waits, as far as there is room. A beat comes first of all: without one, readers know of no segment how
    /// long it lasts.
    fn write(&mut self, writes: &Writes) {
        while self.is_beat_stored && self.flow.has_room((self.now_ms)()) {
            let Some(number) = self.waiting.pop_front() else { break };
            let moment = self.moment(number);
            let Some(tracked) = self.tracked.get_mut(&number) else { continue };
            let Some(segment) = tracked.next_segment(moment, &self.task_id) else { continue };
            self.flow.begin();
            let store = self.store.clone();
            writes.push(Box::pin(async move {
                let result = store.put_segment(&segment).await;
                Done::Segment(segment, result)
            }));
        }
    }

    fn segment_done(&mut self, segment: Segment, result: Result<(), NotStored>) {
        let number = segment.key.session;
        let is_stored = self.note(&result);
        match result {
            Err(NotStored::Failed(_)) => self.flow.failed((self.now_ms)()),
            _ => self.flow.succeeded(),
        }
        match &result {
            Ok(()) => _ = self.counters.writes.inc(),
            // It would be refused for ever, and must not hold up the others.
            Err(NotStored::Refused(_)) => self.log(&segment),
            Err(NotStored::Failed(_)) => {}
        }
        let moment = self.moment(number);
        let Some(tracked) = self.tracked.get_mut(&number) else { return };
        if is_stored || matches!(result, Err(NotStored::Refused(_))) {
            tracked.stored(segment.key.hour_ms);
            let look = tracked.look(moment);
            if look.is_wanting {
                self.waiting.push_back(number);
            }
            if look.is_done {
                self.tracked.remove(&number);
            }
        } else {
            tracked.failed();
        }
    }

    /// Says until when the tables are right. Answers whether that is news.
    fn beat(&mut self, writes: &Writes) -> bool {
        if self.right_until_ms <= self.beat_sent_ms {
            return false;
        }
        self.beat_sent_ms = self.right_until_ms;
        self.quiet_sent.clone_from(&self.quiet);
        let beat = Beat::new(self.task_id.clone(), self.right_until_ms, self.quiet.clone());
        let store = self.store.clone();
        writes.push(Box::pin(async move { Done::Beat(store.put_beat(&beat).await) }));
        true
    }

    /// Says which channels there are. Answers in how many rows.
    fn report(&self, writes: &Writes) -> usize {
        let channels = self.channels.get();
        let rows = channels.chunks(ChannelsRow::CHANNELS_MAX);
        rows.enumerate()
            .map(|(number, channels)| {
                let channels = channels.iter().map(|channel| {
                    let now = live::ChannelNow {
                        bits_per_second: channel.bits_per_second,
                        viewers: channel.viewers,
                    };
                    (channel.channel, now)
                });
                let row = ChannelsRow::new(self.task_id.clone(), number, self.looked_ms, channels.collect());
                let store = self.store.clone();
                writes.push(Box::pin(async move { Done::Channels(store.put_channels(&row).await) }));
            })
            .count()
    }

    /// Counts and logs what became of a write. Trouble is told when it begins and when it is over.
    fn note(&mut self, result: &Result<(), NotStored>) -> bool {
        match result {
            Ok(()) => {
                if std::mem::take(&mut self.is_failing) {
                    info!("usage is stored again");
                }
            }
            Err(NotStored::Refused(cause) | NotStored::Failed(cause)) => {
                self.counters.failures.inc();
                if !std::mem::replace(&mut self.is_failing, true) {
                    warn!("usage not stored, it is tried again: {cause:#}");
                }
            }
        }
        result.is_ok()
    }
}

impl<C> UsageWriter<C> {
    /// What can't be stored is told whole, so that it can be stored by hand.
    fn log(&self, segment: &Segment) {
        self.counters.rows_logged.inc();
        match serde_json::to_string(segment) {
            Ok(segment) => error!(segment, "usage not stored"),
            Err(error) => error!(%error, ?segment, "usage not stored"),
        }
    }
}

/// However it ends, nothing is lost without a word.
impl<C> Drop for UsageWriter<C> {
    fn drop(&mut self) {
        for record in self.sessions.take_new() {
            self.tracked.insert(record.number, Tracked::new(record, self.looked_ms));
        }
        for mut tracked in std::mem::take(&mut self.tracked).into_values() {
            for segment in tracked.unwritten(self.looked_ms, &self.task_id) {
                self.log(&segment);
            }
        }
    }
}

#[cfg(test)]
mod tests;
