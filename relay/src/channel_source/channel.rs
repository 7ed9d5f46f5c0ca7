//! One channel: which packet is sent when, in which order and under which number.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use live::ChannelId;

use super::chance::Chance;
use super::film::Film;
use super::pattern::PatternPacket;

/// What a channel carries.
#[derive(Clone, Debug)]
pub enum Content {
    /// The test pattern at this many bits of payload per second.
    Pattern {
        /// More than 0.
        bits_per_second: u64,
    },
    /// A film without end, at its own speed.
    Film(Arc<Film>),
}

/// What the way from the source does to packets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disorder {
    /// A packet is sent up to so many packets later than it should be; 0 keeps the order.
    pub shuffle_window: u64,
    /// Probability that a packet is never sent.
    pub loss: f64,
    /// Probability that a packet is sent twice.
    pub duplicates: f64,
    /// Another seed is another stream, the same seed the same one.
    pub seed: u64,
}

/// How packets are numbered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers {
    /// The first packet's.
    pub first: u64,
    /// Whether they start anew now and then. Packets that are still on their shuffled way keep their old numbers.
    pub restart: Option<Restart>,
}

/// The numbers start anew.
#[derive(Clone, Copy, Debug)]
pub struct Restart {
    /// How often.
    pub every: Duration,
    /// Where.
    pub to: RestartTo,
}

/// Where numbers start anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RestartTo {
    /// At the first number again.
    Lower,
    /// Far above the last one.
    Higher,
}

/// How far above.
const HIGHER_BY: u64 = 1 << 40;

/// A packet about to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When, from the beginning of the stream.
    pub due: Duration,
    /// Its number on the wire.
    pub sequence: u64,
    /// How many packets the channel had before it.
    pub serial: u64,
}

/// The packets of one channel in the order in which they are sent, without end.
#[derive(Debug)]
pub struct Channel {
    id: ChannelId,
    content: Content,
    payload_len: usize,
    disorder: Disorder,
    numbers: Numbers,
    next_serial: u64,
    next_sequence: u64,
    next_restart: Duration,
    /// By the slot in which they are sent, then by a draw.
    on_their_way: BinaryHeap<Reverse<(u64, u64, u64, u64)>>,
}

impl Channel {
    /// A channel at its beginning. Payloads of films are whole transport packets, so `payload_len` is a multiple of 188 for them.
    #[must_use]
    pub fn new(
        id: ChannelId,
        content: Content,
        payload_len: usize,
        disorder: Disorder,
        numbers: Numbers,
    ) -> Self {
        Self {
            id,
            content,
            payload_len,
            disorder,
            numbers,
            next_serial: 0,
            next_sequence: numbers.first,
            next_restart: numbers.restart.map_or(Duration::MAX, |restart| restart.every),
            on_their_way: BinaryHeap::new(),
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> ChannelId {
        self.id
    }

    /// The next packet to send.
    pub fn next_packet(&mut self) -> Packet {
        loop {
            // What is admitted later can't be due earlier than its own slot.
            if let Some(Reverse((slot, ..))) = self.on_their_way.peek()
                && *slot < self.next_serial
                && let Some(Reverse((slot, _, serial, sequence))) = self.on_their_way.pop()
            {
                return Packet { due: self.content.due(slot, self.payload_len), sequence, serial };
            }
            self.admit();
        }
    }

    /// Appends a packet's payload to `out`.
    pub fn write_payload(&self, packet: Packet, out: &mut Vec<u8>) {
        match &self.content {
            Content::Pattern { .. } => {
                let Packet { sequence, serial, .. } = packet;
                PatternPacket { channel: self.id, sequence, serial, len: self.payload_len }.write(out);
            }
            Content::Film(film) => {
                let count = (self.payload_len / Film::PACKET_LEN) as u64;
                for number in packet.serial * count..(packet.serial + 1) * count {
                    film.write_packet(number, out);
                }
            }
        }
    }

    /// The length of each payload in bytes.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.payload_len
    }

    /// The time between the first two packets.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.content.due(1, self.payload_len)
    }

    /// Sends the next packet on its way, or loses it.
    fn admit(&mut self) {
        let serial = self.next_serial;
        self.next_serial += 1;
        if let Some(restart) = self.numbers.restart
            && self.content.due(serial, self.payload_len) >= self.next_restart
        {
            self.next_restart += restart.every;
            self.next_sequence = match restart.to {
                RestartTo::Lower => self.numbers.first,
                RestartTo::Higher => self.next_sequence.wrapping_add(HIGHER_BY),
            };
        }
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1);
        let Disorder { shuffle_window, loss, duplicates, seed } = self.disorder;
        let mut chance = Chance::new(seed, self.id, serial);
        let (lost, twice) = (chance.happens(loss), chance.happens(duplicates));
        if lost {
            return;
        }
        for copy in 0..1 + u64::from(twice) {
            let slot = serial + copy + chance.below(shuffle_window + 1);
            // Without a shuffle, order within a slot must stay: a duplicate of the packet before comes first then.
            let draw = if shuffle_window == 0 { serial } else { chance.next() };
            self.on_their_way.push(Reverse((slot, draw, serial, sequence)));
        }
    }
}

