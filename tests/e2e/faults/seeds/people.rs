//! What people ask for: their requests to the API's functions, repeated until they are answered.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::types::ChecksumAlgorithm;
use futures_util::future::try_join_all;
use library::{DeleteVideoError, Limits, PartPlan, UploadId, UploadState, VideoId};
use serde_json::{Value, json};
use tests::{digest_of, sha256};
use tower::ServiceExt as _;

use super::super::connector::Process;
use super::super::sandbox::Sandbox;
use super::world::{Job, Message, Sent, Way, World};
use crate::instant;

/// How often a client repeats a request that failed.
const TRIES: usize = 4;

/// Status and body.
type Answer = (u16, Value);

impl World<'_> {
    pub(super) fn config(&self, process: &Process) -> SdkConfig {
        let retries = RetryConfig::standard()
            .with_max_attempts(2)
            .with_initial_backoff(Duration::from_millis(1))
            .with_max_backoff(Duration::from_millis(2));
        self.sandbox.root.to_builder().http_client(process.clone()).retry_config(retries).build()
    }

    /// A request to the uploads' functions, repeated by its client until it is answered. None if it never is.
    async fn ask(
        &self,
        function: &'static str,
        owner: usize,
        (method, path): (&str, &str),
        body: Value,
        key: Option<&str>,
    ) -> Result<Option<Answer>> {
        for _ in 0..TRIES {
            let process = self.process(function);
            let mut context =
                uploads::Context::new(&self.config(&process), self.sandbox.uploads_environment());
            context.refused_after = Duration::ZERO;
            let mut event: Value =
                serde_json::from_str(include_str!("../../../../events/create-upload.json"))?;
            let claims = &mut event["requestContext"]["authorizer"]["jwt"]["claims"];
            (claims["sub"], claims["cognito:groups"]) = (json!(self.people[owner]), json!("[publisher]"));
            event["requestContext"]["http"]["method"] = json!(method);
            (event["rawPath"], event["body"]) = (json!(path), json!(body.to_string()));
            event["requestContext"]["http"]["path"] = json!(path);
            if let Some(key) = key {
                event["headers"]["idempotency-key"] = json!(key);
            } else if let Some(headers) = event["headers"].as_object_mut() {
                headers.remove("idempotency-key");
            }
            let request = lambda_http::request::from_str(&event.to_string())?;
            let app = http_api::app(uploads::router().with_state(context));
            let Some(answer) = process.run(Box::pin(app.oneshot(request.map(axum::body::Body::new)))).await
            else {
                continue;
            };
            let (parts, body) = answer.context("a router never fails")?.into_parts();
            if parts.status.is_server_error() {
                continue;
            }
            let body = axum::body::to_bytes(body, 1 << 20).await?;
            return Ok(Some((parts.status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())));
        }
        Ok(None)
    }

    /// Somebody sends a film, or begins to.
    pub(super) async fn send(&mut self, index: usize) -> Result<()> {
        let planned = self.plan.uploads[index];
        let (owner, film) = (planned.owner, planned.film);
        let size_bytes = self.films[film].bytes.len() as u64;
        let body = json!({"name": "A film", "file_name": "film.mp4", "size_bytes": size_bytes, "content_type": "video/mp4"});
        let key = format!("upload-{index}");
        let begun = self.ask("create_upload", owner, ("POST", "/api/uploads"), body, Some(&key)).await?;
        let Some((status, answer)) = begun else { return Ok(()) };
        ensure!(status == 201, "{status}: {answer}");
        let id: UploadId = answer["id"].as_str().context("an id")?.parse()?;
        if self.plan.aborted.contains(&index) {
            return self.abort(owner, id).await;
        }
        if planned.way != Way::Parts {
            let proved = self.while_some_are_delivered(async |world| world.prove(index, id).await).await?;
            if planned.way == Way::BareHash {
                ensure!(!proved, "who knows a digest alone has listed the film");
                return Ok(());
            }
            if proved {
                self.sent.push(Sent { id, index, owner, film, arrived: true, deleted: false });
                return Ok(());
            }
        }
        self.send_parts(id, film).await?;
        let path = format!("/api/uploads/{id}/complete");
        let completed = self.ask("complete_upload", owner, ("POST", &path), Value::Null, None).await?;
        let objects = self.sandbox.keys_below(&self.sandbox.upload_bucket, &id.object_key()).await?;
        let arrived = !objects.is_empty();
        if let Some((status, answer)) = completed {
            ensure!(status == 200 && arrived, "{status}, {arrived}: {answer}");
        }
        self.sent.push(Sent { id, index, owner, film, arrived, deleted: false });
        if arrived && !self.plan.unheard.contains(&index) {
            for _ in 0..self.random.usize(1..4) {
                self.waiting.push(Message { job: Job::Claim(self.sandbox.s3_event(id)), failures: 0 });
            }
        }
        Ok(())
    }

    /// Shows that the film is there, or tries to. Answers whether the upload is complete by that.
    async fn prove(&self, index: usize, id: UploadId) -> Result<bool> {
        let planned = self.plan.uploads[index];
        let bytes = &self.films[planned.film].bytes;
        let body = json!({"digest": digest_of(bytes, part_size(bytes.len())?)});
        let path = format!("/api/uploads/{id}/challenge");
        let asked = self.ask("create_challenge", planned.owner, ("POST", &path), body, None).await?;
        if let Some((status, challenge)) = asked {
            // Each try takes one of the three that there are.
            ensure!(matches!(status, 200 | 409), "{status}: {challenge}");
            if status == 409 {
                return Ok(false);
            }
            let hmac = match planned.way {
                Way::BareHash => sha256(challenge["nonce"].as_str().context("a nonce")?.as_bytes()),
                _ => instant::right(&challenge, bytes)?,
            };
            let path = format!("/api/uploads/{id}/proof");
            let body = json!({ "hmac": hmac });
            let answer = self.ask("answer_challenge", planned.owner, ("POST", &path), body, None).await?;
            if let Some((status, answer)) = answer {
                ensure!(matches!(status, 200 | 409), "{status}: {answer}");
            }
        }
        // The answer may have been lost, and the next one say that it comes too late.
        let upload = self.library().uploads.get(id).await?.context("the upload is lost")?;
        Ok(upload.state != UploadState::Waiting)
    }

    pub(super) async fn abort(&self, owner: usize, id: UploadId) -> Result<()> {
        let path = format!("/api/uploads/{id}");
        let answer = self.ask("abort_upload", owner, ("DELETE", &path), Value::Null, None).await?;
        // Repeated after a lost answer, it finds nothing.
        ensure!(answer.as_ref().is_none_or(|(status, _)| matches!(status, 204 | 404)), "{answer:?}");
        Ok(())
    }

    async fn send_parts(&self, id: UploadId, film: usize) -> Result<()> {
        let upload = self.library().uploads.get(id).await?.context("the upload")?;
        let bytes = &self.films[film].bytes;
        for (part, number) in bytes.chunks(part_size(bytes.len())?).zip(1..) {
            let sent = self.sandbox.s3.upload_part().bucket(&self.sandbox.upload_bucket).key(id.object_key());
            let sent = sent.upload_id(&upload.s3_upload_id).part_number(number);
            let sent = sent.checksum_algorithm(ChecksumAlgorithm::Sha256).checksum_sha256(sha256(part));
            sent.body(part.to_vec().into()).send().await?;
        }
        Ok(())
    }

    /// What failed for no fault of its film is tried again by its publisher, or thrown away; all of them at the same time, while messages
    /// come. Answers whether there was something.
    pub(super) async fn second_chances(&mut self) -> Result<bool> {
        let mut failed = Vec::new();
        for (place, sent) in self.sent.iter().enumerate().filter(|(_, sent)| !sent.deleted) {
            let upload = self.library().uploads.get(sent.id).await?;
            if upload.is_some_and(|upload| upload.may_be_retried()) {
                failed.push(place);
            }
        }
        let requests = async |world: &World<'_>| {
            let requests = failed.iter().map(|place| Box::pin(world.second_chance(&world.sent[*place])));
            try_join_all(requests).await
        };
        let gone = self.while_some_are_delivered(requests).await?;
        for (place, is_gone) in failed.iter().zip(gone) {
            self.sent[*place].deleted |= is_gone;
        }
        Ok(!failed.is_empty())
    }

    /// Answers whether the upload has gone by that.
    async fn second_chance(&self, sent: &Sent) -> Result<bool> {
        let path = format!("/api/uploads/{}", sent.id);
        if !self.plan.discarded.contains(&sent.index) {
            let path = format!("{path}/retry");
            let answer = self.ask("retry_upload", sent.owner, ("POST", &path), Value::Null, None).await?;
            ensure!(answer.as_ref().is_none_or(|(status, _)| *status == 200), "{answer:?}");
            return Ok(false);
        }
        let answer = self.ask("abort_upload", sent.owner, ("DELETE", &path), Value::Null, None).await?;
        // Another one who has the film may be trying it again.
        let is_expected = |status| matches!(status, 204 | 404 | 409);
        ensure!(answer.as_ref().is_none_or(|(status, _)| is_expected(*status)), "{answer:?}");
        Ok(self.library().uploads.get(sent.id).await?.is_none())
    }

    /// All that may be retried until some time may not be any more.
    pub(super) async fn let_a_week_pass(&self) -> Result<()> {
        let sandbox = self.sandbox;
        for (table, keys) in
            [(&sandbox.tables.contents, &["pk", "sk"][..]), (&sandbox.tables.uploads, &["id"])]
        {
            let found = sandbox.dynamodb.scan().table_name(table).consistent_read(true).send().await?;
            for item in found.items().iter().filter(|item| item.contains_key("retry_until")) {
                let mut update = sandbox.dynamodb.update_item().table_name(table);
                for key in keys {
                    update = update.key(*key, item[*key].clone());
                }
                let past = AttributeValue::S("2020-01-01T00:00:00Z".to_owned());
                let update = update.update_expression("SET retry_until = :past");
                update.expression_attribute_values(":past", past).send().await?;
            }
        }
        Ok(())
    }

    /// Answers whether there was something.
    pub(super) async fn delete_what_is_listed(&mut self) -> Result<bool> {
        let mut any = false;
        for place in 0..self.sent.len() {
            let Sent { id, deleted, index, .. } = self.sent[place];
            if self.plan.deleted.contains(&index) && !deleted && self.delete(id.as_video()).await? {
                self.sent[place].deleted = true;
                any = true;
            }
        }
        Ok(any)
    }

    /// As `delete_video` does it, repeated by its client. Answers whether the video was there.
    pub async fn delete(&self, id: VideoId) -> Result<bool> {
        if self.library().videos.get(id).await?.is_none() {
            return Ok(false);
        }
        for _ in 0..TRIES {
            let process = self.process("delete_video");
            let library = self.sandbox.library(&self.config(&process));
            let deletion = async {
                let Some(video) = library.videos.get(id).await? else { return Ok(()) };
                match library.delete_video(&video, None).await {
                    Err(DeleteVideoError::Absent) => Ok(()),
                    other => other.map_err(anyhow::Error::from),
                }
            };
            if matches!(process.run(deletion).await, Some(Ok(()))) {
                return Ok(true);
            }
        }
        Ok(self.library().videos.get(id).await?.is_none())
    }
}

fn part_size(length: usize) -> Result<usize> {
    Ok(usize::try_from(PartPlan::for_size(length as u64)?.part_size_bytes())?)
}

impl Sandbox {
    pub(super) async fn keys_below(&self, bucket: &str, prefix: &str) -> Result<Vec<String>> {
        let found = self.s3.list_objects_v2().bucket(bucket).prefix(prefix).send().await?;
        Ok(found.contents().iter().filter_map(|object| object.key().map(ToOwned::to_owned)).collect())
    }

    /// What the functions of `uploads` have between them, with limits that nobody meets.
    fn uploads_environment(&self) -> uploads::Environment {
        let total = Limits { bytes: 1 << 40, uploads: 1_000 };
        let limits = uploads::RoleLimits { file_bytes: 1 << 40, total };
        uploads::Environment {
            uploads_table: self.tables.uploads.clone(),
            contents_table: self.tables.contents.clone(),
            upload_bucket: Some(self.upload_bucket.clone()),
            limits: Some(uploads::LimitsByRole { publisher: limits, admin: limits }),
            videos_table: Some(self.tables.videos.clone()),
            package_queue_url: Some(self.package_queue_url.clone()),
        }
    }
}
