//! Compares records and objects with each other, once a day, and puts right what contradicts.
//!
//! Everything else in the service comes by events, each of which may be lost for good: after five failures, by a backup that is
//! restored by halves, by hands at the console. This function is where that ends. [`reader`] gathers what there is into cases,
//! one for each id; [`finder`] says what is wrong with a case, without reading or writing; [`repair`] puts it right. It keeps out of the
//! way of work that is under way: what has not been forgotten for an hour (objects: a day) is none of its business; what it
//! suspects it reads again, consistently, right before it repairs; and a repair is one conditional write that presumes what was
//! read, a message whose repeat changes nothing, or a deletion of what nothing names. What has no such repair is reported.

mod case;
pub mod finder;
mod listing;
mod reader;
mod repair;
mod report;
#[cfg(test)]
mod tests;
mod usage;

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_sdk_sqs::Client as Sqs;
use aws_sdk_sqs::types::QueueAttributeName;
use cold_start::required_env;
use library::{Library, Repaired, Tables, Timestamp, UploadId};
use serde::{Deserialize, Serialize};

use crate::clients;
use crate::outputs::Buckets;
use finder::{Ages, Finding, Surroundings, find};
use reader::{Cases, REPORTS, Records, read_again};

pub use report::{Entry, Outcome, Report};

/// What is left of the function's time when it stops, to write the report in.
const REPORTING: Duration = Duration::from_secs(30);
/// The most repairs of one case in a run. One may bring the next to light.
const REPAIRS_OF_A_CASE: usize = 16;

/// What the function is told by its environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The names of the three tables.
    pub tables: Tables,
    /// The bucket that uploads arrive in.
    pub upload_bucket: String,
    /// The bucket of outputs and reports.
    pub media_bucket: String,
    /// The queues.
    pub queues: Queues,
    /// Where CloudWatch keeps the metrics. None for no metrics.
    pub metrics_namespace: Option<String>,
}

/// The URLs of the queues.
#[derive(Clone, Debug)]
pub struct Queues {
    /// Of S3's events.
    pub upload_events: String,
    /// Of contents that are to be packaged.
    pub package: String,
    /// Those in which a message may be that asks for packaging.
    pub packaging: Vec<String>,
    /// Those in which a message may be that asks for encoding.
    pub encoding: Vec<String>,
}

impl Environment {
    /// Reads it.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env() -> anyhow::Result<Self> {
        let package = required_env("PACKAGE_QUEUE_URL")?;
        Ok(Self {
            tables: clients::tables_from_env()?,
            upload_bucket: required_env("UPLOAD_BUCKET")?,
            media_bucket: required_env("MEDIA_BUCKET")?,
            queues: Queues {
                upload_events: required_env("UPLOAD_EVENTS_QUEUE_URL")?,
                packaging: vec![package.clone(), required_env("PACKAGE_DEAD_LETTERS_URL")?],
                package,
                encoding: vec![
                    required_env("ENCODE_QUEUE_URL")?,
                    required_env("ENCODE_DEAD_LETTERS_URL")?,
                    required_env("PLAN_DEAD_LETTERS_URL")?,
                ],
            },
            metrics_namespace: Some(required_env("METRICS_NAMESPACE")?),
        })
    }
}

/// What a cold start builds.
#[derive(Clone, Debug)]
pub struct Context {
    library: Library,
    buckets: Buckets,
    sqs: Sqs,
    queues: Queues,
    metrics_namespace: Option<String>,
    /// From when on things count as forgotten.
    pub ages: Ages,
}

impl Context {
    /// Builds the clients.
    pub fn new(sdk: &SdkConfig, environment: Environment) -> Self {
        Self {
            library: Library::new(clients::dynamodb(sdk), environment.tables),
            buckets: Buckets::new(sdk, environment.upload_bucket, environment.media_bucket),
            sqs: clients::sqs(sdk),
            queues: environment.queues,
            metrics_namespace: environment.metrics_namespace,
            ages: Ages::default(),
        }
    }
}

/// What wakes the function: the schedule, whose event says nothing that is read here, or an operator.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Request {
    /// Only looks, and repairs nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What the operator is told.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The report.
    #[serde(flatten)]
    pub report: Report,
    /// Its key in the bucket of outputs.
    pub report_key: String,
}

/// Goes through everything until `deadline`, and writes a report. What it has no time for is where the next run begins.
///
/// # Errors
/// When AWS did not answer well while it was reading. A repair that fails is in the report, and the rest goes on.
pub async fn handle(context: &Context, deadline: SystemTime, request: Request) -> anyhow::Result<Answer> {
    let time_left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
    let stop_at = tokio::time::Instant::now() + time_left.saturating_sub(REPORTING);
    let mut report = Report::new(request.dry_run);
    let from = context.place().await?;
    let mut cases = Cases::read(&context.library, &context.buckets, from).await?;
    report.records = cases.records.count;
    for stranger in std::mem::take(&mut cases.records.strangers) {
        report.note(stranger, Outcome::Reported);
    }
    let mut surroundings = context.surroundings().await?;
    while let Some(case) = cases.next().await? {
        if tokio::time::Instant::now() >= stop_at {
            tracing::warn!(next = %case.id, "time ran out; the next run goes on from there");
            report.next = Some(case.id.to_string());
            break;
        }
        for stranger in cases.strangers() {
            report.note(stranger, Outcome::Reported);
        }
        surroundings.now_ms = Timestamp::now().unix_ms();
        if !find(&case, &surroundings).is_empty() {
            context.look_closer(&case, &surroundings, &mut report).await?;
        }
    }
    for stranger in cases.strangers() {
        report.note(stranger, Outcome::Reported);
    }
    if report.next.is_none() {
        context.count_again(&cases.records, &mut report).await?;
    }
    report.objects = cases.objects();
    report.finished_at = Timestamp::now();
    let report_key = context.write(&report).await?;
    if let Some(namespace) = &context.metrics_namespace {
        report.tell_metrics(namespace).context("writing metrics")?;
    }
    Ok(Answer { report, report_key })
}

