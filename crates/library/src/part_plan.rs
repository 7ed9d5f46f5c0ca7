//! How a file is cut into the parts of a multipart upload.

use thiserror::Error;

const MIB: u64 = 1024 * 1024;
const SMALLEST_PART_BYTES: u64 = 8 * MIB;
const LARGEST_PART_BYTES: u64 = 5 * 1024 * MIB;

/// The most parts that S3 puts together.
pub const MAX_PARTS: u64 = 10_000;
/// The largest file that the plan and S3 can take, 48.8 TiB.
pub const MAX_SIZE_BYTES: u64 = MAX_PARTS * LARGEST_PART_BYTES;

/// A size for which there is no plan.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a file has 1 to {MAX_SIZE_BYTES} bytes, not {size_bytes}")]
pub struct SizeOutOfRange {
    /// The size that was asked for.
    pub size_bytes: u64,
}

/// The parts of a file: all of one size, save the last, which has the rest.
///
/// The plan is a function of the file's size alone. That makes S3's composite SHA-256, which depends on where
/// the parts are cut, the same for the same bytes whoever sends them: a content digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartPlan {
    size_bytes: u64,
    part_size_bytes: u64,
}

impl PartPlan {
    /// The plan for a file of this size: the smallest part size of 8 MiB, 16 MiB, … 4 GiB, 5 GiB with
    /// at most 10,000 parts.
    pub fn for_size(size_bytes: u64) -> Result<Self, SizeOutOfRange> {
        if !(1..=MAX_SIZE_BYTES).contains(&size_bytes) {
            return Err(SizeOutOfRange { size_bytes });
        }
        let mut part_size_bytes = SMALLEST_PART_BYTES;
        while size_bytes.div_ceil(part_size_bytes) > MAX_PARTS {
            part_size_bytes = (part_size_bytes * 2).min(LARGEST_PART_BYTES);
        }
        Ok(Self { size_bytes, part_size_bytes })
    }

    /// The size of every part but the last.
    pub fn part_size_bytes(self) -> u64 {
        self.part_size_bytes
    }

    /// How many parts there are, 1 to 10,000.
    pub fn part_count(self) -> u32 {
        // At most MAX_PARTS by construction.
        self.size_bytes.div_ceil(self.part_size_bytes) as u32
    }

    /// The size of the part with this number, counted from 1; none if the plan has no such part.
    pub fn size_of_part(self, number: u32) -> Option<u64> {
        let count = self.part_count();
        match number {
            0 => None,
            n if n < count => Some(self.part_size_bytes),
            n if n == count => Some(self.size_bytes - self.part_size_bytes * u64::from(count - 1)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn part_sizes_step_up_only_when_ten_thousand_parts_are_not_enough() {
        let plan = |size| {
            let plan = PartPlan::for_size(size).expect("the size is in range");
            (plan.part_size_bytes(), plan.part_count())
        };
        assert_eq!(plan(1), (8 * MIB, 1));
        assert_eq!(plan(8 * MIB), (8 * MIB, 1));
        assert_eq!(plan(8 * MIB + 1), (8 * MIB, 2));
        assert_eq!(plan(80_000 * MIB), (8 * MIB, 10_000));
        assert_eq!(plan(80_000 * MIB + 1), (16 * MIB, 5_001));
        assert_eq!(plan(10_000 * 4096 * MIB), (4096 * MIB, 10_000));
        assert_eq!(plan(10_000 * 4096 * MIB + 1), (5120 * MIB, 8_001));
        assert_eq!(plan(MAX_SIZE_BYTES), (5120 * MIB, 10_000));
    }

    #[test]
    fn nothing_and_too_much_have_no_plan() {
        assert!(PartPlan::for_size(0).is_err());
        assert!(PartPlan::for_size(MAX_SIZE_BYTES + 1).is_err());
        assert!(PartPlan::for_size(u64::MAX).is_err());
    }

    /// Sizes of every magnitude, not only the huge ones that a uniform choice would give.
    fn any_size() -> impl Strategy<Value = u64> {
        let by_magnitude = (0u32..=45, any::<u64>())
            .prop_map(|(bits, rest)| ((1u64 << bits) + rest % (1u64 << bits)).min(MAX_SIZE_BYTES));
        prop_oneof![by_magnitude, MAX_SIZE_BYTES - 1_000_000..=MAX_SIZE_BYTES]
    }

    proptest! {
        #[test]
        fn every_plan_keeps_the_rules_of_s3(size_bytes in any_size()) {
            let plan = PartPlan::for_size(size_bytes).expect("the size is in range");
            let count = plan.part_count();
            prop_assert!((1..=10_000).contains(&count));
            let sizes = || (1..=count).map(|number| plan.size_of_part(number).expect("the part is in the plan"));
            prop_assert_eq!(sizes().sum::<u64>(), size_bytes);
            prop_assert!(sizes().all(|size| (1..=LARGEST_PART_BYTES).contains(&size)));
            prop_assert!(sizes().take(count as usize - 1).all(|size| size >= 5 * MIB));
            prop_assert_eq!(plan.size_of_part(0), None);
            prop_assert_eq!(plan.size_of_part(count + 1), None);
        }

        #[test]
        fn no_smaller_step_would_have_done(size_bytes in any_size()) {
            let plan = PartPlan::for_size(size_bytes).expect("the size is in range");
            let smaller = match plan.part_size_bytes() {
                SMALLEST_PART_BYTES => return Ok(()),
                LARGEST_PART_BYTES => 4096 * MIB,
                size => size / 2,
            };
            prop_assert!(size_bytes.div_ceil(smaller) > MAX_PARTS);
        }
    }
}
