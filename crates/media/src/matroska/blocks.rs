//! Goes through the clusters of a file and finds every block (RFC 9559, sections 5.1.3 and 10).
//! Matroska has no table of its frames: each block's header has to be visited.

use bytes::Bytes;

use crate::boxes::damaged;
use crate::forward::Forward;
use crate::matroska::ebml::{Header, LONGEST_HEADER_BYTES, number, signed, unsigned};
use crate::text::MOST_CUE_BYTES;
use crate::{MediaError, Source};

const EBML: u32 = 0x1a45_dfa3;
pub(crate) const SEGMENT: u32 = 0x1853_8067;
pub(crate) const CLUSTER: u32 = 0x1f43_b675;
const TIMESTAMP: u32 = 0xe7;
const SIMPLE_BLOCK: u32 = 0xa3;
const BLOCK_GROUP: u32 = 0xa0;
const BLOCK: u32 = 0xa1;
const BLOCK_DURATION: u32 = 0x9b;
const REFERENCE: u32 = 0xfb;
const DISCARD_PADDING: u32 = 0x75a2;

/// Later than this is no time. Arithmetic on nanoseconds stays in range below it.
const MOST_TICKS: u64 = 1 << 56;
/// What is looked at of a block: enough for the header of a frame.
const PEEK_BYTES: u64 = 64;
/// The same of a block with several frames, whose sizes come first.
const LACED_PEEK_BYTES: u64 = 16 << 10;

/// One or more frames of a track, side by side.
#[derive(Debug, Clone, Default)]
pub(crate) struct Block {
    /// The track's number.
    pub(crate) track: u64,
    /// Presentation time of the first frame, in ticks.
    pub(crate) time: i64,
    /// It can be decoded without others.
    pub(crate) key: bool,
    /// Where the first frame lies.
    pub(crate) position: u64,
    /// Of each frame; never 0.
    pub(crate) sizes: Vec<u32>,
    /// Of all frames together, in ticks, where the block says so.
    pub(crate) duration: Option<u64>,
    /// Nanoseconds that are not to be heard at the end, or at the start if negative.
    pub(crate) discard_ns: i64,
    /// The frames from the first on, as far as they were read.
    pub(crate) beginning: Bytes,
}

impl Block {
    /// The beginning of a frame; empty where it was not read.
    pub(crate) fn frame(&self, index: usize) -> &[u8] {
        let before: usize = self.sizes.iter().take(index).map(|&size| size as usize).sum();
        self.beginning.get(before..).unwrap_or_default()
    }
}

/// A group that has been entered.
struct Group {
    end: u64,
    block: Option<Block>,
    duration: Option<u64>,
    discard_ns: i64,
    refers: bool,
}

impl Group {
    fn finish(self) -> Option<Block> {
        let Self { duration, discard_ns, refers, .. } = self;
        self.block.map(|block| Block { key: !refers, duration, discard_ns, ..block })
    }
}

/// Visits all blocks from a position at which an element begins. Clusters of unknown size end where
/// the next begins. A recording that breaks off within a block has those before it. Of the tracks that
/// `whole` names, blocks are read to their end, if they are no longer than a cue.
pub(crate) async fn visit<S: Source>(
    reader: &mut Forward<'_, S>,
    mut position: u64,
    whole: impl Fn(u64) -> bool,
    mut take: impl FnMut(Block) -> Result<(), MediaError>,
) -> Result<(), MediaError> {
    let size = reader.size();
    let mut cluster_time = 0;
    let mut group: Option<Group> = None;
    while position < size {
        let head = reader.bytes(position..size.min(position + LONGEST_HEADER_BYTES)).await?;
        let Some(header) = Header::parse(&head) else {
            if size - position < LONGEST_HEADER_BYTES || head.iter().all(|&byte| byte == 0) {
                // Cut off within a header, or padded.
                break;
            }
            return Err(damaged("its structure is unreadable"));
        };
        let body = position + header.header_bytes;
        if group.as_ref().is_some_and(|group| position >= group.end) {
            group.take().and_then(Group::finish).map(&mut take).transpose()?;
        }
        if header.id == CLUSTER {
            position = body;
            continue;
        }
        if matches!(header.id, EBML | SEGMENT) {
            // Another recording follows; players show the first.
            break;
        }
        let length = header.size_bytes.ok_or_else(|| damaged("the length of one of its parts is missing"))?;
        let end = body.saturating_add(length);
        match header.id {
            BLOCK_GROUP => {
                group = Some(Group { end, block: None, duration: None, discard_ns: 0, refers: false });
                position = body;
                continue;
            }
            SIMPLE_BLOCK | BLOCK if end > size => break,
            SIMPLE_BLOCK | BLOCK => {
                let block = read_block(reader, body, length, cluster_time, &whole).await?;
                match (&mut group, header.id) {
                    (Some(group), BLOCK) => group.block = block,
                    _ => block.map(&mut take).transpose().map(drop)?,
                }
            }
            TIMESTAMP | BLOCK_DURATION | DISCARD_PADDING if length <= 8 && end <= size => {
                let value = reader.bytes(body..end).await?;
                match (header.id, &mut group) {
                    (TIMESTAMP, _) => cluster_time = unsigned(&value).min(MOST_TICKS) as i64,
                    (BLOCK_DURATION, Some(group)) => group.duration = Some(unsigned(&value)),
                    (DISCARD_PADDING, Some(group)) => group.discard_ns = signed(&value),
                    _ => {}
                }
            }
            REFERENCE => group.iter_mut().for_each(|group| group.refers = true),
            _ => {}
        }
        position = end;
    }
    group.and_then(Group::finish).map(&mut take).transpose().map(drop)
}

