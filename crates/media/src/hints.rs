//! Where the fragments of a file are likely to be, so that they can be asked for side by side. What
//! an index of fragments says is checked by the walk, which goes from box to box all the same: a wrong
//! hint costs a request and nothing else.

use bytes::Bytes;

use crate::boxes::{be_u16, be_u32, be_u64, boxes};

/// An index of fragments is no longer than this: that would be 80,000 of them.
pub(crate) const MOST_INDEX_BYTES: u64 = 1 << 20;

/// The positions of what a `sidx` refers to. `end` is where the box ends, from which it counts
/// (ISO/IEC 14496-12, section 8.16.3). A `sidx` of others tells nothing here.
pub(crate) fn from_sidx(body: &Bytes, end: u64) -> Vec<u64> {
    let wide = body.first() == Some(&1);
    let (offset, at) = if wide { (be_u64(body, 20), 28) } else { (be_u32(body, 16).into(), 20) };
    let mut position = end.saturating_add(offset);
    let count = usize::from(be_u16(body, at + 2));
    let references = body.get(at + 4..).unwrap_or_default().chunks_exact(12).take(count);
    let mut positions = Vec::with_capacity(references.len());
    for reference in references {
        let size = be_u32(reference, 0);
        if size >> 31 != 0 {
            return Vec::new();
        }
        positions.push(position);
        position = position.saturating_add(size.into());
    }
    positions
}

/// How long the `mfra` at the end of a file is, from the last bytes of the file (section 8.8.11).
pub(crate) fn mfra_bytes(tail: &[u8]) -> Option<u64> {
    let mfro = tail.get(tail.len().checked_sub(16)?..)?;
    (&mfro[4..8] == b"mfro").then(|| be_u32(mfro, 12).into()).filter(|&size| size <= MOST_INDEX_BYTES)
}

/// The positions of fragments from the body of an `mfra` (section 8.8.10), ascending.
pub(crate) fn from_mfra(mfra: &Bytes) -> Vec<u64> {
    let mut positions = Vec::new();
    for tfra in boxes(mfra).map_while(Result::ok).filter(|found| &found.kind == b"tfra") {
        let body = &tfra.body;
        let time_and_offset = if body.first() == Some(&1) { 16 } else { 8 };
        let lengths = be_u32(body, 8);
        let numbers: u32 = (0..3).map(|field| (lengths >> (2 * field) & 3) + 1).sum();
        let entry_bytes = time_and_offset + numbers as usize;
        let entries = body.get(16..).unwrap_or_default().chunks_exact(entry_bytes);
        positions.extend(entries.take(be_u32(body, 12) as usize).map(|entry| match time_and_offset {
            16 => be_u64(entry, 8),
            _ => be_u32(entry, 4).into(),
        }));
    }
    positions.sort_unstable();
    positions.dedup();
    positions
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{from_mfra, from_sidx, mfra_bytes};
    use crate::boxes::{put_box, put_u32s};

    #[test]
    fn a_sidx_counts_from_its_own_end() {
        let mut body = Vec::new();
        put_u32s(&mut body, &[0, 1, 1000, 0, 50, 2, 300, 4000, 0, 700, 4000, 0]);
        assert_eq!(from_sidx(&body.clone().into(), 1000), [1050, 1350]);
        // One that refers to others, and one that is cut off.
        body[24] |= 0x80;
        assert_eq!(from_sidx(&body.into(), 1000), [0_u64; 0]);
        assert_eq!(from_sidx(&Bytes::from_static(&[0; 7]), 1000), [0_u64; 0]);
    }

    #[test]
    fn an_mfra_tells_where_fragments_are() {
        let mut mfra = Vec::new();
        put_box(&mut mfra, b"mfra", |out| {
            put_box(out, b"tfra", |out| {
                put_u32s(out, &[0x0100_0000, 1, 0, 2]);
                for position in [9_000_u64, 500] {
                    out.extend_from_slice(&[0; 8]);
                    out.extend_from_slice(&position.to_be_bytes());
                    out.extend_from_slice(&[1, 1, 1]);
                }
            });
            put_box(out, b"mfro", |out| put_u32s(out, &[0, 8 + 62 + 16]));
        });
        assert_eq!(mfra_bytes(&mfra), Some(mfra.len() as u64));
        assert_eq!(from_mfra(&Bytes::from(mfra).slice(8..)), [500, 9_000]);
        assert_eq!(mfra_bytes(&[0; 100]), None);
    }
}
