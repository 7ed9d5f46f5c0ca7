use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_api::{Caller, Conflict, InvalidBody, Json, NotFound, Path, Problem, Unauthenticated};
use library::{Checksum, PartPlan, Timestamp, Upload, UploadId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Context;
use crate::owned::{ensure_waiting, own_upload};

const MAX_PARTS_PER_REQUEST: usize = 100;

/// Parts that are to be sent soon.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignParts {
    /// Each part once.
    #[schema(min_items = 1, max_items = 100)]
    parts: Vec<PartToSign>,
}

/// A part that is to be sent soon.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartToSign {
    /// Counted from 1.
    #[schema(minimum = 1, maximum = 10_000)]
    number: u32,
    /// Standard base64 of the part's SHA-256. Required if the upload's `checksum` is `sha256`.
    #[schema(pattern = "^[A-Za-z0-9+/]{43}=$")]
    sha256: Option<String>,
}

/// How to send parts.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SignedParts {
    /// In the order in which they were asked for.
    parts: Vec<SignedPart>,
    /// Until when they can be sent.
    expires_at: Timestamp,
}

/// How to send one part: by a PUT to this address, with exactly these headers and this many bytes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SignedPart {
    /// Counted from 1.
    number: u32,
    /// A secret: whoever has it can send this part.
    url: String,
    /// To be sent as they are.
    headers: BTreeMap<String, String>,
    /// How large the part is.
    size_bytes: u64,
}

/// Signs requests that send parts straight to S3.
#[utoipa::path(
    post, path = "/uploads/{id}/parts", operation_id = "sign_parts", tag = "uploads",
    security(("bearer" = [])),
    params(("id" = UploadId, Path, description = "The upload.")),
    request_body = SignParts,
    responses(
        (status = 200, description = "The signed requests.", body = SignedParts),
        InvalidBody, Unauthenticated, NotFound, Conflict,
    )
)]
pub(crate) async fn sign_parts(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<UploadId>,
    Json(request): Json<SignParts>,
) -> Result<Json<SignedParts>, Problem> {
    let upload = own_upload(&context, &caller, id).await?;
    ensure_waiting(&upload)?;
    let parts = planned_parts(request.parts, &upload)?;
    let multipart = context.multipart()?;
    let time = multipart.signing_time().await?;
    let mut signed = Vec::with_capacity(parts.len());
    for Planned { number, size_bytes, sha256 } in parts {
        let request = multipart.sign_part(&upload, number, size_bytes, sha256, time).await?;
        let headers = request.headers.into_iter().collect();
        signed.push(SignedPart { number, url: request.url, headers, size_bytes });
    }
    Ok(Json(SignedParts { parts: signed, expires_at: time.expires_at }))
}

/// A part of the plan, with what comes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Planned {
    number: u32,
    size_bytes: u64,
    sha256: Option<String>,
}

fn planned_parts(parts: Vec<PartToSign>, upload: &Upload) -> Result<Vec<Planned>, Problem> {
    if !(1..=MAX_PARTS_PER_REQUEST).contains(&parts.len()) {
        let detail = format!("must have 1 to {MAX_PARTS_PER_REQUEST} parts");
        return Err(Problem::invalid_field("parts", detail));
    }
    let plan = upload.plan().map_err(anyhow::Error::from)?;
    let mut numbers = BTreeSet::new();
    let planned = parts.into_iter().enumerate().map(|(index, part)| {
        let wrong =
            |field: &str, detail: String| Problem::invalid_field(format!("parts[{index}].{field}"), detail);
        if !numbers.insert(part.number) {
            return Err(wrong("number", format!("part {} is asked for twice", part.number)));
        }
        let size_bytes = size_of(plan, part.number).map_err(|detail| wrong("number", detail))?;
        check_sha256(part.sha256.as_deref(), upload.checksum)
            .map_err(|detail| wrong("sha256", detail.to_owned()))?;
        Ok(Planned { number: part.number, size_bytes, sha256: part.sha256 })
    });
    planned.collect()
}

fn size_of(plan: PartPlan, number: u32) -> Result<u64, String> {
    plan.size_of_part(number).ok_or_else(|| format!("must be from 1 to {}", plan.part_count()))
}

fn check_sha256(sha256: Option<&str>, checksum: Checksum) -> Result<(), &'static str> {
    let is_sha256 = |text: &str| STANDARD.decode(text).is_ok_and(|bytes| bytes.len() == 32);
    match (checksum, sha256) {
        (Checksum::Sha256, Some(text)) if is_sha256(text) => Ok(()),
        (Checksum::Sha256, Some(_)) => Err("must be the standard base64 of 32 bytes"),
        (Checksum::Sha256, None) => Err("is required, because the upload's checksum is sha256"),
        (Checksum::None, None) => Ok(()),
        (Checksum::None, Some(_)) => Err("must be absent, because the upload's checksum is none"),
    }
}
