//! A channel source to try the relay with: the other side of [`crate::frame`]'s wire format, for any number of clients.
//!
//! It loses, doubles, shuffles and renumbers packets as it is told, always the same way for the same seed. What it sends is
//! films in transport streams, played over and over, or a test pattern by which receivers can tell what has become of it.
//! All clients get the same bytes at the same time from the moment on at which they connect.

mod chance;
mod channel;
mod excerpt;
mod film;
mod pattern;
mod server;
pub mod transport_stream;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

pub use channel::{Channel, Content, Disorder, Numbers, Packet, Restart, RestartTo};
pub use excerpt::whole_pictures;
pub use film::Film;
pub use pattern::{MIN_PATTERN_LEN, PatternError, PatternPacket};
pub use server::{ChannelSource, Clock};

use crate::frame::encode_header;

/// The frames of several channels, interleaved by the time at which they are due.
#[derive(Debug)]
pub struct Frames {
    channels: Vec<Sending>,
    due: BinaryHeap<Reverse<(Duration, usize)>>,
}

#[derive(Debug)]
struct Sending {
    channel: Channel,
    next: Packet,
    /// How much later than the others this channel begins, so that they don't all send at the same moments.
    phase: Duration,
}

impl Frames {
    /// Frames of these channels.
    #[must_use]
    pub fn new(channels: Vec<Channel>) -> Self {
        let count = u32::try_from(channels.len()).unwrap_or(u32::MAX);
        let mut frames = Self { channels: Vec::with_capacity(channels.len()), due: BinaryHeap::new() };
        for (index, mut channel) in channels.into_iter().enumerate() {
            let phase = channel.interval() * index as u32 / count;
            let next = channel.next_packet();
            frames.due.push(Reverse((phase + next.due, index)));
            frames.channels.push(Sending { channel, next, phase });
        }
        frames
    }

    /// When the next frame is due, from the beginning of the stream; never, if there is no channel.
    #[must_use]
    pub fn next_due(&self) -> Duration {
        self.due.peek().map_or(Duration::MAX, |Reverse((due, _))| *due)
    }

    /// Appends the next frame to `out`. Without an `out`, time passes and nobody listens.
    pub fn write_next(&mut self, out: Option<&mut Vec<u8>>) {
        let Some(Reverse((_, index))) = self.due.pop() else { return };
        let Sending { channel, next, phase } = &mut self.channels[index];
        if let Some(out) = out {
            out.extend_from_slice(&encode_header(channel.id(), next.sequence, channel.payload_len()));
            channel.write_payload(*next, out);
        }
        *next = channel.next_packet();
        self.due.push(Reverse((*phase + next.due, index)));
    }
}
