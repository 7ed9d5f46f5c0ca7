"""Runs the local AWS: ministack with the few changes that this project needs.

Reads its settings from the environment, as ministack does. Lives as long as its standard input is open: whoever
started it holds the other end, so that it saves its state and ends even when that process was killed. The folder
in MATINEE_REMOVE_AT_END, if any, goes with it.
"""

import collections
import fcntl
import functools
import json
import logging
import mmap
import os
import pathlib
import re
import shutil
import signal
import sys
import termios
import threading
import time

from ministack import app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime, persistence
from ministack.services import dynamodb, lambda_svc, s3

# Below this, reading a file whole costs no more than mapping it.
MAPPED_FROM_BYTES = 1024 * 1024
SAVE_EVERY_SECONDS = 10
SAVED_OFTEN = ("cognito", "dynamodb", "dynamodb_streams", "s3", "sqs")


class MappedBody(mmap.mmap):
    """An object's bytes, of which only the pages that a request asks for are read."""

    def encode(self, _encoding: str) -> bytes:
        """The whole body. The server calls this on what is not `bytes`, to send it."""
        return self[:]


def map_large_bodies() -> None:
    """Ministack reads the whole file for each ranged GET, a second for 1 GiB. Map the file instead.

    Everything that takes a body slices it, asks its length or writes it, and a mapping can do all of that.
    Only functions' code has to be real bytes: it is hashed, copied and kept.
    """
    read_body = s3._read_body
    get_object_data = s3._get_object_data

    def read_mapped_body(bucket_name: str, key: str, obj: dict):
        if obj.get("body") is None and obj.get("size", 0) >= MAPPED_FROM_BYTES:
            path = s3._object_disk_path(bucket_name, key)
            try:
                with open(path, "rb") as file:
                    return MappedBody(file.fileno(), 0, access=mmap.ACCESS_READ)
            except (OSError, TypeError, ValueError):
                pass
        return read_body(bucket_name, key, obj)

    # The functions of an area run the same code: they share one copy of it in memory.
    @functools.lru_cache(maxsize=16)
    def code(bucket_name: str, key: str, version_id: str | None, etag: str):
        return bytes_of(get_object_data(bucket_name, key, version_id))

    def bytes_of(body):
        return body[:] if isinstance(body, MappedBody) else body

    def get_code(bucket_name: str, key: str, version_id: str | None = None):
        bucket = s3._buckets.get(bucket_name)
        obj = bucket["objects"].get(key) if bucket else None
        if obj is None:
            return get_object_data(bucket_name, key, version_id)
        return code(bucket_name, key, version_id, obj["etag"])

    s3._read_body = read_mapped_body
    s3._get_object_data = get_code


def count_loopback_as_tls() -> None:
    """The template denies what does not come by TLS; nothing here does, nor leaves this machine."""
    resolve = iam_evaluator._resolve_condition_key

    def resolve_with_tls(key: str, context):
        return "true" if key.lower() == "aws:securetransport" else resolve(key, context)

    iam_evaluator._resolve_condition_key = resolve_with_tls


