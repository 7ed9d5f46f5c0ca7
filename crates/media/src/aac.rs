//! The configuration of AAC: AudioSpecificConfig (ISO/IEC 14496-3, section 1.6.2.1).

/// Samples a second, by index.
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
/// Channels, by configuration. 0 stands for a description further on.
const CHANNELS: [u16; 16] = [0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8, 0];

/// What a configuration tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AacConfig {
    /// The coder that is told first: 2 is AAC-LC, 5 and 29 are the high-efficiency forms of it.
    pub(crate) object_type: u8,
    /// Samples a second of the core coder, which is half of what high efficiency puts out.
    pub(crate) rate: u32,
    /// 0 where they are described at length.
    pub(crate) channels: u16,
    /// Samples of the core coder in a frame.
    pub(crate) frame_samples: u32,
}

impl AacConfig {
    /// `None` when it ends early or names no rate.
    pub(crate) fn parse(specific: &[u8]) -> Option<Self> {
        let bits = specific.iter().take(12).fold(0_u128, |bits, &byte| bits << 8 | u128::from(byte));
        let length = 8 * specific.len().min(12) as u32;
        let mut at = 0;
        let mut take = |count: u32| {
            at += count;
            (at <= length).then(|| (bits >> (length - at) & ((1 << count) - 1)) as u32)
        };
        let object = |take: &mut dyn FnMut(u32) -> Option<u32>| match take(5)? {
            31 => Some(32 + take(6)?),
            object => Some(object),
        };
        let object_type = object(&mut take)?;
        let rate = match take(4)? {
            15 => take(24)?,
            index => *RATES.get(index as usize)?,
        };
        let channels = CHANNELS[take(4)? as usize];
        let mut core = object_type;
        if matches!(object_type, 5 | 29) {
            // The rate of the extension, and then the core coder.
            if take(4)? == 15 {
                take(24)?;
            }
            core = object(&mut take)?;
        }
        let short = take(1)? == 1;
        let frame_samples = match (core, short) {
            (23 | 39, false) => 512,
            (23 | 39, true) => 480,
            (_, false) => 1024,
            (_, true) => 960,
        };
        let object_type = object_type as u8;
        (rate > 0).then_some(Self { object_type, rate, channels, frame_samples })
    }
}

#[cfg(test)]
mod tests {
    use super::AacConfig;

    #[test]
    fn the_clock_of_aac_is_that_of_its_core() {
        // AAC-LC at 48 kHz; HE-AAC, told at once, of 24 kHz to 48; AAC-LC with frames of 960.
        let config = |bytes: &[u8]| {
            let config = AacConfig::parse(bytes)?;
            Some((config.object_type, config.rate, config.channels, config.frame_samples))
        };
        assert_eq!(config(&[0x11, 0x90]), Some((2, 48_000, 2, 1024)));
        assert_eq!(config(&[0x2b, 0x11, 0x88, 0x00]), Some((5, 24_000, 2, 1024)));
        assert_eq!(config(&[0x11, 0x94]), Some((2, 48_000, 2, 960)));
        assert_eq!(config(&[0x11]), None);
    }
}
