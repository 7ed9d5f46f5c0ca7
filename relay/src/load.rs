//! How busy the relay is, said once a minute. Where it is deployed, metrics are made of this line and the service scales on
//! them (`infra/relay.yaml`): its message and the names of its fields are for others to rely on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::info;

use crate::state::State;

const EVERY: Duration = Duration::from_secs(60);

/// Says it for ever.
pub(crate) async fn report(state: Arc<State>) {
    let mut before = (Instant::now(), state.metrics.sent_bytes());
    let mut ticks = interval_at(before.0 + EVERY, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = (Instant::now(), state.metrics.sent_bytes());
        let egress_bits_per_second = bits_per_second(now.1.saturating_sub(before.1), now.0 - before.0);
        info!(viewers = state.metrics.viewers(), egress_bits_per_second, "load");
        before = now;
    }
}

fn bits_per_second(bytes: u64, took: Duration) -> u64 {
    (bytes as f64 * 8.0 / took.as_secs_f64().max(1.0)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_a_minute_are_bits_per_second() {
        assert_eq!(bits_per_second(0, EVERY), 0);
        assert_eq!(bits_per_second(7_500_000, EVERY), 1_000_000);
        assert_eq!(bits_per_second(7_500_000, Duration::from_secs(120)), 500_000);
    }

    /// The deployment's filters and this line are written in two languages.
    #[test]
    fn the_deployment_reads_the_line_by_the_names_that_it_has() {
        let template = include_str!("../../infra/relay.yaml");
        for read in [r#"{ $.message = "load" }"#, "$.viewers", "$.egress_bits_per_second"] {
            assert!(template.contains(read), "{read}");
        }
    }
}
