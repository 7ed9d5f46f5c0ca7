//! Tables, buckets and a queue like those of the stack, which nothing listens to but the test: it plays S3's events, the queue's
//! deliveries and the stream, so that it decides when a function runs and when it dies.

pub mod encoding;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use aws_config::SdkConfig;
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_dynamodb::types::{AttributeValue, BillingMode, GlobalSecondaryIndex};
use aws_sdk_s3::Client as S3;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use aws_sdk_sqs::Client as Sqs;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use ingest::{claim_object, package_video, reconcile, remove_content};
use library::{
    Checksum, DeleteVideoError, Library, Limits, PartPlan, Promise, Tables, Timestamp, Upload, UploadId,
    UploadState, UserId, VideoId,
};
use media::ShareSizes;
use serde_json::{Value, json};
use tests::{Film, sha256};
use uuid::Uuid;

use super::connector::{BadLuck, Fault, Process};

/// Long enough for a claim to be refused while it is live, short enough to be waited for.
pub(super) const LEASE: Duration = Duration::from_millis(300);

pub struct Sandbox {
    pub(super) root: SdkConfig,
    pub(super) http: SharedHttpClient,
    pub(super) s3: S3,
    pub(super) sqs: Sqs,
    pub(super) dynamodb: DynamoDb,
    pub(super) tables: Tables,
    pub(super) upload_bucket: String,
    pub(super) media_bucket: String,
    pub(super) package_queue_url: String,
    /// Lowered, so that small films are shared out.
    pub share_sizes: ShareSizes,
    encode_queue_url: String,
    pub(super) upload_events_queue_url: String,
}

