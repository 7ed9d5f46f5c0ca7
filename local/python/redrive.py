"""Gives what failed for good another try, after its cause has been removed.

Messages of the dead-letter queues go back to their queues. Contents whose removal failed, or the planning of whose
encoding, are touched, so that the table's stream tells of them once more: the records that failed have left it after a day.
"""

import argparse
import time

import boto3

MESSAGES_PER_CALL = 10
VISIBILITY_SECONDS = 60


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--endpoint")
    arguments.add_argument("--region")
    arguments.add_argument("--stack", required=True)
    options = arguments.parse_args()

    def client(name: str):
        return boto3.client(name, endpoint_url=options.endpoint, region_name=options.region)

    stack = client("cloudformation").describe_stacks(StackName=options.stack)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    sqs = client("sqs")
    for name in ("UploadEvents", "Package", "Encode"):
        moved = move(sqs, outputs[f"{name}DeadLettersUrl"], outputs[f"{name}QueueUrl"])
        print(f"{name}: {moved} messages moved back")
    for name, function, attribute, value in (
        ("Remove", "RemoveContent", "state", "removing"),
        ("Plan", "PlanEncoding", "encoding", "wanted"),
        ("Plan", "PlanEncoding", "encoding", "needed"),
    ):
        touched = touch(client("dynamodb"), outputs["ContentsTable"], attribute, value)
        dropped = move(sqs, outputs[f"{name}DeadLettersUrl"], None)
        print(f"{function}: {touched} contents touched, {dropped} messages about them dropped")


def move(sqs, source: str, target: str | None) -> int:
    """Sends each message on, if there is a target, and deletes it from the source. Answers how many there were.

    A message is deleted only after it was sent: what breaks in between is sent twice, which the receivers bear.
    """
    count = 0
    while messages := sqs.receive_message(
        QueueUrl=source, MaxNumberOfMessages=MESSAGES_PER_CALL, VisibilityTimeout=VISIBILITY_SECONDS
    ).get("Messages"):
        for message in messages:
            if target:
                sqs.send_message(QueueUrl=target, MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])
            count += 1
    return count


def touch(dynamodb, table: str, attribute: str, value: str) -> int:
    """Writes the time onto each content whose attribute has that value. Answers how many there are."""
    count = 0
    names, values = {"#attribute": attribute}, {":value": {"S": value}}
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table,
        FilterExpression="#attribute = :value",
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=values,
    )
    for page in pages:
        for item in page["Items"]:
            try:
                dynamodb.update_item(
                    TableName=table,
                    Key={"pk": item["pk"], "sk": item["sk"]},
                    UpdateExpression="SET redriven_at_ms = :now",
                    # It may have gone on in the meantime.
                    ConditionExpression="#attribute = :value",
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues=values | {":now": {"N": str(time.time_ns() // 1_000_000)}},
                )
            except dynamodb.exceptions.ConditionalCheckFailedException:
                continue
            count += 1
    return count


if __name__ == "__main__":
    main()