def know_leading_keys() -> None:
    """Some roles may touch some partitions of a table only. Ministack knows no keys of partitions, and counts such a condition as met."""
    context_of = iam_actions.dynamodb_service_context
    resolve = iam_evaluator._resolve_condition_key

    def context_with_request(body: bytes) -> dict:
        return {**context_of(body), "matinee:request": body}

    def leading_keys(request: dict, action: str, table: str) -> list[str]:
        # A transaction is one action for each of its items.
        parts = [
            part
            for item in request.get("TransactItems", [request])
            for member, part in (item.items() if "TransactItems" in request else [(None, item)])
            if part.get("TableName") == table
            and (member is None or iam_actions._DYNAMODB_TRANSACT_ITEM_ACTIONS[member] == action)
        ]
        schema = dynamodb._tables.get(table, {}).get("KeySchema", [])
        name = next((key["AttributeName"] for key in schema if key["KeyType"] == "HASH"), None)
        values = [(part.get("Key") or part.get("Item") or {}).get(name) for part in parts]
        for part in parts:
            equal = re.search(r"(#?\w+)\s*=\s*(:\w+)", part.get("KeyConditionExpression", ""))
            if equal and part.get("ExpressionAttributeNames", {}).get(equal[1], equal[1]) == name:
                values.append(part["ExpressionAttributeValues"][equal[2]])
        return [text for value in values if value for text in value.values()]

    def resolve_with_keys(key: str, context):
        if key.lower() != "dynamodb:leadingkeys":
            return resolve(key, context)
        request = json.loads(context.service_context.get("matinee:request") or b"{}")
        table = context.resource_arn.partition(":table/")[2].partition("/")[0]
        return leading_keys(request, context.action, table) or None

    iam_actions.dynamodb_service_context = context_with_request
    iam_evaluator._resolve_condition_key = resolve_with_keys


def improve_runtime_api() -> None:
    """Ministack reads what a function answers as text. Streamed answers are bytes, of films for example."""
    build_handler_class = lambda_runtime.ProvidedWorker._build_handler_class

    def build(worker, generation: int, pending):
        class Handler(build_handler_class(worker, generation, pending)):
            # An event goes in two writes, and the second would wait for the other side's acknowledgement: for 40 ms.
            disable_nagle_algorithm = True

            def do_POST(self):
                match = lambda_runtime._INVOCATION_RESULT_RE.search(self.path)
                if match is None or self.headers.get("Lambda-Runtime-Function-Response-Mode") != "streaming":
                    return super().do_POST()
                body = self._read_body()
                is_taken = worker._record_result(generation, match.group(1), match.group(2), body)
                return self._respond(202 if is_taken else 400)

        return Handler

    lambda_runtime.ProvidedWorker._build_handler_class = build


def answer_without_waiting_for_logs() -> None:
    """After each invocation, ministack waits 50 ms for a line that the function may have logged, and looks for it a thousand times
    a second meanwhile. What a function has logged is in its pipe before it answers: once the pipe is empty, that was all.
    """

    def drain(worker, **_waits) -> str:
        process = worker._proc
        try:
            for _ in range(100):
                # The thread that empties the pipe has its turn.
                time.sleep(0.0005)
                if process is None or fcntl.ioctl(process.stdout, termios.FIONREAD, bytes(4)) == bytes(4):
                    break
        except (OSError, ValueError):
            pass  # The process has ended, and its pipe is closed.
        return worker._drain_stderr()

    lambda_runtime.ProvidedWorker._drain_stderr_bounded = drain


def start_functions_without_reading_them() -> None:
    """Ministack reads a function's whole code for each process that it starts, to find out whether it has been unpacked."""
    unpack = lambda_svc._provided_runtime_code_dir
    folders = {}

    def unpack_once(code: bytes) -> str:
        # Kept together with the code, so that no other code can be at its place in memory.
        _, folder = folders.get(id(code), (None, ""))
        if not os.path.isdir(folder):
            folder = unpack(code)
            folders[id(code)] = (code, folder)
        return folder

    lambda_svc._provided_runtime_code_dir = unpack_once


def take_turns_quickly() -> None:
    """A request passes through some ten threads here, and each waits for its turn until another has had Python's 5 ms."""
    sys.setswitchinterval(0.0005)


def permit_batches_as_aws_does() -> None:
    """Whoever may send, delete or hide a message may do so with ten at once: AWS knows no permission for batches."""
    extract_action = iam_actions.extract_iam_action

    def action_of_one(*arguments, **named):
        action = extract_action(*arguments, **named)
        return action.removesuffix("Batch") if action and action.startswith("sqs:") else action

    iam_actions.extract_iam_action = action_of_one


