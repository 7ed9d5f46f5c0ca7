//! What the environment says, read once before any port is bound.

use std::env;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use live::LiveTables;
use tracing::level_filters::LevelFilter;
use uuid::Uuid;

use crate::reorder::ReorderConfig;

/// Where to listen. Port 0 means any that is free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// A name or an address of this machine.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Listen {
    /// Any free port of this machine's own interface, as tests want it.
    #[must_use]
    pub fn anywhere() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: 0 }
    }
}

/// All that can be set. [`Config::from_env`] names the variables; the rest is for tests, which can't wait as long as a viewer can.
#[derive(Clone, Debug)]
pub struct Config {
    /// `SERVER_HOST`, `SERVER_PORT`: health, readiness and metrics.
    pub server: Listen,
    /// `STREAM_HOST`, `STREAM_PORT`: viewers that send a line.
    pub stream: Listen,
    /// `STREAM_HOST`, `HTTP_STREAM_PORT`: viewers over HTTP; `None` for port 0 in the environment.
    pub http_stream: Option<Listen>,
    /// `FEED_HOST`, `FEED_PORT`: other relays, which find a channel source there; `None` for port 0 in the environment.
    pub feed: Option<Listen>,
    /// `CHANNEL_SOURCE_HOST`.
    pub source_host: String,
    /// `CHANNEL_SOURCE_PORT`.
    pub source_port: u16,
    /// `PACKET_BATCH_SIZE`: so many packets are read, and 256 KiB, before viewers have their turn.
    pub packet_batch_size: usize,
    /// `FLUSH_INTERVAL_MS`: viewers are sent what has come so often; at 0 as soon as it has come.
    pub flush_interval: Duration,
    /// `CHANNEL_BUFFER_BYTES`: how much of a channel is kept for viewers that read late, at most.
    pub channel_buffer_bytes: usize,
    /// `MAX_BUFFER_BYTES`: what all channels may hold together, in and out of order.
    pub max_buffer_bytes: usize,
    /// `MAX_CONNECTIONS`.
    pub max_connections: usize,
    /// `MAX_CHANNELS`: packets of further channels are ignored.
    pub max_channels: usize,
    /// `MAX_PAYLOAD_BYTES`: a source that announces more is hung up on.
    pub max_payload_bytes: usize,
    /// `MAX_SESSIONS_PER_VIEWER`: counted only where tickets are required.
    pub max_sessions_per_viewer: usize,
    /// `DRAIN_SECONDS`: in so long all viewers are sent away at the end.
    pub drain: Duration,
    /// `REQUIRE_TICKET`: whether a line without a ticket is refused.
    pub require_ticket: bool,
    /// `TASK_ID`: under which usage is recorded; must be another for each run.
    pub task_id: String,
    /// `REORDER_WINDOW`, `REORDER_HOLD_MS`.
    pub reorder: ReorderConfig,
    /// `LOG_LEVEL`: off, error, warn, info, debug or trace.
    pub log_level: LevelFilter,
    /// `LIVE_USAGE_TABLE`, `LIVE_RELAYS_TABLE`, `LIVE_VIEWERS_TABLE`, `TICKET_KEYS_TABLE`.
    pub tables: LiveTables,
    /// How long things may take.
    pub patience: Patience,
}

/// How long things may take, and how often they may happen. Not read from the environment: these follow from the protocol.
#[derive(Clone, Debug)]
pub struct Patience {
    /// A viewer says what it wants within this time.
    pub handshake: Duration,
    /// So many viewers may be about to say what they want.
    pub pending_handshakes: usize,
    /// A viewer that takes nothing of what waits for it for so long is sent away.
    pub no_progress: Duration,
    /// A viewer that had to be brought back to live so often within `skips_within` is sent away.
    pub skips: usize,
    /// See `skips`.
    pub skips_within: Duration,
    /// A peer that acknowledges nothing for so long is gone, says the kernel.
    pub user_timeout: Duration,
    /// A channel source that sends nothing for so long is dialled anew.
    pub source_idle: Duration,
    /// A channel source must take a connection within this time.
    pub source_connect: Duration,
    /// The first and the longest pause before the channel source is dialled again.
    pub source_pause: (Duration, Duration),
    /// A channel of which nothing has come for so long, and that nobody watches, is forgotten.
    pub channel_idle: Duration,
    /// What is left of usage after the last viewer went is written within this time.
    pub usage_at_end: Duration,
    /// The most that the kernel may hold for one viewer, in bytes.
    pub send_buffer_bytes: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            pending_handshakes: 1_024,
            no_progress: Duration::from_secs(10),
            skips: 8,
            skips_within: Duration::from_secs(60),
            user_timeout: Duration::from_secs(30),
            source_idle: Duration::from_secs(10),
            source_connect: Duration::from_secs(5),
            source_pause: (Duration::from_millis(100), Duration::from_secs(5)),
            channel_idle: Duration::from_secs(60),
            usage_at_end: Duration::from_secs(20),
            send_buffer_bytes: 256 * 1024,
        }
    }
}