/// Everything that is wrong, according to the finder alone: nothing is read again, repaired or written.
///
/// # Errors
/// When AWS did not answer well.
pub async fn audit(context: &Context) -> anyhow::Result<Vec<Finding>> {
    let mut cases = Cases::read(&context.library, &context.buckets, None).await?;
    let mut found = std::mem::take(&mut cases.records.strangers);
    let surroundings = context.surroundings().await?;
    while let Some(case) = cases.next().await? {
        found.extend(find(&case, &surroundings));
    }
    found.extend(cases.strangers());
    for (owner, known) in cases.records.miscounted() {
        let drift = usage::drift(&context.library, &owner, &known).await?;
        found.extend(drift.map(|drift| usage::finding(&owner, drift)));
    }
    Ok(found)
}

impl Context {
    /// Reads a suspicious case again and repairs what is wrong with it, one thing after the other.
    async fn look_closer(
        &self,
        suspicious: &case::Case,
        surroundings: &Surroundings,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let mut seen: Vec<Finding> = Vec::new();
        for _ in 0..REPAIRS_OF_A_CASE {
            let case = read_again(&self.library, &self.buckets, suspicious).await?;
            let found = find(&case, surroundings);
            let Some(finding) = found.into_iter().find(|finding| !seen.contains(finding)) else { break };
            seen.push(finding.clone());
            let outcome = match () {
                () if !finding.is_repairable() => Outcome::Reported,
                () if report.dry_run => Outcome::WouldBeRepaired,
                () => match repair::repair(self, &case, &finding).await {
                    Ok(Repaired::Yes) => Outcome::Repaired,
                    // It went on by itself, so it was not wrong.
                    Ok(Repaired::Outdated) => continue,
                    Err(error) => {
                        let error = format!("{error:#}");
                        tracing::error!(error, finding = ?finding, "a repair failed");
                        Outcome::Failed
                    }
                },
            };
            report.note(finding, outcome);
        }
        Ok(())
    }

    /// Counts again what owners have whose count seems wrong.
    async fn count_again(&self, records: &Records, report: &mut Report) -> anyhow::Result<()> {
        for (owner, known) in records.miscounted() {
            let Some((seen, right)) = usage::drift(&self.library, &owner, &known).await? else { continue };
            let outcome = match report.dry_run {
                true => Outcome::WouldBeRepaired,
                false if self.library.uploads.correct_usage(&owner, seen, right).await? => Outcome::Repaired,
                false => continue,
            };
            report.note(usage::finding(&owner, (seen, right)), outcome);
        }
        Ok(())
    }

    async fn surroundings(&self) -> anyhow::Result<Surroundings> {
        Ok(Surroundings {
            now_ms: Timestamp::now().unix_ms(),
            ages: self.ages,
            packaging_is_idle: self.are_empty(&self.queues.packaging).await?,
            encoding_is_idle: self.are_empty(&self.queues.encoding).await?,
        })
    }

    /// Whether no message is in these queues, in anybody's hands or waiting for its time.
    async fn are_empty(&self, urls: &[String]) -> anyhow::Result<bool> {
        for url in urls {
            let names = [
                QueueAttributeName::ApproximateNumberOfMessages,
                QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
                QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            ];
            let asked = self.sqs.get_queue_attributes().queue_url(url);
            let told = asked.set_attribute_names(Some(names.to_vec())).send().await;
            let told = told.context("counting the messages of a queue")?.attributes.unwrap_or_default();
            if told.values().any(|count| count != "0") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn place_key() -> String {
        format!("{REPORTS}reconcile/next")
    }

    /// Where the last run stopped, if it had to.
    async fn place(&self) -> anyhow::Result<Option<UploadId>> {
        let Buckets { s3, media, .. } = &self.buckets;
        let left = s3.list_objects_v2().bucket(media).prefix(Self::place_key()).send().await;
        if left.context("looking for where the last run stopped")?.contents().is_empty() {
            return Ok(None);
        }
        let get = s3.get_object().bucket(media).key(Self::place_key()).send().await;
        let text = get.context("reading where the last run stopped")?.body.collect().await?.to_vec();
        Ok(std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok()))
    }

    /// Writes the report, and where the next run begins. Answers the report's key.
    async fn write(&self, report: &Report) -> anyhow::Result<String> {
        let Buckets { s3, media, .. } = &self.buckets;
        match &report.next {
            Some(next) => {
                let put = s3.put_object().bucket(media).key(Self::place_key());
                put.body(next.clone().into_bytes().into()).send().await.context("noting where it stopped")?;
            }
            None => {
                let deletion = s3.delete_object().bucket(media).key(Self::place_key());
                deletion.send().await.context("forgetting where the last run stopped")?;
            }
        }
        let key = format!("{REPORTS}reconcile/{}.json", report.started_at);
        let body = serde_json::to_vec_pretty(report)?;
        let put = s3.put_object().bucket(media).key(&key).content_type("application/json");
        put.body(body.into()).send().await.context("writing the report")?;
        Ok(key)
    }
}
