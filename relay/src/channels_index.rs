//! Which of the relay's channels a frame is for.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use live::ChannelId;

/// Channels by id, numbered from 0 so that what is known of a channel can lie in a `Vec`; the number of a removed one goes to
/// the next that is added. A frame often is for the channel of the frame before, and that costs one comparison.
#[derive(Debug, Default)]
pub struct ChannelsIndex {
    numbers: HashMap<u64, usize, RandomState>,
    free: Vec<usize>,
    latest: Option<(u64, usize)>,
}

impl ChannelsIndex {
    /// The number of a channel, if it was added.
    #[inline]
    pub fn find(&mut self, channel: ChannelId) -> Option<usize> {
        let key = key(channel);
        if let Some((latest, number)) = self.latest
            && latest == key
        {
            return Some(number);
        }
        let number = *self.numbers.get(&key)?;
        self.latest = Some((key, number));
        Some(number)
    }

    /// Adds a channel and says its number: the lowest never given, or that of a removed channel. The number of one that is
    /// already there doesn't change.
    pub fn add(&mut self, channel: ChannelId) -> usize {
        // Numbers are given without holes but for the free ones.
        let unused = self.numbers.len() + self.free.len();
        let free = &mut self.free;
        *self.numbers.entry(key(channel)).or_insert_with(|| free.pop().unwrap_or(unused))
    }

    /// Removes a channel and says the number that it had.
    pub fn remove(&mut self, channel: ChannelId) -> Option<usize> {
        self.latest = None;
        let number = self.numbers.remove(&key(channel))?;
        self.free.push(number);
        Some(number)
    }

    /// How many channels there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

/// Six bytes are a number, and hashing a number is one multiplication.
#[inline]
fn key(channel: ChannelId) -> u64 {
    let [a, b, c, d, e, f] = *channel.as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(number: usize) -> ChannelId {
        format!("c{number:05}").parse().expect("six printable characters")
    }

    #[test]
    fn every_channel_keeps_its_number() {
        let mut index = ChannelsIndex::default();
        for number in 0..5_000 {
            assert_eq!(index.add(channel(number)), number);
        }
        for number in (0..5_000).rev() {
            assert_eq!(index.find(channel(number)), Some(number));
            assert_eq!(index.find(channel(number)), Some(number), "the second time from memory");
            assert_eq!(index.add(channel(number)), number);
        }
        assert_eq!(index.find(channel(5_000)), None);
        assert_eq!(index.len(), 5_000);
    }

    #[test]
    fn a_removed_channels_number_goes_to_the_next() {
        let mut index = ChannelsIndex::default();
        for number in 0..3 {
            index.add(channel(number));
        }
        assert_eq!(index.find(channel(1)), Some(1));
        assert_eq!(index.remove(channel(1)), Some(1));
        assert_eq!(index.find(channel(1)), None);
        assert_eq!(index.remove(channel(1)), None);
        assert_eq!(index.add(channel(7)), 1);
        assert_eq!(index.add(channel(8)), 3);
    }
}
