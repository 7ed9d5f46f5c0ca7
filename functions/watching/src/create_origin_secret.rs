//! The custom resource that makes up what the CDN proves itself with to the functions behind the gateway: the CDN sends it with each
//! request, and a function that finds it believes the CDN whose request that is.
//!
//! `Create` and `Update` answer a new secret each; CloudFormation hands the one that it got first to both sides in the same
//! deployment. So it is kept nowhere else, and there is nothing to delete.

use anyhow::Context as _;
use aws_lc_rs::rand;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use cold_start::http_connector;
use lambda_http::lambda_runtime;
use serde::Serialize;

pub use crate::custom_resource::Event;
use crate::custom_resource::{RequestType, answer};

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// There is one in a stack, whatever CloudFormation does to the resource.
const PHYSICAL_ID: &str = "origin-secret";

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    http: SharedHttpConnector,
}

impl Context {
    /// Builds what sends the answers.
    ///
    /// # Errors
    /// The environment names a bundle of certificates that can't be read.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self { http: http_connector()? })
    }
}

/// Does what the event asks and answers CloudFormation.
///
/// # Errors
/// When the answer can't be sent, which Lambda retries.
pub async fn handle(context: &Context, event: Event) -> Result<(), lambda_runtime::Error> {
    let secret = match event.request_type() {
        RequestType::Create | RequestType::Update => Some(secret()?),
        RequestType::Delete => None,
    };
    Ok(answer(&context.http, &event, PHYSICAL_ID, Ok(Data { secret })).await?)
}

/// 256 bits, in hexadecimal.
fn secret() -> anyhow::Result<String> {
    let mut chance = [0; 32];
    rand::fill(&mut chance).context("there is no randomness")?;
    Ok(chance.iter().map(|byte| format!("{byte:02x}")).collect())
}
