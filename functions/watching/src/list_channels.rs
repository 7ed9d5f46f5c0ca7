//! Which channels are live now.

use aws_config::SdkConfig;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use cold_start::required_env;
use http_api::{Caller, Json, Problem, Unauthenticated};
use live::LiveChannels;
use serde::Serialize;
use utoipa::ToSchema;

use crate::context::{dynamodb, now_ms};

/// What the function works with.
#[derive(Clone, Debug)]
pub struct Context {
    channels: LiveChannels,
}

impl Context {
    /// Builds the client from the function's environment.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env(sdk: &SdkConfig) -> anyhow::Result<Self> {
        Ok(Self::new(sdk, required_env("LIVE_RELAYS_TABLE")?))
    }

    /// Builds the client for this table.
    pub fn new(sdk: &SdkConfig, relays_table: impl Into<String>) -> Self {
        Self { channels: LiveChannels::new(dynamodb(sdk), relays_table) }
    }
}

/// The live channels.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Channels {
    /// By id.
    items: Vec<Channel>,
}

/// A channel that is live now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LiveChannel)]
pub(crate) struct Channel {
    /// Six characters.
    #[schema(example = "zato01")]
    id: String,
    /// What came lately, in bits per second.
    bits_per_second: u64,
    /// How many sessions watch it.
    viewers: u64,
}

/// The route.
pub fn router(context: Context) -> Router {
    Router::new().route("/channels", get(list_channels)).with_state(context)
}

/// Lists the channels that are live now, at most some seconds late.
#[utoipa::path(
    get, path = "/channels", operation_id = "list_channels", tag = "watching",
    security(("bearer" = [])),
    responses((status = 200, description = "All of them, by id.", body = Channels), Unauthenticated)
)]
pub(crate) async fn list_channels(
    State(context): State<Context>,
    _: Caller,
) -> Result<Json<Channels>, Problem> {
    let items = context.channels.now(now_ms()).await?.into_iter().map(|(id, now)| Channel {
        id: id.into(),
        bits_per_second: now.bits_per_second,
        viewers: now.viewers,
    });
    Ok(Json(Channels { items: items.collect() }))
}
