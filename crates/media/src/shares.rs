//! Cuts a plan into shares, so that several workers write one set of outputs, each reading its own
//! range of the source.
//!
//! The source is cut into equal ranges. Each output is cut where its media passes from one range to
//! the next, and each share's run of it into parts. A run may be shorter than a part may be, sound
//! beside rich pictures for example: then it is left as a *scrap*, and whoever comes last joins it to
//! the scraps after it. All of this is a function of the plan and the sizes asked for, so every
//! worker finds the same for itself, and a share that is done twice writes the same bytes to the
//! same parts.

use std::ops::Range;

use bytes::Bytes;
use futures_util::future::FutureExt;
use serde::{Deserialize, Serialize};

use crate::lane::{Lane, Portion};
use crate::package::{carry, slices};
use crate::pieces::{Piece, Pieces};
use crate::plan::PlannedTrack;
use crate::{MediaError, Options, Part, Plan, Source, Store, Writer};

/// As many workers as an account may have at a time, unless it asks for more.
const MOST_SHARES: u64 = 1_000;
/// S3's largest part.
const LARGEST_PART_BYTES: u64 = 5 << 30;

/// How large shares and parts are to be. The default is what S3 takes and what a function packages in
/// comfort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareSizes {
    /// The most of the source that one worker goes through, unless there would be more than 1,000.
    pub share_bytes: u64,
    /// The most that a part has, unless there would be too many of them.
    pub part_bytes: u64,
    /// The least that a part has, the last of an output excepted. No more than half of `part_bytes` is useful.
    pub least_part_bytes: u64,
    /// The most parts that an output may have; at least 4,000.
    pub most_parts: u64,
}

impl Default for ShareSizes {
    fn default() -> Self {
        Self { share_bytes: 2 << 30, part_bytes: 18 << 20, least_part_bytes: 5 << 20, most_parts: 10_000 }
    }
}

/// A plan that is shared out. Shares are numbered from 0.
#[derive(Debug, Clone)]
pub struct Shares {
    plan: Plan,
    /// Where the ranges of the source begin, and where the last ends.
    cuts: Vec<u64>,
    outputs: Vec<SharedOutput>,
}

/// One output of a plan that is shared out.
#[derive(Debug, Clone)]
struct SharedOutput {
    stem: String,
    /// Where the shares' runs begin, and where the last ends.
    cuts: Vec<u64>,
    /// All of the output, in its order.
    portions: Vec<Portion>,
}

/// A part that is joined from what several shares left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The index of the output in [`Plan::outputs`].
    pub output: usize,
    /// The part's number, counted from 1.
    pub number: u32,
    /// Where it begins in the output.
    pub position: u64,
    /// How long it is.
    pub size_bytes: u64,
    /// The names of the scraps, in their order, each with its length.
    pub scraps: Vec<(String, u64)>,
}

impl Plan {
    /// Shares the plan out. `None` where one share would be all of it, and where no parts that S3 takes
    /// are large enough.
    pub fn share_out(&self, sizes: &ShareSizes) -> Option<Shares> {
        let media = &self.inner.media;
        let count = (media.end - media.start).div_ceil(sizes.share_bytes.max(1)).min(MOST_SHARES);
        if count < 2 {
            return None;
        }
        let cuts: Vec<u64> = even_cuts(media.clone(), count).collect();
        let outputs = (self.inner.tracks.iter())
            .map(|planned| {
                let starts = segment_sources(planned);
                let mut output_cuts = vec![0];
                for &cut in &cuts[1..count as usize] {
                    let least = output_cuts.last().copied().unwrap_or(0);
                    output_cuts.push(output_position(planned, &starts, cut).max(least));
                }
                output_cuts.push(planned.size_bytes);
                let portions = portions(&output_cuts, sizes)?;
                Some(SharedOutput { stem: planned.stem.clone(), cuts: output_cuts, portions })
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Shares { plan: self.clone(), cuts, outputs })
    }
}

impl Shares {
    /// How many there are, 2 to 1,000.
    pub fn count(&self) -> u32 {
        self.cuts.len() as u32 - 1
    }

