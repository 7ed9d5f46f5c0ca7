//! The exclusive right to work on a record for a while.

use std::fmt;
use std::time::Duration;

use items::{number, string};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::expression::Condition;
use crate::timestamp::Timestamp;
use crate::write::Write;

/// Names one holding of a lease. Every write that presumes the lease is conditional on it, so that a worker
/// that lost its lease, while it was stalled say, can change nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseToken(Uuid);

impl fmt::Display for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// What a worker asks for.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Unique to this attempt.
    pub token: LeaseToken,
    /// The queue message that the worker works for, which comes back if the worker dies.
    pub message_id: String,
    /// How long the lease lasts from each renewal on.
    pub duration: Duration,
}

impl Lease {
    /// A lease with a token of its own.
    pub fn new(message_id: impl Into<String>, duration: Duration) -> Self {
        Self { token: LeaseToken(Uuid::now_v7()), message_id: message_id.into(), duration }
    }

    /// That nobody else's lease is live. It holds for our own too: a claim that the SDK repeats must not be
    /// refused because its first copy succeeded.
    pub(crate) fn is_free(&self) -> Condition {
        Condition::Any(vec![is_unleased(), self.token.is_held()])
    }

    /// Takes or renews the lease.
    pub(crate) fn set_on(&self, write: Write) -> Write {
        write
            .set("lease_token", string(self.token))
            .set("lease_message_id", string(&self.message_id))
            .set("lease_until_ms", number(Timestamp::now().plus(self.duration).unix_ms()))
    }
}

/// That nobody's lease is live.
pub(crate) fn is_unleased() -> Condition {
    Condition::Any(vec![
        Condition::Absent("lease_until_ms"),
        Condition::Below("lease_until_ms", Timestamp::now().unix_ms()),
    ])
}

impl LeaseToken {
    /// That the lease is this one, whether it has run out or not: nobody else took it.
    pub(crate) fn is_held(self) -> Condition {
        Condition::Is("lease_token", string(self))
    }
}

/// Gives the lease up.
pub(crate) fn clear_lease(write: Write) -> Write {
    write.remove("lease_token").remove("lease_message_id").remove("lease_until_ms")
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim<T> {
    /// The lease is ours; the record as it is now.
    Claimed(T),
    /// Somebody else's lease is live; the record as it was found.
    Busy(T),
    /// The record is past the state in which it is worked on, so there is nothing to claim.
    Past(T),
    /// There is no such record.
    Absent,
}

/// What became of a promise that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// All outputs are written, and the record says so.
    Written,
    /// Somebody else has the lease, and will keep the promise.
    Lost,
    /// Nobody lists the content any more: what was written for it is to be removed.
    Gone,
}

/// What became of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The lease lasts longer now.
    Renewed,
    /// Somebody else has it.
    Lost,
    /// Nobody lists the record any more: it is being removed, or is gone. What was made for it is to be removed too.
    Gone,
    /// The record is past the state in which it is worked on: by our own doing, unless the lease was lost before.
    Past,
}
