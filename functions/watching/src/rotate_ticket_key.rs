//! Keeps the keys of tickets fresh: every day, and when the stack is deployed, for then there must be a first one.
//!
//! A new key is made when the newest is a month old; keys of two months go. Nothing here is poison: whatever fails is done
//! again the next day, and both making a key and deleting one may be repeated. Of a deployment, a key that can't be made is
//! answered as `FAILED`, which rolls it back; `Delete` leaves the keys, since the tables outlive the stack. An answer that
//! can't be sent and a failure of the daily run are errors, which Lambda retries.

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use cold_start::{http_connector, required_env};
use lambda_http::lambda_runtime;
use live::TicketKeys;
use serde::{Deserialize, Serialize};

use crate::context::{dynamodb, now_ms};
use crate::custom_resource::{self, RequestType, answer};

/// There is one set of keys in a stack, whatever CloudFormation does to the resource.
const PHYSICAL_ID: &str = "ticket-key";

/// What the function is called with.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Event {
    /// By a deployment.
    Deployment(custom_resource::Event),
    /// By the clock.
    Schedule(Schedule),
}

/// What EventBridge sends, of which nothing matters but that it is that.
#[derive(Debug, Deserialize)]
pub struct Schedule {
    #[serde(rename = "detail-type")]
    _detail_type: String,
}

/// What the resource has to say: nothing, for relays read the public halves from the table.
#[derive(Debug, Default, Serialize)]
struct Data {}

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    keys: TicketKeys,
    http: SharedHttpConnector,
}

impl Context {
    /// Builds the clients from the function's environment.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env(sdk: &SdkConfig) -> anyhow::Result<Self> {
        Ok(Self::new(sdk, required_env("TICKET_KEYS_TABLE")?, http_connector()?))
    }

    /// Builds the clients for this table, with what sends answers to CloudFormation.
    pub fn new(sdk: &SdkConfig, keys_table: impl Into<String>, http: SharedHttpConnector) -> Self {
        Self { keys: TicketKeys::new(dynamodb(sdk), keys_table), http }
    }

    async fn rotate(&self) -> anyhow::Result<()> {
        let rotation = self.keys.rotate(now_ms()).await?;
        tracing::info!(made = rotation.made, deleted = rotation.deleted.join(" "), "ticket keys are current");
        Ok(())
    }
}

/// Does what the event asks and, if that is CloudFormation's, answers it.
///
/// # Errors
/// When the keys of a daily run can't be made current, or an answer can't be sent.
pub async fn handle(context: &Context, event: Event) -> Result<(), lambda_runtime::Error> {
    let event = match event {
        Event::Deployment(event) => event,
        Event::Schedule(_) => return Ok(context.rotate().await?),
    };
    let done = match event.request_type() {
        RequestType::Create | RequestType::Update => context.rotate().await,
        RequestType::Delete => Ok(()),
    };
    let data = done.map(|()| Data {}).map_err(|error| {
        tracing::error!(error = format!("{error:#}"), "no ticket key");
        "The ticket key could not be made; the function's log says why."
    });
    Ok(answer(&context.http, &event, PHYSICAL_ID, data).await?)
}
