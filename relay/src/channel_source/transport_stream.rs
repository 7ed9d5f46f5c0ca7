//! As much of MPEG transport streams (ISO/IEC 13818-1) as playing a film over and over takes: counters, clocks, time stamps
//! and which stream is what.

/// Bytes of a transport packet.
pub const PACKET_LEN: usize = 188;

/// How many process ids there are.
pub const PIDS: usize = 1 << 13;

/// The packets that only fill up a constant rate.
pub const NULL_PID: u16 = 0x1fff;

/// Time stamps are of 33 bits and count 90,000 a second; so does the base of the clock reference.
pub const STAMP_MODULUS: u64 = 1 << 33;

/// The clock counts 300 times as fast, 27,000,000 a second.
pub const CLOCK_PER_STAMP: u64 = 300;

const SYNC: u8 = 0x47;

/// A transport packet to look at.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a>(&'a [u8; PACKET_LEN]);

impl<'a> Packet<'a> {
    /// The packet with these bytes, if they are one.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let bytes: &[u8; PACKET_LEN] = bytes.try_into().ok()?;
        (bytes[0] == SYNC).then_some(Self(bytes))
    }

    /// All of it.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Which stream of the multiplex it belongs to.
    #[must_use]
    pub fn pid(self) -> u16 {
        u16::from_be_bytes([self.0[1] & 0x1f, self.0[2]])
    }

    /// Whether a PES packet or a section begins in it.
    #[must_use]
    pub fn starts_unit(self) -> bool {
        self.0[1] & 0x40 != 0
    }

    /// Whether it has a payload. Only those that have are counted.
    #[must_use]
    pub fn has_payload(self) -> bool {
        self.0[3] & 0x10 != 0
    }

    /// The continuity counter, below 16.
    #[must_use]
    pub fn counter(self) -> u8 {
        self.0[3] & 0x0f
    }

    /// The payload; empty if it has none or its adaptation field leaves no room.
    #[must_use]
    pub fn payload(self) -> &'a [u8] {
        if self.has_payload() { self.0.get(self.payload_offset()..).unwrap_or_default() } else { &[] }
    }

    /// Whether a decoder may begin here, as the multiplexer says.
    #[must_use]
    pub fn is_random_access(self) -> bool {
        self.adaptation_flags() & 0x40 != 0
    }

    /// The programme clock reference, 27,000,000 a second.
    #[must_use]
    pub fn clock(self) -> Option<u64> {
        let at = self.clock_offset()?;
        let field = self.0.get(at..at + 6)?;
        let bits = field.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        Some((bits >> 15) * CLOCK_PER_STAMP + (bits & 0x1ff))
    }

    /// Where time stamps are, if a PES packet with time stamps begins in it.
    ///
    /// # Errors
    /// When they are split over two packets, which is legal but nobody does.
    fn stamp_offsets(self) -> Result<Stamps, Split> {
        let start = self.payload_offset();
        let payload = self.payload();
        if !self.starts_unit() || payload.len() < 4 || payload[..3] != [0, 0, 1] || !has_header(payload[3]) {
            return Ok(Stamps::default());
        }
        let flags = *payload.get(7).ok_or(Split)?;
        let (pts, dts) = (flags & 0x80 != 0, flags & 0xc0 == 0xc0);
        if payload.len() < 9 + 5 * (usize::from(pts) + usize::from(dts)) {
            return Err(Split);
        }
        Ok(Stamps { pts: pts.then_some(start + 9), dts: dts.then_some(start + 14) })
    }

    /// When the unit that begins here is decoded, and when it is presented, both 90,000 a second. The first is the second where the
    /// stream says nothing else.
    ///
    /// # Errors
    /// When the stamps are split over two packets.
    pub fn stamps(self) -> Result<Option<(u64, u64)>, Split> {
        let Stamps { pts, dts } = self.stamp_offsets()?;
        let Some(pts) = pts.map(|at| self.stamp(at)) else { return Ok(None) };
        Ok(Some((dts.map_or(pts, |at| self.stamp(at)), pts)))
    }

    /// The bytes of the elementary stream in it: what follows the header of a PES packet that begins here, or all of the payload.
    #[must_use]
    pub fn elementary(self) -> &'a [u8] {
        let payload = self.payload();
        let begins =
            self.starts_unit() && payload.len() > 8 && payload[..3] == [0, 0, 1] && has_header(payload[3]);
        let header = if begins { 9 + usize::from(payload[8]) } else { 0 };
        payload.get(header..).unwrap_or_default()
    }

    fn adaptation_flags(self) -> u8 {
        if self.0[3] & 0x20 != 0 && self.0[4] > 0 { self.0[5] } else { 0 }
    }

    fn payload_offset(self) -> usize {
        if self.0[3] & 0x20 != 0 { 5 + usize::from(self.0[4]) } else { 4 }
    }

    fn clock_offset(self) -> Option<usize> {
        (self.adaptation_flags() & 0x10 != 0 && self.0[4] >= 7).then_some(6)
    }

    /// The original programme clock reference follows the clock.
    fn original_clock_offset(self) -> Option<usize> {
        let after = self.clock_offset().map_or((6, 7), |at| (at + 6, 13));
        (self.adaptation_flags() & 0x08 != 0 && self.0[4] >= after.1).then_some(after.0)
    }

    fn stamp(self, at: usize) -> u64 {
        let byte = |index: usize| u64::from(self.0[at + index]);
        (byte(0) >> 1 & 7) << 30 | byte(1) << 22 | (byte(2) >> 1) << 15 | byte(3) << 7 | byte(4) >> 1
    }
}

/// Time stamps are split over two packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split;

