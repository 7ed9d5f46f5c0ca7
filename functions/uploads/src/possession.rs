//! How somebody shows that they have a file, by some of its bytes.
//!
//! Who asks picks the places at random, so that an answer can't be prepared, and wants all of them right. There is one place in
//! each of [`STRATA`] equal stretches of the file, besides its start and its end. So:
//!
//! - whoever lacks a stretch of two strata (0.8 % of the file) or more in one piece is always caught;
//! - whoever lacks a share `m` in scattered pieces gets through with `(1 - m)^254`: 2 in 1,000,000 for 5 %, 0.6 % for 2 %, 8 % for 1 %.
//!
//! With a hundred challenges in a day that is one success in some twelve years for who has 95 % of a film, at random. More places
//! would be more requests to S3, which are what a challenge costs (256 of them: 0.0001 $); longer ones catch nobody else.

use std::ops::Range;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, verify};

/// In how many stretches a file is divided for the random places.
const STRATA: u64 = 254;
/// How long each place is. S3 and disks read no less at a time.
const RANGE_BYTES: u64 = 4096;

/// How many random bytes a nonce has.
pub(crate) const NONCE_BYTES: usize = 32;

/// The places of a file of this size that a nonce stands for, in ascending order: its start, a place in each stretch, its end. Those
/// of a small file overlap.
pub(crate) fn ranges(nonce: &[u8], size_bytes: u64) -> Vec<Range<u64>> {
    let length = RANGE_BYTES.min(size_bytes);
    // Where a place may begin: from 0 to here.
    let last = size_bytes - length;
    let bound = |stratum: u64| (u128::from(last) * u128::from(stratum) / u128::from(STRATA)) as u64;
    let starts = (0..STRATA).map(|stratum| {
        let (from, to) = (bound(stratum), bound(stratum + 1));
        from + random(nonce, stratum) % (to - from).max(1)
    });
    let starts = std::iter::once(0).chain(starts).chain([last]);
    starts.map(|start| start..start + length).collect()
}

/// A number that follows from the nonce. 64 bits over at most 2^38 places: no bias that matters.
fn random(nonce: &[u8], stratum: u64) -> u64 {
    let hash = digest(&SHA256, &[nonce, &stratum.to_be_bytes()].concat());
    hash.as_ref().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Whether `answer` is the HMAC-SHA-256, under the nonce, of the bytes at these places one after another. In the same time
/// wherever the two differ.
pub(crate) fn is_right(nonce: &[u8], bytes: &[u8], answer: &[u8]) -> bool {
    verify(&Key::new(HMAC_SHA256, nonce), bytes, answer).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn answer_to(nonce: &[u8], bytes: &[u8]) -> Vec<u8> {
        aws_lc_rs::hmac::sign(&Key::new(HMAC_SHA256, nonce), bytes).as_ref().to_vec()
    }

    #[test]
    fn start_and_end_are_asked_for_and_a_place_in_each_stretch() {
        for size in [1, 100, RANGE_BYTES, RANGE_BYTES + 1, 8 * MIB, 3 * MIB + 17, 53_687_091_200_000] {
            for seed in 0..20u8 {
                let ranges = ranges(&[seed; NONCE_BYTES], size);
                assert_eq!(ranges.len(), 256);
                assert_eq!(ranges[0].start, 0);
                assert_eq!(ranges[255].end, size);
                assert!(ranges.iter().all(|range| range.end <= size && !range.is_empty()), "{size}");
                assert!(ranges.is_sorted_by_key(|range| range.start), "{size}");
                // No stretch of two strata is left out.
                let gaps = ranges.windows(2).map(|pair| pair[1].start.saturating_sub(pair[0].end));
                assert!(gaps.max().unwrap_or(0) <= 2 * size.div_ceil(STRATA), "{size}");
            }
        }
    }

    #[test]
    fn another_nonce_asks_for_other_places() {
        let (first, second) = (ranges(&[1; 32], 100 * MIB), ranges(&[2; 32], 100 * MIB));
        let same = first.iter().zip(&second).filter(|(one, other)| one == other).count();
        assert!(same < 5, "only start and end are the same: {same}");
        assert_eq!(first, ranges(&[1; 32], 100 * MIB));
    }

    #[test]
    fn an_answer_is_right_for_its_nonce_and_its_bytes_alone() {
        let answer = answer_to(&[1; 32], b"bytes");
        assert!(is_right(&[1; 32], b"bytes", &answer));
        assert!(!is_right(&[2; 32], b"bytes", &answer));
        assert!(!is_right(&[1; 32], b"other", &answer));
        assert!(!is_right(&[1; 32], b"bytes", &answer[..31]));
        assert!(!is_right(&[1; 32], b"bytes", b""));
    }
}
