//! Films that could not be processed for a while: what a walk through the pages needs to find, in order to have them tried again.
//!
//! Something really is broken for them: the bucket's policy denies `package_video` the originals, until it has given them up.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_sdk_s3::Client as S3;
use serde_json::{Value, json};

use crate::client::{Client, NewUpload, Upload};
use crate::demo_world::Account;
use crate::film::{self, SHORT_FILM};
use crate::project::Project;
use crate::stack::Stack;
use crate::upload::{PartFile, Progress, send_parts};

/// Whose films they are, and nobody else's are like them.
pub const OWNER: Account =
    Account { email: "unlucky@matinee.example", password: "nothing-ever-works", groups: &["publisher"] };

/// What they are called.
pub const NAMES: [&str; 3] = ["Tried by its owner", "Tried by an admin", "Driven again"];

/// Five deliveries, each with twice the wait of the one before, take 75 seconds.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(300);

/// The films while they fail.
pub struct GivenUp {
    client: Client,
    uploads: Vec<Upload>,
    s3: S3,
    bucket: String,
    /// The policy of the bucket as it is deployed.
    policy: String,
}

impl GivenUp {
    /// Uploads the films, and comes back when they have arrived.
    ///
    /// # Errors
    /// When the service or the local AWS refuses something.
    pub async fn upload(project: &Project, stack: &Stack) -> Result<Self> {
        let content = std::fs::read(film::make(project, &SHORT_FILM).await?)?;
        stack.create_user_in(OWNER.email, OWNER.password, OWNER.groups).await?;
        let s3 = stack.endpoint().s3();
        let bucket = stack.outputs().get("UploadBucket").context("there is no upload bucket")?.clone();
        let policy = s3.get_bucket_policy().bucket(&bucket).send().await.context("reading the policy")?;
        let policy = policy.policy.context("the bucket has no policy")?;
        let client = Client::sign_in(stack.site_url(), OWNER.email, OWNER.password).await?;
        let mut films = Self { client, uploads: Vec::new(), s3, bucket, policy };

        let folder = tempfile::tempdir()?;
        let mut files = Vec::new();
        for name in NAMES {
            let path = folder.path().join(name);
            std::fs::write(&path, [content.as_slice(), &skipped_box(name)].concat())?;
            let file = PartFile::open(&path)?;
            let new =
                NewUpload { name, description: None, file_name: "film.mp4", size_bytes: file.size_bytes() };
            films.uploads.push(films.client.create_upload(&new, None).await?);
            files.push(file);
        }
        films.deny_originals(stack).await?;
        for (upload, file) in films.uploads.iter().zip(files) {
            let numbers = (1..=upload.part_count).collect();
            send_parts(&mut films.client, upload, &file, numbers, &Progress::silent()).await?;
            films.client.complete(upload).await?;
        }
        Ok(films)
    }

    /// Waits until all are given up, and mends what was broken.
    ///
    /// # Errors
    /// When one is not given up.
    pub async fn mend(mut self) -> Result<()> {
        for upload in &self.uploads {
            let last = self.client.follow(upload, GIVEN_UP_WITHIN, |_| ()).await?;
            ensure!(last.state == "failed", "the film is {}, though nobody may read it", last.state);
        }
        self.put_policy(self.policy.clone()).await
    }

    /// Denies `package_video` these films and no others.
    async fn deny_originals(&self, stack: &Stack) -> Result<()> {
        let account = stack.outputs().get("PackageQueueUrl").and_then(|url| url.rsplit('/').nth(1));
        let account = account.context("the queue's address names no account")?;
        let role = stack.resource("PackageVideoRole")?;
        let original = |upload: &Upload| format!("arn:aws:s3:::{}/media/{}/original", self.bucket, upload.id);
        let originals: Vec<String> = self.uploads.iter().map(original).collect();
        let mut policy: Value = serde_json::from_str(&self.policy)?;
        let statements = policy["Statement"].as_array_mut().context("the policy has no statements")?;
        statements.push(json!({
            "Sid": "Broken",
            "Effect": "Deny",
            "Principal": {"AWS": format!("arn:aws:iam::{account}:role/{role}")},
            "Action": "s3:GetObject",
            "Resource": originals,
        }));
        self.put_policy(policy.to_string()).await
    }

    async fn put_policy(&self, policy: String) -> Result<()> {
        let put = self.s3.put_bucket_policy().bucket(&self.bucket).policy(policy);
        put.send().await.context("changing the bucket's policy")?;
        Ok(())
    }
}

/// A box at the end of an MP4 that players skip: it makes a film of its own.
fn skipped_box(text: &str) -> Vec<u8> {
    let size = u32::try_from(text.len() + 8).unwrap_or(u32::MAX);
    [size.to_be_bytes().as_slice(), b"free", text.as_bytes()].concat()
}
