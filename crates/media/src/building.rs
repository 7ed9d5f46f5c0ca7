//! Tables in the making, in the form that the boxes of an index have, for files that have no index:
//! samples are added in decode order as they are found.

use bytes::Bytes;

use crate::MediaError;
use crate::boxes::put_u32s;
use crate::tables::{RawTables, Sizes, Tables};

/// (count, value) pairs.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    done: Vec<u8>,
    count: u32,
    value: u32,
}

impl Runs {
    pub(crate) fn push(&mut self, value: u32) {
        if self.count > 0 && self.value == value {
            self.count += 1;
            return;
        }
        self.flush();
        (self.count, self.value) = (1, value);
    }

    fn flush(&mut self) {
        if self.count > 0 {
            put_u32s(&mut self.done, &[self.count, self.value]);
        }
        self.count = 0;
    }

    /// The last value that was pushed is another after all.
    pub(crate) fn replace_last(&mut self, value: u32) {
        if self.count > 0 {
            self.count -= 1;
            self.push(value);
        }
    }

    pub(crate) fn last(&self) -> u32 {
        self.value
    }

    fn finish(mut self) -> Bytes {
        self.flush();
        self.done.into()
    }
}

/// The tables of one track in the making.
#[derive(Debug, Default)]
pub(crate) struct TableBuilder {
    pub(crate) samples: u32,
    pub(crate) durations: Runs,
    pub(crate) shifts: Runs,
    sizes: Vec<u8>,
    syncs: Vec<u8>,
    runs: Vec<u8>,
    chunks: Vec<u8>,
    last_chunk_samples: u32,
}

impl TableBuilder {
    /// The next samples, as many as this, lie side by side from a position on.
    pub(crate) fn start_chunk(&mut self, position: u64, samples: u32) {
        self.chunks.extend_from_slice(&position.to_be_bytes());
        if samples != self.last_chunk_samples {
            put_u32s(&mut self.runs, &[(self.chunks.len() / 8) as u32, samples, 1]);
            self.last_chunk_samples = samples;
        }
    }

    /// Chunks for samples whose positions and sizes are given: those that lie side by side are one.
    pub(crate) fn start_chunks(&mut self, samples: impl Iterator<Item = (u64, u32)>) {
        let mut chunk: Option<(u64, u64, u32)> = None;
        for (position, size) in samples {
            match &mut chunk {
                Some((_, end, count)) if *end == position => {
                    (*end, *count) = (position + u64::from(size), *count + 1)
                }
                chunk => {
                    if let Some((start, _, count)) = chunk.replace((position, position + u64::from(size), 1))
                    {
                        self.start_chunk(start, count);
                    }
                }
            }
        }
        if let Some((start, _, count)) = chunk {
            self.start_chunk(start, count);
        }
    }

    /// The next sample. Its duration and shift are pushed by the caller.
    pub(crate) fn push(&mut self, size: u32, sync: bool) {
        self.samples = self.samples.saturating_add(1);
        put_u32s(&mut self.sizes, &[size]);
        if sync {
            put_u32s(&mut self.syncs, &[self.samples]);
        }
    }

    /// The last sample lasts longer or shorter. Answers by how much, since none can last less than
    /// no time.
    pub(crate) fn lengthen_last(&mut self, change: i64) -> i64 {
        let last = i64::from(self.durations.last());
        let changed = last.saturating_add(change).clamp(0, i32::MAX.into());
        self.durations.replace_last(changed as u32);
        changed - last
    }

    /// Memory that the tables take, to hold it against a limit.
    pub(crate) fn size_bytes(&self) -> usize {
        let runs = self.durations.done.len() + self.shifts.done.len();
        self.sizes.len() + self.syncs.len() + self.runs.len() + self.chunks.len() + runs
    }

    /// The tables, checked. `first_time` is the decode time of the first sample.
    pub(crate) fn finish(self, first_time: u64, file_size: u64) -> Result<Tables, MediaError> {
        // A list of all is as good as none.
        let all_sync = self.syncs.len() as u64 == 4 * u64::from(self.samples);
        let raw = RawTables {
            samples: self.samples,
            first_time,
            sizes: Sizes::Listed(self.sizes.into()),
            durations: self.durations.finish(),
            shifts: self.shifts.finish(),
            syncs: (!all_sync).then(|| self.syncs.into()),
            runs: self.runs.into(),
            chunks: self.chunks.into(),
            wide: true,
        };
        Tables::check(raw, file_size)
    }
}

#[cfg(test)]
mod tests {
    use super::TableBuilder;

    #[test]
    fn a_gap_after_frames_of_one_length_lengthens_the_last_of_them() {
        let mut tables = TableBuilder::default();
        tables.start_chunk(0, 4);
        for _ in 0..3 {
            tables.durations.push(10);
            tables.push(5, true);
        }
        assert_eq!(tables.lengthen_last(7), 7);
        tables.durations.push(10);
        tables.push(5, true);
        assert_eq!(tables.lengthen_last(-20), -10);
        let tables = tables.finish(0, 100).expect("they agree");
        let durations: Vec<u32> = tables.samples_from(tables.start()).map(|sample| sample.duration).collect();
        assert_eq!(durations, [10, 10, 17, 0]);
    }
}