    /// What of the source a share reads in one pass. The rest of what it needs is little, unless the
    /// media lies out of order.
    pub fn source_range(&self, share: u32) -> Option<Range<u64>> {
        let share = share as usize;
        Some(*self.cuts.get(share)?..*self.cuts.get(share + 1)?)
    }

    /// The numbers and lengths of an output's parts, in their order, joined ones included. `output` is an
    /// index of [`Plan::outputs`].
    pub fn parts(&self, output: usize) -> Vec<(u32, u64)> {
        let mut parts: Vec<(u32, u64)> = Vec::new();
        for portion in self.outputs.get(output).into_iter().flat_map(|output| &output.portions) {
            let length = portion.range.end - portion.range.start;
            match parts.last_mut() {
                Some((number, size_bytes)) if *number == portion.part => *size_bytes += length,
                _ => parts.push((portion.part, length)),
            }
        }
        parts
    }

    /// The parts that are left to whoever comes last. None of them is longer than twice
    /// [`ShareSizes::least_part_bytes`].
    pub fn joins(&self) -> Vec<Join> {
        let mut joins: Vec<Join> = Vec::new();
        for (output, shared) in self.outputs.iter().enumerate() {
            for portion in &shared.portions {
                let Some(name) = scrap_name(&shared.stem, portion) else { continue };
                let length = portion.range.end - portion.range.start;
                match joins.last_mut() {
                    Some(join) if (join.output, join.number) == (output, portion.part) => {
                        join.size_bytes += length;
                        join.scraps.push((name, length));
                    }
                    _ => joins.push(Join {
                        output,
                        number: portion.part,
                        position: portion.range.start,
                        size_bytes: length,
                        scraps: vec![(name, length)],
                    }),
                }
            }
        }
        joins
    }
}

/// Writes one share of a plan: its parts to `writers`, which are those of [`Plan::outputs`] in their
/// order and are not finished here, and its scraps as objects to `scraps`. Doing it again writes
/// the same. The sizes of parts are those that the plan was shared out with; a share that does not
/// exist writes nothing. Errors and memory are those of [`package`](crate::package).
pub async fn package_share<S: Source, W: Writer, T: Store>(
    source: &S,
    shares: &Shares,
    share: u32,
    writers: &[W],
    scraps: &T,
    options: &Options,
) -> Result<(), MediaError> {
    let inner = &*shares.plan.inner;
    let Some(range) = shares.source_range(share) else { return Ok(()) };
    let index = share as usize;
    let lanes = inner.tracks.iter().zip(&shares.outputs);
    let lanes = lanes.map(|(planned, shared)| {
        let run = shared.cuts[index]..shared.cuts[index + 1];
        let first = shared.portions.partition_point(|portion| portion.range.end <= run.start);
        let within = shared.portions[first..].iter().take_while(move |portion| portion.range.start < run.end);
        let largest = within.clone().map(|portion| portion.range.end - portion.range.start).max();
        let slices = slices(planned, inner, largest.unwrap_or(0), options);
        let run = shared.cuts[index]..shared.cuts[index + 1];
        Lane::new(planned, run, Box::new(within.cloned()), slices)
    });
    let write = |output: usize, portion: Portion, part: Part| match scrap_name(
        &shares.outputs[output].stem,
        &portion,
    ) {
        None => writers[output].write_part(part).boxed(),
        Some(name) => {
            async move { scraps.put(&name, "application/octet-stream", part.into_bytes()).await }.boxed()
        }
    };
    carry(source, inner, range, lanes.collect(), options, write, |_: &Bytes| {}).await
}

fn scrap_name(stem: &str, portion: &Portion) -> Option<String> {
    let share = portion.scrap_of?;
    Some(format!("{stem}-part-{}-share-{share}", portion.part))
}

/// `count` ranges that differ by a byte at most: where they begin, and where the last ends.
fn even_cuts(range: Range<u64>, count: u64) -> impl Iterator<Item = u64> {
    let length = u128::from(range.end - range.start);
    // The quotient is no more than the length.
    (0..=count).map(move |index| range.start + (length * u128::from(index) / u128::from(count)) as u64)
}

/// Where in the source each segment begins. Silence comes from nowhere, and before all media.
fn segment_sources(planned: &PlannedTrack) -> Vec<u64> {
    let source = |segment: &crate::segments::Segment| {
        let first = planned.track.tables.samples_from(segment.start.clone()?).next()?;
        Some(first.position)
    };
    planned.segments.iter().map(|segment| source(segment).unwrap_or(0)).collect()
}

/// Where in an output the media begins that lies at or past `cut` in the source.
fn output_position(planned: &PlannedTrack, starts: &[u64], cut: u64) -> u64 {
    let past = starts.iter().position(|&start| start >= cut).unwrap_or(starts.len());
    let Some(before) = past.checked_sub(1) else { return 0 };
    let end = planned.segments.get(past).map_or(planned.size_bytes, |segment| segment.position);
    let (mut pieces, mut position) = Pieces::from(planned, planned.segments[before].position);
    while position < end {
        let Some(piece) = pieces.next() else { break };
        match &piece {
            Piece::Copied(copied) if copied.end > cut => {
                return position + cut.saturating_sub(copied.start);
            }
            _ => position += piece.size_bytes(),
        }
    }
    end
}

/// Cuts an output that is shared out at `cuts` into parts. `None` where parts would be too large.
fn portions(cuts: &[u64], sizes: &ShareSizes) -> Option<Vec<Portion>> {
    let size_bytes = *cuts.last()?;
    let least = sizes.least_part_bytes.max(1);
    // Each share rounds its number of parts up, and may add a part that is joined.
    let most_parts = sizes.most_parts.checked_sub(2 * cuts.len() as u64).filter(|most| *most > 0)?;
    let part_bytes = sizes.part_bytes.max(2 * least).max(size_bytes.div_ceil(most_parts));
    if part_bytes > LARGEST_PART_BYTES {
        return None;
    }
    let mut portions = Vec::new();
    let mut number = 1;
    // What the part has so far that waits for more.
    let mut open = 0;
    for (share, run) in cuts.windows(2).enumerate() {
        let (mut start, end) = (run[0], run[1]);
        let length = end - start;
        if length > 0 && (open > 0 || length < least) {
            let missing = least - open;
            // What would be too little on its own goes along.
            let taken = if length < missing + least { length } else { missing };
            let range = start..start + taken;
            portions.push(Portion { part: number, scrap_of: Some(share as u32), range });
            open += taken;
            start += taken;
            if open >= least {
                number += 1;
                open = 0;
            }
        }
        let parts = (end - start).div_ceil(part_bytes);
        for (from, to) in even_cuts(start..end, parts.max(1)).zip(even_cuts(start..end, parts.max(1)).skip(1))
        {
            if from < to {
                portions.push(Portion { part: number, scrap_of: None, range: from..to });
                number += 1;
            }
        }
    }
    // The last part may be as short as it likes; where it is one share's alone, nothing is to be joined.
    let before = portions.iter().rev().nth(1).map(|before| before.part);
    if let Some(last) = portions.last_mut().filter(|last| before != Some(last.part)) {
        last.scrap_of = None;
    }
    Some(portions)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;
    /// The largest object that S3 keeps.
    const MOST_BYTES: u64 = 10_000 * LARGEST_PART_BYTES;

    /// Checks the rules of S3 on what was planned, and answers the parts' lengths.
    fn parts(cuts: &[u64], sizes: &ShareSizes) -> Option<Vec<u64>> {
        let portions = portions(cuts, sizes)?;
        let mut lengths: Vec<u64> = Vec::new();
        let mut position = 0;
        for portion in &portions {
            let Range { start, end } = portion.range;
            assert_eq!(start, position, "nothing is missing and nothing twice");
            assert!(end > start);
            position = end;
            match portion.part.checked_sub(lengths.len() as u32) {
                Some(1) => lengths.push(end - start),
                Some(0) => {
                    assert!(portion.scrap_of.is_some(), "only scraps are joined");
                    *lengths.last_mut().expect("it was begun") += end - start;
                }
                other => panic!("parts are numbered in their order: {other:?}"),
            }
            let share = cuts.windows(2).position(|run| run[0] <= start && end <= run[1]);
            let share = share.expect("a portion is one share's") as u32;
            assert!(portion.scrap_of.is_none_or(|scrap_of| scrap_of == share));
        }
        assert_eq!(position, *cuts.last().expect("it ends somewhere"));
        assert!(lengths.len() as u64 <= sizes.most_parts, "{} parts", lengths.len());
        let (_, but_last) = lengths.split_last()?;
        assert!(but_last.iter().all(|&length| length >= sizes.least_part_bytes), "{lengths:?}");
        assert!(lengths.iter().all(|&length| length <= LARGEST_PART_BYTES));
        Some(lengths)
    }

    /// Sizes of every magnitude, not only the huge ones that a uniform choice would give.
    fn any_size() -> impl Strategy<Value = u64> {
        (0u32..=45, any::<u64>())
            .prop_map(|(bits, rest)| ((1u64 << bits) + rest % (1u64 << bits)).min(MOST_BYTES))
    }

    proptest! {
        /// Runs as uneven as they may be, some of them empty.
        #[test]
        fn parts_keep_the_rules_of_s3(size in any_size(), spots in prop::collection::vec(any_size(), 1..1_000)) {
            let mut cuts: Vec<u64> = spots.iter().map(|spot| spot % size).collect();
            cuts[0] = 0;
            cuts.push(size);
            cuts.sort_unstable();
            // Beyond that, rounding up for 1,000 shares takes too many of the 10,000 parts.
            prop_assert!(parts(&cuts, &ShareSizes::default()).is_some() || size > 38 << 40);
        }

        #[test]
        fn equal_shares_of_a_film_keep_the_rules_of_s3(size in any_size()) {
            let count = size.div_ceil(ShareSizes::default().share_bytes).clamp(2, MOST_SHARES);
            let cuts: Vec<u64> = even_cuts(0..size, count).collect();
            prop_assert_eq!((cuts[0], cuts[count as usize]), (0, size));
            prop_assert!(parts(&cuts, &ShareSizes::default()).is_some() || size > 38 << 40);
        }

        #[test]
        fn small_sizes_keep_the_same_rules(
            runs in prop::collection::vec(0..200_u64, 2..50),
            part_bytes in 1..60_u64,
            least_part_bytes in 1..30_u64,
        ) {
            let sizes = ShareSizes { share_bytes: 1, part_bytes, least_part_bytes, most_parts: 10_000 };
            let mut cuts = vec![0];
            cuts.extend(runs.iter().scan(0, |end, run| { *end += run; Some(*end) }));
            prop_assume!(runs.iter().any(|&run| run > 0));
            prop_assert!(parts(&cuts, &sizes).is_some());
        }
    }

    #[test]
    fn sound_beside_rich_pictures_is_left_in_scraps() {
        let cuts: Vec<u64> = (0..=24).map(|share| share * 2 * MIB).collect();
        let portions = portions(&cuts, &ShareSizes::default()).expect("they fit");
        assert!(portions.iter().all(|portion| portion.scrap_of.is_some()));
        let lengths = parts(&cuts, &ShareSizes::default()).expect("they fit");
        assert_eq!(lengths, [6 * MIB; 8]);
    }

    #[test]
    fn a_share_takes_whole_parts_where_it_can() {
        let cuts = [0, 2 << 30, 4 << 30, (4 << 30) + MIB];
        let portions = portions(&cuts, &ShareSizes::default()).expect("they fit");
        assert!(portions.iter().all(|portion| portion.scrap_of.is_none()));
        assert_eq!(parts(&cuts, &ShareSizes::default()).expect("they fit").len(), 114 + 114 + 1);
    }
}
