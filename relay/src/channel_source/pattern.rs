//! A test pattern: payloads that say what they are, so that whoever receives them can tell whether each is whole, of the right
//! channel and in its place.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | `MPAT` |
//! | 4 | 6 | channel id |
//! | 10 | 8 | sequence number on the wire, u64 big-endian |
//! | 18 | 8 | serial: counts the channel's packets from 0 and never restarts, u64 big-endian |
//! | 26 | 4 | length of the payload, u32 big-endian |
//! | 30 | 8 | FNV-1a of all other bytes, u64 big-endian |
//! | 38 | | noise that follows from channel and serial |

use live::ChannelId;
use thiserror::Error;

use super::chance::Chance;

/// The shortest payload that holds the pattern, in bytes.
pub const MIN_PATTERN_LEN: usize = 38;

const MAGIC: &[u8; 4] = b"MPAT";
const CHECKSUM: std::ops::Range<usize> = 30..MIN_PATTERN_LEN;

/// What a payload of the test pattern says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatternPacket {
    /// The channel that it was sent on.
    pub channel: ChannelId,
    /// Its sequence number on the wire.
    pub sequence: u64,
    /// How many packets the channel had before it, whatever became of the sequence numbers.
    pub serial: u64,
    /// Length of the payload in bytes.
    pub len: usize,
}

/// Why bytes are not the test pattern.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PatternError {
    /// A payload would begin here, and none does.
    #[error("no payload of the test pattern begins here")]
    NotThere,
    /// The checksum doesn't match.
    #[error("the payload of serial {serial} is damaged")]
    Damaged {
        /// What the payload says that its serial is.
        serial: u64,
    },
}

impl PatternPacket {
    /// Appends the payload to `out`. `len` is at least [`MIN_PATTERN_LEN`].
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(self.channel.as_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.serial.to_be_bytes());
        out.extend_from_slice(&(self.len as u32).to_be_bytes());
        out.extend_from_slice(&[0; 8]);
        let mut noise = Chance::new(0, self.channel, self.serial);
        while out.len() < start + self.len {
            let word = noise.next().to_be_bytes();
            let missing = start + self.len - out.len();
            out.extend_from_slice(&word[..missing.min(word.len())]);
        }
        let checksum = checksum(&out[start..]);
        out[start..][CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
    }

    /// Reads the payload at the beginning of `input`; none while it isn't whole yet.
    ///
    /// # Errors
    /// When what is there is no payload of the test pattern, or a damaged one.
    pub fn read(input: &[u8]) -> Result<Option<Self>, PatternError> {
        let Some((header, _)) = input.split_first_chunk::<MIN_PATTERN_LEN>() else { return Ok(None) };
        let len = u32::from_be_bytes(bytes(header, 26)) as usize;
        let channel = ChannelId::from_bytes(bytes(header, 4));
        let (true, Some(channel), true) = (header.starts_with(MAGIC), channel, len >= MIN_PATTERN_LEN) else {
            return Err(PatternError::NotThere);
        };
        let Some(payload) = input.get(..len) else { return Ok(None) };
        let sequence = u64::from_be_bytes(bytes(header, 10));
        let serial = u64::from_be_bytes(bytes(header, 18));
        if u64::from_be_bytes(bytes(header, CHECKSUM.start)) != checksum(payload) {
            return Err(PatternError::Damaged { serial });
        }
        Ok(Some(Self { channel, sequence, serial, len }))
    }

    /// Reads all whole payloads of a stream, back to back, and says how many bytes they take.
    ///
    /// # Errors
    /// When between them, or instead of them, there is something else.
    pub fn read_all(mut input: &[u8]) -> Result<(Vec<Self>, usize), PatternError> {
        let (mut packets, whole) = (Vec::new(), input.len());
        while let Some(packet) = Self::read(input)? {
            input = &input[packet.len..];
            packets.push(packet);
        }
        Ok((packets, whole - input.len()))
    }
}

/// The `N` bytes of the header from `offset` on.
fn bytes<const N: usize>(header: &[u8; MIN_PATTERN_LEN], offset: usize) -> [u8; N] {
    std::array::from_fn(|at| header[offset + at])
}

/// FNV-1a of everything but the checksum itself.
fn checksum(payload: &[u8]) -> u64 {
    let covered = payload[..CHECKSUM.start].iter().chain(&payload[CHECKSUM.end..]);
    covered.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(serial: u64, len: usize) -> PatternPacket {
        PatternPacket { channel: "zato01".parse().unwrap(), sequence: serial + 7, serial, len }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(serial: u64, len in MIN_PATTERN_LEN..2000) {
            let packet = PatternPacket { sequence: !serial, ..packet(0, len) };
            let mut out = Vec::new();
            packet.write(&mut out);
            prop_assert_eq!(out.len(), len);
            prop_assert_eq!(PatternPacket::read(&out), Ok(Some(packet)));
            prop_assert_eq!(PatternPacket::read(&out[..len - 1]), Ok(None));
        }

        #[test]
        fn any_damage_is_noticed(len in MIN_PATTERN_LEN..300, at: prop::sample::Index, flipped in 1..=255_u8) {
            let (mut out, at) = (Vec::new(), at.index(len));
            packet(9, len).write(&mut out);
            out[at] ^= flipped;
            // A longer length makes it wait for more; everything else is an error.
            if let Ok(read) = PatternPacket::read(&out) {
                prop_assert!(read.is_none() && (26..30).contains(&at));
            }
        }
    }

    #[test]
    fn a_stream_is_read_to_its_last_whole_payload() {
        let mut stream = Vec::new();
        for serial in 0..5 {
            packet(serial, 188).write(&mut stream);
        }
        let (packets, len) = PatternPacket::read_all(&stream[..188 * 4 + 100]).unwrap();
        assert_eq!(packets.iter().map(|packet| packet.serial).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(len, 188 * 4);
        assert_eq!(PatternPacket::read_all(&stream[1..]), Err(PatternError::NotThere));
    }
}
