//! The elements of EBML (RFC 8794).

/// The longest head of an element: an id of 4 bytes and a size of 8.
pub(crate) const LONGEST_HEADER_BYTES: u64 = 12;

/// Id and size at the head of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// With its marker, as the specification writes it.
    pub(crate) id: u32,
    pub(crate) header_bytes: u64,
    /// Of the body. `None` where the writer did not know: up to the next element that cannot be inside.
    pub(crate) size_bytes: Option<u64>,
}

impl Header {
    /// `None` when the bytes are too few or no element begins like this.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let id_bytes = number_bytes(bytes).filter(|&length| length <= 4)?;
        let id = bytes.get(..id_bytes)?.iter().fold(0_u32, |id, &byte| id << 8 | u32::from(byte));
        let (size, size_bytes) = number(&bytes[id_bytes..])?;
        let known = size != (1 << (7 * size_bytes)) - 1;
        Some(Self { id, header_bytes: (id_bytes + size_bytes) as u64, size_bytes: known.then_some(size) })
    }
}

/// The length of a number, by the zeros that it begins with. Ids have up to 4 bytes, sizes 8.
fn number_bytes(bytes: &[u8]) -> Option<usize> {
    let zeros = bytes.first()?.leading_zeros() as usize;
    (zeros < 8).then_some(zeros + 1)
}

/// A number of variable length without its marker, and how many bytes it takes.
pub(crate) fn number(bytes: &[u8]) -> Option<(u64, usize)> {
    let length = number_bytes(bytes)?;
    let value = bytes.get(..length)?.iter().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
    Some((value & ((1 << (7 * length)) - 1), length))
}

/// An element that is in memory.
pub(crate) struct Element<'a> {
    pub(crate) id: u32,
    pub(crate) body: &'a [u8],
}

/// The elements that follow each other. An unknown size, and one past the end, mean all the rest.
pub(crate) fn elements(mut bytes: &[u8]) -> impl Iterator<Item = Element<'_>> {
    std::iter::from_fn(move || {
        let header = Header::parse(bytes)?;
        let rest = &bytes[header.header_bytes as usize..];
        let size = header.size_bytes.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX);
        let (body, after) = rest.split_at(size.min(rest.len()));
        bytes = after;
        Some(Element { id: header.id, body })
    })
}

/// The body of the first child with an id.
pub(crate) fn child(parent: &[u8], id: u32) -> Option<&[u8]> {
    elements(parent).find(|element| element.id == id).map(|element| element.body)
}

/// An unsigned integer of up to 8 bytes.
pub(crate) fn unsigned(body: &[u8]) -> u64 {
    body.iter().take(8).fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// A signed integer of up to 8 bytes.
pub(crate) fn signed(body: &[u8]) -> i64 {
    let unused = 64 - 8 * body.len().clamp(1, 8) as u32;
    (unsigned(body) as i64) << unused >> unused
}

/// A float of 4 or 8 bytes; none otherwise.
pub(crate) fn float(body: &[u8]) -> Option<f64> {
    match body.len() {
        4 => Some(f32::from_bits(unsigned(body) as u32).into()),
        8 => Some(f64::from_bits(unsigned(body))),
        _ => None,
    }
}

/// A text, without the zeros that may pad it.
pub(crate) fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).trim_end_matches('\0').to_owned()
}
