//! The header of a VP9 key frame (VP9 bitstream specification, section 6.2), as far as the colours.

/// How the picture's samples are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Colours {
    pub(crate) profile: u8,
    pub(crate) bit_depth: u8,
    /// As in `vpcC`: 1 is 4:2:0 with the colours beside the first sample, 2 is 4:2:2, 3 is 4:4:4.
    pub(crate) subsampling: u8,
    pub(crate) full_range: bool,
    /// The bitstream's own code.
    space: u8,
}

impl Default for Colours {
    /// What nearly all have.
    fn default() -> Self {
        Self { profile: 0, bit_depth: 8, subsampling: 1, full_range: false, space: 0 }
    }
}

impl Colours {
    /// `None` where the bytes are no key frame's.
    pub(crate) fn parse(frame: &[u8]) -> Option<Self> {
        let mut bits = frame.iter().take(16).flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
        let mut take =
            |count: usize| (0..count).try_fold(0_u32, |value, _| Some(value << 1 | u32::from(bits.next()?)));
        let frame_marker = take(2)?;
        let profile = (take(1)? | take(1)? << 1) as u8;
        if profile == 3 {
            take(1)?;
        }
        let (shows_existing, inter) = (take(1)?, take(1)?);
        take(2)?;
        if frame_marker != 2 || shows_existing == 1 || inter == 1 || take(24)? != 0x49_8342 {
            return None;
        }
        let bit_depth = match profile {
            0 | 1 => 8,
            _ if take(1)? == 1 => 12,
            _ => 10,
        };
        let space = take(3)? as u8;
        let red_green_blue = space == 7;
        let full_range = red_green_blue || take(1)? == 1;
        let subsampling = match profile & 1 {
            0 => 1,
            _ if red_green_blue => 3,
            _ => match (take(1)?, take(1)?) {
                (0, 0) => 3,
                (1, 0) => 2,
                _ => 1,
            },
        };
        Some(Self { profile, bit_depth, subsampling, full_range, space })
    }

    /// Primaries, transfer and matrix as in ISO/IEC 23091-2, 2 for unknown.
    pub(crate) fn codes(self) -> (u8, u8, u8) {
        match self.space {
            1 | 3 => (6, 6, 6),
            2 => (1, 1, 1),
            4 => (7, 7, 7),
            5 => (9, 14, 9),
            7 => (1, 13, 0),
            _ => (2, 2, 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Colours;

    #[test]
    fn a_key_frame_tells_depth_and_colours() {
        // Profile 0, BT.709, studio range.
        let plain = Colours::parse(&[0x82, 0x49, 0x83, 0x42, 0x40, 0]).expect("it is a key frame");
        assert_eq!((plain.profile, plain.bit_depth, plain.codes()), (0, 8, (1, 1, 1)));
        // Profile 2 (the bits come low first), ten bits, BT.2020.
        let deep = Colours::parse(&[0x92, 0x49, 0x83, 0x42, 0x50, 0]).expect("it is a key frame");
        assert_eq!((deep.profile, deep.bit_depth, deep.codes()), (2, 10, (9, 14, 9)));
        // No key frame, and nothing at all.
        assert_eq!(Colours::parse(&[0x86, 0x49, 0x83, 0x42, 0x40, 0]), None);
        assert_eq!(Colours::parse(&[]), None);
    }
}
