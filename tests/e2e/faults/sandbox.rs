//! Tables, buckets and queues like those of the stack, which nothing listens to but the test: it plays S3's events, the queues'
//! deliveries and the stream, so that it decides when a function runs and when it dies.

mod checks;
mod deliveries;
pub mod encoding;
mod tables;

use std::time::Duration;

use anyhow::{Context as _, Result};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_s3::Client as S3;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use aws_sdk_sqs::Client as Sqs;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use ingest::{claim_object, package_video, reconcile};
use library::{
    Checksum, Library, Limits, PartPlan, Tables, Timestamp, Upload, UploadId, UploadState, UserId,
};
use media::ShareSizes;
use tests::{Film, sha256};
use uuid::Uuid;

use super::connector::{BadLuck, Process};
use crate::memory_aws::MemoryAws;
pub(super) use deliveries::only;
use deliveries::shuffle;
pub(super) use tables::create_table;

pub struct Sandbox {
    /// The AWS that it is in, if that is in memory.
    memory: Option<MemoryAws>,
    /// Long enough for a claim to be refused while it is live, short enough to be waited for.
    pub(super) lease: Duration,
    pub(super) root: SdkConfig,
    pub(super) http: SharedHttpClient,
    pub(crate) s3: S3,
    pub(crate) sqs: Sqs,
    pub(crate) dynamodb: DynamoDb,
    pub(crate) tables: Tables,
    pub(crate) upload_bucket: String,
    pub(super) media_bucket: String,
    pub(crate) package_queue_url: String,
    /// Lowered, so that small films are shared out.
    pub share_sizes: ShareSizes,
    pub(super) encode_queue_url: String,
    pub(super) upload_events_queue_url: String,
}

impl Sandbox {
    /// In an AWS of its own, in memory. The seed decides which of several calls at the same time is answered first.
    pub async fn in_memory(seed: u64) -> Result<Self> {
        let aws = MemoryAws::new(seed)?;
        let root = aws.sdk_config();
        let s3 = S3::new(&root);
        let http = SharedHttpClient::new(aws.clone());
        let sandbox = Self::create(root, s3, http, Duration::from_millis(30)).await?;
        Ok(Self { memory: Some(aws), ..sandbox })
    }

    /// In the AWS of the stack.
    pub async fn local(stack: &local::Stack) -> Result<Self> {
        let http = aws_smithy_http_client::Builder::new().build_http();
        Self::create(stack.sdk_config(), stack.endpoint().s3(), http, Duration::from_millis(300)).await
    }

    async fn create(root: SdkConfig, s3: S3, http: SharedHttpClient, lease: Duration) -> Result<Self> {
        let (sqs, dynamodb) = (Sqs::new(&root), DynamoDb::new(&root));
        let name = |kind: &str| format!("faults-{kind}-{}", Uuid::now_v7().simple());
        let tables = Tables { uploads: name("uploads"), contents: name("contents"), videos: name("videos") };
        for (resource, table) in [
            ("UploadsTable", &tables.uploads),
            ("ContentsTable", &tables.contents),
            ("VideosTable", &tables.videos),
        ] {
            create_table(&dynamodb, resource, table).await?;
        }
        let (upload_bucket, media_bucket) = (name("originals"), name("outputs"));
        for bucket in [&upload_bucket, &media_bucket] {
            s3.create_bucket().bucket(bucket).send().await?;
        }
        let queue = async |kind| {
            let queue = sqs.create_queue().queue_name(name(kind)).send().await?;
            queue.queue_url.context("a queue has a URL")
        };
        let (package_queue_url, encode_queue_url) = (queue("package").await?, queue("encode").await?);
        let upload_events_queue_url = queue("upload-events").await?;
        Ok(Self {
            memory: None,
            lease,
            root,
            http,
            s3,
            sqs,
            dynamodb,
            tables,
            upload_bucket,
            media_bucket,
            package_queue_url,
            share_sizes: ShareSizes::default(),
            encode_queue_url,
            upload_events_queue_url,
        })
    }

    /// Two people upload the same bytes; events come thrice and shuffled; both delete their videos. Everything is
    /// as it must be after each act. Answers whether the fault has struck.
    pub async fn live(&self, bad_luck: BadLuck, seed: u64) -> Result<bool> {
        let film = Film::unique()?;
        let uploads = [self.upload(&film, &somebody()).await?, self.upload(&film, &somebody()).await?];
        self.ingest(&bad_luck, &uploads, seed).await?;
        let content = self.check_ready(&uploads).await?;
        for upload in &uploads {
            self.delete_video(&bad_luck, upload.as_video()).await?;
        }
        self.remove_content(&bad_luck, &content).await?;
        self.check_empty().await?;
        Ok(bad_luck.has_struck())
    }

