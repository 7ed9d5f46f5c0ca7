//! The AWS in memory answers and refuses as the local AWS does, where the functions look.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart,
};
use tests::{World, sha256};

use crate::faults::Sandbox;

/// What became of a call: its code, or what was asked of its answer.
type Told = BTreeMap<&'static str, String>;

fn told<A, E: ProvideErrorMetadata, R>(
    answer: Result<A, SdkError<E, R>>,
    ask: impl Fn(A) -> String,
) -> String {
    match answer {
        Ok(answer) => ask(answer),
        Err(error) => match error.as_service_error() {
            Some(error) => error.code().unwrap_or("no code").to_owned(),
            None => "no answer".to_owned(),
        },
    }
}

fn done<A>(_: A) -> String {
    "done".to_owned()
}

async fn dynamodb(sandbox: &Sandbox) -> Result<Told> {
    let (client, table) = (&sandbox.dynamodb, &sandbox.tables.contents);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = |sk: &str| {
        let put = client.put_item().table_name(table).item("pk", text("a")).item("sk", text(sk));
        put.condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    };
    let first = told(put("a").send().await, done);
    let again = put("a").send().await;
    let item = again.as_ref().err().and_then(SdkError::as_service_error).map(|error| match error {
        aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(failed) => {
            format!("{:?}", failed.item().map(|item| item.len()))
        }
        other => other.to_string(),
    });
    let within = |sk: &str| -> Result<TransactWriteItem> {
        let put = Put::builder().table_name(table).item("pk", text("a")).item("sk", text(sk));
        let put = put.condition_expression("attribute_not_exists(pk)").build()?;
        Ok(TransactWriteItem::builder().put(put).build())
    };
    let canceled = client.transact_write_items().transact_items(within("b")?).transact_items(within("a")?);
    let canceled = canceled.send().await;
    let reasons = canceled.as_ref().err().and_then(SdkError::as_service_error).map(|error| match error {
        aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
            canceled,
        ) => canceled.cancellation_reasons().iter().map(|it| it.code().unwrap_or("None").to_owned()).collect(),
        other => vec![other.to_string()],
    });
    let absent = client.get_item().table_name("nowhere").key("pk", text("a")).key("sk", text("a"));
    let update = client.update_item().table_name(table).key("pk", text("a")).key("sk", text("a"));
    let update = update.update_expression("SET #n = #n + :one").expression_attribute_names("#n", "count");
    let update = update.expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
    let scan = client.scan().table_name(table).consistent_read(true);
    Ok([
        ("put", first),
        ("put again", told(again, done)),
        ("the item that was there", format!("{item:?}")),
        ("transaction", told(canceled, done)),
        ("its reasons", format!("{reasons:?}")),
        ("get from no table", told(absent.send().await, done)),
        ("count what is missing", told(update.send().await, done)),
        ("scan", told(scan.send().await, |found| found.count.to_string())),
    ]
    .into())
}

