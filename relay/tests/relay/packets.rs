//! Packets that say themselves which they are, so that a stream of them can be checked byte by byte.

use relay::frame::encode_header;

/// What a packet begins with: a mark, its channel, its number, its length.
const HEAD_LEN: usize = 4 + 6 + 8 + 4;

const MARK: &[u8] = b"pkt:";

/// The usual length of a packet of live television.
pub const LEN: usize = 1316;

/// The payload of a channel's packet with this number.
pub fn payload(channel: &str, number: u64, len: usize) -> Vec<u8> {
    assert!(len >= HEAD_LEN);
    let mut payload = Vec::with_capacity(len);
    payload.extend_from_slice(MARK);
    payload.extend_from_slice(channel.as_bytes());
    payload.extend_from_slice(&number.to_be_bytes());
    payload.extend_from_slice(&(len as u32).to_be_bytes());
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while payload.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bytes = state.to_le_bytes();
        let room = (len - payload.len()).min(bytes.len());
        payload.extend_from_slice(&bytes[..room]);
    }
    payload
}

/// A frame as a channel source sends it, with an opaque prefix that isn't zeros.
pub fn frame(channel: &str, sequence: u64, payload: &[u8]) -> Vec<u8> {
    let channel = channel.parse().expect("a channel's name");
    let mut frame = encode_header(channel, sequence, payload.len()).to_vec();
    frame[..5].copy_from_slice(&[0xff, 0, 0x17, b'\n', 0x80]);
    frame.extend_from_slice(payload);
    frame
}

/// The frames of these numbers, in their order.
pub fn frames(channel: &str, numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    numbers.into_iter().flat_map(|number| frame(channel, number, &payload(channel, number, LEN))).collect()
}

/// The stream that viewers of these numbers get.
pub fn stream(channel: &str, numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    numbers.into_iter().flat_map(|number| payload(channel, number, LEN)).collect()
}

/// The numbers of the packets in a stream, which must consist of whole and undamaged packets of one channel; a last one that is
/// cut off is not counted. Gives the bytes of that one as well.
pub fn numbers(channel: &str, stream: &[u8]) -> (Vec<u64>, usize) {
    let (mut rest, mut numbers) = (stream, Vec::new());
    while let Some(head) = rest.get(..HEAD_LEN) {
        let number = u64::from_be_bytes(head[10..18].try_into().expect("eight bytes"));
        let len = u32::from_be_bytes(head[18..22].try_into().expect("four bytes")) as usize;
        assert_eq!((&head[..4], &head[4..10]), (MARK, channel.as_bytes()), "after {} packets", numbers.len());
        let Some(packet) = rest.get(..len) else { break };
        assert!(packet == payload(channel, number, len), "packet {number} is damaged");
        numbers.push(number);
        rest = &rest[len..];
    }
    (numbers, rest.len())
}
