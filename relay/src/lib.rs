//! The live relay: takes channels from a channel source over TCP, puts each channel's packets in order and sends their
//! payloads to viewers, whatever the source, the viewers or the machine do.

mod budget;
mod channel;
pub mod channel_source;
mod channels;
pub mod channels_index;
pub mod clock;
pub mod config;
mod connections;
mod delivery;
mod departures;
mod drain;
mod feed;
pub mod frame;
mod handshake;
mod limits;
mod listeners;
mod live_http;
pub mod logging;
mod media;
pub mod meter;
pub mod metrics;
mod outlet;
pub mod relay;
pub mod reorder;
pub mod ring;
mod server;
pub mod signals;
mod socket;
mod source;
mod state;
mod viewer;
mod waiting;
