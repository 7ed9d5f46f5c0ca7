//! Who tried to sign in, when, from where and with what: shown to the account's owner, so that they see what wasn't them.

mod device;
mod table;

pub use table::SignInsTable;
pub(crate) use table::{LAST, Novelty};

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use library::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::attempts::Address;

/// One attempt to sign in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SignIn {
    pub at: Timestamp,
    pub outcome: Outcome,
    /// The network address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "203.0.113.42")]
    pub address: Option<String>,
    /// As far as the browser tells.
    #[schema(example = "Firefox on Linux")]
    pub device: String,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// A session began.
    SignedIn,
    /// The password was wrong, or the account is disabled or not confirmed yet.
    Refused,
}

impl SignIn {
    /// An attempt that is made now.
    pub(crate) fn now(outcome: Outcome, address: &Address, headers: &HeaderMap) -> Self {
        let user_agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self { at: Timestamp::now(), outcome, address: address.text(), device: device::describe(user_agent) }
    }
}
