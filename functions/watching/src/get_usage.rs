//! How long a viewer was delivered live channels.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use cold_start::required_env;
use http_api::{Caller, Forbidden, NotFound, Path, Problem, Unauthenticated};
use live::{UsageRecords, ViewerId, Viewers};
use serde::Serialize;
use utoipa::ToSchema;

use crate::context::{dynamodb, now_ms};

/// What the function works with.
#[derive(Clone, Debug)]
pub struct Context {
    viewers: Viewers,
    usage: UsageRecords,
}

impl Context {
    /// Builds the clients from the function's environment.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env(sdk: &SdkConfig) -> anyhow::Result<Self> {
        let (usage, relays) = (required_env("LIVE_USAGE_TABLE")?, required_env("LIVE_RELAYS_TABLE")?);
        Ok(Self::new(sdk, required_env("LIVE_VIEWERS_TABLE")?, usage, relays))
    }

    /// Builds the clients for these tables.
    pub fn new(
        sdk: &SdkConfig,
        viewers_table: impl Into<String>,
        usage_table: impl Into<String>,
        relays_table: impl Into<String>,
    ) -> Self {
        let client = dynamodb(sdk);
        let viewers = Viewers::new(client.clone(), viewers_table);
        Self { viewers, usage: UsageRecords::new(client, usage_table, relays_table) }
    }
}

/// How long a viewer was delivered live channels.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Usage {
    /// Seconds in the last 24 hours, to the nearest, by channel. Sessions add up.
    sessions: BTreeMap<String, u64>,
}

/// The route.
pub fn router(context: Context) -> Router {
    Router::new().route("/usage/{user_id}", get(get_usage)).with_state(context)
}

/// Tells how long a viewer was delivered which live channels in the last 24 hours.
///
/// Pauses of more than 2 seconds don't count, and two sessions on one channel count twice. Callers may ask for viewers that they
/// registered, admins for anybody's.
#[utoipa::path(
    get, path = "/usage/{user_id}", operation_id = "get_usage", tag = "watching",
    security(("bearer" = [])),
    params(("user_id" = String, Path, description = "The viewer.", min_length = 1, max_length = 64)),
    responses(
        (status = 200, description = "The usage, as one line.", body = Usage),
        Unauthenticated, Forbidden, NotFound,
    )
)]
pub(crate) async fn get_usage(
    State(context): State<Context>,
    caller: Caller,
    Path(viewer): Path<ViewerId>,
) -> Result<impl IntoResponse, Problem> {
    let is_own_account = viewer.as_str() == caller.user_id;
    if !caller.is_admin()
        && !is_own_account
        && context.viewers.owner(&viewer).await?.as_ref() != Some(&caller.user_id)
    {
        // The same whether somebody else has it or nobody.
        return Err(Problem::forbidden("This viewer is not yours."));
    }
    let seconds = context.usage.seconds(&viewer, now_ms()).await?;
    let usage =
        Usage { sessions: seconds.into_iter().map(|(channel, seconds)| (channel.into(), seconds)).collect() };
    let line = serde_json::to_string(&usage).map_err(anyhow::Error::from)? + "\n";
    Ok(([(CONTENT_TYPE, "application/json")], line))
}