impl Sandbox {
    pub async fn create(stack: &local::Stack) -> Result<Self> {
        let root = stack.sdk_config();
        let (s3, sqs, dynamodb) = (stack.endpoint().s3(), Sqs::new(&root), DynamoDb::new(&root));
        let name = |kind: &str| format!("faults-{kind}-{}", Uuid::now_v7().simple());
        let tables = Tables { uploads: name("uploads"), contents: name("contents"), videos: name("videos") };
        for (output, copy) in [
            ("UploadsTable", &tables.uploads),
            ("ContentsTable", &tables.contents),
            ("VideosTable", &tables.videos),
        ] {
            copy_table(&dynamodb, &stack.outputs()[output], copy).await?;
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
        let http = aws_smithy_http_client::Builder::new().build_http();
        let share_sizes = ShareSizes::default();
        Ok(Self {
            root,
            http,
            s3,
            sqs,
            dynamodb,
            tables,
            upload_bucket,
            media_bucket,
            package_queue_url,
            share_sizes,
            encode_queue_url,
            upload_events_queue_url,
        })
    }

    /// Two people upload the same bytes; events come thrice and shuffled; both delete their videos. Everything is
    /// as it must be after each act. Answers whether the fault has struck.
    pub async fn live(&self, fault: Fault, seed: u64) -> Result<bool> {
        let bad_luck = BadLuck::new(fault);
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

    /// Delivers the events until none is left.
    pub(super) async fn ingest(&self, bad_luck: &BadLuck, uploads: &[UploadId], seed: u64) -> Result<()> {
        let mut events: Vec<_> =
            uploads.iter().flat_map(|id| [0, 1, 2].map(|_| self.s3_event(*id))).collect();
        shuffle(&mut events, seed);
        let mut events: VecDeque<_> = events.into();
        for _ in 0..400 {
            if let Some(event) = events.pop_front() {
                let process = self.process(bad_luck);
                let mut context =
                    claim_object::Context::new(&self.config(&process), self.claim_environment());
                context.lease = LEASE;
                let message = only(event.clone());
                let done = process.run(claim_object::handle(&context, message)).await;
                if !done.is_some_and(|done| done.is_ok_and(|answer| answer.batch_item_failures.is_empty())) {
                    events.push_back(event);
                }
            }
            let delivered = self.deliver_package_request(bad_luck).await?;
            if events.is_empty() && !delivered && self.package_queue_is_empty().await? {
                return Ok(());
            }
            if !delivered {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        anyhow::bail!("the events do not come to an end: {} are left", events.len())
    }

    pub(super) async fn deliver_package_request(&self, bad_luck: &BadLuck) -> Result<bool> {
        let Some(message) = self.receive_package_request().await? else { return Ok(false) };
        let is_done = self.package(bad_luck, message.clone()).await;
        self.settle_package_request(&message, is_done).await?;
        Ok(true)
    }

    pub(super) async fn receive_package_request(&self) -> Result<Option<SqsMessage>> {
        let received = self.sqs.receive_message().queue_url(&self.package_queue_url).send().await?;
        Ok(received.messages.unwrap_or_default().into_iter().next().map(|message| {
            let mut delivery = SqsMessage::default();
            delivery.message_id = message.message_id;
            delivery.receipt_handle = message.receipt_handle;
            delivery.body = message.body;
            delivery
        }))
    }

    /// Runs the function in a process of its own. Answers whether the message is done.
    pub(super) async fn package(&self, bad_luck: &BadLuck, message: SqsMessage) -> bool {
        let process = self.process(bad_luck);
        let context = self.package_context(&process);
        let deadline = SystemTime::now() + Duration::from_secs(60);
        let done = process.run(package_video::handle(&context, deadline, only(message))).await;
        done.is_some_and(|done| done.is_ok_and(|answer| answer.batch_item_failures.is_empty()))
    }

    /// What the queue does with a message afterwards: it goes, or comes again at once.
    pub(super) async fn settle_package_request(&self, message: &SqsMessage, is_done: bool) -> Result<()> {
        let receipt_handle = message.receipt_handle.as_deref().context("a message has a handle")?;
        if is_done {
            let deletion = self.sqs.delete_message().queue_url(&self.package_queue_url);
            deletion.receipt_handle(receipt_handle).send().await?;
        } else {
            let comes_again = self.sqs.change_message_visibility().queue_url(&self.package_queue_url);
            comes_again.receipt_handle(receipt_handle).visibility_timeout(0).send().await?;
        }
        Ok(())
    }

    pub(super) async fn package_queue_is_empty(&self) -> Result<bool> {
        let asked = self.sqs.get_queue_attributes().queue_url(&self.package_queue_url);
        let asked = asked.attribute_names(aws_sdk_sqs::types::QueueAttributeName::All).send().await?;
        let counts = asked.attributes.unwrap_or_default();
        let mut counts = counts.iter().filter(|(name, _)| name.as_str().starts_with("ApproximateNumberOf"));
        Ok(counts.all(|(_, count)| count == "0"))
    }

    /// All have a video of one content, whose objects are all that is stored.
    pub(super) async fn check_ready(&self, uploads: &[UploadId]) -> Result<Value> {
        let library = self.library(&self.root);
        let mut contents = Vec::new();
        for id in uploads {
            let upload = library.uploads.get(*id).await?.context("an upload is lost")?;
            ensure!(
                upload.state == UploadState::Ready,
                "an upload ended as {:?}: {:?}",
                upload.state,
                upload.reason
            );
            let video = library.videos.get(id.as_video()).await?.context("a video is missing")?;
            ensure!(Some(video.content_id) == upload.content_id, "a video of another content");
            contents.push(video.content_id);
        }
        ensure!(
            contents.iter().all(|content| *content == contents[0]),
            "identical bytes are two contents: {contents:?}"
        );
        let content = library.contents.get(contents[0]).await?.context("the content is missing")?;
        let holders = library.contents.holders(contents[0]).await?;
        let owners = uploads.len();
        let listings = (content.listings, holders.len());
        ensure!(listings == (owners as u64, owners), "{} listings, {holders:?}", content.listings);
        // Content, digest and the holders; uploads; videos.
        let expected = [owners + 2, owners, owners].map(|count| count as i32);
        ensure!(self.counts().await? == expected, "records: {:?}", self.counts().await?);
        self.check_usage().await?;

        let originals = self.keys(&self.upload_bucket).await?;
        ensure!(originals == [contents[0].original_key()], "originals: {originals:?}");
        let outputs = self.keys(&self.media_bucket).await?;
        ensure!(content.promise != Some(Promise::Made), "a promise was not kept");
        for name in ["master.m3u8", "manifest.mpd", "video.mp4", "audio.mp4"] {
            let key = format!("{}{name}", contents[0].output_prefix());
            ensure!(outputs.contains(&key), "{key} is missing: {outputs:?}");
        }
        ensure!(outputs.contains(&contents[0].poster_key()), "the poster is missing");
        let foreign = outputs.iter().find(|key| !key.contains(&contents[0].to_string()));
        ensure!(foreign.is_none(), "an output of nothing: {foreign:?}");
        Ok(json!(contents[0].to_string()))
    }

    /// As `delete_video` does it, repeated by its client until it hears that it is done.
    pub(super) async fn delete_video(&self, bad_luck: &BadLuck, id: VideoId) -> Result<()> {
        for _ in 0..10 {
            let process = self.process(bad_luck);
            let library = self.library(&self.config(&process));
            let done = process
                .run(async {
                    let Some(video) = library.videos.get(id).await? else { return Ok(()) };
                    match library.delete_video(&video, None).await {
                        Err(DeleteVideoError::Absent) => Ok(()),
                        other => other.map_err(anyhow::Error::from),
                    }
                })
                .await;
            if matches!(done, Some(Ok(()))) {
                return Ok(());
            }
        }
        anyhow::bail!("the video {id} can't be deleted")
    }

    /// The stream tells thrice that nobody lists the content.
    pub(super) async fn remove_content(&self, bad_luck: &BadLuck, content: &Value) -> Result<()> {
        let record = json!({"dynamodb": {"SequenceNumber": "1", "NewImage": {"content_id": {"S": content}}}});
        let mut left = 3;
        for _ in 0..20 {
            let process = self.process(bad_luck);
            let environment = remove_content::Environment {
                contents_table: self.tables.contents.clone(),
                upload_bucket: self.upload_bucket.clone(),
                media_bucket: self.media_bucket.clone(),
            };
            let context = remove_content::Context::new(&self.config(&process), environment);
            let event = serde_json::from_value(json!({"Records": [record]}))?;
            let done = process.run(remove_content::handle(&context, event)).await;
            left -= u32::from(
                done.is_some_and(|done| done.is_ok_and(|told| told.batch_item_failures.is_empty())),
            );
            if left == 0 {
                return Ok(());
            }
        }
        anyhow::bail!("the content {content} can't be removed")
    }

    pub(super) async fn check_empty(&self) -> Result<()> {
        ensure!(self.counts().await? == [0, 0, 0], "records are left: {:?}", self.counts().await?);
        self.check_usage().await?;
        for bucket in [&self.upload_bucket, &self.media_bucket] {
            let keys = self.keys(bucket).await?;
            ensure!(keys.is_empty(), "objects are left: {keys:?}");
        }
        Ok(())
    }

    /// What each owner has is counted as their uploads say, to the byte. What nobody has any more counts as nothing.
    pub(super) async fn check_usage(&self) -> Result<()> {
        let scan = async |table: &str| {
            let found = self.dynamodb.scan().table_name(table).consistent_read(true).send().await?;
            anyhow::Ok(found.items.unwrap_or_default())
        };
        let text = |item: &HashMap<String, AttributeValue>, name: &str| match item.get(name) {
            Some(AttributeValue::S(text) | AttributeValue::N(text)) => text.clone(),
            _ => String::new(),
        };
        let mut right = BTreeMap::<String, (i64, i64)>::new();
        for upload in scan(&self.tables.uploads).await? {
            let usage = right.entry(format!("owner#{}", text(&upload, "owner_id"))).or_default();
            match &*text(&upload, "state") {
                "failed" | "duplicate" => continue,
                "waiting" => usage.1 += 1,
                _ => {}
            }
            usage.0 += text(&upload, "size_bytes").parse::<i64>()?;
        }
        let mut counted = BTreeMap::new();
        for item in scan(&self.tables.contents).await?.iter().filter(|item| text(item, "sk") == "quota") {
            counted.insert(text(item, "pk"), (text(item, "bytes").parse()?, text(item, "uploads").parse()?));
        }
        for usages in [&mut right, &mut counted] {
            usages.retain(|_, usage| *usage != (0, 0));
        }
        ensure!(counted == right, "owners have {right:?}, but {counted:?} is counted");
        Ok(())
    }

    /// How many records there are in each table, without the counts of what owners have.
    pub(super) async fn counts(&self) -> Result<[i32; 3]> {
        let mut counts = [0; 3];
        let Tables { uploads, contents, videos } = &self.tables;
        for (count, table) in counts.iter_mut().zip([contents, uploads, videos]) {
            let scan = self.dynamodb.scan().table_name(table).consistent_read(true);
            let items = scan.send().await?.items.unwrap_or_default();
            let is_usage = |item: &HashMap<String, AttributeValue>| {
                item.get("sk").is_some_and(|sk| sk == &AttributeValue::S("quota".to_owned()))
            };
            *count = i32::try_from(items.iter().filter(|item| !is_usage(item)).count())?;
        }
        Ok(counts)
    }

    pub(super) async fn keys(&self, bucket: &str) -> Result<Vec<String>> {
        let found = self.s3.list_objects_v2().bucket(bucket).send().await?;
        Ok(found.contents().iter().filter_map(|object| object.key().map(ToOwned::to_owned)).collect())
    }

    /// Takes all messages out of a queue. The test delivers them from then on.
    pub(super) async fn take_all(&self, queue_url: &str) -> Result<Vec<SqsMessage>> {
        let mut taken = Vec::new();
        loop {
            let receive = self.sqs.receive_message().queue_url(queue_url).max_number_of_messages(10);
            let received = receive.send().await?.messages.unwrap_or_default();
            if received.is_empty() {
                return Ok(taken);
            }
            for received in received {
                let deletion = self.sqs.delete_message().queue_url(queue_url);
                deletion.receipt_handle(received.receipt_handle.context("a handle")?).send().await?;
                let mut message = SqsMessage::default();
                message.message_id = received.message_id;
                message.body = received.body;
                taken.push(message);
            }
        }
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

    pub(super) fn s3_event(&self, id: UploadId) -> SqsMessage {
        let object =
            json!({"key": id.object_key(), "size": 1, "eTag": "x", "sequencer": "0055AED6DCD90281E5"});
        let s3 = json!({"bucket": {"name": self.upload_bucket}, "object": object});
        let record = json!({"eventName": "ObjectCreated:CompleteMultipartUpload", "s3": s3});
        let mut message = SqsMessage::default();
        message.message_id = Some(Uuid::now_v7().to_string());
        message.body = Some(json!({"Records": [record]}).to_string());
        message
    }

    pub(super) fn process(&self, bad_luck: &BadLuck) -> Process {
        Process::new(bad_luck.clone(), self.http.clone())
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
        context.lease = LEASE;
        context.share_sizes = self.share_sizes.clone();
        context
    }
}

pub(super) fn only(message: SqsMessage) -> SqsEvent {
    let mut event = SqsEvent::default();
    event.records = vec![message];
    event
}

/// A table with the same keys and indexes.
pub(super) async fn copy_table(dynamodb: &DynamoDb, original: &str, copy: &str) -> Result<()> {
    let told = dynamodb.describe_table().table_name(original).send().await?;
    let table = told.table.context("the table is told")?;
    let indexes = table.global_secondary_indexes.unwrap_or_default().into_iter().map(|index| {
        GlobalSecondaryIndex::builder()
            .set_index_name(index.index_name)
            .set_key_schema(index.key_schema)
            .set_projection(index.projection)
            .build()
    });
    let indexes: Vec<_> = indexes.collect::<Result<_, _>>()?;
    dynamodb
        .create_table()
        .table_name(copy)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(table.attribute_definitions)
        .set_key_schema(table.key_schema)
        .set_global_secondary_indexes((!indexes.is_empty()).then_some(indexes))
        .send()
        .await?;
    Ok(())
}

/// An order that follows from the seed (a linear congruential generator with Knuth's constants).
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(last, usize::try_from(state >> 33).unwrap_or(0) % (last + 1));
    }
}

/// An owner who has nothing yet.
pub(super) fn somebody() -> UserId {
    UserId::new(Uuid::now_v7().to_string())
}
