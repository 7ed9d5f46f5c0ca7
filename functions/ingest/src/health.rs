//! Whether the service can do its work now, for whoever watches it from outside.
//!
//! Nobody is named and no reason given: anybody may ask. Reasons are in the log. That people can sign in isn't asked: the gateway checks
//! sessions by itself, and what Cognito refuses shows in the alarm of the functions that call it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::Client as S3;
use aws_sdk_sqs::Client as Sqs;
use aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use cold_start::{quick_calls, required_env};
use futures_util::future::{try_join_all, try_join3};
use http_api::{Json, Problem};
use library::Tables;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::timeout;
use utoipa::{OpenApi, ToSchema};

use crate::clients;

/// What takes longer is no better than broken for whoever waits for a page.
const PATIENCE: Duration = Duration::from_secs(3);
/// An answer is good for as long, so that asking often costs nothing.
const KEPT: Duration = Duration::from_secs(5);

/// How something is, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It does what it is for.
    Pass,
    /// The service works, and an operator has something to look at.
    Warn,
    /// It doesn't answer, or refuses.
    Fail,
}

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Part {
    /// The tables of uploads, contents and videos are read.
    Records,
    /// The buckets of originals and of outputs are there.
    Objects,
    /// The queues between the stages of ingest are there.
    Queues,
    /// No work was given up. `warn` says that some was.
    DeadLetters,
}

/// One part of the service.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Check {
    name: Part,
    status: Status,
    /// How long it took to find out, in milliseconds.
    duration_ms: u64,
}

/// The service as a whole.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Health {
    /// The worst of its parts.
    status: Status,
    checks: Vec<Check>,
}

/// What the function is told by its environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The tables that are read.
    pub tables: Tables,
    /// The buckets that must be there.
    pub buckets: Vec<String>,
    /// Addresses of the queues that must be there.
    pub queue_urls: Vec<String>,
    /// Addresses of the queues that should be empty.
    pub dead_letters_urls: Vec<String>,
}

impl Environment {
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env() -> anyhow::Result<Self> {
        let urls = |kind: &str, names: &[&str]| -> anyhow::Result<Vec<_>> {
            names.iter().map(|name| required_env(&format!("{name}_{kind}_URL"))).collect()
        };
        Ok(Self {
            tables: clients::tables_from_env()?,
            buckets: vec![required_env("UPLOAD_BUCKET")?, required_env("MEDIA_BUCKET")?],
            queue_urls: urls("QUEUE", &["UPLOAD_EVENTS", "PACKAGE", "ENCODE"])?,
            dead_letters_urls: urls(
                "DEAD_LETTERS",
                &["UPLOAD_EVENTS", "PACKAGE", "ENCODE", "REMOVE", "PLAN", "MAIL"],
            )?,
        })
    }
}

/// What a cold start builds.
#[derive(Clone, Debug)]
pub struct Context {
    dynamodb: DynamoDb,
    s3: S3,
    sqs: Sqs,
    environment: Arc<Environment>,
    last: Arc<Mutex<Option<(Instant, Health)>>>,
}

impl Context {
    /// Builds the clients.
    pub fn new(sdk: &SdkConfig, environment: Environment) -> Self {
        Self {
            dynamodb: clients::dynamodb(sdk),
            s3: S3::from_conf(aws_sdk_s3::config::Builder::from(sdk).timeout_config(quick_calls()).build()),
            sqs: clients::sqs(sdk),
            environment: Arc::new(environment),
            last: Arc::default(),
        }
    }

    async fn look(&self) -> Health {
        let records = check(Part::Records, self.records());
        let objects = check(Part::Objects, self.objects());
        let queues = check(Part::Queues, self.queues());
        let dead_letters = check(Part::DeadLetters, self.dead_letters());
        let (records, objects, queues, dead_letters) = tokio::join!(records, objects, queues, dead_letters);
        let checks = vec![records, objects, queues, dead_letters];
        let status = checks.iter().map(|check| check.status).max().unwrap_or(Status::Pass);
        Health { status, checks }
    }

    /// Reads an item of each table that is never there: only that the table answers matters.
    async fn records(&self) -> anyhow::Result<Status> {
        let Tables { uploads, contents, videos } = &self.environment.tables;
        let key = || AttributeValue::S("health".to_owned());
        let get = |table: &str| self.dynamodb.get_item().table_name(table);
        try_join3(
            get(uploads).key("id", key()).send(),
            get(videos).key("id", key()).send(),
            get(contents).key("pk", key()).key("sk", key()).send(),
        )
        .await
        .context("reading a table")?;
        Ok(Status::Pass)
    }

    async fn objects(&self) -> anyhow::Result<Status> {
        let buckets = self.environment.buckets.iter();
        try_join_all(buckets.map(|bucket| self.s3.head_bucket().bucket(bucket).send()))
            .await
            .context("asking for a bucket")?;
        Ok(Status::Pass)
    }

    async fn queues(&self) -> anyhow::Result<Status> {
        self.waiting(&self.environment.queue_urls).await?;
        Ok(Status::Pass)
    }

    async fn dead_letters(&self) -> anyhow::Result<Status> {
        let are_empty = self.waiting(&self.environment.dead_letters_urls).await? == 0;
        Ok(if are_empty { Status::Pass } else { Status::Warn })
    }

    /// How many messages lie in these queues, about.
    async fn waiting(&self, urls: &[String]) -> anyhow::Result<u64> {
        let counts = urls.iter().map(async |url| {
            let asked = self.sqs.get_queue_attributes().queue_url(url);
            let asked = asked.attribute_names(ApproximateNumberOfMessages).send().await?;
            let counts = asked.attributes.as_ref();
            let count = counts.and_then(|counts| counts.get(&ApproximateNumberOfMessages));
            let Some(count) = count else { bail!("a queue has no count") };
            Ok(count.parse::<u64>()?)
        });
        Ok(try_join_all(counts).await.context("counting messages")?.iter().sum())
    }
}

async fn check(name: Part, work: impl Future<Output = anyhow::Result<Status>>) -> Check {
    let started = Instant::now();
    let outcome = timeout(PATIENCE, work).await.context("no answer in time").flatten();
    let status = outcome.unwrap_or_else(|error| {
        tracing::error!(part = ?name, error = format!("{error:#}"), "a part of the service fails");
        Status::Fail
    });
    Check { name, status, duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX) }
}

/// Tells whether the service can do its work, part by part. For everybody; what a load balancer or a monitor asks.
///
/// An answer is up to 5 seconds old.
#[utoipa::path(
    get, path = "/health", operation_id = "get_health", tag = "operations",
    responses(
        (status = 200, description = "It can: `pass`, or `warn` if an operator has something to look at.", body = Health),
        (status = 503, description = "A part of it can't: `fail`.", body = Health),
    )
)]
async fn get_health(State(context): State<Context>) -> Result<(StatusCode, Json<Health>), Problem> {
    let mut last = context.last.lock().await;
    let health = match last.take().filter(|(at, _)| at.elapsed() < KEPT) {
        Some(kept) => kept,
        None => (Instant::now(), context.look().await),
    };
    let answer = last.insert(health).1.clone();
    let status = match answer.status {
        Status::Fail => StatusCode::SERVICE_UNAVAILABLE,
        Status::Pass | Status::Warn => StatusCode::OK,
    };
    Ok((status, Json(answer)))
}

/// The route, below the API's root.
pub fn router() -> Router<Context> {
    Router::new().route("/health", get(get_health))
}

/// Its part of the API's document.
#[derive(Debug, OpenApi)]
#[openapi(paths(get_health))]
pub struct Document;
