//! The live relay: takes channels from a channel source over TCP, puts each channel's packets in order and sends their
//! payloads to viewers, whatever the source, the viewers or the machine do.

pub mod channel_source;
pub mod channels_index;
pub mod clock;
pub mod config;
pub mod frame;
pub mod meter;
pub mod metrics;
pub mod reorder;
pub mod ring;
