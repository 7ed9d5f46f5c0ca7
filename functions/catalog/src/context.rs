//! What a cold start builds.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client as DynamoDb;
use axum::http::header::{HeaderName, SET_COOKIE};
use axum::response::AppendHeaders;
use cold_start::{quick_calls, required_env};
use http_api::{Caller, Problem};
use library::{Library, Tables, Timestamp, Video, VideoId, Videos};
use signed_cookies::{MediaCookies, MediaKeys};

/// How long posters may be looked at after a list or a video was asked for.
const POSTERS_PERMISSION: Duration = Duration::from_secs(60 * 60);

/// What the functions are told by their environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The table of videos.
    pub videos_table: String,
    /// What signs cookies. None for a function that gives none.
    pub media_key: Option<MediaKey>,
    /// What only the function needs that deletes videos.
    pub deletion: Option<Deletion>,
}

/// Where the key that signs cookies is, and what the CDN calls it.
#[derive(Clone, Debug)]
pub struct MediaKey {
    /// The table of media keys.
    pub table: String,
    /// The CDN's id of the key.
    pub key_pair_id: String,
}

/// The tables that a deletion touches beside that of videos.
#[derive(Clone, Debug)]
pub struct Deletion {
    /// The table of uploads.
    pub uploads_table: String,
    /// The table of contents.
    pub contents_table: String,
}

impl Environment {
    /// Reads what the function with this handler's name needs.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env(handler: &str) -> anyhow::Result<Self> {
        let shows_posters = matches!(handler, "list_videos" | "get_video");
        let media_key = shows_posters.then(MediaKey::from_env).transpose()?;
        let deletion = (handler == "delete_video").then(Deletion::from_env).transpose()?;
        Ok(Self { videos_table: required_env("VIDEOS_TABLE")?, media_key, deletion })
    }
}

impl MediaKey {
    fn from_env() -> anyhow::Result<Self> {
        Ok(Self { table: required_env("MEDIA_KEYS_TABLE")?, key_pair_id: required_env("MEDIA_KEY_PAIR_ID")? })
    }
}

impl Deletion {
    fn from_env() -> anyhow::Result<Self> {
        Ok(Self {
            uploads_table: required_env("UPLOADS_TABLE")?,
            contents_table: required_env("CONTENTS_TABLE")?,
        })
    }
}

/// What the endpoints work with.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) videos: Videos,
    cookies: Option<Arc<MediaCookies>>,
    library: Option<Library>,
}

/// `Set-Cookie` headers, to go into an answer beside its body.
pub(crate) type SetCookies = AppendHeaders<Vec<(HeaderName, String)>>;

impl Context {
    /// Builds the clients.
    pub fn new(sdk: &SdkConfig, environment: Environment) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(sdk).timeout_config(quick_calls()).build();
        let client = DynamoDb::from_conf(config);
        let Environment { videos_table, media_key, deletion } = environment;
        let cookies = media_key.map(|MediaKey { table, key_pair_id }| {
            Arc::new(MediaCookies::new(MediaKeys::new(client.clone(), table), key_pair_id))
        });
        let library = deletion.map(|Deletion { uploads_table, contents_table }| {
            let tables =
                Tables { uploads: uploads_table, contents: contents_table, videos: videos_table.clone() };
            Library::new(client.clone(), tables)
        });
        Self { videos: Videos::new(client, videos_table), cookies, library }
    }

    /// The cookies without which the CDN shows no poster.
    pub(crate) async fn poster_cookies(&self) -> anyhow::Result<SetCookies> {
        let cookies = self.cookies.as_ref().context("this function was given no media key")?;
        let expires_at = Timestamp::now().plus(POSTERS_PERMISSION);
        let cookies = cookies.for_posters(expires_at.unix_ms() / 1000).await?;
        Ok(AppendHeaders(cookies.into_iter().map(|cookie| (SET_COOKIE, cookie)).collect()))
    }

    /// The video, if the caller may change it.
    pub(crate) async fn editable_video(&self, id: VideoId, caller: &Caller) -> Result<Video, Problem> {
        let video = self.videos.get(id).await?.ok_or_else(Problem::not_found)?;
        if caller.may_edit(video.owner_id.as_str()) {
            Ok(video)
        } else {
            Err(Problem::forbidden("This video belongs to somebody else."))
        }
    }

    /// # Errors
    /// The function's environment names no tables: API Gateway routed a request to the wrong function.
    pub(crate) fn library(&self) -> anyhow::Result<&Library> {
        self.library.as_ref().context("this function was not set up to delete videos")
    }
}
