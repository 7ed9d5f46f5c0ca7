//! What a cold start builds.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use cold_start::{quick_calls, required_env};
use library::Videos;
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
        let client = dynamodb(sdk);
        let keys = MediaKeys::new(client.clone(), required_env("MEDIA_KEYS_TABLE")?);
        Ok(Self {
            videos: Videos::new(client, required_env("VIDEOS_TABLE")?),
            cookies: Arc::new(MediaCookies::new(keys, required_env("MEDIA_KEY_PAIR_ID")?)),
        })
    }
}

pub(crate) fn dynamodb(sdk: &SdkConfig) -> Client {
    Client::from_conf(aws_sdk_dynamodb::config::Builder::from(sdk).timeout_config(quick_calls()).build())
}
