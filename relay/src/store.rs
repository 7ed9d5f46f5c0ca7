//! The way to DynamoDB from wherever the relay runs: a container's role, a profile, or the environment.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use live::{LiveStore, LiveTables};

/// Finds region, credentials and endpoint as every AWS tool does. Calls are given up early and not repeated here: whoever makes
/// one tries again by itself, with what is true then.
pub async fn connect(tables: &LiveTables) -> LiveStore {
    let patience = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3))
        .build();
    let config = aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(patience)
        .retry_config(RetryConfig::disabled())
        .load()
        .await;
    LiveStore::new(Client::new(&config), tables)
}