async fn s3(sandbox: &Sandbox) -> Result<Told> {
    let (s3, bucket) = (&sandbox.s3, &sandbox.upload_bucket);
    let begin = s3.create_multipart_upload().bucket(bucket).key("a/b").content_type("video/mp4");
    let begin = begin.checksum_algorithm(ChecksumAlgorithm::Sha256).checksum_type(ChecksumType::Composite);
    let id = begin.send().await?.upload_id.context("an id")?;
    let bytes = vec![7; 5 << 20];
    let part = |bytes: &[u8], of: &[u8]| {
        let part = s3.upload_part().bucket(bucket).key("a/b").upload_id(&id).part_number(1);
        part.checksum_sha256(sha256(of)).body(bytes.to_vec().into())
    };
    let wrong = told(part(&bytes, b"other").send().await, done);
    let etag = part(&bytes, &bytes).send().await?.e_tag.context("an ETag")?;
    let parts = s3.list_parts().bucket(bucket).key("a/b").upload_id(&id).send().await?;
    let parts: Vec<_> =
        parts.parts().iter().map(|it| (it.part_number, it.size, it.checksum_sha256.clone())).collect();
    let complete = |id: &str, etag: &str, digest: Option<String>| {
        let part = CompletedPart::builder().part_number(1).e_tag(etag).set_checksum_sha256(digest).build();
        let upload = CompletedMultipartUpload::builder().parts(part).build();
        s3.complete_multipart_upload().bucket(bucket).key("a/b").upload_id(id).multipart_upload(upload).send()
    };
    let digest = Some(sha256(&bytes));
    let changed = told(complete(&id, "\"0123456789abcdef0123456789abcdef\"", digest.clone()).await, done);
    let unfinished = s3.list_multipart_uploads().bucket(bucket).prefix("a/").send().await?;
    let completed = told(complete(&id, &etag, digest.clone()).await, done);
    let again = told(complete("0123", &etag, digest).await, done);
    let head = s3.head_object().bucket(bucket).key("a/b").checksum_mode(ChecksumMode::Enabled).send().await?;
    let object = format!("{:?} {:?} {:?}", head.content_length, head.content_type, head.checksum_sha256);
    let get = || s3.get_object().bucket(bucket).key("a/b");
    let range = get().if_match(head.e_tag().context("an ETag")?).range("bytes=5242878-9999999").send().await;
    let range = told(range, |got| format!("{:?} {:?}", got.content_length, got.content_range));
    let list = s3.list_objects_v2().bucket(bucket).delimiter("/").send().await?;
    let list = format!("{:?} {:?}", list.common_prefixes().len(), list.contents().len());
    let absent = told(s3.get_object().bucket(bucket).key("c").send().await, done);
    let headless = told(s3.head_object().bucket(bucket).key("c").send().await, done);
    let nowhere = format!("{bucket}-nowhere");
    Ok([
        ("a part with a wrong digest", wrong),
        ("list parts", format!("{parts:?}")),
        ("complete with a part that changed", changed),
        ("list uploads", unfinished.uploads().len().to_string()),
        ("complete", completed),
        ("complete what is unknown", again),
        ("the object", object),
        ("a range", range),
        ("get another version", told(get().if_match("\"x\"").send().await, done)),
        ("get what is beyond its end", told(get().range("bytes=9999999-").send().await, done)),
        ("list folders", list),
        ("get what is missing", absent),
        ("head of what is missing", headless),
        ("get from no bucket", told(s3.get_object().bucket(&nowhere).key("c").send().await, done)),
        ("list no bucket", told(s3.list_objects_v2().bucket(nowhere).send().await, done)),
        ("delete what is missing", told(s3.delete_object().bucket(bucket).key("c").send().await, done)),
        (
            "parts of nothing",
            told(s3.list_parts().bucket(bucket).key("c").upload_id("0123").send().await, done),
        ),
        (
            "abort nothing",
            told(s3.abort_multipart_upload().bucket(bucket).key("c").upload_id("0123").send().await, done),
        ),
    ]
    .into())
}

async fn sqs(sandbox: &Sandbox) -> Result<Told> {
    let (sqs, queue) = (&sandbox.sqs, &sandbox.package_queue_url);
    let sent = told(sqs.send_message().queue_url(queue).message_body("one").send().await, done);
    let receive = || sqs.receive_message().queue_url(queue).max_number_of_messages(10).send();
    let mut received = receive().await?.messages.unwrap_or_default();
    let handle = received.pop().and_then(|message| message.receipt_handle).context("a message")?;
    let hidden = told(receive().await, |got| got.messages().len().to_string());
    let shown = sqs.change_message_visibility().queue_url(queue).receipt_handle(handle).visibility_timeout(0);
    let shown = told(shown.send().await, done);
    let again = told(receive().await, |got| got.messages().len().to_string());
    let nowhere = sqs.send_message().queue_url(format!("{queue}-nowhere")).message_body("one");
    Ok([
        ("send", sent),
        ("receive what is hidden", hidden),
        ("show", shown),
        ("receive it again", again),
        ("send to no queue", told(nowhere.send().await, done)),
    ]
    .into())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_in_memory_answers_like_the_local_aws() -> Result<()> {
    let Some(stack) = World::get().await.stack() else { return Ok(()) };
    let (memory, local) = (Sandbox::in_memory(0).await?, Sandbox::local(stack).await?);
    let both = (dynamodb(&memory).await?, dynamodb(&local).await?);
    ensure!(both.0 == both.1, "{both:#?}");
    let both = (s3(&memory).await?, s3(&local).await?);
    ensure!(both.0 == both.1, "{both:#?}");
    let both = (sqs(&memory).await?, sqs(&local).await?);
    ensure!(both.0 == both.1, "{both:#?}");
    Ok(())
}
