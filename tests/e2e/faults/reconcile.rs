//! The reconciler, after somebody deleted and added things behind the system's back, and while others work.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use ingest::reconcile::finder::Ages;
use ingest::reconcile::{self, Outcome, Report};
use library::{ContentId, UploadId, UploadState};
use serde_json::json;
use tests::{Film, Person, World};

use super::connector::BadLuck;
use super::sandbox::{Sandbox, somebody};

fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

impl Sandbox {
    async fn run_reconciler(&self, dry_run: bool) -> Result<Report> {
        let mut context = reconcile::Context::new(&self.root, self.reconcile_environment());
        context.ages = Ages { stuck_ms: 0, litter_ms: 0 };
        let deadline = SystemTime::now() + Duration::from_secs(120);
        let answer = reconcile::handle(&context, deadline, reconcile::Request { dry_run }).await?;
        let stored = self.s3.get_object().bucket(&self.media_bucket).key(&answer.report_key).send().await?;
        let stored: serde_json::Value = serde_json::from_slice(&stored.body.collect().await?.to_vec())?;
        ensure!(stored["counts"] == json!(answer.report.counts), "another report is stored: {stored}");
        self.s3.delete_object().bucket(&self.media_bucket).key(&answer.report_key).send().await?;
        Ok(answer.report)
    }

    /// A dry run finds exactly this and changes nothing; a run repairs it; what it woke does its work; then there is nothing to find.
    async fn is_repaired(&self, expected: &[&str]) -> Result<()> {
        let dry = self.run_reconciler(true).await?;
        let found: Vec<_> = dry.counts.keys().map(String::as_str).collect();
        ensure!(found == expected, "found {:?} instead of {expected:?}", dry.findings);
        ensure!(dry.repaired == 0, "a dry run repaired {:?}", dry.findings);
        let report = self.run_reconciler(false).await?;
        for kind in expected {
            let mut repaired = report.findings.iter().filter(|entry| entry.finding.kind() == *kind);
            ensure!(
                repaired.any(|entry| entry.outcome == Outcome::Repaired),
                "{kind} is not repaired: {:?}",
                report.findings
            );
        }
        self.deliver_what_was_woken().await?;
        let after = self.run_reconciler(false).await?;
        ensure!(after.findings.is_empty(), "after repairs: {:?}", after.findings);
        Ok(())
    }

    /// A dry run and a run find exactly this, and neither changes anything.
    async fn is_reported(&self, expected: &[&str]) -> Result<()> {
        for dry_run in [true, false] {
            let report = self.run_reconciler(dry_run).await?;
            let found: Vec<_> = report.counts.keys().map(String::as_str).collect();
            ensure!(found == expected, "found {:?} instead of {expected:?}", report.findings);
            ensure!(report.repaired == 0, "repaired {:?}", report.findings);
        }
        Ok(())
    }

    async fn deliver_what_was_woken(&self) -> Result<()> {
        let luck = BadLuck::none();
        for event in self.take_all(&self.upload_events_queue_url).await? {
            let mut context = ingest::claim_object::Context::new(&self.root, self.claim_environment());
            context.lease = Duration::from_secs(1);
            let answer = ingest::claim_object::handle(&context, super::sandbox::only(event)).await?;
            ensure!(answer.batch_item_failures.is_empty(), "the event that was sent again fails");
        }
        while self.deliver_package_request(&luck).await? {}
        let mut removing = Vec::new();
        let library = self.library(&self.root);
        let contents = library.contents.each_record(|record| {
            if let library::ContentsRecord::Content(content) = record
                && content.state == library::ContentState::Removing
            {
                removing.push(content.content_id);
            }
        });
        contents.await?;
        for id in removing {
            self.remove_content(&luck, &json!(id)).await?;
        }
        Ok(())
    }

    /// A film that is listed by two.
    async fn film(&self) -> Result<[UploadId; 2]> {
        let film = Film::unique()?;
        let uploads = [self.upload(&film, &somebody()).await?, self.upload(&film, &somebody()).await?];
        self.ingest(&BadLuck::none(), &uploads, 1).await?;
        ensure!(self.run_reconciler(false).await?.findings.is_empty(), "a healthy film is found");
        Ok(uploads)
    }

    async fn content_of(&self, id: UploadId) -> Result<ContentId> {
        let video = self.library(&self.root).videos.get(id.as_video()).await?.context("a video")?;
        Ok(video.content_id)
    }

    async fn delete_all(&self, uploads: [UploadId; 2], content: ContentId) -> Result<()> {
        for id in uploads {
            self.delete_video(&BadLuck::none(), id.as_video()).await?;
        }
        self.remove_content(&BadLuck::none(), &json!(content)).await
    }

