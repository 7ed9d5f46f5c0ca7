//! The custom resource that makes the media key when the stack is deployed.
//!
//! CloudFormation sends `Create`, `Update` and `Delete`, each possibly more than once, and waits for an answer at the
//! event's `ResponseURL`. All but `Delete` answer the public half of the one key that there is, making it if need be.
//! `Delete` leaves the key: the tables outlive the stack. A key that can't be made is answered as `FAILED`, which
//! rolls the deployment back; an answer that can't be sent is an error, which Lambda retries.

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use cold_start::{http_connector, required_env};
use lambda_http::lambda_runtime;
use serde::{Deserialize, Serialize};
use signed_cookies::MediaKeys;

use crate::context::dynamodb;

/// What CloudFormation sends, as far as it is read here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Event {
    request_type: RequestType,
    #[serde(rename = "ResponseURL")]
    response_url: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum RequestType {
    Create,
    Update,
    Delete,
}

/// What CloudFormation is answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    physical_resource_id: &'static str,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
    data: Data,
}

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
    let made = match event.request_type {
        RequestType::Create | RequestType::Update => context.keys.create_once().await.map(Some),
        RequestType::Delete => Ok(None),
    };
    let (status, reason, public_key_pem) = match made {
        Ok(public_key_pem) => ("SUCCESS", None, public_key_pem),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "no media key");
            ("FAILED", Some("The media key could not be made; the function's log says why.".to_owned()), None)
        }
    };
    let answer = Answer {
        status,
        reason,
        physical_resource_id: PHYSICAL_ID,
        stack_id: &event.stack_id,
        request_id: &event.request_id,
        logical_resource_id: &event.logical_resource_id,
        data: Data { public_key_pem },
    };
    send(context, &event.response_url, serde_json::to_vec(&answer)?)
        .await
        .context("answering CloudFormation")?;
    Ok(())
}

/// The address is presigned for a request without a content type.
async fn send(context: &Context, url: &str, body: Vec<u8>) -> anyhow::Result<()> {
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("PUT")?;
    request.set_uri(url)?;
    let answer = context.http.call(request).await?;
    anyhow::ensure!(answer.status().is_success(), "it is refused with {}", answer.status().as_u16());
    Ok(())
}
