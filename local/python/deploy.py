"""Deploys template.yaml into an AWS-compatible endpoint, as `sam deploy` would into AWS.

Prints one JSON document:
    {"outputs": {…}, "resources": {logical id: physical id},
     "functions": {logical id: {"name": …, "handler": …, "environment": {…}}}}
"""

import argparse
import json
import pathlib
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

import http_api
from artifacts import Artifacts, binaries_of

POLL_SECONDS = 0.2


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--endpoint", required=True)
    arguments.add_argument("--region", required=True)
    arguments.add_argument("--stack", required=True)
    arguments.add_argument("--template", type=pathlib.Path, required=True)
    arguments.add_argument("--binaries", type=pathlib.Path, required=True, help="folder of the functions' binaries")
    arguments.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    options = arguments.parse_args()

    session = boto3.Session(region_name=options.region)
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2})

    def client(name: str):
        return session.client(name, endpoint_url=options.endpoint, config=config)

    account = client("sts").get_caller_identity()["Account"]
    artifacts = Artifacts(client("s3"), f"{options.stack}-artifacts-{account}-{options.region}", options.region)
    parameters = dict(parameter.split("=", 1) for parameter in options.parameter)
    template = translated(options.template, options.binaries, artifacts, parameters, session)
    stacks = Stack(client("cloudformation"), options.stack)
    stacks.deploy(artifacts.template(json.dumps(template)), parameters)
    artifacts.forget_unused()
    resources = stacks.resources()
    lambda_ = client("lambda")
    functions = {
        logical_id: function(lambda_, resources[logical_id])
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    json.dump({"outputs": stacks.outputs(), "resources": resources, "functions": functions}, sys.stdout)


def translated(path: pathlib.Path, binaries: pathlib.Path, artifacts: Artifacts, parameters: dict, session) -> dict:
    """The template in plain CloudFormation, its code and nested templates uploaded."""
    template = yaml_parse(path.read_text())
    code = {name: artifacts.code(file) for name, file in binaries_of(template, binaries).items()}
    template["Globals"]["Function"].pop("CodeUri")
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = code[resource["Metadata"]["BuildProperties"]["Binary"]]
        elif resource["Type"] == "AWS::Serverless::LayerVersion":
            resource["Properties"]["ContentUri"] = artifacts.empty_layer()
        elif resource["Type"] == "AWS::CloudFormation::Stack":
            nested = path.parent / resource["Properties"]["TemplateURL"]
            resource["Properties"]["TemplateURL"] = artifacts.template(nested.read_text())
    result = Translator({}, Parser(), boto_session=session).translate(template, parameters)
    http_api.expand(result)
    spell_numbers_out(result, parameters)
    return result


def spell_numbers_out(template: dict, parameters: dict) -> None:
    """Puts a number where a queue's poller has the name of one: the local AWS would hand the parameter on as text."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::EventSourceMapping" and "ScalingConfig" in resource["Properties"]:
            name = resource["Properties"]["ScalingConfig"]["MaximumConcurrency"]["Ref"]
            value = parameters.get(name, template["Parameters"][name]["Default"])
            resource["Properties"]["ScalingConfig"]["MaximumConcurrency"] = int(value)


def function(lambda_, name: str) -> dict:
    """What is told about a function."""
    configuration = lambda_.get_function_configuration(FunctionName=name)
    environment = configuration["Environment"]["Variables"]
    return {"name": name, "handler": configuration["Handler"], "environment": environment}


class Stack:
    """One CloudFormation stack, created or brought up to date."""

    def __init__(self, cloudformation, name: str):
        self._cloudformation, self._name = cloudformation, name

    def deploy(self, template_url: str, parameters: dict) -> None:
        """Creates or updates the stack and waits until it stands."""
        status = self._status()
        if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"):
            # What never stood can't be updated.
            self._cloudformation.delete_stack(StackName=self._name)
            self._wait()
            status = None
        request = {
            "StackName": self._name,
            "TemplateURL": template_url,
            "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        }
        try:
            if status is None:
                self._cloudformation.create_stack(**request)
            else:
                self._cloudformation.update_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" in str(error):
                return
            raise
        status = self._wait()
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise SystemExit(f"the stack {self._name} is {status}:\n{self._failures()}")

    def outputs(self) -> dict:
        stack = self._cloudformation.describe_stacks(StackName=self._name)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def resources(self) -> dict:
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=self._name)
        return {
            resource["LogicalResourceId"]: resource.get("PhysicalResourceId", "")
            for page in pages
            for resource in page["StackResourceSummaries"]
        }

    def _status(self) -> str | None:
        try:
            return self._cloudformation.describe_stacks(StackName=self._name)["Stacks"][0]["StackStatus"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise

    def _wait(self) -> str | None:
        while (status := self._status()) is not None and (
            status.endswith("_IN_PROGRESS") or status.endswith("CLEANUP_IN_PROGRESS")
        ):
            time.sleep(POLL_SECONDS)
        return None if status == "DELETE_COMPLETE" else status

    def _failures(self) -> str:
        events = self._cloudformation.describe_stack_events(StackName=self._name)["StackEvents"]
        return "\n".join(
            f"  {event['LogicalResourceId']}: {event.get('ResourceStatusReason', event['ResourceStatus'])}"
            for event in reversed(events)
            if event["ResourceStatus"].endswith("_FAILED")
        )


if __name__ == "__main__":
    main()
