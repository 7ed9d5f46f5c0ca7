//! Removes the accounts that are marked to go, with everything that is theirs.
//!
//! What wakes it says nothing that it relies on: the stream of the table of marks for promptness, a schedule for what had to wait.
//! Each time it goes through all marks, does what can be done now, and takes a mark away when nothing is left and no token of
//! the account can be alive. So it may be woken twice, late or for nothing, and may die after any call.

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client as DynamoDb;
use cold_start::{quick_calls, required_env};
use lambda_http::lambda_runtime;
use library::{DeleteVideoError, Library, Tables, Upload, UploadState, UserId};
use live::Viewers;

use crate::removals::{Removal, Removals};
use crate::sign_ins::SignInsTable;
use crate::user_pool::UserPool;

/// What the function works with.
#[derive(Clone)]
pub struct Context {
    users: UserPool,
    removals: Removals,
    sign_ins: SignInsTable,
    library: Library,
    viewers: Viewers,
}

/// What the function is told by its environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The user pool.
    pub user_pool_id: String,
    /// The client of the pool.
    pub user_pool_client_id: String,
    /// The table of marks.
    pub account_removals_table: String,
    /// The table of sign-ins.
    pub sign_ins_table: String,
    /// The table of those who watch live channels.
    pub live_viewers_table: String,
    /// The library's tables.
    pub tables: Tables,
}

impl Environment {
    /// Reads it.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env() -> anyhow::Result<Self> {
        Ok(Self {
            user_pool_id: required_env("USER_POOL_ID")?,
            user_pool_client_id: required_env("USER_POOL_CLIENT_ID")?,
            account_removals_table: required_env("ACCOUNT_REMOVALS_TABLE")?,
            sign_ins_table: required_env("SIGN_INS_TABLE")?,
            live_viewers_table: required_env("LIVE_VIEWERS_TABLE")?,
            tables: Tables {
                uploads: required_env("UPLOADS_TABLE")?,
                contents: required_env("CONTENTS_TABLE")?,
                videos: required_env("VIDEOS_TABLE")?,
            },
        })
    }
}

impl Context {
    /// Builds the clients.
    pub fn new(sdk: &SdkConfig, environment: Environment) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(sdk).timeout_config(quick_calls()).build();
        let client = DynamoDb::from_conf(config);
        Self {
            users: UserPool::new(sdk, environment.user_pool_id, environment.user_pool_client_id),
            removals: Removals::new(sdk, environment.account_removals_table),
            sign_ins: SignInsTable::new(sdk, environment.sign_ins_table),
            library: Library::new(client.clone(), environment.tables),
            viewers: Viewers::new(client, environment.live_viewers_table),
        }
    }
}

/// Goes through all marks.
///
/// # Errors
/// When one of the accounts could not be removed, after all have been tried. The schedule brings it back.
pub async fn handle(context: &Context, _event: serde_json::Value) -> Result<(), lambda_runtime::Error> {
    let mut failed = None;
    for removal in context.removals.all().await? {
        let user_id = &removal.user_id;
        match remove(context, &removal).await {
            Ok(Left::Nothing) => tracing::info!(user_id, "an account is removed"),
            Ok(left) => tracing::info!(user_id, ?left, "an account is not quite removed yet"),
            Err(error) => {
                tracing::error!(user_id, error = format!("{error:#}"), "an account was not removed");
                failed = Some(error);
            }
        }
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// What is left of an account.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    /// Nothing that is known, but a token may be alive.
    Tokens,
    /// Uploads that are being worked on; they can be removed when they are done.
    Uploads,
}

/// The identity goes last: as long as it is there, nobody else can register with its e-mail and be taken for it.
async fn remove(context: &Context, removal: &Removal) -> anyhow::Result<Left> {
    let Context { users, removals, sign_ins, library, viewers } = context;
    let user_id = &removal.user_id;
    users.close(user_id).await?;
    sign_ins.forget(user_id).await?;
    viewers.forget(user_id).await?;
    let owner = UserId::new(user_id.clone());
    if !remove_uploads(library, &owner).await? {
        return Ok(Left::Uploads);
    }
    users.delete(user_id).await?;
    // Until then somebody could try to sign in, and be noted.
    sign_ins.forget(user_id).await?;
    if !removal.is_past_all_tokens() {
        return Ok(Left::Tokens);
    }
    // Only now, because a token that was alive could begin another upload.
    library.uploads.forget_usage(&owner).await?;
    removals.done(user_id).await?;
    Ok(Left::Nothing)
}

/// Removes all uploads of one owner with what has become of them. Answers whether none is left.
async fn remove_uploads(library: &Library, owner: &UserId) -> anyhow::Result<bool> {
    let mut none_left = true;
    let mut cursor = None;
    loop {
        let page = library.uploads.newest_of(owner, 100, cursor).await?;
        for upload in page.items {
            none_left &= remove_upload(library, &upload).await?;
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(none_left),
        }
    }
}

/// Answers whether it is gone. The parts of one that waits for more are dropped by S3, a week after it began.
async fn remove_upload(library: &Library, upload: &Upload) -> anyhow::Result<bool> {
    match upload.state {
        UploadState::Waiting | UploadState::Failed | UploadState::Duplicate => {
            let removed = library.remove_upload(upload.id).await?;
            Ok(removed == library::Removed::Gone)
        }
        UploadState::Uploaded | UploadState::Checking | UploadState::Processing => Ok(false),
        UploadState::Ready => {
            // The index that named the upload may be behind, and the video gone already with its upload.
            let Some(video) = library.videos.get(upload.id.as_video()).await? else {
                return Ok(library.uploads.get(upload.id).await?.is_none());
            };
            match library.delete_video(&video, None).await {
                Ok(()) | Err(DeleteVideoError::Absent) => Ok(true),
                // Somebody edits it at this moment.
                Err(DeleteVideoError::Stale) => Ok(false),
                Err(DeleteVideoError::Failed(error)) => Err(error).context("deleting a video"),
            }
        }
    }
}
