//! A relay that delivers as a script says, in virtual time, and the truth about it.

use std::sync::Arc;
use std::time::Duration;

use live::{ChannelId, ViewerId};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::fake_dynamodb::FakeDynamoDb;
use crate::meter::PAUSE_MS;
use crate::usage::{ChannelNow, ChannelsNow, Session, Sessions, UsageCounters, UsageWriter};

/// How fine scripts are.
pub const STEP_MS: u64 = 20;

/// How often the media thread says how its channels are.
const SAY_MS: u64 = 200;

/// A time in a script, in milliseconds after its start.
pub type Span = (u64, u64);

/// What one session does: it is delivered what its channel brings, except when it is stuck.
#[derive(Clone, Debug)]
pub struct Script {
    pub channel: usize,
    pub lasts: Span,
    pub stuck: Vec<Span>,
}

/// How often a channel brings something, and when it doesn't.
#[derive(Clone, Debug)]
pub struct Channel {
    pub every_ms: u64,
    pub silent: Vec<Span>,
}

struct Player {
    script: Script,
    session: Option<Arc<Session>>,
    delivered_ms: Vec<u64>,
}

/// The relay, with a writer beside it.
pub struct Relay {
    start: Instant,
    start_ms: u64,
    passed_ms: u64,
    /// A test of hours has no patience for fine steps.
    pub step_ms: u64,
    sessions: Sessions,
    channels_now: ChannelsNow,
    channels: Vec<(Channel, u64)>,
    players: Vec<Player>,
    writer: JoinHandle<()>,
    drain: watch::Sender<bool>,
    pub counters: UsageCounters,
}

pub fn channel_id(number: usize) -> ChannelId {
    format!("zato{number:02}").parse().expect("a channel")
}

/// Each session has a viewer of its own, so that usage can be asked for one by one.
pub fn viewer_id(number: usize) -> ViewerId {
    format!("viewer-{number}").parse().expect("a viewer")
}

impl Relay {
    /// A relay that starts now, at this unix time.
    pub fn start(
        database: &FakeDynamoDb,
        start_ms: u64,
        channels: Vec<Channel>,
        scripts: Vec<Script>,
    ) -> Self {
        let (sessions, channels_now, counters) =
            (Sessions::default(), ChannelsNow::default(), UsageCounters::default());
        let start = Instant::now();
        let writer = UsageWriter::new(
            sessions.clone(),
            channels_now.clone(),
            database.store(),
            "task".to_owned(),
            move || start_ms + u64::try_from(start.elapsed().as_millis()).expect("short"),
            counters.clone(),
        );
        let (drain, mut drained) = watch::channel(false);
        let drained = async move {
            let _ended = drained.wait_for(|drained| *drained).await;
        };
        Self {
            start,
            start_ms,
            passed_ms: 0,
            step_ms: STEP_MS,
            sessions,
            channels_now,
            channels: channels.into_iter().map(|channel| (channel, 0)).collect(),
            players: scripts
                .into_iter()
                .map(|script| Player { script, session: None, delivered_ms: Vec::new() })
                .collect(),
            writer: tokio::spawn(writer.run(drained, Duration::from_secs(20))),
            drain,
            counters,
        }
    }

    /// Delivers until so much has passed since the start.
    pub async fn run_until(&mut self, until_ms: u64) {
        while self.passed_ms < until_ms {
            self.step();
            self.passed_ms += self.step_ms;
            sleep(Duration::from_millis(self.passed_ms).saturating_sub(self.start.elapsed())).await;
        }
    }

    /// Unix time in milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.start_ms + self.passed_ms
    }

    /// The process is gone, whatever it was at.
    pub fn kill(&mut self) {
        self.writer.abort();
    }

    /// Ends all sessions and waits for the writer. Answers how long that took.
    pub async fn drain(&mut self) -> Duration {
        for player in &mut self.players {
            player.session = None;
        }
        self.drain.send_replace(true);
        let started = Instant::now();
        (&mut self.writer).await.expect("it doesn't panic");
        started.elapsed()
    }

    /// What each session was delivered by then, in milliseconds: the gaps between payloads, but for pauses.
    pub fn truth(&self, until_ms: u64) -> Vec<u64> {
        let delivered = self.players.iter().map(|player| {
            let times: Vec<_> = player.delivered_ms.iter().take_while(|ms| **ms <= until_ms).collect();
            times.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap_ms| *gap_ms <= PAUSE_MS).sum()
        });
        delivered.collect()
    }

    fn step(&mut self) {
        let at_ms = self.passed_ms;
        let now_ms = self.now_ms();
        let within = |spans: &[Span]| spans.iter().any(|(from, to)| (*from..*to).contains(&at_ms));
        for (number, player) in self.players.iter_mut().enumerate() {
            if !within(&[player.script.lasts]) {
                player.session = None;
            } else if player.session.is_none() {
                player.session =
                    Some(self.sessions.start(viewer_id(number), channel_id(player.script.channel)));
            }
        }
        for (number, (channel, last_ms)) in self.channels.iter_mut().enumerate() {
            if !at_ms.is_multiple_of(channel.every_ms) || within(&channel.silent) {
                continue;
            }
            *last_ms = now_ms;
            let players = self.players.iter_mut().filter(|player| player.script.channel == number);
            for player in players.filter(|player| !within(&player.script.stuck)) {
                if let Some(session) = &player.session {
                    session.delivered(now_ms);
                    player.delivered_ms.push(now_ms);
                }
            }
        }
        if at_ms.is_multiple_of(SAY_MS) {
            let channels =
                self.channels.iter().enumerate().map(|(number, (_, last_payload_ms))| ChannelNow {
                    channel: channel_id(number),
                    last_payload_ms: *last_payload_ms,
                    bits_per_second: 1_000,
                    viewers: 1,
                });
            self.channels_now.replace(channels.collect());
        }
    }
}

/// What readers of these tables say that each of so many sessions was delivered, in milliseconds.
pub async fn read(database: &FakeDynamoDb, sessions: usize, now_ms: u64) -> Vec<u64> {
    let records = database.snapshot().records();
    let mut read_ms = Vec::new();
    for number in 0..sessions {
        let delivered = records.delivered_ms(&viewer_id(number), now_ms).await.expect("the tables are read");
        read_ms.push(delivered.values().sum());
    }
    read_ms
}
