#!/usr/bin/env python3
"""How much CPU a function burns from its spawning to its first request for work, beside a hello-world function.

    python3 crates/cold-start/benches/cold_start.py [--function uploads --handler create_upload] [--runs 100]

It builds both in release mode, plays Lambda's runtime API on a loopback port, spawns each binary in turn, reads the
CPU time (user and system, all threads) at the moment when `GET /runtime/invocation/next` arrives, and ends it. No AWS
is needed: a start calls none.
"""

import argparse
import io
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
START_TIMEOUT_S = 10
BAR_RATIO = 1.5
BAR_BYTES = 13_000_000
BAR_ZIPPED_BYTES = 5_500_000

# Every variable that any function reads; none of these is ever contacted.
ENVIRONMENT = {
    "UPLOADS_TABLE": "uploads",
    "VIDEOS_TABLE": "videos",
    "CONTENTS_TABLE": "contents",
    "MEDIA_KEYS_TABLE": "media-keys",
    "UPLOAD_BUCKET": "uploads",
    "MEDIA_BUCKET": "media",
    "SHARE_BYTES": "2147483648",
    **{
        f"{queue}_URL": f"https://sqs.eu-central-1.amazonaws.com/123456789012/{queue.lower()}"
        for queue in (
            "UPLOAD_EVENTS_QUEUE",
            "UPLOAD_EVENTS_DEAD_LETTERS",
            "PACKAGE_QUEUE",
            "PACKAGE_DEAD_LETTERS",
            "ENCODE_QUEUE",
            "ENCODE_DEAD_LETTERS",
            "PLAN_DEAD_LETTERS",
            "REMOVE_DEAD_LETTERS",
            "MAIL_DEAD_LETTERS",
        )
    },
    "USER_POOL_ID": "eu-central-1_example",
    "USER_POOL_CLIENT_ID": "example",
    "PUBLISHER_MAX_FILE_BYTES": "1099511627776",
    "PUBLISHER_MAX_STORED_BYTES": "1099511627776",
    "PUBLISHER_MAX_UPLOADS": "1099511627776",
    "ADMIN_MAX_FILE_BYTES": "1099511627776",
    "ADMIN_MAX_STORED_BYTES": "1099511627776",
    "ADMIN_MAX_UPLOADS": "1099511627776",
    "MEDIA_KEY_PAIR_ID": "K1",
    "SIGN_INS_TABLE": "sign-ins",
    "SIGN_IN_ATTEMPTS_TABLE": "sign-in-attempts",
    "ACCOUNT_REMOVALS_TABLE": "account-removals",
    "LIVE_USAGE_TABLE": "live-usage",
    "LIVE_RELAYS_TABLE": "live-relays",
    "LIVE_VIEWERS_TABLE": "live-viewers",
    "TICKET_KEYS_TABLE": "ticket-keys",
    "LIVE_HOST": "relay.example.org",
    "LIVE_PORT": "9111",
    "ORIGIN_SECRET": "example",
    "REGISTRATION": "open",
    "SENDER_ADDRESS": "matinee@example.org",
    "SITE_ORIGIN": "https://example.org",
    "METRICS_NAMESPACE": "example",
    "LADDER": "on-demand",
    "LOG_LEVEL": "INFO",
}


def lambda_environment(runtime_api: str, handler: str) -> dict[str, str]:
    """What Lambda sets, and what the template does."""
    return ENVIRONMENT | {
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "example",
        "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_SESSION_TOKEN": "example",
        "_HANDLER": handler,
        "PATH": "/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
    }


def cpu_clock(pid: int) -> int:
    """The id of another process's CPU clock, as clock_getcpuclockid(3) composes it on Linux."""
    return (~pid << 3) | 2


def cpu_ms_until_next(listener: socket.socket, binary: pathlib.Path, handler: str) -> float:
    host, port = listener.getsockname()
    # posix_spawn shares the parent's memory until exec: nothing of Python is on the child's clock.
    pid = os.posix_spawn(binary, [str(binary)], lambda_environment(f"{host}:{port}", handler))
    connection = None
    try:
        connection, _ = listener.accept()
        request = connection.recv(65536)
        cpu_s = time.clock_gettime(cpu_clock(pid))
    except TimeoutError:
        raise SystemExit(f"{binary} asked for no work within {START_TIMEOUT_S} s") from None
    finally:
        # It is ended before its connection is: nothing of this is an error for it to report.
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        if connection:
            connection.close()
    if not request.startswith(b"GET /2018-06-01/runtime/invocation/next "):
        raise SystemExit(f"{binary} asked for something else: {request[:200]!r}")
    return cpu_s * 1000


def sizes(binary: pathlib.Path) -> tuple[int, int]:
    """Bytes stripped (the release profile strips) and bytes in the zip file that is uploaded."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.write(binary, "bootstrap")
    return binary.stat().st_size, len(zipped.getvalue())


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--function", default="uploads", help="the package whose binary is measured")
    arguments.add_argument("--handler", default="create_upload", help="which of its functions to be")
    arguments.add_argument("--runs", type=int, default=100)
    arguments.add_argument("--no-build", action="store_true", help="measure what was built before")
    options = arguments.parse_args()

    if not options.no_build:
        for package in (["cold-start", "--example", "hello"], [options.function, "--bins"]):
            subprocess.run(["cargo", "build", "--release", "-p", *package], cwd=ROOT, check=True)
    binaries = {"hello": TARGET / "examples" / "hello", options.function: TARGET / options.function}

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(START_TIMEOUT_S)
        # In turn, so that both meet the same moments of a busy machine; the first ones fill the page cache.
        rounds = [
            {name: cpu_ms_until_next(listener, binary, options.handler) for name, binary in binaries.items()}
            for _ in range(options.runs + 2)
        ][2:]

    print(f"{'':12}{'median':>10}{'p10':>10}{'p90':>10}{'stripped':>12}{'zipped':>12}")
    medians, bytes_of = {}, {}
    for name, binary in binaries.items():
        measured = sorted(round[name] for round in rounds)
        medians[name], bytes_of[name] = statistics.median(measured), sizes(binary)
        low, high = measured[len(measured) // 10], measured[len(measured) * 9 // 10]
        stripped, zipped = (f"{count / 1e6:.2f} MB" for count in bytes_of[name])
        print(f"{name:12}{medians[name]:7.2f} ms{low:7.2f} ms{high:7.2f} ms{stripped:>12}{zipped:>12}")

    ratio = medians[options.function] / medians["hello"]
    stripped, zipped = bytes_of[options.function]
    met = ratio <= BAR_RATIO and stripped <= BAR_BYTES and zipped <= BAR_ZIPPED_BYTES
    bars = f"bars: {BAR_RATIO}, {BAR_BYTES / 1e6:g} MB, {BAR_ZIPPED_BYTES / 1e6:g} MB"
    print(f"ratio {ratio:.2f} over {options.runs} runs ({bars}): {'met' if met else 'NOT met'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
