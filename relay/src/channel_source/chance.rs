//! Chance that can be repeated: what happens to a packet follows from the seed, its channel and its serial number alone,
//! whoever asks and whenever. So one seed is one stream, and a test can say beforehand which packets are lost.

use live::ChannelId;

/// A short row of random numbers for one packet (SplitMix64, by Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014).
pub(super) struct Chance(u64);

impl Chance {
    pub fn new(seed: u64, channel: ChannelId, serial: u64) -> Self {
        let mut channel_number = [0; 8];
        channel_number[..ChannelId::LEN].copy_from_slice(channel.as_bytes());
        // Mixed in one after another: neighbouring serials must not give rows that are shifts of each other.
        let mut chance = Self(seed);
        chance.0 = chance.next() ^ u64::from_be_bytes(channel_number);
        chance.0 = chance.next() ^ serial;
        chance.0 = chance.next();
        chance
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0. What the remainder favours is immaterial at such sizes.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Whether something of this probability happens.
    pub fn happens(&mut self, probability: f64) -> bool {
        // 53 bits are what an f64 holds exactly.
        ((self.next() >> 11) as f64) < probability * (1_u64 << 53) as f64
    }
}