impl Content {
    /// When the payload in this slot is sent, from the beginning of the stream.
    fn due(&self, slot: u64, payload_len: usize) -> Duration {
        match self {
            Self::Pattern { bits_per_second } => {
                let nanos = u128::from(slot) * payload_len as u128 * 8 * 1_000_000_000;
                nanoseconds(nanos / u128::from(*bits_per_second))
            }
            Self::Film(film) => film.due(slot * (payload_len / Film::PACKET_LEN) as u64),
        }
    }
}

fn nanoseconds(count: u128) -> Duration {
    Duration::from_nanos(u64::try_from(count).unwrap_or(u64::MAX))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const PATTERN: Content = Content::Pattern { bits_per_second: 1_000_000 };

    fn channel(disorder: Disorder, numbers: Numbers) -> Channel {
        Channel::new("zato01".parse().unwrap(), PATTERN, 1316, disorder, numbers)
    }

    fn packets(channel: &mut Channel, count: usize) -> Vec<Packet> {
        (0..count).map(|_| channel.next_packet()).collect()
    }

    proptest! {
        #[test]
        fn whatever_happens_nothing_is_early_and_nothing_is_late_by_more_than_the_window(
            shuffle_window in 0..100_u64, loss in 0.0..0.5, duplicates in 0.0..0.5, seed: u64, first: u64,
        ) {
            let disorder = Disorder { shuffle_window, loss, duplicates, seed };
            let numbers = Numbers { first, restart: None };
            let sent = packets(&mut channel(disorder, numbers), 2000);
            prop_assert!(sent.is_sorted_by_key(|packet| packet.due));
            let mut copies: BTreeMap<u64, u32> = BTreeMap::new();
            for packet in &sent {
                prop_assert_eq!(packet.sequence, first.wrapping_add(packet.serial));
                let earliest = PATTERN.due(packet.serial, 1316);
                let latest = PATTERN.due(packet.serial + shuffle_window + 1, 1316);
                prop_assert!((earliest..=latest).contains(&packet.due));
                *copies.entry(packet.serial).or_default() += 1;
            }
            prop_assert!(copies.values().all(|count| *count <= 2));
            prop_assert_eq!(sent, packets(&mut channel(disorder, numbers), 2000), "the same seed");
        }
    }

    #[test]
    fn an_orderly_channel_sends_every_packet_once_at_its_time() {
        let sent = packets(&mut channel(Disorder::default(), Numbers::default()), 1000);
        for (serial, packet) in sent.iter().enumerate() {
            assert_eq!((packet.serial, packet.sequence), (serial as u64, serial as u64));
            assert_eq!(packet.due.as_nanos(), serial as u128 * 10_528_000);
        }
    }

    #[test]
    fn loss_and_duplicates_are_as_frequent_as_asked_for() {
        let disorder = Disorder { loss: 0.1, duplicates: 0.05, seed: 3, ..Disorder::default() };
        let sent = packets(&mut channel(disorder, Numbers::default()), 100_000);
        let last = sent.iter().map(|packet| packet.serial).max().unwrap() as f64;
        let distinct =
            sent.iter().map(|packet| packet.serial).collect::<std::collections::BTreeSet<_>>().len();
        assert!((distinct as f64 / last - 0.9).abs() < 0.01, "{distinct} of {last}");
        assert!((sent.len() as f64 / distinct as f64 - 1.05).abs() < 0.01);
    }

    #[test]
    fn numbers_restart_lower_or_higher_on_time() {
        for (to, second) in [(RestartTo::Lower, 50), (RestartTo::Higher, 50 + 95 + HIGHER_BY)] {
            let restart = Some(Restart { every: Duration::from_secs(1), to });
            let sent = packets(&mut channel(Disorder::default(), Numbers { first: 50, restart }), 150);
            // 95 packets of 10.528 ms begin in the first second.
            assert_eq!(sent[94].sequence, 50 + 94);
            assert_eq!((sent[95].serial, sent[95].sequence), (95, second));
            assert_eq!(sent[149].sequence, second + 54);
        }
    }

    #[test]
    fn another_seed_is_another_stream() {
        let shuffled = |seed| {
            let disorder = Disorder { shuffle_window: 8, seed, ..Disorder::default() };
            packets(&mut channel(disorder, Numbers::default()), 100)
        };
        assert_ne!(shuffled(1), shuffled(2));
    }
}