impl Config {
    /// Reads the environment. An unusable or missing value is an error that names its variable.
    pub fn from_env() -> Result<Self> {
        Self::read(|name| match env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(env::VarError::NotPresent) => Ok(None),
            Err(env::VarError::NotUnicode(_)) => bail!("{name} is not text"),
        })
    }

    /// Reads variables wherever `lookup` finds them.
    pub fn read(lookup: impl Fn(&str) -> Result<Option<String>>) -> Result<Self> {
        let env = Environment { lookup };
        let stream_host: String = env.or("STREAM_HOST", "127.0.0.1".to_owned())?;
        let feed_host = env.or("FEED_HOST", "127.0.0.1".to_owned())?;
        let http_stream_port = env.or("HTTP_STREAM_PORT", 9112)?;
        let feed_port = env.or("FEED_PORT", 0)?;
        let window: usize = env.within("REORDER_WINDOW", 1_024, 1, 1 << 16)?;
        ensure!(window.is_power_of_two(), "REORDER_WINDOW is {window}, which is no power of two");
        let reorder = ReorderConfig {
            window,
            hold_ms: env.within("REORDER_HOLD_MS", 200, 1, 60_000)?,
            ..ReorderConfig::default()
        };
        let at = |host: &String, port| Listen { host: host.clone(), port };
        Ok(Self {
            server: Listen {
                host: env.or("SERVER_HOST", "127.0.0.1".to_owned())?,
                port: env.port("SERVER_PORT", 8080)?,
            },
            stream: at(&stream_host, env.port("STREAM_PORT", 9111)?),
            http_stream: (http_stream_port != 0).then(|| at(&stream_host, http_stream_port)),
            feed: (feed_port != 0).then(|| at(&feed_host, feed_port)),
            source_host: env.or("CHANNEL_SOURCE_HOST", "localhost".to_owned())?,
            source_port: env.port("CHANNEL_SOURCE_PORT", 9110)?,
            packet_batch_size: env.within("PACKET_BATCH_SIZE", 10, 1, 1 << 20)?,
            flush_interval: Duration::from_millis(env.within("FLUSH_INTERVAL_MS", 0, 0, 10_000)?),
            channel_buffer_bytes: env.within("CHANNEL_BUFFER_BYTES", 2 << 20, 64 << 10, 1 << 30)?,
            max_buffer_bytes: env.within("MAX_BUFFER_BYTES", 512 << 20, 1 << 20, 1 << 40)?,
            max_connections: env.within("MAX_CONNECTIONS", 20_000, 1, 1 << 20)?,
            max_channels: env.within("MAX_CHANNELS", 10_000, 1, 1 << 20)?,
            max_payload_bytes: env.within("MAX_PAYLOAD_BYTES", 1 << 20, 1, 64 << 20)?,
            max_sessions_per_viewer: env.within("MAX_SESSIONS_PER_VIEWER", 32, 1, 1 << 20)?,
            drain: Duration::from_secs(env.within("DRAIN_SECONDS", 30, 0, 3_600)?),
            require_ticket: env.or("REQUIRE_TICKET", true)?,
            task_id: env.or("TASK_ID", Uuid::new_v4().to_string())?,
            reorder,
            log_level: env.or("LOG_LEVEL", LevelFilter::INFO)?,
            tables: LiveTables {
                usage: env.required("LIVE_USAGE_TABLE")?,
                relays: env.required("LIVE_RELAYS_TABLE")?,
                viewers: env.required("LIVE_VIEWERS_TABLE")?,
                ticket_keys: env.required("TICKET_KEYS_TABLE")?,
            },
            patience: Patience::default(),
        })
    }
}

struct Environment<F> {
    lookup: F,
}

impl<F: Fn(&str) -> Result<Option<String>>> Environment<F> {
    /// An empty value counts as none: that is how templates leave a variable out.
    fn text(&self, name: &str) -> Result<Option<String>> {
        Ok((self.lookup)(name)?.filter(|value| !value.is_empty()))
    }

    fn required(&self, name: &str) -> Result<String> {
        self.text(name)?.with_context(|| format!("{name} is not set"))
    }

    fn or<T: FromStr<Err: Display>>(&self, name: &str, default: T) -> Result<T> {
        let Some(text) = self.text(name)? else { return Ok(default) };
        text.parse().map_err(|error| anyhow::anyhow!("{name} is {text:?}: {error}"))
    }

    fn within<T>(&self, name: &str, default: T, least: T, most: T) -> Result<T>
    where
        T: FromStr<Err: Display> + PartialOrd + Display,
    {
        let value = self.or(name, default)?;
        ensure!(
            value >= least && value <= most,
            "{name} is {value}, which is not between {least} and {most}"
        );
        Ok(value)
    }

    fn port(&self, name: &str, default: u16) -> Result<u16> {
        self.within(name, default, 1, u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config> {
        let tables = ["LIVE_USAGE_TABLE", "LIVE_RELAYS_TABLE", "LIVE_VIEWERS_TABLE", "TICKET_KEYS_TABLE"];
        Config::read(|name| {
            let set = variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            Ok(set.or_else(|| tables.contains(&name).then(|| name.to_lowercase())))
        })
    }

    #[test]
    fn nothing_but_the_tables_must_be_set() {
        let config = read(&[]).expect("the defaults are usable");
        assert_eq!(config.stream, Listen { host: "127.0.0.1".to_owned(), port: 9111 });
        assert_eq!(config.server.port, 8080);
        assert_eq!((config.source_host.as_str(), config.source_port), ("localhost", 9110));
        assert_eq!(config.http_stream.map(|listen| listen.port), Some(9112));
        assert_eq!(config.feed, None);
        assert_eq!(config.packet_batch_size, 10);
        assert!(config.require_ticket);
    }

    #[test]
    fn an_unusable_value_names_its_variable() {
        for (name, value) in [
            ("STREAM_PORT", "0"),
            ("SERVER_PORT", "http"),
            ("REQUIRE_TICKET", "maybe"),
            ("REORDER_WINDOW", "1000"),
            ("PACKET_BATCH_SIZE", "-1"),
            ("MAX_BUFFER_BYTES", "12"),
            ("LOG_LEVEL", "loud"),
            ("LIVE_USAGE_TABLE", ""),
        ] {
            let error = read(&[(name, value)]).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(name), "{name}={value}: {error:?}");
        }
    }
}