    async fn delete_record(&self, table: &str, keys: &[(&str, String)]) -> Result<()> {
        let mut delete = self.dynamodb.delete_item().table_name(table);
        for (name, value) in keys {
            delete = delete.key(*name, text(value));
        }
        delete.send().await?;
        Ok(())
    }

    async fn put(&self, bucket: &str, key: &str) -> Result<()> {
        self.s3.put_object().bucket(bucket).key(key).body(b"x".to_vec().into()).send().await?;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_were_deleted_behind_its_back_are_made_again() -> Result<()> {
    let sandbox = Sandbox::in_memory(0).await?;
    let [first, second] = sandbox.film().await?;
    let content = sandbox.content_of(first).await?;
    let library = sandbox.library(&sandbox.root);
    let tables = &sandbox.tables;
    let pk = format!("content#{content}");

    let owner = library.uploads.get(second).await?.context("an upload")?.owner_id;
    let share = [("pk", pk.clone()), ("sk", format!("holder#{owner}"))];
    sandbox.delete_record(&tables.contents, &share).await?;
    sandbox.is_repaired(&["share_missing"]).await?;

    let digest = library.contents.get(content).await?.context("it")?.digest.context("a digest")?;
    let pointer = [("pk", format!("digest#{digest}")), ("sk", "digest".to_owned())];
    sandbox.delete_record(&tables.contents, &pointer).await?;
    sandbox.is_repaired(&["pointer_missing"]).await?;
    ensure!(library.contents.content_with(&digest).await? == Some(content), "it points elsewhere");

    sandbox.delete_record(&tables.videos, &[("id", second.to_string())]).await?;
    sandbox.is_repaired(&["upload_without_video"]).await?;

    let update = sandbox.dynamodb.update_item().table_name(&tables.contents);
    let update = update.key("pk", text(&pk)).key("sk", text("content"));
    update
        .update_expression("SET listings = :v")
        .expression_attribute_values(":v", AttributeValue::N("7".to_owned()))
        .send()
        .await?;
    sandbox.is_repaired(&["listings_drifted"]).await?;

    let key = [("pk", format!("owner#{owner}")), ("sk", "quota".to_owned())];
    sandbox.delete_record(&tables.contents, &key).await?;
    sandbox.is_repaired(&["usage_drifted"]).await?;

    sandbox.check_ready(&[first, second]).await?;
    sandbox.delete_all([first, second], content).await?;
    for table in [&tables.uploads, &tables.videos] {
        let left = sandbox.dynamodb.scan().table_name(table).send().await?;
        ensure!(left.count == 0, "{table} holds {:?}", left.items);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_lists_any_more_goes() -> Result<()> {
    let sandbox = Sandbox::in_memory(0).await?;
    let uploads = sandbox.film().await?;
    let content = sandbox.content_of(uploads[0]).await?;
    let tables = &sandbox.tables;
    // Their listings vanish, the second leaves a share.
    for id in uploads {
        sandbox.delete_record(&tables.videos, &[("id", id.to_string())]).await?;
        sandbox.delete_record(&tables.uploads, &[("id", id.to_string())]).await?;
    }
    sandbox.is_repaired(&["share_unused", "usage_drifted"]).await?;
    for bucket in [&sandbox.upload_bucket, &sandbox.media_bucket] {
        ensure!(
            sandbox.keys(bucket).await?.is_empty(),
            "objects are left: {:?}",
            sandbox.keys(bucket).await?
        );
    }
    let gone = sandbox.library(&sandbox.root).contents.get(content).await?;
    ensure!(gone.is_none(), "the content is left: {gone:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_nothing_names_go_and_strangers_are_reported() -> Result<()> {
    let sandbox = Sandbox::in_memory(0).await?;
    let uploads = sandbox.film().await?;
    let content = sandbox.content_of(uploads[0]).await?;
    let nothing = UploadId::new();
    let id = nothing.as_content();
    sandbox.put(&sandbox.upload_bucket, &nothing.object_key()).await?;
    sandbox.is_repaired(&["original_unneeded"]).await?;
    for key in
        [format!("{}video.mp4", id.output_prefix()), id.poster_key(), format!("{}copy/x", id.pieces_prefix())]
    {
        sandbox.put(&sandbox.media_bucket, &key).await?;
    }
    sandbox.is_repaired(&["outputs_unneeded"]).await?;
    sandbox.put(&sandbox.media_bucket, &format!("{}copy/x", content.pieces_prefix())).await?;
    sandbox.is_repaired(&["pieces_unneeded"]).await?;
    for (bucket, key) in [
        (&sandbox.upload_bucket, nothing.object_key()),
        (&sandbox.media_bucket, format!("{}video.mp4", id.output_prefix())),
        (&sandbox.media_bucket, format!("{}video.mp4", content.output_prefix())),
    ] {
        sandbox.s3.create_multipart_upload().bucket(bucket).key(key).send().await?;
        sandbox.is_repaired(&["multipart_unneeded"]).await?;
    }
    sandbox.check_ready(&uploads).await?;

    let strangers = ["readme.txt", "media/readme.txt", "secrets/x"];
    for key in strangers {
        sandbox.put(&sandbox.media_bucket, key).await?;
    }
    sandbox.is_reported(&["object_unknown"]).await?;
    for key in strangers {
        ensure!(sandbox.keys(&sandbox.media_bucket).await?.iter().any(|found| found == key), "{key} is gone");
        sandbox.s3.delete_object().bucket(&sandbox.media_bucket).key(key).send().await?;
    }
    let junk = sandbox.dynamodb.put_item().table_name(&sandbox.tables.uploads);
    junk.item("id", text("junk")).send().await?;
    sandbox.is_reported(&["record_unreadable"]).await?;
    sandbox.delete_record(&sandbox.tables.uploads, &[("id", "junk".to_owned())]).await?;
    sandbox.delete_all(uploads, content).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_lost_are_reported_and_their_listing_can_be_deleted() -> Result<()> {
    let sandbox = Sandbox::in_memory(0).await?;
    let uploads = sandbox.film().await?;
    let content = sandbox.content_of(uploads[0]).await?;
    let poster = content.poster_key();
    sandbox.s3.delete_object().bucket(&sandbox.media_bucket).key(&poster).send().await?;
    sandbox.is_reported(&["output_missing"]).await?;
    sandbox.put(&sandbox.media_bucket, &poster).await?;
    let original = content.original_key();
    sandbox.s3.delete_object().bucket(&sandbox.upload_bucket).key(&original).send().await?;
    sandbox.is_reported(&["original_missing"]).await?;

    // The record goes as well: the digest must not lead anybody there, and the outputs stay for who restores it.
    let key = [("pk", format!("content#{content}")), ("sk", "content".to_owned())];
    sandbox.delete_record(&sandbox.tables.contents, &key).await?;
    let report = sandbox.run_reconciler(false).await?;
    ensure!(report.counts["video_without_content"] == 2, "{:?}", report.findings);
    ensure!(report.counts["pointer_dangling"] == 1, "{:?}", report.findings);
    let outputs = sandbox.keys(&sandbox.media_bucket).await?;
    ensure!(outputs.iter().any(|key| key.starts_with(&content.output_prefix())), "the outputs are gone");
    for id in uploads {
        sandbox.delete_video(&BadLuck::none(), id.as_video()).await?;
    }
    sandbox.is_repaired(&["outputs_unneeded"]).await?;
    ensure!(sandbox.keys(&sandbox.media_bucket).await?.is_empty(), "outputs are left");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stuck_goes_on() -> Result<()> {
    let sandbox = Sandbox::in_memory(0).await?;
    let library = sandbox.library(&sandbox.root);
    // S3's event is lost.
    let id = sandbox.upload(&Film::unique()?, &somebody()).await?;
    sandbox.is_repaired(&["upload_unclaimed"]).await?;
    ensure!(library.videos.get(id.as_video()).await?.is_some(), "it is not listed");
    // The request to package it is lost.
    let other = sandbox.brought().await?;
    sandbox.take_all(&sandbox.package_queue_url).await?;
    sandbox.is_repaired(&["content_stuck"]).await?;
    ensure!(library.videos.get(other.as_video()).await?.is_some(), "it is not listed");
    // What the stream tells is lost.
    sandbox.delete_video(&BadLuck::none(), other.as_video()).await?;
    sandbox.is_repaired(&["removal_stuck"]).await?;
    ensure!(library.contents.get(other.as_content()).await?.is_none(), "it is not removed");

    // A complete upload whose object is gone.
    let lost = sandbox.upload(&Film::unique()?, &somebody()).await?;
    let record = library.uploads.get(lost).await?.context("the upload")?;
    library.uploads.mark_uploaded(&record).await?;
    sandbox.s3.delete_object().bucket(&sandbox.upload_bucket).key(lost.object_key()).send().await?;
    sandbox.is_repaired(&["upload_lost"]).await?;
    let upload = library.uploads.get(lost).await?.context("the upload")?;
    ensure!(upload.state == UploadState::Failed && upload.reason.is_some(), "{upload:?}");
    // One whose content vanishes while it is packaged.
    let vanished = sandbox.brought().await?;
    sandbox.take_all(&sandbox.package_queue_url).await?;
    let key = [("pk", format!("content#{vanished}")), ("sk", "content".to_owned())];
    sandbox.delete_record(&sandbox.tables.contents, &key).await?;
    let report = sandbox.run_reconciler(false).await?;
    ensure!(report.counts.contains_key("upload_without_content"), "{:?}", report.findings);
    let upload = library.uploads.get(vanished).await?.context("the upload")?;
    ensure!(upload.state == UploadState::Failed, "{upload:?}");
    Ok(())
}

/// Everybody uploads, and the reconciler of the deployed stack runs with the rights of its role: it finds nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_out_of_the_way_of_who_works() -> Result<()> {
    let world = World::get().await;
    let Some(stack) = world.stack() else { return Ok(()) };
    let publisher = world.person("publisher").await?;
    let project = local::Project::find()?;
    let work = async {
        for _ in 0..3 {
            publisher.publish(&Film::unique()?).await?;
        }
        anyhow::Ok(())
    };
    let runs = async {
        let mut reports = Vec::new();
        for dry_run in [true, false] {
            let endpoint = Some(stack.endpoint());
            reports.push(
                local::reconcile::reconcile(&project, endpoint, local::deployment::STACK, dry_run).await?,
            );
        }
        anyhow::Ok(reports)
    };
    let (worked, reports) = tokio::join!(work, runs);
    worked?;
    for report in reports? {
        ensure!(report["repaired"] == 0 && report["left"] == 0, "{report:#}");
        ensure!(report["records"].as_u64() > Some(0), "{report:#}");
        ensure!(report["report_key"].as_str().is_some_and(|key| key.starts_with("reports/")), "{report:#}");
    }
    // Only now: until here, nobody may have broken anything.
    repairs_in_its_role(stack, &publisher, &project).await
}

/// The reconciler of the deployed stack writes into each table, and aborts a multipart upload, with the rights of its role.
async fn repairs_in_its_role(
    stack: &local::Stack,
    publisher: &Person,
    project: &local::Project,
) -> Result<()> {
    let published = publisher.publish(&Film::unique()?).await?;
    let waiting = publisher.create_upload(&Film::unique()?).await?;
    let dynamodb = aws_sdk_dynamodb::Client::new(&stack.sdk_config());
    let outputs = stack.outputs();
    let id = |upload: &serde_json::Value| upload["id"].as_str().map(text).context("an id");
    // The listing is gone, the time of the other upload is over, and their owner's count is wrong.
    dynamodb.delete_item().table_name(&outputs["VideosTable"]).key("id", id(&published)?).send().await?;
    dynamodb
        .update_item()
        .table_name(&outputs["UploadsTable"])
        .key("id", id(&waiting)?)
        .update_expression("SET expires_at = :long_ago")
        .expression_attribute_values(":long_ago", text("2020-01-01T00:00:00Z"))
        .send()
        .await?;
    dynamodb
        .update_item()
        .table_name(&outputs["ContentsTable"])
        .key("pk", text(format!("owner#{}", publisher.id)))
        .key("sk", text("quota"))
        .update_expression("ADD bytes :more")
        .expression_attribute_values(":more", AttributeValue::N("7".to_owned()))
        .send()
        .await?;
    let report =
        local::reconcile::reconcile(project, Some(stack.endpoint()), local::deployment::STACK, false).await?;
    for (kind, about) in [
        ("upload_without_video", ("upload_id", &published["id"])),
        ("upload_expired", ("upload_id", &waiting["id"])),
        ("usage_drifted", ("owner_id", &json!(publisher.id))),
    ] {
        let mut findings = report["findings"].as_array().into_iter().flatten();
        let is_repaired = findings.any(|finding| {
            finding["kind"] == kind && finding[about.0] == *about.1 && finding["outcome"] == "repaired"
        });
        ensure!(is_repaired, "{kind} is not repaired: {report:#}");
    }
    let video = published["video_id"].as_str().context("a video")?;
    let listed = publisher.get(&format!("/videos/{video}")).await?;
    ensure!(listed.status == 200, "{} {}", listed.status, listed.json);
    let expired = publisher.get(&format!("/uploads/{}", waiting["id"].as_str().unwrap_or_default())).await?;
    ensure!(expired.json["state"] == "failed", "{}", expired.json);
    Ok(())
}
