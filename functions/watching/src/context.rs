//! What a cold start builds.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use cold_start::{quick_calls, required_env};
use library::{Timestamp, Videos};
use signed_cookies::{MediaCookies, MediaKeys};

/// What the endpoints work with.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) videos: Videos,
    pub(crate) cookies: Arc<MediaCookies>,
}

impl Context {
    /// Builds the clients from the function's environment.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env(sdk: &SdkConfig) -> anyhow::Result<Self> {
        let (videos_table, keys_table) = (required_env("VIDEOS_TABLE")?, required_env("MEDIA_KEYS_TABLE")?);
        Ok(Self::new(sdk, videos_table, keys_table, required_env("MEDIA_KEY_PAIR_ID")?))
    }

    /// Builds the clients for these tables, with a media key that the CDN knows by this id.
    pub fn new(
        sdk: &SdkConfig,
        videos_table: impl Into<String>,
        keys_table: impl Into<String>,
        key_pair_id: impl Into<String>,
    ) -> Self {
        let client = dynamodb(sdk);
        let cookies = MediaCookies::new(MediaKeys::new(client.clone(), keys_table), key_pair_id);
        Self { videos: Videos::new(client, videos_table), cookies: Arc::new(cookies) }
    }
}

pub(crate) fn dynamodb(sdk: &SdkConfig) -> Client {
    Client::from_conf(aws_sdk_dynamodb::config::Builder::from(sdk).timeout_config(quick_calls()).build())
}

/// Unix time in milliseconds.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().unix_ms()).unwrap_or_default()
}
