//! Live channels, as far as the relay and the functions must agree: names, tickets, records and the arithmetic of usage.

mod names;
pub mod tickets;

pub use names::{ChannelId, InvalidName, ViewerId};
