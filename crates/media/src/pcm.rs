//! Sound that is not compressed. Its tables have a sample for every instant, which in a long film are
//! hundreds of millions; a reader takes it in blocks.

use crate::MediaError;
use crate::boxes::{be_u32, be_u64, damaged};
use crate::building::TableBuilder;
use crate::tables::{RawTables, Sizes, Tables};

/// Blocks a second: short enough that cutting between two of them cuts near where one wants to.
const BLOCKS_PER_SECOND: u32 = 10;
/// Whatever the clock, so that the tables are a small part of the file.
const LEAST_INSTANTS: u32 = 256;

/// Tables of blocks in place of those of instants of `frame_bytes` each; `None` when these are no
/// tables of instants, or do not agree with each other.
pub(crate) fn in_blocks(
    raw: &RawTables,
    frame_bytes: u32,
    timescale: u32,
    file_size: u64,
) -> Result<Option<Tables>, MediaError> {
    let (counted, each) = (be_u32(&raw.durations, 0), be_u32(&raw.durations, 4));
    // Old writers put 1 for the size of any sample.
    let uniform = matches!(raw.sizes, Sizes::Uniform(size) if size == frame_bytes || size == 1);
    if !uniform || raw.durations.len() != 8 || counted != raw.samples {
        return Ok(None);
    }
    let most = (timescale / BLOCKS_PER_SECOND / each.max(1)).max(LEAST_INSTANTS);
    if most.checked_mul(each).is_none() || most.checked_mul(frame_bytes).is_none() {
        return Ok(None);
    }
    let chunks = raw.chunks.len() / if raw.wide { 8 } else { 4 };
    let position = |chunk: usize| match raw.wide {
        true => be_u64(&raw.chunks, chunk * 8),
        false => be_u32(&raw.chunks, chunk * 4).into(),
    };
    let mut tables = TableBuilder::default();
    let (mut left, mut chunk, mut promised) = (u64::from(counted), 0, 0_u64);
    let runs: Vec<&[u8]> = raw.runs.chunks_exact(12).collect();
    for (index, run) in runs.iter().enumerate() {
        let in_chunk = be_u32(run, 4);
        let next = runs.get(index + 1).map_or(chunks, |next| (be_u32(next, 0).saturating_sub(1)) as usize);
        while chunk < next.min(chunks) {
            let bytes = u64::from(in_chunk) * u64::from(frame_bytes);
            promised = promised.saturating_add(bytes);
            if promised > file_size || position(chunk).checked_add(bytes).is_none_or(|end| end > file_size) {
                return Err(damaged(
                    "its index points past its end. It may have been cut off while it was copied",
                ));
            }
            let Some(rest) = left.checked_sub(in_chunk.into()).filter(|_| in_chunk > 0) else {
                return Ok(None);
            };
            left = rest;
            tables.start_chunk(position(chunk), in_chunk.div_ceil(most));
            let mut in_chunk = in_chunk;
            while in_chunk > 0 {
                let block = in_chunk.min(most);
                tables.durations.push(block * each);
                tables.push(block * frame_bytes, true);
                in_chunk -= block;
            }
            chunk += 1;
        }
    }
    if left > 0 {
        return Ok(None);
    }
    tables.finish(raw.first_time, file_size).map(Some)
}
