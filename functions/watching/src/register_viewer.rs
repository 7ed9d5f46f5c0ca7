//! Makes a viewer of live channels an account's own, and gives the right to watch as that viewer.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing};
use cold_start::required_env;
use http_api::{Caller, Conflict, Forbidden, InvalidRequest, Json, Problem, Unauthenticated};
use library::Timestamp;
use live::tickets::{SigningKey, TICKET_LIFETIME_S};
use live::{RegisterError, TicketKeys, VIEWERS_PER_ACCOUNT, ViewerId, Viewers};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::context::{dynamodb, now_ms};

/// How long a key is signed with before it is asked for again. Keys hold for a month after the next one came.
const KEY_KEPT: Duration = Duration::from_secs(600);

/// What the function works with.
#[derive(Clone, Debug)]
pub struct Context {
    viewers: Viewers,
    keys: TicketKeys,
    key: Arc<Mutex<Option<KeptKey>>>,
    relay: Option<Relay>,
}

/// The key that was read last.
#[derive(Debug)]
struct KeptKey {
    key: Arc<SigningKey>,
    read_at: Instant,
}

/// Where viewers connect.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Name or address.
    pub host: String,
    /// Port of the stream.
    pub port: u16,
}

impl Context {
    /// Builds the clients from the function's environment.
    ///
    /// # Errors
    /// Names the variable that is missing or unusable.
    pub fn from_env(sdk: &SdkConfig) -> anyhow::Result<Self> {
        // Without a relay, the template leaves the host empty.
        let host = std::env::var("LIVE_HOST").unwrap_or_default();
        let relay = if host.is_empty() {
            None
        } else {
            let port = required_env("LIVE_PORT")?;
            let port =
                port.parse().map_err(|_| anyhow::anyhow!("LIVE_PORT is {port:?}, which is no port"))?;
            Some(Relay { host, port })
        };
        Ok(Self::new(sdk, required_env("LIVE_VIEWERS_TABLE")?, required_env("TICKET_KEYS_TABLE")?, relay))
    }

    /// Builds the clients for these tables.
    pub fn new(
        sdk: &SdkConfig,
        viewers_table: impl Into<String>,
        keys_table: impl Into<String>,
        relay: Option<Relay>,
    ) -> Self {
        let client = dynamodb(sdk);
        let viewers = Viewers::new(client.clone(), viewers_table);
        Self { viewers, keys: TicketKeys::new(client, keys_table), key: Arc::default(), relay }
    }

    async fn signing_key(&self) -> anyhow::Result<Arc<SigningKey>> {
        let mut kept = self.key.lock().await;
        if let Some(kept) = kept.as_ref()
            && kept.read_at.elapsed() < KEY_KEPT
        {
            return Ok(Arc::clone(&kept.key));
        }
        let key = Arc::new(self.keys.signing(now_ms()).await?);
        *kept = Some(KeptKey { key: Arc::clone(&key), read_at: Instant::now() });
        Ok(key)
    }
}

/// What a viewer's line needs: `<user_id> <channel> <ticket>`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Registration {
    /// The viewer.
    user_id: String,
    /// The right to begin watching as that viewer, until `expires_at`.
    ticket: String,
    /// When the ticket expires. What was begun before goes on.
    #[schema(value_type = String, format = "date-time")]
    expires_at: Timestamp,
    /// Where live channels are to be had; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    host: Option<String>,
    /// The port there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    port: Option<u16>,
}

/// The route.
pub fn router(context: Context) -> Router {
    Router::new().route("/register", routing::post(register_viewer)).with_state(context)
}

/// Makes a viewer of live channels the caller's own, and gives the right to watch as that viewer.
///
/// The body's first line is the viewer's id: 1 to 64 printable ASCII characters without spaces. An id that nobody has becomes
/// the caller's, one of somebody else's is refused. An id in the form of a UUID may only be the caller's own account. Admins may
/// use anybody's. Repeating it is fine.
#[utoipa::path(
    post, path = "/register", operation_id = "register_viewer", tag = "watching",
    security(("bearer" = [])),
    request_body(content = String, content_type = "text/plain", description = "The viewer's id in the first line."),
    responses(
        (
            status = 200, description = "The viewer is registered. Without `Accept: application/json` the body is empty.",
            content((Registration = "application/json"), (String = "text/plain"))
        ),
        InvalidRequest, Unauthenticated, Forbidden, Conflict,
    )
)]
pub(crate) async fn register_viewer(
    State(context): State<Context>,
    caller: Caller,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|_| Problem::invalid_request("The body could not be read."))?;
    let viewer = viewer_in(&body).ok_or_else(|| {
        Problem::invalid_request(
            "The first line has to be an id: 1 to 64 printable ASCII characters, no spaces.",
        )
    })?;
    register(&context.viewers, &caller, &viewer).await?;
    if !wants_json(&headers) {
        return Ok([(CONTENT_TYPE, "text/plain")].into_response());
    }
    let expires_at_s = now_ms() / 1_000 + TICKET_LIFETIME_S;
    let ticket = context.signing_key().await?.sign(&viewer, expires_at_s);
    let expires_at = Timestamp::from_unix_ms(i64::try_from(expires_at_s * 1_000).unwrap_or(i64::MAX));
    let (host, port) = context.relay.map(|relay| (relay.host, relay.port)).unzip();
    Ok(Json(Registration { user_id: viewer.into(), ticket, expires_at, host, port }).into_response())
}

fn viewer_in(body: &[u8]) -> Option<ViewerId> {
    let line = body.split(|byte| *byte == b'\n').next()?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    std::str::from_utf8(line).ok()?.parse().ok()
}

async fn register(viewers: &Viewers, caller: &Caller, viewer: &ViewerId) -> Result<(), Problem> {
    let taken = || Problem::forbidden("This id is somebody else's.");
    let is_own_account = viewer.as_str() == caller.user_id;
    // Accounts are UUIDs, and nobody shall be able to take the place of one that is made tomorrow.
    let is_reserved = Uuid::try_parse(viewer.as_str()).is_ok() && !is_own_account;
    if is_reserved && !caller.is_admin() {
        let is_own = viewers.owner(viewer).await?.as_ref() == Some(&caller.user_id);
        return if is_own { Ok(()) } else { Err(taken()) };
    }
    match viewers.register(viewer, &caller.user_id).await {
        Ok(()) => Ok(()),
        Err(RegisterError::Taken) if caller.is_admin() || is_own_account => Ok(()),
        Err(RegisterError::Taken) => Err(taken()),
        Err(RegisterError::TooMany) => Err(Problem::conflict(
            "too-many-viewers",
            "Too many viewers",
            format!("An account may register {VIEWERS_PER_ACCOUNT} viewers."),
        )),
        Err(RegisterError::Failed(error)) => Err(error.into()),
    }
}

fn wants_json(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    ranges.flat_map(|ranges| ranges.split(',')).any(|range| {
        range.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"))
    })
}