    /// What the functions of `uploads` leave behind: a record and an object with checksums.
    pub(super) async fn upload(&self, film: &Film, owner: &UserId) -> Result<UploadId> {
        let id = UploadId::new();
        let size_bytes = film.bytes.len() as u64;
        let (bucket, key) = (&self.upload_bucket, id.object_key());
        let begun = self.s3.create_multipart_upload().bucket(bucket).key(&key);
        let begun = begun.checksum_algorithm(ChecksumAlgorithm::Sha256).send().await?;
        let s3_upload_id = begun.upload_id.context("an upload has an id")?;
        let upload = Upload {
            id,
            owner_id: owner.clone(),
            name: "A film".to_owned(),
            description: None,
            file_name: film.file_name.clone(),
            size_bytes,
            content_type: "video/mp4".to_owned(),
            checksum: Checksum::Sha256,
            digest: None,
            s3_upload_id: s3_upload_id.clone(),
            request_fingerprint: None,
            state: UploadState::Waiting,
            reason: None,
            failed_at: None,
            retry_until: None,
            created_at: Timestamp::now(),
            expires_at: Timestamp::now().plus(Duration::from_secs(3600)),
            content_id: None,
            video_id: None,
            duplicate_of: None,
            lease_message_id: None,
        };
        let limits = Limits { bytes: 1 << 40, uploads: 100 };
        self.library(&self.root).uploads.create(&upload, limits).await?;
        let mut parts = Vec::new();
        let part_size = usize::try_from(PartPlan::for_size(size_bytes)?.part_size_bytes())?;
        for (bytes, number) in film.bytes.chunks(part_size).zip(1..) {
            let checksum = sha256(bytes);
            let sent = self.s3.upload_part().bucket(bucket).key(&key).upload_id(&s3_upload_id);
            let sent = sent
                .part_number(number)
                .checksum_sha256(&checksum)
                .body(bytes.to_vec().into())
                .send()
                .await?;
            let part = CompletedPart::builder().part_number(number).checksum_sha256(checksum);
            parts.push(part.set_e_tag(sent.e_tag).build());
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let completion = self.s3.complete_multipart_upload().bucket(bucket).key(&key).upload_id(s3_upload_id);
        completion.multipart_upload(parts).send().await?;
        Ok(id)
    }

    pub(super) fn reconcile_environment(&self) -> reconcile::Environment {
        reconcile::Environment {
            tables: self.tables.clone(),
            upload_bucket: self.upload_bucket.clone(),
            media_bucket: self.media_bucket.clone(),
            queues: reconcile::Queues {
                upload_events: self.upload_events_queue_url.clone(),
                package: self.package_queue_url.clone(),
                packaging: vec![self.package_queue_url.clone()],
                encoding: vec![self.encode_queue_url.clone()],
            },
            metrics_namespace: None,
        }
    }

    pub(super) fn process(&self, luck: &BadLuck) -> Process {
        Process::new(luck.clone(), self.http.clone())
    }

    pub(super) fn config(&self, process: &Process) -> SdkConfig {
        self.root.to_builder().http_client(process.clone()).build()
    }

    pub(super) fn library(&self, config: &SdkConfig) -> Library {
        Library::new(DynamoDb::new(config), self.tables.clone())
    }

    pub(super) fn claim_environment(&self) -> claim_object::Environment {
        claim_object::Environment {
            tables: self.tables.clone(),
            upload_bucket: self.upload_bucket.clone(),
            package_queue_url: self.package_queue_url.clone(),
        }
    }

    pub(super) fn package_environment(&self) -> package_video::Environment {
        package_video::Environment {
            tables: self.tables.clone(),
            upload_bucket: self.upload_bucket.clone(),
            media_bucket: self.media_bucket.clone(),
            package_queue_url: self.package_queue_url.clone(),
            share_bytes: self.share_sizes.share_bytes,
            ladder: encode::Ladder::Always,
        }
    }

    pub(super) fn package_context(&self, process: &Process) -> package_video::Context {
        let mut context = package_video::Context::new(&self.config(process), self.package_environment());
        context.lease = self.lease;
        context.share_sizes = self.share_sizes.clone();
        context
    }
}

/// An owner who has nothing yet.
pub(super) fn somebody() -> UserId {
    UserId::new(Uuid::now_v7().to_string())
}
