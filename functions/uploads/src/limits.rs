//! What each role may upload and keep.

use anyhow::Context as _;
use cold_start::required_env;
use http_api::{Caller, Problem};
use library::{Limits, Usage};
use serde::Serialize;
use utoipa::ToSchema;

/// The limits of everybody who may upload.
#[derive(Clone, Copy, Debug)]
pub struct LimitsByRole {
    /// For publishers.
    pub publisher: RoleLimits,
    /// For admins.
    pub admin: RoleLimits,
}

/// The limits of one role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleLimits {
    /// The largest file.
    pub file_bytes: u64,
    /// What there may be together.
    pub total: Limits,
}

/// What its owner has of the storage, and may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Quota)]
pub(crate) struct QuotaView {
    /// The sizes of the uploads that wait or are worked on, and of the videos, together. What others have uploaded as well counts
    /// in full.
    bytes_used: u64,
    /// The most of it.
    bytes_limit: u64,
    /// How many uploads wait for parts.
    uploads_waiting: u64,
    /// The most of them at once.
    uploads_limit: u64,
    /// The largest file.
    file_bytes_limit: u64,
}

impl LimitsByRole {
    pub(crate) fn from_env() -> anyhow::Result<Self> {
        Ok(Self { publisher: RoleLimits::from_env("PUBLISHER")?, admin: RoleLimits::from_env("ADMIN")? })
    }

    /// Those of the caller. Who may not upload has the publishers', of what they uploaded when they might.
    pub(crate) fn of(&self, caller: &Caller) -> RoleLimits {
        if caller.is_admin() { self.admin } else { self.publisher }
    }
}

impl RoleLimits {
    fn from_env(role: &str) -> anyhow::Result<Self> {
        let number = |what: &str| {
            let name = format!("{role}_MAX_{what}");
            required_env(&name)?.parse().with_context(|| format!("{name} is no whole number"))
        };
        let total = Limits { bytes: number("STORED_BYTES")?, uploads: number("UPLOADS")? };
        Ok(Self { file_bytes: number("FILE_BYTES")?, total })
    }

    /// 409: a file doesn't fit beside what is there. The answer says how much that is.
    pub(crate) fn no_room(self, size_bytes: u64, usage: Usage) -> Problem {
        let quota = self.view(usage);
        let QuotaView { bytes_used, bytes_limit, uploads_waiting, uploads_limit, .. } = quota;
        let problem = if size_bytes > bytes_limit.saturating_sub(bytes_used) {
            let detail = format!(
                "The file has {size_bytes} bytes, and {} of {bytes_limit} bytes are left. Delete videos or give uploads up to \
                 make room.",
                bytes_limit.saturating_sub(bytes_used)
            );
            Problem::conflict("quota-exceeded", "No room is left", detail)
        } else {
            let detail = format!(
                "{uploads_waiting} uploads wait for parts already, and {uploads_limit} may. Complete or give up one of them."
            );
            Problem::conflict("too-many-uploads", "Too many uploads at once", detail)
        };
        problem.with_member("quota", &quota)
    }

    /// Refuses what has been let in before and is past the limits now, because they were lowered or are another role's.
    pub(crate) fn ensure_within(self, size_bytes: u64, usage: Usage) -> Result<(), Problem> {
        let quota = self.view(usage);
        if size_bytes > self.file_bytes {
            return Err(Problem::payload_too_large(self.too_large(size_bytes)).with_member("quota", &quota));
        }
        if quota.bytes_used > quota.bytes_limit {
            let detail = format!(
                "Your files have {} bytes together, this one included, and may have {}. Delete videos or give uploads up, then \
                 complete this one again.",
                quota.bytes_used, quota.bytes_limit
            );
            return Err(
                Problem::conflict("quota-exceeded", "No room is left", detail).with_member("quota", &quota)
            );
        }
        Ok(())
    }

    /// A sentence about a file that is too large by itself.
    pub(crate) fn too_large(self, size_bytes: u64) -> String {
        format!("A file may have at most {} bytes; this one has {size_bytes}.", self.file_bytes)
    }

    pub(crate) fn view(self, usage: Usage) -> QuotaView {
        QuotaView {
            bytes_used: u64::try_from(usage.bytes).unwrap_or(0),
            bytes_limit: self.total.bytes,
            uploads_waiting: u64::try_from(usage.uploads).unwrap_or(0),
            uploads_limit: self.total.uploads,
            file_bytes_limit: self.file_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse as _;

    const LIMITS: RoleLimits = RoleLimits { file_bytes: 80, total: Limits { bytes: 100, uploads: 2 } };

    #[test]
    fn what_is_in_the_way_is_said() {
        let full = Usage { bytes: 90, uploads: 2 };
        let said = |problem: Problem| format!("{problem:?}");
        assert!(said(LIMITS.no_room(11, full)).contains("quota-exceeded"));
        assert!(said(LIMITS.no_room(11, full)).contains("10 of 100 bytes are left"));
        assert!(said(LIMITS.no_room(10, full)).contains("too-many-uploads"));
        assert_eq!(LIMITS.no_room(10, full).into_response().status(), 409);
    }

    #[test]
    fn what_was_let_in_is_held_against_the_limits_of_today() {
        let status = |size, bytes| {
            let checked = LIMITS.ensure_within(size, Usage { bytes, uploads: 1 });
            checked.err().map(|problem| problem.status())
        };
        assert_eq!(status(80, 100), None, "its own bytes are counted already");
        assert_eq!(status(80, 101), Some(409));
        assert_eq!(status(81, 90), Some(413));
    }
}
