use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Writes each log event as one line of JSON to standard output, where Lambda picks it up: the
/// event's fields are at the top level, and `span.requestId` is the Lambda request that it belongs to.
///
/// `LOG_LEVEL` (error, warn, info, debug, trace; info unless set) is the level of our own code.
pub fn start_logging() {
    let level = std::env::var("LOG_LEVEL").ok().and_then(|level| level.parse().ok());
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false);
    tracing_subscriber::registry().with(targets(level.unwrap_or(LevelFilter::INFO))).with(lines).init();
}

/// Libraries stay at `warn`: at `debug` the SDK and the HTTP stack print requests, and with them
/// passwords and tokens. The Lambda runtime stays at `info` at least, because its span carries the
/// request id that every other line needs.
fn targets(level: LevelFilter) -> Targets {
    let libraries = ["aws_", "axum", "h2", "hyper", "rustls", "tower"];
    Targets::new()
        .with_default(level)
        .with_target("lambda_runtime", LevelFilter::INFO)
        .with_targets(libraries.map(|library| (library, level.min(LevelFilter::WARN))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn libraries_never_print_requests() {
        let targets = targets(LevelFilter::TRACE);
        assert!(targets.would_enable("catalog::list_videos", &Level::DEBUG));
        assert!(!targets.would_enable("aws_smithy_runtime::client", &Level::DEBUG));
        assert!(!targets.would_enable("hyper_util::client", &Level::INFO));
    }

    #[test]
    fn the_request_id_survives_a_quiet_log() {
        assert!(targets(LevelFilter::ERROR).would_enable("lambda_runtime::layers::trace", &Level::INFO));
    }
}
