//! The settings that the functions share: of the SDK's clients, and of the tables that they write to.

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_s3::Client as S3;
use aws_sdk_sqs::Client as Sqs;
use cold_start::{quick_calls, required_env};
use library::Tables;

/// The library's tables.
///
/// # Errors
/// Names the variable that is missing.
pub(crate) fn tables_from_env() -> anyhow::Result<Tables> {
    Ok(Tables {
        uploads: required_env("UPLOADS_TABLE")?,
        contents: required_env("CONTENTS_TABLE")?,
        videos: required_env("VIDEOS_TABLE")?,
    })
}

pub(crate) fn dynamodb(sdk: &SdkConfig) -> DynamoDb {
    let config = aws_sdk_dynamodb::config::Builder::from(sdk).timeout_config(quick_calls()).build();
    DynamoDb::from_conf(config)
}

pub(crate) fn sqs(sdk: &SdkConfig) -> Sqs {
    Sqs::from_conf(aws_sdk_sqs::config::Builder::from(sdk).timeout_config(quick_calls()).build())
}

/// A client that moves many gigabytes: one call in a thousand may well fail, and none of them may cost the whole pass.
pub(crate) fn s3(sdk: &SdkConfig) -> S3 {
    let retries = sdk.retry_config().cloned().unwrap_or_else(RetryConfig::standard).with_max_attempts(6);
    S3::from_conf(aws_sdk_s3::config::Builder::from(sdk).retry_config(retries).build())
}
