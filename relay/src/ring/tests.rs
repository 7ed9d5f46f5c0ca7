use proptest::prelude::*;

use super::*;

/// The ring as a vector that forgets nothing.
#[derive(Default)]
struct Model {
    bytes: Vec<u8>,
    starts: Vec<u64>,
    tail: u64,
}

impl Model {
    fn head(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn push(&mut self, packet: &[u8], capacity: usize) {
        if packet.is_empty() || packet.len() > capacity {
            return;
        }
        self.starts.push(self.head());
        self.bytes.extend_from_slice(packet);
        self.tail = self.tail.max(self.head().saturating_sub(capacity as u64));
        let whole: Vec<u64> = self.starts.iter().copied().filter(|start| *start >= self.tail).collect();
        if let Some(excess) = whole.len().checked_sub(capacity / BYTES_PER_PACKET_MIN)
            && excess > 0
        {
            self.tail = whole[excess];
        }
    }

    fn boundary_at_or_after(&self, position: u64) -> u64 {
        self.starts.iter().copied().find(|start| *start >= position).unwrap_or(self.head())
    }
}

fn packet(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7 + seed * 31) as u8).collect()
}

/// All that can be read from a position, slice by slice.
fn read(ring: &Ring, mut from: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while from != ring.head() {
        let slice = ring.slice(from)?;
        assert!(!slice.is_empty(), "a reader makes progress");
        bytes.extend_from_slice(slice);
        from += slice.len() as u64;
    }
    Some(bytes)
}

#[test]
fn a_packet_larger_than_the_ring_is_dropped_whole() {
    let mut ring = Ring::new(64);
    ring.push(b"before");
    ring.push(&[1; 65]);
    assert_eq!((ring.head(), ring.oversized()), (6, 1));
    ring.push(&[2; 64]);
    assert_eq!((ring.tail(), ring.head(), ring.oversized()), (6, 70, 1));
    assert_eq!(read(&ring, 6), Some(vec![2; 64]));
}

#[test]
fn what_was_overwritten_or_never_written_cannot_be_read() {
    let mut ring = Ring::new(64);
    for _ in 0..3 {
        ring.push(&[0; 40]);
    }
    assert_eq!(ring.slice(55), None);
    assert!(ring.slice(56).is_some());
    assert_eq!(ring.slice(120), Some(&[][..]));
    assert_eq!(ring.slice(121), None);
    assert!(!ring.is_boundary(40), "this packet is overwritten");
    assert_eq!(ring.boundary_at_or_after(40), 80);
}

#[test]
fn a_ring_of_tiny_packets_keeps_few_boundaries() {
    let mut ring = Ring::new(1 << 16);
    for _ in 0..1 << 17 {
        ring.push(&[5]);
    }
    assert_eq!(ring.starts.len(), (1 << 16) / BYTES_PER_PACKET_MIN);
    assert_eq!(ring.head() - ring.tail(), ring.starts.len() as u64);
    assert_eq!(ring.boundary_at_or_after(0), ring.tail());
}

#[test]
fn positions_beyond_32_bits_work_alike() {
    let mut ring = Ring::new(64);
    ring.head = (1 << 32) - 20;
    ring.tail = ring.head;
    for seed in 0..3 {
        ring.push(&packet(17, seed));
    }
    let start = (1 << 32) - 20;
    assert_eq!(read(&ring, start + 17), Some([packet(17, 1), packet(17, 2)].concat()));
    assert_eq!(ring.boundary_at_or_after(start + 1), start + 17);
    assert_eq!(ring.boundary_at_or_after(start + 18), start + 34);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_ring_holds_the_end_of_what_was_pushed(
        capacity in 1..5_000_usize,
        lengths in prop::collection::vec(prop_oneof![0..40_usize, 0..400_usize, Just(188)], 1..200),
        probes in prop::collection::vec(any::<prop::sample::Index>(), 8),
    ) {
        let mut ring = Ring::new(capacity);
        let mut model = Model::default();
        let mut oversized = 0;
        for (seed, length) in lengths.into_iter().enumerate() {
            let packet = packet(length, seed);
            ring.push(&packet);
            model.push(&packet, ring.capacity());
            oversized += u64::from(length > ring.capacity());
            prop_assert_eq!(ring.head(), model.head());
            prop_assert_eq!(ring.tail(), model.tail);
            prop_assert_eq!(ring.oversized(), oversized);
            for probe in &probes {
                let position = probe.index(model.bytes.len() + 2) as u64;
                let readable = (ring.tail()..=ring.head()).contains(&position);
                let expected = readable.then(|| model.bytes[position as usize..].to_vec());
                prop_assert_eq!(read(&ring, position), expected.filter(|_| position <= ring.head()));
                let boundary = model.boundary_at_or_after(position.max(ring.tail()));
                prop_assert_eq!(ring.boundary_at_or_after(position), boundary);
                prop_assert_eq!(ring.is_boundary(position), readable && boundary == position);
            }
        }
    }
}
