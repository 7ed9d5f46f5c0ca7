//! What a cold start builds.

use std::time::Duration;

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_s3::Client as S3;
use cold_start::{quick_calls, required_env};
use library::{Contents, Library, Tables, Uploads};

use crate::answer_challenge::REFUSED_AFTER;
use crate::limits::LimitsByRole;
use crate::multipart::Multipart;
use crate::package_queue::PackageQueue;

/// What the functions are told by their environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The table of uploads.
    pub uploads_table: String,
    /// The table of contents, where what each owner has is counted.
    pub contents_table: String,
    /// The bucket that uploads arrive in. None for a function that has nothing to do with S3.
    pub upload_bucket: Option<String>,
    /// How much may be uploaded, for the functions that compare with it.
    pub limits: Option<LimitsByRole>,
    /// The table of videos, for functions that join contents, let go of them or take them up again.
    pub videos_table: Option<String>,
    /// The queue of contents that are to be packaged, for the function that takes them up again.
    pub package_queue_url: Option<String>,
}

impl Environment {
    /// Reads what the function with this handler's name needs.
    ///
    /// # Errors
    /// Names the variable that is missing or is no number.
    pub fn from_env(handler: &str) -> anyhow::Result<Self> {
        let has_bucket = !matches!(
            handler,
            "list_uploads"
                | "list_account_uploads"
                | "get_quota"
                | "create_challenge"
                | "retry_upload"
                | "list_jobs"
        );
        let has_limits =
            matches!(handler, "create_upload" | "complete_upload" | "get_quota" | "answer_challenge");
        let has_library = matches!(handler, "abort_upload" | "retry_upload" | "answer_challenge");
        let has_queue = handler == "retry_upload";
        Ok(Self {
            uploads_table: required_env("UPLOADS_TABLE")?,
            contents_table: required_env("CONTENTS_TABLE")?,
            upload_bucket: has_bucket.then(|| required_env("UPLOAD_BUCKET")).transpose()?,
            videos_table: has_library.then(|| required_env("VIDEOS_TABLE")).transpose()?,
            package_queue_url: has_queue.then(|| required_env("PACKAGE_QUEUE_URL")).transpose()?,
            limits: has_limits.then(LimitsByRole::from_env).transpose()?,
        })
    }
}

/// The clients, and what of the environment the endpoints ask for.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) uploads: Uploads,
    pub(crate) contents: Contents,
    multipart: Option<Multipart>,
    limits: Option<LimitsByRole>,
    library: Option<Library>,
    package_queue: Option<PackageQueue>,
    /// When an answer to a challenge is refused. Shorter in tests that have nothing to do with that.
    pub refused_after: Duration,
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
            library: environment.videos_table.map(|videos| {
                let (uploads, contents) =
                    (environment.uploads_table.clone(), environment.contents_table.clone());
                Library::new(dynamodb.clone(), Tables { uploads, contents, videos })
            }),
            package_queue: environment.package_queue_url.map(|url| PackageQueue::new(sdk, url)),
            contents: Contents::new(dynamodb.clone(), &environment.contents_table),
            uploads: Uploads::new(dynamodb, environment.uploads_table, environment.contents_table),
            multipart,
            refused_after: REFUSED_AFTER,
            limits: environment.limits,
        }
    }

    /// # Errors
    /// The function's environment names no bucket: API Gateway routed a request to the wrong function.
    pub(crate) fn multipart(&self) -> anyhow::Result<&Multipart> {
        self.multipart.as_ref().context("this function was given no upload bucket")
    }

    /// # Errors
    /// As for [`Context::multipart`].
    pub(crate) fn library(&self) -> anyhow::Result<&Library> {
        self.library.as_ref().context("this function was given no table of videos")
    }

    /// # Errors
    /// As for [`Context::multipart`].
    pub(crate) fn package_queue(&self) -> anyhow::Result<&PackageQueue> {
        self.package_queue.as_ref().context("this function was given no queue")
    }

    /// # Errors
    /// As for [`Context::multipart`].
    pub(crate) fn limits(&self) -> anyhow::Result<&LimitsByRole> {
        self.limits.as_ref().context("this function was not told how much may be uploaded")
    }
}

/// No checksums of the SDK's own: which ones a part carries is agreed with the client that sends it.
fn s3_config(sdk: &SdkConfig) -> aws_sdk_s3::Config {
    aws_sdk_s3::config::Builder::from(sdk)
        .request_checksum_calculation(aws_sdk_s3::config::RequestChecksumCalculation::WhenRequired)
        .build()
}
