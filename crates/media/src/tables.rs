//! The sample tables of a track (ISO/IEC 14496-12, sections 8.6 and 8.7), read where they lie in
//! the index: nothing is expanded, so that memory does not depend on what the tables claim.

mod samples;

use bytes::Bytes;

use crate::MediaError;
use crate::boxes::{be_u16, be_u32, be_u64, boxes, damaged};
use crate::pcm::in_blocks;

pub(crate) use samples::{Cursor, Sample, Samples};

/// Ten hours of the shortest audio frames are 15 million samples.
const MOST_SAMPLES: u32 = 20_000_000;

#[derive(Debug, Clone)]
pub(crate) enum Sizes {
    Uniform(u32),
    /// Four bytes each.
    Listed(Bytes),
    /// `stz2`: 4, 8 or 16 bits each.
    Compact {
        bits: u8,
        sizes: Bytes,
    },
}

impl Sizes {
    fn get(&self, index: u32) -> u32 {
        let at = index as usize;
        match self {
            Sizes::Uniform(size) => *size,
            Sizes::Listed(sizes) => be_u32(sizes, at * 4),
            Sizes::Compact { bits: 4, sizes } => {
                let pair = sizes.get(at / 2).copied().unwrap_or(0);
                u32::from(if at.is_multiple_of(2) { pair >> 4 } else { pair & 15 })
            }
            Sizes::Compact { bits: 8, sizes } => sizes.get(at).copied().unwrap_or(0).into(),
            Sizes::Compact { sizes, .. } => be_u16(sizes, at * 2).into(),
        }
    }
}

/// The tables of one track, checked against each other and against the length of the file.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    pub(crate) samples: u32,
    /// Decode time of the first sample; other than 0 in fragmented files only.
    pub(crate) first_time: u64,
    /// The sum of all durations.
    pub(crate) duration: u64,
    /// The sum of all sizes.
    pub(crate) bytes: u64,
    /// A duration that is negative when read as signed, which no player agrees on.
    pub(crate) negative_duration: bool,
    /// The sample description that all samples use, counted from 1; `None` where they differ.
    pub(crate) description: Option<u32>,
    sizes: Sizes,
    /// Entries of stts: count, duration.
    durations: Bytes,
    /// Entries of ctts: count, shift.
    shifts: Bytes,
    /// Entries of stss. `None` makes every sample a sync sample.
    syncs: Option<Bytes>,
    /// Entries of stsc: first chunk, samples in each, description.
    runs: Bytes,
    chunks: Bytes,
    /// Chunk positions have 64 bits.
    wide: bool,
}

/// Tables that were put together elsewhere, in the form that the boxes have.
pub(crate) struct RawTables {
    pub(crate) samples: u32,
    pub(crate) first_time: u64,
    pub(crate) sizes: Sizes,
    pub(crate) durations: Bytes,
    pub(crate) shifts: Bytes,
    pub(crate) syncs: Option<Bytes>,
    pub(crate) runs: Bytes,
    pub(crate) chunks: Bytes,
    pub(crate) wide: bool,
}

impl Tables {
    /// Reads the tables of an `stbl` body and checks them. Where the samples are instants of sound, of
    /// so many bytes each, the tables are those of blocks of them.
    pub(crate) fn parse(
        stbl: &Bytes,
        file_size: u64,
        timescale: u32,
        instant_bytes: Option<u32>,
    ) -> Result<Self, MediaError> {
        let mut raw = RawTables {
            samples: 0,
            first_time: 0,
            sizes: Sizes::Uniform(0),
            durations: Bytes::new(),
            shifts: Bytes::new(),
            syncs: None,
            runs: Bytes::new(),
            chunks: Bytes::new(),
            wide: false,
        };
        for table in boxes(stbl) {
            let table = table?;
            match &table.kind {
                b"stts" => raw.durations = entries(&table.body, 8)?,
                b"ctts" => raw.shifts = entries(&table.body, 8)?,
                b"stss" => raw.syncs = Some(entries(&table.body, 4)?),
                b"stsc" => raw.runs = entries(&table.body, 12)?,
                b"stco" => (raw.chunks, raw.wide) = (entries(&table.body, 4)?, false),
                b"co64" => (raw.chunks, raw.wide) = (entries(&table.body, 8)?, true),
                b"stsz" => (raw.samples, raw.sizes) = parse_stsz(&table.body)?,
                b"stz2" => (raw.samples, raw.sizes) = parse_stz2(&table.body)?,
                _ => {}
            }
        }
        let blocks = instant_bytes.map(|bytes| in_blocks(&raw, bytes, timescale, file_size)).transpose()?;
        match blocks.flatten() {
            Some(tables) => Ok(tables),
            None => Self::check(raw, file_size),
        }
    }

