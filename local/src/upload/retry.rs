//! What may succeed later is tried again, less and less often.

use std::time::Duration;

use anyhow::Result;

use super::Progress;
use crate::client::Refusal;

const FIRST_DELAY: Duration = Duration::from_millis(500);
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// Some ten minutes without success are the end.
const ATTEMPTS: u32 = 26;

/// Tries until it works, or fails in a way that waiting does not cure.
pub(super) async fn persist<T>(
    progress: &Progress,
    mut attempt: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let mut patience = Patience::default();
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => patience.after(error, progress).await?,
        }
    }
}

/// How much of it is left.
#[derive(Debug, Default)]
pub(super) struct Patience {
    failures: u32,
}

impl Patience {
    /// Waits before the next attempt. Fails with what went wrong where there should be none.
    pub(super) async fn after(&mut self, error: anyhow::Error, progress: &Progress) -> Result<()> {
        self.failures += 1;
        if !is_passing(&error) || self.failures == ATTEMPTS {
            return Err(error);
        }
        progress.setback(&error);
        tokio::time::sleep(delay(self.failures, retry_after(&error))).await;
        Ok(())
    }
}

/// The network or a busy service, as against a request that is wrong.
fn is_passing(error: &anyhow::Error) -> bool {
    if let Some(Refusal { status, .. }) = error.downcast_ref() {
        return status.is_server_error() || matches!(status.as_u16(), 408 | 429);
    }
    error.chain().filter_map(|cause| cause.downcast_ref::<reqwest::Error>()).any(|error| !error.is_builder())
}

fn retry_after(error: &anyhow::Error) -> Option<Duration> {
    error.downcast_ref::<Refusal>()?.retry_after
}

/// Half of it is fixed and half is chance, so that those that failed together don't return together.
fn delay(failures: u32, asked: Option<Duration>) -> Duration {
    let ceiling = LONGEST_DELAY.min(FIRST_DELAY * 2_u32.saturating_pow(failures.saturating_sub(1).min(10)));
    asked.unwrap_or_default().max(ceiling / 2) + ceiling.mul_f64(fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_DELAY, delay};
    use std::time::Duration;

    #[test]
    fn delays_grow_to_a_limit_and_never_undercut_what_the_service_asks_for() {
        assert!(delay(1, None) <= Duration::from_millis(500));
        assert!(delay(1, None) >= Duration::from_millis(250));
        assert!(delay(100, None) <= LONGEST_DELAY);
        assert!(delay(100, None) >= LONGEST_DELAY / 2);
        assert!(delay(1, Some(Duration::from_secs(60))) >= Duration::from_secs(60));
    }
}
