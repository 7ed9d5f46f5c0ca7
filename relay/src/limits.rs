//! How many files the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Descriptors that connections leave for everything else: listeners, the source, the store, the log.
const RESERVED: usize = 64;

/// Raises the limit to what is allowed and says how many connections fit, at most as many as wanted.
pub(crate) fn raise_descriptors(wanted: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    if let Err(error) = &raised {
        warn!(%error, "limit of open files not raised");
    }
    let limit = if raised.is_ok() { maximum } else { current };
    let fit = limit.map_or(usize::MAX, |limit| (limit as usize).saturating_sub(RESERVED).max(1));
    if fit < wanted {
        warn!(wanted, fit, "fewer connections than MAX_CONNECTIONS: the limit of open files is too low");
    }
    wanted.min(fit)
}