    /// Compares the tables with each other and every chunk with the length of the file.
    pub(crate) fn check(raw: RawTables, file_size: u64) -> Result<Self, MediaError> {
        if raw.samples > MOST_SAMPLES {
            return Err(damaged("its index promises more samples than a film can have"));
        }
        if let Sizes::Uniform(size) = raw.sizes
            && u64::from(raw.samples) * u64::from(size.max(1)) > file_size
        {
            return Err(damaged("its index promises more samples than the file holds"));
        }
        let (mut counted, mut duration, mut negative_duration) = (0_u64, 0_u64, false);
        for entry in raw.durations.chunks_exact(8) {
            let (count, delta) = (be_u32(entry, 0), be_u32(entry, 4));
            counted += u64::from(count);
            duration = duration.saturating_add(u64::from(count) * u64::from(delta));
            negative_duration |= delta > i32::MAX as u32;
        }
        if counted != u64::from(raw.samples) {
            return Err(damaged("the tables of times and of sizes in its index disagree"));
        }
        let mut tables = Self {
            samples: raw.samples,
            first_time: raw.first_time,
            duration,
            bytes: 0,
            negative_duration,
            description: None,
            sizes: raw.sizes,
            durations: raw.durations,
            shifts: raw.shifts,
            syncs: raw.syncs,
            runs: raw.runs,
            chunks: raw.chunks,
            wide: raw.wide,
        };
        tables.check_chunks(file_size)?;
        Ok(tables)
    }

    fn check_chunks(&mut self, file_size: u64) -> Result<(), MediaError> {
        let chunks = (self.chunks.len() / if self.wide { 8 } else { 4 }) as u32;
        let disagree = || damaged("the tables of chunks and of samples in its index disagree");
        let (mut sample, mut chunk) = (0_u64, 0_u32);
        let runs = self.runs.len() / 12;
        for run in 0..runs {
            let first = be_u32(&self.runs, run * 12);
            let in_chunk = u64::from(be_u32(&self.runs, run * 12 + 4));
            let description = be_u32(&self.runs, run * 12 + 8);
            let next =
                if run + 1 < runs { be_u32(&self.runs, (run + 1) * 12).saturating_sub(1) } else { chunks };
            // Some writers leave runs behind for chunks that were never written.
            let next = next.min(chunks);
            if run == 0 {
                self.description = Some(description);
            }
            if self.description != Some(description) && next > chunk {
                self.description = None;
            }
            if first != chunk + 1 && first <= chunks || in_chunk == 0 && next > chunk {
                return Err(disagree());
            }
            while chunk < next {
                let end = sample + in_chunk;
                if end > u64::from(self.samples) {
                    return Err(disagree());
                }
                let bytes = self.run_bytes(sample as u32, in_chunk as u32);
                if self.chunk_position(chunk).checked_add(bytes).is_none_or(|end| end > file_size) {
                    return Err(damaged(
                        "its index points past its end. It may have been cut off while it was copied",
                    ));
                }
                self.bytes += bytes;
                (sample, chunk) = (end, chunk + 1);
            }
        }
        if sample == u64::from(self.samples) { Ok(()) } else { Err(disagree()) }
    }

    fn run_bytes(&self, first: u32, count: u32) -> u64 {
        match &self.sizes {
            Sizes::Uniform(size) => u64::from(*size) * u64::from(count),
            sizes => (first..first + count).map(|index| u64::from(sizes.get(index))).sum(),
        }
    }

    fn chunk_position(&self, chunk: u32) -> u64 {
        let at = chunk as usize;
        if self.wide { be_u64(&self.chunks, at * 8) } else { be_u32(&self.chunks, at * 4).into() }
    }

    /// How much memory they take, if nothing else holds what they were cut from.
    pub(crate) fn memory_bytes(&self) -> usize {
        let sizes = match &self.sizes {
            Sizes::Uniform(_) => 0,
            Sizes::Listed(sizes) | Sizes::Compact { sizes, .. } => sizes.len(),
        };
        let syncs = self.syncs.as_ref().map_or(0, Bytes::len);
        let others = [&self.durations, &self.shifts, &self.runs, &self.chunks];
        sizes + syncs + others.iter().map(|table| table.len()).sum::<usize>()
    }

    /// A cursor at the first sample.
    pub(crate) fn start(&self) -> Cursor {
        Cursor::at(self.first_time)
    }

    /// The samples from a cursor on.
    pub(crate) fn samples_from(&self, cursor: Cursor) -> Samples<'_> {
        Samples { tables: self, cursor }
    }
}

/// The entries of a table: version and flags, their number, and as many bytes as that takes.
fn entries(body: &Bytes, entry_bytes: u64) -> Result<Bytes, MediaError> {
    let length = u64::from(be_u32(body, 4)) * entry_bytes;
    if body.len() < 8 || length > body.len() as u64 - 8 {
        return Err(damaged("a table of its index is shorter than it says"));
    }
    Ok(body.slice(8..8 + length as usize))
}

fn parse_stsz(body: &Bytes) -> Result<(u32, Sizes), MediaError> {
    let (size, count) = (be_u32(body, 4), be_u32(body, 8));
    if size != 0 {
        return Ok((count, Sizes::Uniform(size)));
    }
    if body.len() < 12 || u64::from(count) * 4 > body.len() as u64 - 12 {
        return Err(damaged("the table of sizes in its index is shorter than it says"));
    }
    Ok((count, Sizes::Listed(body.slice(12..12 + count as usize * 4))))
}

fn parse_stz2(body: &Bytes) -> Result<(u32, Sizes), MediaError> {
    let (bits, count) = (be_u32(body, 4) as u8, be_u32(body, 8));
    let length = (u64::from(count) * u64::from(bits)).div_ceil(8);
    if ![4, 8, 16].contains(&bits) || body.len() < 12 || length > body.len() as u64 - 12 {
        return Err(damaged("the compact table of sizes in its index is shorter than it says"));
    }
    Ok((count, Sizes::Compact { bits, sizes: body.slice(12..12 + length as usize) }))
}
