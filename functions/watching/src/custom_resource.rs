//! What CloudFormation asks of a function that plays a resource, and how it is answered.
//!
//! It sends `Create`, `Update` and `Delete`, each possibly more than once, and waits for an answer at the event's
//! `ResponseURL`.

use anyhow::Context as _;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use serde::{Deserialize, Serialize};

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

/// What is to become of the resource.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(crate) enum RequestType {
    Create,
    Update,
    Delete,
}

impl Event {
    pub(crate) fn request_type(&self) -> RequestType {
        self.request_type
    }
}

/// What CloudFormation is answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a, D> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    physical_resource_id: &'a str,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
    /// Asterisks are all that consoles and logs of CloudFormation show of the data.
    no_echo: bool,
    data: D,
}

/// Answers with the resource's data, which nobody is shown, or with the reason why there is none, which fails the deployment.
pub(crate) async fn answer<D: Default + Serialize>(
    http: &SharedHttpConnector,
    event: &Event,
    physical_resource_id: &str,
    outcome: Result<D, &str>,
) -> anyhow::Result<()> {
    let (status, reason, data) = match outcome {
        Ok(data) => ("SUCCESS", None, data),
        Err(reason) => ("FAILED", Some(reason), D::default()),
    };
    let answer = Answer {
        status,
        reason,
        physical_resource_id,
        stack_id: &event.stack_id,
        request_id: &event.request_id,
        logical_resource_id: &event.logical_resource_id,
        no_echo: true,
        data,
    };
    send(http, &event.response_url, serde_json::to_vec(&answer)?).await.context("answering CloudFormation")
}

/// The address is presigned for a request without a content type.
async fn send(http: &SharedHttpConnector, url: &str, body: Vec<u8>) -> anyhow::Result<()> {
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("PUT")?;
    request.set_uri(url)?;
    let answer = http.call(request).await?;
    anyhow::ensure!(answer.status().is_success(), "it is refused with {}", answer.status().as_u16());
    Ok(())
}
