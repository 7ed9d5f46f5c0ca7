//! One repair for each finding that has one. Each is a conditional write, a message whose repeat changes nothing, or a deletion that
//! may be repeated.

use anyhow::{Context as _, bail};
use aws_sdk_s3::Client as S3;
use library::{Content, ContentId, Lister as ShareLister, Repaired, TaskName, Upload, UploadId};
use serde_json::json;

use crate::outputs::{Buckets, delete_below, delete_outputs};
use crate::package_video::Request;
use crate::reconcile::Context;
use crate::reconcile::case::{Bucket, Case};
use crate::reconcile::finder::{Finding, task_name};

/// What the owner of a file reads that is gone.
const LOST: &str = "The file is not there any more. Please upload it again.";

/// What the owner of a file reads whose parts came too late.
const TOO_LATE: &str = "Not all parts arrived within a week. Please upload it again.";

/// Repairs what was found in a case that was just read.
///
/// # Errors
/// When AWS did not do it, and for what has no repair.
pub(super) async fn repair(context: &Context, case: &Case, finding: &Finding) -> anyhow::Result<Repaired> {
    let library = &context.library;
    match finding {
        Finding::UploadUnclaimed { upload_id } => tell_arrival(context, *upload_id).await,
        Finding::UploadLost { .. } => {
            let record = case.upload.as_ref().context("the upload")?;
            library.fail_lost_upload(record, LOST).await
        }
        Finding::UploadExpired { upload_id } => {
            let upload = &case.upload.as_ref().context("the upload")?.upload;
            let Buckets { s3, uploads, .. } = &context.buckets;
            abort(s3, uploads, &upload_id.object_key(), &upload.s3_upload_id).await?;
            expire(context, upload).await
        }
        Finding::UploadWithoutContent { upload_id, content_id } => {
            let upload = upload(case, *upload_id)?;
            library.fail_upload_without_content(upload, *content_id, LOST).await
        }
        Finding::UploadWithoutVideo { upload_id, .. } => {
            let holder = case.holders.iter().find(|holder| holder.video_id == upload_id.as_video());
            library.list_again(content(case)?, holder.context("the share")?).await
        }
        Finding::ShareMissing { video_id, .. } => {
            let lister = case.listers.iter().find(|lister| lister.id.as_video() == *video_id);
            let lister = lister.context("who lists it")?;
            let lister = match (&lister.video, &lister.upload) {
                (Some(video), _) => ShareLister::Video(Box::new(video.clone())),
                (None, Some(upload)) => ShareLister::Upload(Box::new(upload.clone())),
                (None, None) => bail!("nobody lists it"),
            };
            library.share_again(content(case)?, &lister).await
        }
        Finding::ShareUnused { content_id, owner_id } => {
            let holder = case.holders.iter().find(|holder| holder.owner_id == *owner_id);
            let holder = holder.context("the share")?;
            let lister = case.listers.iter().find(|lister| lister.id.as_video() == holder.video_id);
            let state = lister.and_then(|lister| lister.upload.as_ref()).map(|upload| upload.state);
            library.unshare(*content_id, case.content.as_ref(), holder, state).await
        }
        Finding::ListingsDrifted { counted, .. } => library.correct_listings(content(case)?, *counted).await,
        Finding::ContentUnlisted { .. } => library.retire(content(case)?).await,
        Finding::ContentStuck { content_id } => request_packaging(context, *content_id).await,
        Finding::RetryOver { .. } => Ok(match context.library.end_retry(content(case)?).await? {
            true => Repaired::Yes,
            false => Repaired::Outdated,
        }),
        Finding::EncodingStuck { .. } => library.encode_again(content(case)?).await,
        Finding::RemovalStuck { content_id } => library.tell_removal_again(*content_id).await,
        Finding::PointerDangling { digest, content_id } => library.unpoint(digest, *content_id).await,
        Finding::PointerMissing { .. } => library.point_again(content(case)?).await,
        Finding::TaskLeft { content_id, task } => {
            let name = TaskName::ALL.into_iter().find(|name| task_name(*name) == *task);
            let name = name.context("the task's name")?;
            delete_below(&context.buckets, &content_id.task_prefix(name)).await?;
            library.contents.end_task(*content_id, name).await?;
            Ok(Repaired::Yes)
        }
        Finding::OriginalUnneeded { upload_id } => {
            let Buckets { s3, uploads, .. } = &context.buckets;
            let deletion = s3.delete_object().bucket(uploads).key(upload_id.object_key());
            deletion.send().await.context("deleting an original")?;
            Ok(Repaired::Yes)
        }
        Finding::OutputsUnneeded { content_id } => {
            delete_outputs(&context.buckets, *content_id).await?;
            Ok(Repaired::Yes)
        }
        Finding::PiecesUnneeded { content_id } => {
            delete_below(&context.buckets, &content_id.pieces_prefix()).await?;
            Ok(Repaired::Yes)
        }
        Finding::MultipartUnneeded { bucket, key, s3_upload_id } => {
            let Buckets { s3, uploads, media } = &context.buckets;
            let bucket = match bucket {
                Bucket::Uploads => uploads,
                Bucket::Media => media,
            };
            abort(s3, bucket, key, s3_upload_id).await?;
            Ok(Repaired::Yes)
        }
        // It is about no case.
        Finding::UsageDrifted { .. }
        | Finding::VideoWithoutContent { .. }
        | Finding::VideoWithoutUpload { .. }
        | Finding::StoredTwice { .. }
        | Finding::OriginalMissing { .. }
        | Finding::OutputMissing { .. }
        | Finding::ObjectUnknown { .. }
        | Finding::RecordUnreadable { .. } => bail!("it has no repair"),
    }
}

