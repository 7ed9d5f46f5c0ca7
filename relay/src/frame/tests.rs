use proptest::prelude::*;

use super::*;

const LIMIT: usize = 4_000;

fn channel() -> ChannelId {
    "zato01".parse().expect("six printable characters")
}

fn frame(prefix: [u8; 5], channel: [u8; 6], sequence: u64, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32;
    [&prefix[..], &channel, &sequence.to_be_bytes(), &length.to_be_bytes(), payload].concat()
}

type Frames = Vec<(Header, Vec<u8>)>;

/// The frames in the input, which comes in pieces, how many were skipped, and why it ends early, if it does.
fn read_in_pieces(
    input: &[u8],
    pieces: impl IntoIterator<Item = usize>,
) -> (Frames, usize, Option<FrameError>) {
    let mut decoder = Decoder::new(LIMIT);
    let (mut frames, mut skipped) = (Vec::new(), 0);
    let (mut from, mut to) = (0, 0);
    for piece in pieces.into_iter().chain([input.len()]) {
        to = input.len().min(to + piece);
        loop {
            match decoder.parse(&input[from..to]) {
                Parsed::Frame { header, payload, len } => {
                    assert_eq!(len, HEADER_LEN + payload.len());
                    frames.push((header, payload.to_vec()));
                    from += len;
                }
                Parsed::Skipped { len } => {
                    skipped += 1;
                    from += len;
                }
                Parsed::Incomplete { missing } => {
                    assert!(missing > 0, "more is asked for");
                    assert!(to - from + missing <= HEADER_LEN + LIMIT, "but not more than the largest frame");
                    break;
                }
                Parsed::Broken(error) => return (frames, skipped, Some(error)),
            }
        }
    }
    (frames, skipped, None)
}

#[test]
fn a_frame_is_as_the_contract_says() {
    let bytes = b"\0\0\0\0\0zato01\0\0\0\0\0\0\x01\x02\0\0\0\x03abcNEXT";
    let header = Header { channel: channel(), sequence: 258, payload_len: 3 };
    assert_eq!(Decoder::new(LIMIT).parse(bytes), Parsed::Frame { header, payload: b"abc", len: 26 });
    assert_eq!(encode_header(channel(), 258, 3), bytes[..HEADER_LEN]);
}

#[test]
fn a_frame_without_payload_is_legal() {
    let bytes = encode_header(channel(), u64::MAX, 0);
    let header = Header { channel: channel(), sequence: u64::MAX, payload_len: 0 };
    assert_eq!(Decoder::new(LIMIT).parse(&bytes), Parsed::Frame { header, payload: b"", len: HEADER_LEN });
}

#[test]
fn a_length_of_4_gb_breaks_at_once() {
    let mut bytes = encode_header(channel(), 1, 0);
    bytes[LENGTH..].fill(0xff);
    let error = FrameError::PayloadTooLong { length: u32::MAX as usize, limit: LIMIT };
    assert_eq!(Decoder::new(LIMIT).parse(&bytes), Parsed::Broken(error));
    assert_eq!(Decoder::new(LIMIT).parse(&bytes[..HEADER_LEN - 1]), Parsed::Incomplete { missing: 1 });
}

#[test]
fn the_largest_payload_is_accepted_and_one_byte_more_is_not() {
    let largest = frame([0; 5], *b"zato01", 1, &[7; LIMIT]);
    assert!(matches!(Decoder::new(LIMIT).parse(&largest), Parsed::Frame { .. }));
    let larger = encode_header(channel(), 1, LIMIT + 1);
    assert!(matches!(Decoder::new(LIMIT).parse(&larger), Parsed::Broken(FrameError::PayloadTooLong { .. })));
}

#[test]
fn two_frames_without_a_channel_are_passed_over_and_three_in_a_row_break() {
    let good = frame([0; 5], *b"zato01", 1, b"good");
    let bad = frame([0; 5], *b"zat\n01", 1, b"bad");
    let (frames, skipped, error) = read_in_pieces(&[&bad[..], &bad, &good, &bad, &bad, &good].concat(), []);
    assert_eq!((frames.len(), skipped, error), (2, 4, None));
    let (frames, skipped, error) = read_in_pieces(&[&good[..], &bad, &bad, &bad, &good].concat(), []);
    assert_eq!((frames.len(), skipped, error), (1, 2, Some(FrameError::NoFrames)));
}

#[test]
fn a_frame_without_a_channel_is_counted_once_however_often_one_asks() {
    let bad = frame([0; 5], [0; 6], 1, b"bad");
    let mut decoder = Decoder::new(LIMIT);
    for _ in 0..10 {
        assert_eq!(decoder.parse(&bad[..bad.len() - 1]), Parsed::Incomplete { missing: 1 });
    }
    assert_eq!(decoder.parse(&bad), Parsed::Skipped { len: bad.len() });
}

#[derive(Clone, Debug)]
struct Sent {
    prefix: [u8; 5],
    channel: [u8; 6],
    sequence: u64,
    payload: Vec<u8>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let channel = prop_oneof![9 => "[!-~]{6}".prop_map(|id| id.into_bytes()), 1 => Just(b"zat o1".to_vec())];
    let length = prop_oneof![0..3_usize, Just(188), Just(1_316), Just(LIMIT)];
    (any::<[u8; 5]>(), channel, any::<u64>(), length, any::<u8>()).prop_map(
        |(prefix, channel, sequence, length, fill)| Sent {
            prefix,
            channel: channel.try_into().expect("six characters"),
            sequence,
            payload: vec![fill; length],
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_are_the_same_however_they_are_cut(
        sent in prop::collection::vec(sent(), 0..30),
        pieces in prop::collection::vec(prop_oneof![1..30_usize, 1..3_000_usize], 0..100),
    ) {
        let input: Vec<u8> = sent
            .iter()
            .flat_map(|sent| frame(sent.prefix, sent.channel, sent.sequence, &sent.payload))
            .collect();
        let bad = |sent: &&Sent| ChannelId::from_bytes(sent.channel).is_none();
        let broken = sent.windows(3).position(|three| three.iter().all(|sent| bad(&sent)));
        let readable = &sent[..broken.map_or(sent.len(), |first| first + 2)];
        let expected: Vec<_> = readable
            .iter()
            .filter_map(|sent| {
                let channel = ChannelId::from_bytes(sent.channel)?;
                let header = Header { channel, sequence: sent.sequence, payload_len: sent.payload.len() };
                Some((header, sent.payload.clone()))
            })
            .collect();
        let (frames, skipped, error) = read_in_pieces(&input, pieces);
        prop_assert!(frames == expected);
        prop_assert_eq!(skipped, readable.iter().filter(bad).count());
        prop_assert_eq!(error, broken.map(|_| FrameError::NoFrames));
        prop_assert!(read_in_pieces(&input, vec![1; input.len()]) == (frames, skipped, error));
    }

    #[test]
    fn garbage_never_panics_nor_asks_for_more_than_a_frame(
        garbage in prop::collection::vec(any::<u8>(), 0..5_000),
        small in any::<bool>(),
        pieces in prop::collection::vec(1..200_usize, 0..100),
    ) {
        let mut garbage = garbage;
        if small {
            // Lengths that are possible, so that it gets further than the first header.
            for length in garbage.chunks_mut(HEADER_LEN).filter_map(|chunk| chunk.get_mut(LENGTH..)) {
                length.iter_mut().take(3).for_each(|byte| *byte = 0);
            }
        }
        read_in_pieces(&garbage, pieces);
    }
}
