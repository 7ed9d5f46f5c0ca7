//! The box structure of ISO base media (ISO/IEC 14496-12, section 4.2).

use bytes::Bytes;

use crate::MediaError;

/// A four-character code.
pub(crate) type Kind = [u8; 4];

/// Size and kind at the head of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BoxHeader {
    pub(crate) kind: Kind,
    pub(crate) header_bytes: u64,
    /// With the header. `None` means up to the end of the file.
    pub(crate) size_bytes: Option<u64>,
}

/// The longest head of a box: a size of 64 bits.
pub(crate) const LONGEST_HEADER_BYTES: u64 = 16;

impl BoxHeader {
    /// `None` when the bytes are too few, or when the size is less than the header itself.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let kind = bytes.get(4..8)?.try_into().ok()?;
        let (header_bytes, size_bytes) = match u64::from(be_u32(bytes, 0)) {
            0 => (8, None),
            1 if bytes.len() >= 16 => (16, Some(be_u64(bytes, 8))),
            1 => return None,
            size => (8, Some(size)),
        };
        size_bytes.is_none_or(|size| size >= header_bytes).then_some(Self { kind, header_bytes, size_bytes })
    }
}

/// A box in memory. Slicing it copies nothing.
#[derive(Debug, Clone)]
pub(crate) struct BoxBytes {
    pub(crate) kind: Kind,
    /// Header and body.
    pub(crate) whole: Bytes,
    /// Without the header.
    pub(crate) body: Bytes,
}

/// The boxes that follow each other in `bytes`. Fewer than eight bytes at the end, and a size of 0
/// there, are a QuickTime terminator and end the list.
pub(crate) fn boxes(bytes: &Bytes) -> Boxes {
    Boxes { rest: bytes.clone() }
}

/// See [`boxes`].
pub(crate) struct Boxes {
    rest: Bytes,
}

impl Iterator for Boxes {
    type Item = Result<BoxBytes, MediaError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.len() < 8 || be_u64(&self.rest, 0) == 0 {
            return None;
        }
        let left = self.rest.len() as u64;
        let header = BoxHeader::parse(&self.rest);
        let Some(header) = header.filter(|header| header.size_bytes.unwrap_or(left) <= left) else {
            self.rest = Bytes::new();
            return Some(Err(damaged("a part of its index is cut off")));
        };
        let whole = self.rest.split_to(header.size_bytes.unwrap_or(left) as usize);
        let body = whole.slice(header.header_bytes as usize..);
        Some(Ok(BoxBytes { kind: header.kind, whole, body }))
    }
}

/// The first box of a kind, when there is one.
pub(crate) fn find(bytes: &Bytes, kind: &Kind) -> Result<Option<BoxBytes>, MediaError> {
    for found in boxes(bytes) {
        let found = found?;
        if found.kind == *kind {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The body of the first box of a kind.
pub(crate) fn body_of(bytes: &Bytes, kind: &Kind) -> Result<Option<Bytes>, MediaError> {
    Ok(find(bytes, kind)?.map(|found| found.body))
}

/// The file contradicts itself or ends early.
pub(crate) fn damaged(what: &str) -> MediaError {
    MediaError::bad(format!("The file is damaged: {what}."))
}

/// A number at an offset, 0 past the end: callers compare counts with lengths first.
pub(crate) fn be_u16(bytes: &[u8], offset: usize) -> u16 {
    bytes.get(offset..offset + 2).map_or(0, |b| u16::from_be_bytes([b[0], b[1]]))
}

/// See [`be_u16`].
pub(crate) fn be_u32(bytes: &[u8], offset: usize) -> u32 {
    bytes.get(offset..offset + 4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
}

/// See [`be_u16`].
pub(crate) fn be_u64(bytes: &[u8], offset: usize) -> u64 {
    u64::from(be_u32(bytes, offset)) << 32 | u64::from(be_u32(bytes, offset + 4))
}

/// Appends a box whose body `write` appends.
pub(crate) fn put_box(out: &mut Vec<u8>, kind: &Kind, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(kind);
    write(out);
    let size = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}

/// Appends big-endian numbers of 32 bits.
pub(crate) fn put_u32s(out: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
}
