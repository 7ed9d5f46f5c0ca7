//! The AWS that is deployed into, and how to talk to it as its root.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use tokio::process::Command;

/// An AWS-compatible endpoint: the local AWS, LocalStack or another.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its address, without a slash at the end.
    pub url: String,
    /// The region that everything is deployed in.
    pub region: String,
    /// Credentials that may do everything there.
    pub credentials: Credentials,
}

impl Endpoint {
    /// The endpoint at `url`, with the root credentials that every emulator knows.
    #[must_use]
    pub fn at(url: &str) -> Self {
        let credentials = Credentials::from_keys("test", "test", None);
        Self { url: url.trim_end_matches('/').to_owned(), region: "us-east-1".to_owned(), credentials }
    }

    /// The same in the name of somebody else, for as long as these temporary credentials live.
    #[must_use]
    pub fn with_session(&self, access_key_id: &str, secret: &str, session_token: &str) -> Self {
        let credentials = Credentials::from_keys(access_key_id, secret, Some(session_token.to_owned()));
        Self { credentials, ..self.clone() }
    }

    /// The configuration of any SDK client for it. Nothing of the process's environment goes into it.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(self.credentials.clone()))
            .endpoint_url(&self.url)
            .build()
    }

    /// A client for S3. Paths carry the bucket's name, for a host name per bucket needs DNS.
    #[must_use]
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.sdk_config()).force_path_style(true);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// Lets a program that uses an AWS SDK talk to this endpoint, and to no other by mistake.
    pub(crate) fn give_to(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command
            .env("AWS_ACCESS_KEY_ID", self.credentials.access_key_id())
            .env("AWS_SECRET_ACCESS_KEY", self.credentials.secret_access_key())
            .env("AWS_DEFAULT_REGION", &self.region)
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true");
    }
}
