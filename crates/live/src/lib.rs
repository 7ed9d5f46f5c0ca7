//! Live channels, as far as the relay and the functions must agree: names, tickets, records and the arithmetic of usage.

mod beat;
mod live_channels;
mod names;
mod segment;
mod store;
mod ticket_keys;
pub mod tickets;
mod usage;
mod usage_records;
mod viewers;

pub use beat::Beat;
pub use live_channels::{ChannelNow, ChannelsRow, LiveChannels};
pub use names::{ChannelId, InvalidName, ViewerId};
pub use segment::{HOUR_MS, Interval, Segment, SegmentKey};
pub use store::{LiveStore, LiveTables, NotStored};
pub use ticket_keys::{Rotation, TicketKeys};
pub use usage::{BEAT_REACH_MS, DAY_MS, delivered_ms, whole_seconds};
pub use usage_records::UsageRecords;
pub use viewers::{RegisterError, VIEWERS_PER_ACCOUNT, Viewers};
