//! The frames of a channel source: a header of 23 bytes, then the payload, back to back, all channels interleaved.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 5 | opaque prefix, ignored whatever it holds |
//! | 5 | 6 | channel id, printable ASCII |
//! | 11 | 8 | sequence number within the channel, u64 big-endian |
//! | 19 | 4 | payload length N, u32 big-endian; 0 is legal |
//! | 23 | N | payload, opaque |
//!
//! Nothing in a frame says where it begins, so a reader that has lost its place can only notice, not recover: a length
//! above the limit ends the connection at once, before a byte of that payload is waited for, and so do three frames in a row
//! whose channel id can't be one. A single such frame with a possible length is passed over, its payload with it.

use live::ChannelId;
use thiserror::Error;

/// Bytes before the payload.
pub const HEADER_LEN: usize = 23;

const CHANNEL: usize = 5;
const SEQUENCE: usize = CHANNEL + ChannelId::LEN;
const LENGTH: usize = SEQUENCE + size_of::<u64>();

/// So many frames in a row without a channel id mean that what is read are no frames.
const SKIPPED_MAX: u8 = 3;

/// What a frame says about its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The channel that the payload belongs to.
    pub channel: ChannelId,
    /// The packet's number within its channel.
    pub sequence: u64,
    /// The payload's length in bytes.
    pub payload_len: usize,
}

/// What the beginning of the input is.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// A whole frame.
    Frame {
        /// What its header says.
        header: Header,
        /// Its payload, where it lies in the input.
        payload: &'a [u8],
        /// Bytes to consume, header included.
        len: usize,
    },
    /// A whole frame with an unprintable channel id and a possible length: to be ignored.
    Skipped {
        /// Bytes to consume, header included.
        len: usize,
    },
    /// Not yet a whole frame.
    Incomplete {
        /// At least so many bytes more are needed; never more than a header and the largest payload.
        missing: usize,
    },
    /// Not frames, or not for us: the connection is to be dropped.
    Broken(FrameError),
}

/// Why the input can't be read any further.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// The header announces a payload above the limit.
    #[error("a payload of {length} bytes is announced where at most {limit} are accepted")]
    PayloadTooLong {
        /// The length announced, in bytes.
        length: usize,
        /// The largest length accepted, in bytes.
        limit: usize,
    },
    /// Three frames in a row had an unprintable channel id.
    #[error("three frames in a row without a channel id: these are no frames")]
    NoFrames,
}

/// Reads the frames of one connection. It holds no bytes, only what it must remember from one frame to the next.
#[derive(Debug)]
pub struct Decoder {
    max_payload: usize,
    skipped_in_a_row: u8,
}

impl Decoder {
    /// A decoder for a new connection that refuses payloads of more than `max_payload` bytes.
    #[must_use]
    pub fn new(max_payload: usize) -> Self {
        Self { max_payload, skipped_in_a_row: 0 }
    }

    /// Looks at the frame at the beginning of `input`. May be asked again with more input after [`Parsed::Incomplete`]; after
    /// [`Parsed::Frame`] and [`Parsed::Skipped`] the caller consumes `len` bytes before it asks again.
    #[inline]
    pub fn parse<'a>(&mut self, input: &'a [u8]) -> Parsed<'a> {
        let Some((header, rest)) = input.split_first_chunk::<HEADER_LEN>() else {
            return Parsed::Incomplete { missing: HEADER_LEN - input.len() };
        };
        let payload_len = u32::from_be_bytes(field(header, LENGTH)) as usize;
        if payload_len > self.max_payload {
            return Parsed::Broken(FrameError::PayloadTooLong {
                length: payload_len,
                limit: self.max_payload,
            });
        }
        let Some(payload) = rest.get(..payload_len) else {
            return Parsed::Incomplete { missing: payload_len - rest.len() };
        };
        let len = HEADER_LEN + payload_len;
        let Some(channel) = ChannelId::from_bytes(field(header, CHANNEL)) else {
            self.skipped_in_a_row += 1;
            if self.skipped_in_a_row >= SKIPPED_MAX {
                self.skipped_in_a_row = SKIPPED_MAX - 1;
                return Parsed::Broken(FrameError::NoFrames);
            }
            return Parsed::Skipped { len };
        };
        self.skipped_in_a_row = 0;
        let header = Header { channel, sequence: u64::from_be_bytes(field(header, SEQUENCE)), payload_len };
        Parsed::Frame { header, payload, len }
    }
}

/// The `N` bytes of the header from `offset` on.
#[inline]
fn field<const N: usize>(header: &[u8; HEADER_LEN], offset: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[offset..offset + N]);
    bytes
}

/// The header of a frame, its prefix zeros. Lengths beyond a u32 can't be written and don't occur: a payload is bounded by
/// what a [`Decoder`] accepts.
#[must_use]
pub fn encode_header(channel: ChannelId, sequence: u64, payload_len: usize) -> [u8; HEADER_LEN] {
    debug_assert!(u32::try_from(payload_len).is_ok());
    let mut header = [0; HEADER_LEN];
    header[CHANNEL..SEQUENCE].copy_from_slice(channel.as_bytes());
    header[SEQUENCE..LENGTH].copy_from_slice(&sequence.to_be_bytes());
    header[LENGTH..].copy_from_slice(&(payload_len as u32).to_be_bytes());
    header
}

#[cfg(test)]
mod tests;