/// Where the time stamps of a packet are.
#[derive(Clone, Copy, Default)]
struct Stamps {
    pts: Option<usize>,
    dts: Option<usize>,
}

/// Whether a PES packet with this stream id has the header that time stamps are in (table 2-21).
fn has_header(stream_id: u8) -> bool {
    !matches!(stream_id, 0xbc | 0xbe | 0xbf | 0xf0 | 0xf1 | 0xf2 | 0xf8 | 0xff)
}

/// Adds `by` to the packet's continuity counter.
pub fn advance_counter(packet: &mut [u8; PACKET_LEN], by: u8) {
    packet[3] = packet[3] & 0xf0 | (packet[3].wrapping_add(by) & 0x0f);
}

/// Shifts the packet's clock references, 90,000 a second. They wrap around as the standard says.
pub fn shift_clock(packet: &mut [u8; PACKET_LEN], by: u64) {
    let view = Packet(packet);
    for at in [view.clock_offset(), view.original_clock_offset()].into_iter().flatten() {
        let Some(field) = packet.get_mut(at..at + 6) else { continue };
        let bits = field.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        let base = ((bits >> 15) + by) % STAMP_MODULUS;
        // The six reserved bits and the extension stay.
        field.copy_from_slice(&(base << 15 | bits & 0x7fff).to_be_bytes()[2..]);
    }
}

/// Turns the packet's clock reference back, 27,000,000 a second.
pub fn turn_back_clock(packet: &mut [u8; PACKET_LEN], by: u64) {
    const MODULUS: u64 = STAMP_MODULUS * CLOCK_PER_STAMP;
    let view = Packet(packet);
    let Some((at, clock)) = view.clock_offset().zip(view.clock()) else { return };
    let clock = (clock + MODULUS - by % MODULUS) % MODULUS;
    // The reserved bits are ones.
    let (base, extension) = (clock / CLOCK_PER_STAMP, clock % CLOCK_PER_STAMP);
    let bits = base << 15 | 0x7e00 | extension;
    packet[at..at + 6].copy_from_slice(&bits.to_be_bytes()[2..]);
}

/// Shifts the time stamps of a PES packet that begins in the packet, 90,000 a second. They wrap around as the standard says.
pub fn shift_stamps(packet: &mut [u8; PACKET_LEN], by: u64) {
    let Ok(Stamps { pts, dts }) = Packet(packet).stamp_offsets() else { return };
    for at in [pts, dts].into_iter().flatten() {
        let stamp = (Packet(packet).stamp(at) + by) % STAMP_MODULUS;
        let bits = |shift: u32, mask: u64| (stamp >> shift & mask) as u8;
        // The prefix and the marker bits between the parts of the number stay.
        packet[at] = packet[at] & 0xf1 | bits(30, 7) << 1;
        packet[at + 1] = bits(22, 0xff);
        packet[at + 2] = packet[at + 2] & 1 | bits(15, 0x7f) << 1;
        packet[at + 3] = bits(7, 0xff);
        packet[at + 4] = packet[at + 4] & 1 | bits(0, 0x7f) << 1;
    }
}

/// An elementary stream of the first programme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementaryStream {
    /// Where it is.
    pub pid: u16,
    /// What it is (table 2-34): 0x1b is H.264, 0x0f AAC.
    pub stream_type: u8,
}

/// What the first programme consists of, according to the first tables in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programme {
    /// Where its map is.
    pub map_pid: u16,
    /// Where its clock is.
    pub clock_pid: u16,
    /// Its streams.
    pub streams: Vec<ElementaryStream>,
}

impl Programme {
    /// Finds the first association table and the map that it names. Tables of more than one packet are not read.
    #[must_use]
    pub fn find(stream: &[u8]) -> Option<Self> {
        let packets = || stream.chunks_exact(PACKET_LEN).filter_map(Packet::new);
        let association = packets().find(|packet| packet.pid() == 0 && packet.starts_unit())?;
        let entries = section(association.payload(), 0, 8)?;
        let programme = entries.chunks_exact(4).find(|entry| entry[..2] != [0, 0])?;
        let map_pid = u16::from_be_bytes([programme[2] & 0x1f, programme[3]]);
        let map = packets().find(|packet| packet.pid() == map_pid && packet.starts_unit())?;
        let map = section(map.payload(), 2, 8)?;
        let clock_pid = u16::from_be_bytes([map.first()? & 0x1f, *map.get(1)?]);
        let mut rest = map.get(4 + length(map.get(2..4)?)..)?;
        let mut streams = Vec::new();
        while let [stream_type, high, low, length_high, length_low, ..] = *rest {
            streams.push(ElementaryStream { pid: u16::from_be_bytes([high & 0x1f, low]), stream_type });
            rest = rest.get(5 + length(&[length_high, length_low])..).unwrap_or_default();
        }
        Some(Self { map_pid, clock_pid, streams })
    }

    /// The stream with pictures, if one is known to be one.
    #[must_use]
    pub fn video(&self) -> Option<ElementaryStream> {
        let is_video = |stream_type| matches!(stream_type, 0x01 | 0x02 | 0x10 | 0x1b | 0x24 | 0x33);
        self.streams.iter().copied().find(|stream| is_video(stream.stream_type))
    }
}

/// What a section with this table id holds between a header of `header` bytes and the checksum.
fn section(payload: &[u8], table_id: u8, header: usize) -> Option<&[u8]> {
    let section = payload.get(1 + usize::from(*payload.first()?)..)?;
    let end = 3 + length(section.get(1..3)?);
    (section[0] == table_id).then(|| section.get(header..end.checked_sub(4)?)).flatten()
}

/// A length of twelve bits.
fn length(field: &[u8]) -> usize {
    usize::from(field[0] & 0x0f) << 8 | usize::from(field[1])
}
