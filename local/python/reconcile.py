"""Has the reconciler of a stack run now, and prints its report."""

import argparse
import json
import sys

import boto3
from botocore.config import Config

# As long as the function may run, and a little more. Asking again would have it run twice.
PATIENT = Config(read_timeout=930, retries={"max_attempts": 0})


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--endpoint")
    arguments.add_argument("--region")
    arguments.add_argument("--stack", required=True)
    arguments.add_argument("--dry-run", action="store_true", help="only look")
    options = arguments.parse_args()

    def client(name: str):
        return boto3.client(name, endpoint_url=options.endpoint, region_name=options.region, config=PATIENT)

    resource = client("cloudformation").describe_stack_resource(
        StackName=options.stack, LogicalResourceId="Reconcile"
    )
    answer = client("lambda").invoke(
        FunctionName=resource["StackResourceDetail"]["PhysicalResourceId"],
        Payload=json.dumps({"dry_run": options.dry_run}),
    )
    text = answer["Payload"].read().decode()
    print(text)
    if "FunctionError" in answer:
        sys.exit(1)


if __name__ == "__main__":
    main()
