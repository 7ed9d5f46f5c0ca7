use std::io;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use media::Source;

/// Sources that are read as if they were one, one after another.
pub(crate) struct Concatenated<S> {
    sources: Vec<S>,
    /// Where each begins, and where the last ends.
    bounds: Vec<u64>,
}

impl<S: Source> Concatenated<S> {
    pub(crate) fn new(sources: Vec<S>) -> Self {
        let mut bounds = vec![0];
        for source in &sources {
            bounds.push(bounds.last().copied().unwrap_or(0) + source.size_bytes());
        }
        Self { sources, bounds }
    }

    /// Where one of the sources begins.
    pub(crate) fn position(&self, index: usize) -> u64 {
        self.bounds[index]
    }
}

impl<S: Source> Source for Concatenated<S> {
    fn size_bytes(&self) -> u64 {
        self.bounds.last().copied().unwrap_or(0)
    }

    async fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        if range.start > range.end || range.end > self.size_bytes() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut joined = BytesMut::new();
        let mut position = range.start;
        while position < range.end {
            let index = self.bounds.partition_point(|&bound| bound <= position) - 1;
            let (start, end) = (self.bounds[index], self.bounds[index + 1].min(range.end));
            let read = self.sources[index].read(position - start..end - start).await?;
            if position == range.start && end == range.end {
                return Ok(read);
            }
            joined.extend_from_slice(&read);
            position = end;
        }
        Ok(joined.freeze())
    }
}
