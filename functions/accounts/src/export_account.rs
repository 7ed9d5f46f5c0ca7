use axum::extract::State;
use axum::http::header::CONTENT_DISPOSITION;
use axum::response::{AppendHeaders, IntoResponse};
use http_api::{Caller, Json, Problem, Role, Unauthenticated};
use library::{Timestamp, Upload, UploadId, UploadState, Uploads, UserId, Video, VideoId, Videos};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Context;
use crate::sign_ins::SignIn;
use crate::user_pool::UserPool;

/// Everything that is kept about an account.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccountExport {
    exported_at: Timestamp,
    /// Never changes, unlike the e-mail.
    id: String,
    #[schema(format = "email")]
    email: String,
    roles: Vec<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    created_at: Option<Timestamp>,
    /// Attempts to sign in, of the last 180 days, newest first.
    sign_ins: Vec<SignIn>,
    uploads: Vec<ExportedUpload>,
    videos: Vec<ExportedVideo>,
    /// The names under which live channels are watched.
    live_viewers: Vec<String>,
}

/// A file that was sent.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportedUpload {
    id: UploadId,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<String>,
    file_name: String,
    size_bytes: u64,
    state: UploadState,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failed_at: Option<Timestamp>,
    created_at: Timestamp,
}

/// A film that is listed. The film itself is at `/media/…/original`, as long as the account is there.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportedVideo {
    id: VideoId,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Answers everything that is kept about the caller, as a file to be saved.
#[utoipa::path(
    get, path = "/me/export", operation_id = "export_account", tag = "accounts",
    security(("bearer" = [])),
    responses((status = 200, description = "All of it.", body = AccountExport), Unauthenticated)
)]
pub(crate) async fn export_account(
    State(context): State<Context>,
    State(users): State<UserPool>,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    let account = users.account_of(&caller).await?;
    let belongings = context.belongings()?;
    let uploads = uploads_of(&belongings.uploads, &UserId::new(caller.user_id.clone())).await?;
    let export = AccountExport {
        exported_at: Timestamp::now(),
        email: account.email,
        roles: caller.roles,
        created_at: account.created_at,
        sign_ins: sign_ins_of(&context, &caller.user_id).await?,
        videos: videos_of(&belongings.videos, &uploads).await?,
        uploads: uploads.into_iter().map(ExportedUpload::from).collect(),
        live_viewers: belongings.viewers.of(&caller.user_id).await?,
        id: caller.user_id,
    };
    let file = r#"attachment; filename="matinee-account.json""#;
    Ok((AppendHeaders([(CONTENT_DISPOSITION, file)]), Json(export)))
}

async fn sign_ins_of(context: &Context, user_id: &str) -> anyhow::Result<Vec<SignIn>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let (mut page, next) = context.sign_ins()?.newest(user_id, 1_000, after).await?;
        all.append(&mut page);
        match next {
            Some(next) => after = Some(next),
            None => return Ok(all),
        }
    }
}

async fn uploads_of(uploads: &Uploads, owner: &UserId) -> anyhow::Result<Vec<Upload>> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let mut page = uploads.newest_of(owner, 100, cursor).await?;
        all.append(&mut page.items);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(all),
        }
    }
}

async fn videos_of(videos: &Videos, uploads: &[Upload]) -> anyhow::Result<Vec<ExportedVideo>> {
    let mut all = Vec::new();
    for upload in uploads.iter().filter(|upload| upload.state == UploadState::Ready) {
        all.extend(videos.get(upload.id.as_video()).await?.map(ExportedVideo::from));
    }
    Ok(all)
}

impl From<Upload> for ExportedUpload {
    fn from(upload: Upload) -> Self {
        let Upload {
            id, name, description, file_name, size_bytes, state, reason, failed_at, created_at, ..
        } = upload;
        Self { id, name, description, file_name, size_bytes, state, reason, failed_at, created_at }
    }
}

impl From<Video> for ExportedVideo {
    fn from(video: Video) -> Self {
        let Video { id, title, description, created_at, updated_at, .. } = video;
        Self { id, title, description, created_at, updated_at }
    }
}
