//! What each server is told and what it sends: the publisher's frames in, the viewers' frames out.
//!
//! Every payload begins with its number and the moment at which it was handed over, so that viewers can see that
//! nothing is missing, nothing is out of order, and how long it took. The frames that a viewer gets all have one length
//! within a round, whatever the server, so a viewer checks 8 bytes a packet and looks at nothing else.

use crate::server::Kind;

/// The channel of every scenario, the subject in NATS and the channel in Redis.
pub const CHANNEL: &str = "zato01";

/// Bytes at the start of a payload that say which packet it is: its number and the time, u64 little-endian each.
pub const STAMP_LEN: usize = 16;

/// How a packet comes to a viewer: so many bytes before the payload, and after it.
#[derive(Clone, Copy, Debug)]
pub struct Framing {
    pub before: usize,
    pub payload: usize,
    pub after: usize,
    /// What a packet begins with, where the server also sends other lines (NATS asks `PING`).
    pub first_byte: Option<u8>,
    /// False where there is nothing to check: the raw loop repeats one buffer.
    pub checked: bool,
}

/// The framing of what `kind` sends to viewers for payloads of this length.
pub fn framing(kind: Kind, payload: usize) -> Framing {
    let (before, after, first_byte) = match kind {
        Kind::Relay | Kind::RawLoop => (0, 0, None),
        Kind::Nats => (format!("MSG {CHANNEL} 1 {payload}\r\n").len(), 2, Some(b'M')),
        Kind::Redis => {
            let head = format!("*3\r\n$7\r\nmessage\r\n${}\r\n{CHANNEL}\r\n${payload}\r\n", CHANNEL.len());
            (head.len(), 2, None)
        }
    };
    Framing { before, payload, after, first_byte, checked: kind != Kind::RawLoop }
}

/// A frame of the relay's source, of a channel that nobody watches; always the same number, so a duplicate from the second on.
pub fn other_channel() -> Vec<u8> {
    [&[0; 5][..], b"other0", &[0; 7], &[7, 0, 0, 0, 1], b"."].concat()
}

/// Frames for the server's publishing side, made once and stamped again and again.
pub struct Frames {
    bytes: Vec<u8>,
    frame_len: usize,
    before: usize,
    kind: Kind,
}

impl Frames {
    /// Room for `count` packets with payloads of `payload` bytes.
    pub fn new(kind: Kind, payload: usize, count: usize) -> Self {
        let before: Vec<u8> = match kind {
            Kind::Relay | Kind::RawLoop => {
                let mut head = vec![0; 5];
                head.extend_from_slice(CHANNEL.as_bytes());
                head.extend_from_slice(&[0; 8]);
                head.extend_from_slice(&u32::try_from(payload).unwrap_or(u32::MAX).to_be_bytes());
                head
            }
            Kind::Nats => format!("PUB {CHANNEL} {payload}\r\n").into_bytes(),
            Kind::Redis => {
                format!("*3\r\n$7\r\nPUBLISH\r\n${}\r\n{CHANNEL}\r\n${payload}\r\n", CHANNEL.len())
                    .into_bytes()
            }
        };
        let after: &[u8] = if matches!(kind, Kind::Relay | Kind::RawLoop) { b"" } else { b"\r\n" };
        let filler: Vec<u8> = (0..payload).map(|at| (at * 31 % 251) as u8).collect();
        let frame = [&before[..], &filler, after].concat();
        Self { bytes: frame.repeat(count), frame_len: frame.len(), before: before.len(), kind }
    }

    /// The first `count` frames, numbered from `sequence`, handed over at `now_ns`.
    pub fn stamped(&mut self, sequence: u64, count: usize, now_ns: u64) -> &[u8] {
        for (frame, sequence) in self.bytes.chunks_exact_mut(self.frame_len).take(count).zip(sequence..) {
            let payload = &mut frame[self.before..];
            payload[..8].copy_from_slice(&sequence.to_le_bytes());
            payload[8..STAMP_LEN].copy_from_slice(&now_ns.to_le_bytes());
            if self.kind == Kind::Relay {
                frame[11..19].copy_from_slice(&sequence.to_be_bytes());
            }
        }
        &self.bytes[..self.frame_len * count]
    }
}