def name_senders_as_aws_does() -> None:
    """A mail is sent in the name of an identity, and it is that which somebody has a right to. Ministack asks for the right to all."""
    resource_of = iam_actions._ses_v2_resource_arn

    def resource_with_senders(method: str, path: str, body: bytes, region: str, account_id: str) -> str:
        if path.rstrip("/").endswith("/outbound-emails"):
            sender = json.loads(body).get("FromEmailAddress", "")
            return f"arn:aws:ses:{region}:{account_id}:identity/{sender}"
        return resource_of(method, path, body, region, account_id)

    iam_actions._ses_v2_resource_arn = resource_with_senders


def count_received_parts() -> None:
    """Tells at GET /_matinee/received-parts how many bytes of parts have arrived for each object, whole or cut off. S3 says so in its
    server access logs, which ministack has none of.
    """
    serve = app.app
    received = collections.Counter()

    async def serve_and_count(scope, receive, send):
        if scope["type"] != "http":
            return await serve(scope, receive, send)
        path = scope["path"]
        if path == "/_matinee/received-parts":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
            return await send({"type": "http.response.body", "body": json.dumps(received).encode()})
        if scope["method"] != "PUT" or b"partNumber=" not in scope["query_string"]:
            return await serve(scope, receive, send)

        async def receive_and_count():
            message = await receive()
            received[path] += len(message.get("body", b""))
            return message

        return await serve(scope, receive_and_count, send)

    app.app = serve_and_count


def save_regularly() -> None:
    """Ministack saves its state when it ends, and loses it all when it is killed. What people do is saved every few
    seconds besides; the rest, with the functions' code, when SIGUSR1 says that there is something new.
    """
    if not persistence.PERSIST_STATE:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        return

    def save(services: tuple[str, ...] | None) -> None:
        states = app._build_persistence_save_dict()
        persistence.save_all({name: state for name, state in states.items() if services is None or name in services})

    def on_the_loop(services: tuple[str, ...] | None) -> None:
        # There, no request is changing what is being saved.
        if app._MAIN_LOOP is not None:
            app._MAIN_LOOP.call_soon_threadsafe(save, services)

    def every_few_seconds() -> None:
        while True:
            time.sleep(SAVE_EVERY_SECONDS)
            on_the_loop(SAVED_OFTEN)

    signal.signal(signal.SIGUSR1, lambda *_: on_the_loop(None))
    logging.getLogger("persistence").setLevel(logging.WARNING)
    threading.Thread(target=every_few_seconds, daemon=True).start()


def move_queues() -> None:
    """A queue's address has the port in it, and ministack finds queues by their addresses: in the state of a run on another
    port, all of them are gone. Their addresses are rewritten before the state is read.
    """
    address = re.compile(r"http://127\.0\.0\.1:\d+(?=/\d{12}/)")
    here = f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}"
    for file in pathlib.Path(persistence.STATE_DIR).glob("*.json"):
        state = file.read_text()
        moved = address.sub(here, state)
        if moved != state:
            file.write_text(moved)


def end_with_parent() -> None:
    """Ends this process when standard input is closed, and what it started a little later."""

    def watch() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    map_large_bodies()
    count_loopback_as_tls()
    know_leading_keys()
    improve_runtime_api()
    answer_without_waiting_for_logs()
    start_functions_without_reading_them()
    take_turns_quickly()
    permit_batches_as_aws_does()
    name_senders_as_aws_does()
    count_received_parts()
    move_queues()
    save_regularly()
    end_with_parent()
    try:
        app.main()
    finally:
        if folder := os.environ.get("MATINEE_REMOVE_AT_END"):
            shutil.rmtree(folder, ignore_errors=True)
        # The functions that are still running belong to the process group that was made for this process.
        if os.getpgrp() == os.getpid():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.killpg(os.getpgrp(), signal.SIGTERM)


if __name__ == "__main__":
    main()
