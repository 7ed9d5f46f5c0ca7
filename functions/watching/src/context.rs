//! What a cold start builds.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use cold_start::{quick_calls, required_env};
use library::{Contents, Timestamp, Videos};
use signed_cookies::{MediaCookies, MediaKeys};

/// What the endpoints work with.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) videos: Videos,
    pub(crate) cookies: Arc<MediaCookies>,
    /// Where who plays a film asks for its ladder; none where the operator wants no ladders, or all of them at once.
    pub(crate) ladders: Option<Contents>,
}

impl Context {
    /// Builds the clients from the function's environment.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env(sdk: &SdkConfig) -> anyhow::Result<Self> {
        let (videos_table, keys_table) = (required_env("VIDEOS_TABLE")?, required_env("MEDIA_KEYS_TABLE")?);
        let context = Self::new(sdk, videos_table, keys_table, required_env("MEDIA_KEY_PAIR_ID")?);
        let contents_table = required_env("CONTENTS_TABLE")?;
        let on_demand = required_env("LADDER")? == "on-demand";
        Ok(if on_demand { context.with_ladders_on_demand(sdk, contents_table) } else { context })
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
        Self { videos: Videos::new(client, videos_table), cookies: Arc::new(cookies), ladders: None }
    }

    /// Who plays a film first asks for its ladder, in this table of contents.
    #[must_use]
    pub fn with_ladders_on_demand(self, sdk: &SdkConfig, contents_table: impl Into<String>) -> Self {
        Self { ladders: Some(Contents::new(dynamodb(sdk), contents_table)), ..self }
    }
}

pub(crate) fn dynamodb(sdk: &SdkConfig) -> Client {
    Client::from_conf(aws_sdk_dynamodb::config::Builder::from(sdk).timeout_config(quick_calls()).build())
}

/// Unix time in milliseconds.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().unix_ms()).unwrap_or_default()
}