/// `None` for a block without frames.
async fn read_block<S: Source>(
    reader: &mut Forward<'_, S>,
    start: u64,
    length: u64,
    cluster_time: i64,
    whole: impl Fn(u64) -> bool,
) -> Result<Option<Block>, MediaError> {
    let unreadable = || damaged("one of its blocks is unreadable");
    let mut bytes = reader.bytes(start..start + length.min(PEEK_BYTES)).await?;
    let (track, number_bytes) = number(&bytes).ok_or_else(unreadable)?;
    let &[high, low, flags] = bytes.get(number_bytes..number_bytes + 3).ok_or_else(unreadable)? else {
        return Err(unreadable());
    };
    if whole(track) && length <= MOST_CUE_BYTES {
        bytes = reader.bytes(start..start + length).await?;
    } else if flags & 0x06 != 0 {
        bytes = reader.bytes(start..start + length.min(LACED_PEEK_BYTES)).await?;
    }
    let frames = &bytes[number_bytes + 3..];
    let media_bytes = length - number_bytes as u64 - 3;
    let (sizes, table_bytes) = match flags & 0x06 {
        0 => (u32::try_from(media_bytes).ok().map(|size| vec![size]), 0),
        lacing => laced(lacing, frames, media_bytes).map_or((None, 0), |(sizes, table)| (Some(sizes), table)),
    };
    let sizes = sizes.ok_or_else(unreadable)?;
    if sizes.contains(&0) {
        // A block of nothing carries nothing; in a lace it would be a cheap way to promise much.
        return if sizes.len() == 1 { Ok(None) } else { Err(unreadable()) };
    }
    let header_bytes = number_bytes + 3 + table_bytes;
    Ok(Some(Block {
        track,
        time: cluster_time.saturating_add(i16::from_be_bytes([high, low]).into()),
        key: flags & 0x80 != 0,
        position: start + header_bytes as u64,
        sizes,
        duration: None,
        discard_ns: 0,
        beginning: bytes.slice(header_bytes..),
    }))
}

/// The sizes of the frames of a lace, and how many bytes telling them took. `media_bytes` are those
/// of the block from its number of frames on.
fn laced(lacing: u8, bytes: &[u8], media_bytes: u64) -> Option<(Vec<u32>, usize)> {
    let count = usize::from(*bytes.first()?) + 1;
    let mut at = 1;
    let mut sizes: Vec<u32> = Vec::with_capacity(count);
    match lacing {
        // Xiph: bytes that are added up to the first that is not 255.
        0x02 => {
            while sizes.len() + 1 < count {
                let mut size = 0;
                loop {
                    let byte = *bytes.get(at)?;
                    at += 1;
                    size += u32::from(byte);
                    if byte < 255 {
                        break;
                    }
                }
                sizes.push(size);
            }
        }
        // EBML: the first size, and then differences around the middle of what their length can hold.
        0x06 => {
            while sizes.len() + 1 < count {
                let (value, length) = number(bytes.get(at..)?)?;
                at += length;
                let size = match sizes.last() {
                    None => i64::try_from(value).ok()?,
                    Some(&last) => {
                        i64::from(last) + i64::try_from(value).ok()? - ((1 << (7 * length - 1)) - 1)
                    }
                };
                sizes.push(u32::try_from(size).ok()?);
            }
        }
        _ => {
            let each = media_bytes.checked_sub(1).filter(|total| total.is_multiple_of(count as u64))?;
            return Some((vec![u32::try_from(each / count as u64).ok()?; count], 1));
        }
    }
    let told: u64 = sizes.iter().map(|&size| u64::from(size)).sum();
    let last = media_bytes.checked_sub(at as u64)?.checked_sub(told)?;
    sizes.push(u32::try_from(last).ok()?);
    Some((sizes, at))
}

#[cfg(test)]
mod tests {
    use super::laced;

    #[test]
    fn the_sizes_of_a_lace_are_told_in_three_ways() {
        // The specification's own example: frames of 800, 500 and 1000 bytes.
        let xiph = [2, 255, 255, 255, 35, 255, 245];
        assert_eq!(laced(0x02, &xiph, 7 + 2300), Some((vec![800, 500, 1000], 7)));
        let ebml = [2, 0x43, 0x20, 0x5e, 0xd3];
        assert_eq!(laced(0x06, &ebml, 5 + 2300), Some((vec![800, 500, 1000], 5)));
        assert_eq!(laced(0x04, &[2], 1 + 2400), Some((vec![800; 3], 1)));
    }

    #[test]
    fn laces_that_promise_more_than_the_block_holds_are_none() {
        assert_eq!(laced(0x02, &[2, 255, 255, 255, 35, 255, 245], 1000), None);
        assert_eq!(laced(0x06, &[2, 0x43, 0x20, 0x40, 0x00], 5000), None);
        assert_eq!(laced(0x04, &[2], 1 + 2401), None);
        assert_eq!(laced(0x02, &[255, 255, 255], 1 << 20), None);
        assert_eq!(laced(0x04, &[], 0), None);
    }
}
