//! One JSON object a line, on standard output.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{filter::Targets, fmt};

/// What is logged if `LOG_LEVEL` says nothing, or nothing that can be read.
pub const DEFAULT: LevelFilter = LevelFilter::INFO;

/// Starts logging at this level. Libraries stay at `warn`: at `debug` some of them print requests.
pub fn start(level: LevelFilter) {
    let libraries =
        ["aws_", "axum", "hyper", "rustls"].map(|library| (library, level.min(LevelFilter::WARN)));
    let targets = Targets::new().with_default(level).with_targets(libraries);
    let lines = fmt::layer().json().flatten_event(true).with_span_list(false).with_current_span(false);
    tracing_subscriber::registry().with(targets).with(lines).init();
}
