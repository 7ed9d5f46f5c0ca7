//! What viewers were delivered, on its way into the tables.
//!
//! Nothing is queued: a [`Session`] knows its own delivered time, the [`UsageWriter`] looks at all of them eight times a second
//! and stores what the tables don't say already. So a store that is down costs no memory, and a write that is done twice
//! changes nothing.

mod channels_now;
mod flow;
mod rows;
mod session;
mod tracked;
mod writer;

pub use channels_now::{ChannelNow, ChannelsNow};
pub use session::{Session, Sessions};
pub use writer::{UsageCounters, UsageWriter};
