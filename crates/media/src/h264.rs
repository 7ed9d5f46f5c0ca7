//! What the parameter sets of H.264 tell of a stream (ITU-T H.264, section 7.3.2.1.1): whether
//! browsers decode it.

use mp4_atom::Avcc;

/// The profiles with more than 8 bits, or with finer colours than 4:2:0, that browsers do not decode.
const PROFESSIONAL: [u8; 4] = [44, 110, 122, 244];
/// The profiles whose sets say how colours are sampled.
const WITH_COLOURS: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct H264 {
    professional: bool,
    /// Pictures may be coded as two fields.
    pub(crate) may_be_interlaced: bool,
}

impl H264 {
    /// Reads the first parameter set; one that is unreadable is taken for an ordinary one.
    pub(crate) fn of(avcc: &Avcc) -> Self {
        let set = avcc.sequence_parameter_sets.first().map(Vec::as_slice).unwrap_or_default();
        let fields = fields(set);
        // The High profiles are also written for what the ordinary ones can hold.
        let colours = fields.is_none_or(|fields| fields.chroma != 1 || fields.depth != 8);
        Self {
            professional: PROFESSIONAL.contains(&avcc.avc_profile_indication) && colours,
            may_be_interlaced: fields.is_some_and(|fields| !fields.frames_only),
        }
    }

    /// Browsers decode it, and show it as it was meant.
    pub(crate) fn plays(self) -> bool {
        !self.professional && !self.may_be_interlaced
    }

    /// What a publisher calls it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self { professional: true, .. } => "H.264 with 10 bits or full colours",
            Self { may_be_interlaced: true, .. } => "interlaced H.264",
            _ => "H.264",
        }
    }
}

#[derive(Clone, Copy)]
struct Fields {
    chroma: u32,
    depth: u32,
    frames_only: bool,
}

/// `None` when the set ends early.
fn fields(set: &[u8]) -> Option<Fields> {
    let profile = *set.get(1)?;
    let mut bits = Bits::after(set, 4);
    bits.number()?;
    let (mut chroma, mut depth) = (1, 8);
    if WITH_COLOURS.contains(&profile) {
        chroma = bits.number()?;
        if chroma == 3 {
            bits.bit()?;
        }
        depth = 8 + bits.number()?;
        bits.number()?;
        bits.bit()?;
        if bits.bit()? {
            let lists = if chroma == 3 { 12 } else { 8 };
            for list in 0..lists {
                if bits.bit()? {
                    bits.skip_scaling_list(if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.number()?;
    match bits.number()? {
        0 => drop(bits.number()?),
        1 => {
            bits.bit()?;
            bits.number()?;
            bits.number()?;
            for _ in 0..bits.number()?.min(255) {
                bits.number()?;
            }
        }
        _ => {}
    }
    bits.number()?;
    bits.bit()?;
    bits.number()?;
    bits.number()?;
    Some(Fields { chroma, depth, frames_only: bits.bit()? })
}

/// Bits from the front, without the bytes that keep start codes from appearing.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    bit: u8,
}

impl<'a> Bits<'a> {
    fn after(bytes: &'a [u8], skipped: usize) -> Self {
        Self { bytes, at: skipped, bit: 0 }
    }

    fn bit(&mut self) -> Option<bool> {
        if self.bit == 0 && self.at >= 2 && self.bytes.get(self.at - 2..=self.at)? == [0, 0, 3] {
            self.at += 1;
        }
        let value = self.bytes.get(self.at)? >> (7 - self.bit) & 1 == 1;
        self.bit = (self.bit + 1) % 8;
        self.at += usize::from(self.bit == 0);
        Some(value)
    }

    /// An Exp-Golomb code, section 9.1.
    fn number(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let mut value = 1_u64;
        for _ in 0..zeros {
            value = value << 1 | u64::from(self.bit()?);
        }
        u32::try_from(value - 1).ok()
    }

    fn skip_scaling_list(&mut self, size: usize) -> Option<()> {
        let (mut last, mut next) = (8_i64, 8_i64);
        for _ in 0..size {
            if next != 0 {
                let code = i64::from(self.number()?);
                let delta = if code % 2 == 1 { (code + 1) / 2 } else { -(code / 2) };
                next = (last + delta).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
        Some(())
    }
}
