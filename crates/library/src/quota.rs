//! How much of what is stored is somebody's, and how much may be.
//!
//! One item for each owner counts it, changed in the very transaction that changes what it counts: so it is exact however many
//! requests come at once, and can be compared with a limit in the transaction that would pass it. Bytes that several owners share
//! count in full for each of them. Otherwise the count would tell its owner whether somebody else has the same film.

use anyhow::Context as _;
use items::{Item, from_item, number, string};
use serde::{Deserialize, Serialize};

use crate::expression::Condition;
use crate::ids::UserId;
use crate::upload::Upload;
use crate::uploads::Uploads;
use crate::write::{Write, Written};

/// What an owner has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The sizes of their uploads that wait, are worked on or failed and may be retried, and of their videos, together.
    #[serde(default)]
    pub bytes: i64,
    /// How many of their uploads wait for parts.
    #[serde(default)]
    pub uploads: i64,
}

/// What an owner may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes, counted as in [`Usage::bytes`].
    pub bytes: u64,
    /// The most uploads that wait at once.
    pub uploads: u64,
}

impl Usage {
    /// Whether an upload of `size_bytes` fits beside what is there.
    pub fn has_room_for(self, size_bytes: u64, limits: Limits) -> bool {
        self.bytes <= room(limits.bytes, size_bytes) && self.uploads <= room(limits.uploads, 1)
    }
}

/// How much there may be already for so much more to fit; below 0 if it never does.
fn room(limit: u64, more: u64) -> i64 {
    signed(limit).saturating_sub(signed(more))
}

/// Sizes end far below: 48.8 TiB fit S3, and 8 EiB this.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What is to be counted along with a change of records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) bytes: i64,
    pub(crate) uploads: i64,
}

impl Change {
    /// An upload begins.
    pub(crate) fn begun(upload: &Upload) -> Self {
        Self { bytes: signed(upload.size_bytes), uploads: 1 }
    }

    /// An upload waits no longer, and is worked on.
    pub(crate) const ARRIVED: Self = Self { bytes: 0, uploads: -1 };

    /// An upload that waited is given up.
    pub(crate) fn given_up(upload: &Upload) -> Self {
        Self { bytes: -signed(upload.size_bytes), uploads: -1 }
    }

    /// Bytes that don't wait are no longer their owner's.
    pub(crate) fn freed(size_bytes: u64) -> Self {
        Self { bytes: -signed(size_bytes), uploads: 0 }
    }

    /// Counts it for this owner.
    pub(crate) fn of(self, owner: &UserId, contents_table: &str) -> Write {
        self.write(owner, contents_table, None)
    }

    /// Counts it for this owner if what is there then stays within the limits.
    pub(crate) fn within(self, limits: Limits, owner: &UserId, contents_table: &str) -> Write {
        let at_most = |name, limit, more| {
            let room = room(limit, u64::try_from(more).unwrap_or(0));
            let below = Condition::Below(name, room.saturating_add(1));
            // Nothing is there yet.
            if room < 0 { below } else { Condition::Any(vec![Condition::Absent(name), below]) }
        };
        let condition = Condition::All(vec![
            at_most("bytes", limits.bytes, self.bytes),
            at_most("uploads", limits.uploads, self.uploads),
        ]);
        self.write(owner, contents_table, Some(condition))
    }

    fn write(self, owner: &UserId, contents_table: &str, condition: Option<Condition>) -> Write {
        Write::count(contents_table, usage_key(owner), condition)
            .tally("bytes", self.bytes)
            .tally("uploads", self.uploads)
    }
}

impl Uploads {
    /// What the owner has. One round trip.
    pub async fn usage(&self, owner: &UserId) -> anyhow::Result<Usage> {
        let found = self
            .client
            .get_item()
            .table_name(&self.contents_table)
            .set_key(Some(usage_key(owner)))
            .consistent_read(true)
            .send()
            .await
            .context("reading what an owner has")?;
        found.item.map_or(Ok(Usage::default()), from_item)
    }

    /// Puts `right` in the place of a count that was found to be wrong, unless it is no longer `seen`. Answers whether it did. One
    /// round trip.
    ///
    /// For whoever goes through all records: nothing in the course of events makes a count wrong.
    pub async fn correct_usage(&self, owner: &UserId, seen: Usage, right: Usage) -> anyhow::Result<bool> {
        let is = |name, value: i64| match value {
            0 => Condition::Any(vec![Condition::Absent(name), Condition::Is(name, number(value))]),
            _ => Condition::Is(name, number(value)),
        };
        let unchanged = Condition::All(vec![is("bytes", seen.bytes), is("uploads", seen.uploads)]);
        let write = Write::update(&self.contents_table, usage_key(owner), unchanged)
            .set("bytes", number(right.bytes))
            .set("uploads", number(right.uploads));
        Ok(matches!(write.send(&self.client).await?, Written::Done(_)))
    }

    /// Forgets the count of an owner who is gone with everything that was counted. One round trip.
    pub async fn forget_usage(&self, owner: &UserId) -> anyhow::Result<()> {
        Write::delete(&self.contents_table, usage_key(owner), None).send(&self.client).await?;
        Ok(())
    }
}

/// The key of an owner's count.
pub(crate) fn usage_key(owner: &UserId) -> Item {
    Item::from([("pk".to_owned(), string(format!("owner#{owner}"))), ("sk".to_owned(), string("quota"))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn there_is_room_up_to_the_limit_and_no_further(
            bytes in 0u64..1 << 60, size in 1u64..1 << 50, limit in 0u64..1 << 61, uploads in 0u64..10, most in 0u64..10
        ) {
            let usage = Usage { bytes: signed(bytes), uploads: signed(uploads) };
            let fits = bytes + size <= limit && uploads < most;
            prop_assert_eq!(usage.has_room_for(size, Limits { bytes: limit, uploads: most }), fits);
        }
    }
}
