"""Runs the local AWS: ministack with the few changes that this project needs.

Reads its settings from the environment, as ministack does. Lives as long as its standard input is open: whoever
started it holds the other end, so that it saves its state and ends even when that process was killed. The folder
in MATINEE_REMOVE_AT_END, if any, goes with it.
"""

import functools
import mmap
import os
import shutil
import signal
import sys
import threading

from ministack import app
from ministack.core import iam_evaluator
from ministack.services import s3

# Below this, reading a file whole costs no more than mapping it.
MAPPED_FROM_BYTES = 1024 * 1024


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
