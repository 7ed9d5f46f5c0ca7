//! The custom resource that makes the media key when the stack is deployed.
//!
//! `Create` and `Update` answer the public half of the one key that there is, making it if need be.
//! `Delete` leaves the key: the tables outlive the stack. A key that can't be made is answered as `FAILED`, which
//! rolls the deployment back; an answer that can't be sent is an error, which Lambda retries.

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use cold_start::{http_connector, required_env};
use lambda_http::lambda_runtime;
use serde::Serialize;
use signed_cookies::MediaKeys;

use crate::context::dynamodb;
pub use crate::custom_resource::Event;
use crate::custom_resource::{RequestType, answer};

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key_pem: Option<String>,
}

/// There is one key in a stack, whatever CloudFormation does to the resource.
const PHYSICAL_ID: &str = "media-key";

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    keys: MediaKeys,
    http: SharedHttpConnector,
}

impl Context {
    /// Builds the clients from the function's environment.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env(sdk: &SdkConfig) -> anyhow::Result<Self> {
        Ok(Self::new(sdk, required_env("MEDIA_KEYS_TABLE")?, http_connector()?))
    }

    /// Builds the clients for this table, with what sends the answers.
    pub fn new(sdk: &SdkConfig, keys_table: impl Into<String>, http: SharedHttpConnector) -> Self {
        Self { keys: MediaKeys::new(dynamodb(sdk), keys_table), http }
    }
}

/// Does what the event asks and answers CloudFormation.
///
/// # Errors
/// When the answer can't be sent.
pub async fn handle(context: &Context, event: Event) -> Result<(), lambda_runtime::Error> {
    let made = match event.request_type() {
        RequestType::Create | RequestType::Update => context.keys.create_once().await.map(Some),
        RequestType::Delete => Ok(None),
    };
    let data = made.map(|public_key_pem| Data { public_key_pem }).map_err(|error| {
        tracing::error!(error = format!("{error:#}"), "no media key");
        "The media key could not be made; the function's log says why."
    });
    Ok(answer(&context.http, &event, PHYSICAL_ID, data).await?)
}
