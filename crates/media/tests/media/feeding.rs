//! What an encoder is given.

use std::ops::Range;

use media::{Feed, TrackKind};
use shiguredo_mp4::demux::Fmp4SegmentDemuxer;

use crate::world::{MemorySource, PACKAGED, plan_of};

async fn read(feed: &Feed, source: &MemorySource, segments: Range<usize>) -> Vec<u8> {
    let mut reader = feed.read(source, segments);
    let mut bytes = Vec::new();
    while let Some(read) = reader.next().await.expect("it can be read") {
        read.iter().for_each(|piece| bytes.extend_from_slice(piece));
    }
    bytes
}

/// The boxes at the top of a file, from a position on.
fn boxes(bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    let (mut rest, mut found) = (bytes, Vec::new());
    while let Some(size) = rest.get(..4) {
        let size = u32::from_be_bytes(size.try_into().expect("four bytes")) as usize;
        found.push((&rest[4..8], &rest[..size]));
        rest = &rest[size..];
    }
    found
}

#[tokio::test]
async fn a_piece_has_the_samples_of_its_segments_and_no_shift_below_0() {
    for (name, _) in PACKAGED {
        let source = MemorySource::sample(name);
        for feed in plan_of(&source).await.feeds() {
            let segments = feed.starts().len() - 1;
            for piece in [0..segments, segments / 2..segments] {
                let bytes = read(&feed, &source, piece.clone()).await;
                let boxes = boxes(&bytes);
                let mut demuxer = Fmp4SegmentDemuxer::new();
                let head = [boxes[0].1, boxes[1].1].concat();
                demuxer.handle_init_segment(&head).expect("it is set up");
                let (mut count, mut shown) = (0, Vec::new());
                for pair in boxes[2..].chunks(2) {
                    let segment = [pair[0].1, pair[1].1].concat();
                    for sample in demuxer.handle_media_segment(&segment).expect("it is a segment") {
                        let shift = sample.composition_time_offset.unwrap_or(0);
                        assert!(shift >= 0, "{name}: {shift}");
                        shown.push(sample.timestamp as i64 + shift);
                        count += 1;
                    }
                }
                assert!(count >= feed.samples(piece.clone()), "{name}");
                if feed.kind() == TrackKind::Video {
                    shown.sort_unstable();
                    let times = feed.times(piece.clone());
                    let apart = |times: &[i64]| times.windows(2).map(|t| t[1] - t[0]).collect::<Vec<_>>();
                    let times: Vec<i64> = times.into_iter().map(|time| time as i64).collect();
                    assert_eq!(apart(&shown), apart(&times), "{name}");
                    assert_eq!(times.first(), Some(&(feed.starts()[piece.start] as i64)), "{name}");
                }
            }
        }
    }
}

#[tokio::test]
async fn reads_are_few_where_tracks_are_interleaved() {
    let source = MemorySource::sample("h264_aac_moovend.mp4");
    let feeds = plan_of(&source).await.feeds();
    let before = source.reads();
    read(&feeds[0], &source, 0..feeds[0].starts().len() - 1).await;
    assert_eq!(source.reads() - before, 1, "sound between pictures is read along");
}
