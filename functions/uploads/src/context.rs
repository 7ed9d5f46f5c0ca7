//! What a cold start builds.

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_s3::Client as S3;
use cold_start::{quick_calls, required_env};
use library::{Contents, Uploads};

use crate::multipart::Multipart;

/// What the functions are told by their environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The table of uploads.
    pub uploads_table: String,
    /// The bucket that uploads arrive in. None for a function that has nothing to do with S3.
    pub upload_bucket: Option<String>,
    /// The table of contents, for the function that tells how far an encoding is.
    pub contents_table: Option<String>,
    /// What only the function needs that creates uploads.
    pub creation: Option<Creation>,
}

/// What the creation of an upload depends on.
#[derive(Clone, Debug)]
pub struct Creation {
    /// The table of contents, which tells whether an id is still in use.
    pub contents_table: String,
    /// The largest file that is taken.
    pub max_size_bytes: u64,
}

impl Environment {
    /// Reads what the function with this handler's name needs.
    ///
    /// # Errors
    /// Names the variable that is missing or is no number.
    pub fn from_env(handler: &str) -> anyhow::Result<Self> {
        let upload_bucket =
            if handler == "list_uploads" { None } else { Some(required_env("UPLOAD_BUCKET")?) };
        let creation = if handler == "create_upload" { Some(Creation::from_env()?) } else { None };
        let contents_table =
            if handler == "get_upload" { Some(required_env("CONTENTS_TABLE")?) } else { None };
        Ok(Self { uploads_table: required_env("UPLOADS_TABLE")?, upload_bucket, contents_table, creation })
    }
}

impl Creation {
    fn from_env() -> anyhow::Result<Self> {
        let max_size_bytes = required_env("MAX_UPLOAD_SIZE_BYTES")?;
        let max_size_bytes = max_size_bytes.parse().context("MAX_UPLOAD_SIZE_BYTES is no number of bytes")?;
        Ok(Self { contents_table: required_env("CONTENTS_TABLE")?, max_size_bytes })
    }
}

/// The clients, and what of the environment the endpoints ask for.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) uploads: Uploads,
    multipart: Option<Multipart>,
    contents: Option<Contents>,
    creation: Option<Creation>,
}

impl Context {
    /// Builds the clients.
    pub fn new(sdk: &SdkConfig, environment: Environment) -> Self {
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(sdk).timeout_config(quick_calls()).build();
        let credentials = sdk.credentials_provider();
        let multipart = environment
            .upload_bucket
            .map(|bucket| Multipart::new(S3::from_conf(s3_config(sdk)), bucket, credentials));
        let dynamodb = DynamoDb::from_conf(dynamodb);
        Self {
            contents: environment.contents_table.map(|table| Contents::new(dynamodb.clone(), table)),
            uploads: Uploads::new(dynamodb, environment.uploads_table),
            multipart,
            creation: environment.creation,
        }
    }

    /// # Errors
    /// The function's environment names no bucket: API Gateway routed a request to the wrong function.
    pub(crate) fn multipart(&self) -> anyhow::Result<&Multipart> {
        self.multipart.as_ref().context("this function was given no upload bucket")
    }

    /// # Errors
    /// As for [`Context::multipart`].
    pub(crate) fn contents(&self) -> anyhow::Result<&Contents> {
        self.contents.as_ref().context("this function was given no table of contents")
    }

    /// # Errors
    /// As for [`Context::multipart`].
    pub(crate) fn creation(&self) -> anyhow::Result<&Creation> {
        self.creation.as_ref().context("this function was not set up to create uploads")
    }
}

/// No checksums of the SDK's own: which ones a part carries is agreed with the client that sends it.
fn s3_config(sdk: &SdkConfig) -> aws_sdk_s3::Config {
    aws_sdk_s3::config::Builder::from(sdk)
        .request_checksum_calculation(aws_sdk_s3::config::RequestChecksumCalculation::WhenRequired)
        .build()
}
