use std::time::Duration;

use aws_lc_rs::rand;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_api::{Caller, Conflict, InvalidBody, Json, NotFound, Path, Problem, Unauthenticated};
use library::{Challenge, Timestamp, UploadId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Context;
use crate::new_upload::announced_digest;
use crate::owned::{ensure_waiting, own_upload};
use crate::possession::{self, NONCE_BYTES};

/// How long an answer is taken. Reading a megabyte from a busy disk takes seconds.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// A file that the client has.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateChallenge {
    /// Its content digest.
    digest: String,
}

/// What to show of the file.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Challenge)]
pub(crate) struct ChallengeView {
    /// Standard base64 of 32 bytes: the key of the HMAC.
    nonce: String,
    /// The places of the file, in the order in which their bytes go into the HMAC. They may overlap.
    ranges: Vec<FileRange>,
    /// Until when an answer is taken, once.
    expires_at: Timestamp,
}

/// A place in a file.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FileRange {
    /// The first byte, counted from 0.
    start: u64,
    /// How many bytes.
    length: u64,
}

/// Asks the client to show that it has the file with this digest, so that a file that is stored needn't be sent.
///
/// Whether it is stored is looked up when the answer comes: any digest gets a challenge, three of them for an upload, and a hundred a
/// day for its owner.
#[utoipa::path(
    post, path = "/uploads/{id}/challenge", operation_id = "create_challenge", tag = "uploads",
    security(("bearer" = [])),
    params(("id" = UploadId, Path, description = "The upload, which waits for its parts.")),
    request_body = CreateChallenge,
    responses(
        (status = 200, description = "What to show.", body = ChallengeView),
        InvalidBody, Unauthenticated, NotFound, Conflict,
    )
)]
pub(crate) async fn create_challenge(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<UploadId>,
    Json(request): Json<CreateChallenge>,
) -> Result<Json<ChallengeView>, Problem> {
    let upload = own_upload(&context, &caller, id).await?;
    ensure_waiting(&upload)?;
    let digest = announced_digest(&request.digest, upload.plan().map_err(anyhow::Error::from)?)?;
    if upload.digest.as_ref().is_some_and(|announced| *announced != digest) {
        return Err(Problem::invalid_field("digest", "must be the one that was announced"));
    }
    let mut nonce = [0; NONCE_BYTES];
    rand::fill(&mut nonce).map_err(|_| anyhow::anyhow!("there is no randomness"))?;
    let ranges = possession::ranges(&nonce, upload.size_bytes);
    let (nonce, expires_at) = (STANDARD.encode(nonce), Timestamp::now().plus(LIFETIME));
    let challenge = Challenge { digest, nonce: nonce.clone(), expires_at };
    if !context.uploads.put_challenge(&upload, &challenge).await? {
        let detail = "There have been too many challenges. Send the parts of the file.";
        return Err(Problem::conflict("too-many-challenges", "Too many challenges", detail));
    }
    let ranges =
        ranges.into_iter().map(|range| FileRange { start: range.start, length: range.end - range.start });
    Ok(Json(ChallengeView { nonce, ranges: ranges.collect(), expires_at }))
}
