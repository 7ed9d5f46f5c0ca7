"""Gives what failed for good another try, after its cause has been removed.

Messages of the dead-letter queues go back to their queues. Contents whose removal failed are touched, so that the
table's stream tells of them once more: the records that failed have left it after a day.
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
    for name in ("UploadEvents", "Package"):
        moved = move(sqs, outputs[f"{name}DeadLettersUrl"], outputs[f"{name}QueueUrl"])
        print(f"{name}: {moved} messages moved back")
    touched = touch_removals(client("dynamodb"), outputs["ContentsTable"])
    dropped = move(sqs, outputs["RemoveDeadLettersUrl"], None)
    print(f"RemoveContent: {touched} contents touched, {dropped} messages about them dropped")


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


def touch_removals(dynamodb, table: str) -> int:
    """Writes the time onto each content that is being removed. Answers how many there are."""
    count = 0
    state = {"ExpressionAttributeNames": {"#state": "state"}, "ExpressionAttributeValues": {":removing": {"S": "removing"}}}
    pages = dynamodb.get_paginator("scan").paginate(TableName=table, FilterExpression="#state = :removing", **state)
    for page in pages:
        for item in page["Items"]:
            values = state["ExpressionAttributeValues"] | {":now": {"N": str(time.time_ns() // 1_000_000)}}
            try:
                dynamodb.update_item(
                    TableName=table,
                    Key={"pk": item["pk"], "sk": item["sk"]},
                    UpdateExpression="SET redriven_at_ms = :now",
                    # It may have gone in the meantime.
                    ConditionExpression="#state = :removing",
                    ExpressionAttributeNames=state["ExpressionAttributeNames"],
                    ExpressionAttributeValues=values,
                )
            except dynamodb.exceptions.ConditionalCheckFailedException:
                continue
            count += 1
    return count


if __name__ == "__main__":
    main()