fn content(case: &Case) -> anyhow::Result<&Content> {
    case.content.as_ref().context("the content")
}

fn upload(case: &Case, id: UploadId) -> anyhow::Result<&Upload> {
    let own = case.upload.as_ref().map(|record| &record.upload).filter(|upload| upload.id == id);
    let lister = case.listers.iter().find(|lister| lister.id == id);
    own.or_else(|| lister.and_then(|lister| lister.upload.as_ref())).context("the upload")
}

/// Sends the event that S3 sends about an object. Whoever gets it twice does it once.
async fn tell_arrival(context: &Context, upload_id: UploadId) -> anyhow::Result<Repaired> {
    let object = json!({"key": upload_id.object_key()});
    let s3 = json!({"bucket": {"name": context.buckets.uploads}, "object": object});
    let record = json!({"eventName": "ObjectCreated:CompleteMultipartUpload", "s3": s3});
    let event = json!({"Records": [record]}).to_string();
    let message = context.sqs.send_message().queue_url(&context.queues.upload_events).message_body(event);
    message.send().await.context("telling of an object again")?;
    Ok(Repaired::Yes)
}

async fn request_packaging(context: &Context, content_id: ContentId) -> anyhow::Result<Repaired> {
    let request = serde_json::to_string(&Request { content_id, share: None })?;
    let message = context.sqs.send_message().queue_url(&context.queues.package).message_body(request);
    message.send().await.context("asking for a content to be packaged again")?;
    Ok(Repaired::Yes)
}

/// The parts are gone. If they became an object in the last moment, the upload is claimed instead.
async fn expire(context: &Context, upload: &Upload) -> anyhow::Result<Repaired> {
    let Buckets { s3, uploads, .. } = &context.buckets;
    let left = s3.list_objects_v2().bucket(uploads).prefix(upload.id.object_key()).send().await;
    let is_over = left.context("looking for an object that has just arrived")?.contents().is_empty();
    Ok(match is_over && context.library.uploads.expire(upload, TOO_LATE).await? {
        true => Repaired::Yes,
        false => Repaired::Outdated,
    })
}

/// It is no error if S3 knows of no such multipart upload.
async fn abort(s3: &S3, bucket: &str, key: &str, s3_upload_id: &str) -> anyhow::Result<()> {
    let abort = s3.abort_multipart_upload().bucket(bucket).key(key).upload_id(s3_upload_id);
    match abort.send().await.map_err(aws_sdk_s3::error::SdkError::into_service_error) {
        Err(error) if aws_sdk_s3::error::ProvideErrorMetadata::code(&error) != Some("NoSuchUpload") => {
            Err(error).context("aborting a multipart upload")
        }
        _ => Ok(()),
    }
}
