"""The simulation of large films in docs/performance.md. Without an argument it checks that the page has it; with --write it
puts it there.

It lays out shares and parts as crates/media/src/shares.rs does, and plays the copying of each film 200 times.
Prices are list prices of us-east-1 in US dollars, without taxes, discounts or free tiers.
"""

import heapq
import math
import pathlib
import random

import reckoned

PAGE = pathlib.Path(__file__).with_name("performance.md")
MIB, GIB = 1 << 20, 1 << 30

# The defaults of crates/media/src/shares.rs, and S3's limits in them.
SHARE_BYTES, MOST_SHARES = 2 * GIB, 1_000
PART_BYTES, MOST_PARTS, LARGEST_PART = 18 * MIB, 10_000, 5 * GIB
# Parts under way, one of the pictures and one of sound in the making; windows.
PARTS_HELD, WINDOWS = 5, 16 * MIB

# template.yaml, functions/ingest: memory and time of a function; what it keeps of that for tidying; a dead worker's message comes
# back after one and a half leases.
MEMORY_MB, TIMEOUT_S, TIDYING_S, RETURN_S = 1_769, 900, 10, 90
# Lambda's default quota for an account (new ones begin with less), how many invocations a queue starts with, and how many more
# each minute.
CONCURRENCY, POLLERS, POLLERS_MINUTE = 1_000, 5, 300

# Assumptions, none of them measured on AWS. A function moves about 600 Mbit/s, and what it reads it writes: half of it is the film.
FILM_BYTES_S = 600e6 / 8 / 2
SPREAD = 0.25  # of the speed's logarithm, from one invocation to the next
START_S = 0.5  # a cold start, and reading the tables in three ranges
DEATHS = 0.01  # of invocations, at any moment of their work
FINISH_S, COMPLETE_S_PER_1000 = 1.0, 2.0  # the last worker: list, join, complete
RUNS = 200

GB_SECOND, REQUEST = 0.0000166667, 0.20e-6  # Lambda
PUT, GET = 0.005 / 1000, 0.0004 / 1000  # S3
WRITE = 0.625e-6  # DynamoDB on demand, up to 1 KB
MESSAGE = 0.40e-6  # SQS, a call; each message is sent, received, hidden and deleted
WINDOW = 4 * MIB  # a ranged read


def shares_of(size: int) -> int:
    return min(max(math.ceil(size / SHARE_BYTES), 1), MOST_SHARES)


def part_bytes(size: int, shares: int) -> int:
    if shares == 1:
        return PART_BYTES
    return max(PART_BYTES, math.ceil(size / (MOST_PARTS - 2 * (shares + 1))))


def run(size: int, shares: int, concurrency: int, chance: random.Random) -> tuple[float, float, float, int]:
    """Seconds until all is copied, of function time, and of the longest invocation; invocations."""
    waiting = [(0.0, share) for share in range(shares)]  # when each may be taken next
    # When each place at a function is free: the queue's pollers grow in number, up to the quota.
    slots = [max(0.0, (slot - POLLERS + 1) * 60 / POLLERS_MINUTE) for slot in range(min(concurrency, shares + POLLERS))]
    busy, longest, invocations, end = 0.0, 0.0, 0, 0.0
    while waiting:
        asked, share = heapq.heappop(waiting)
        at = max(asked, heapq.heappop(slots))
        speed = FILM_BYTES_S * math.exp(chance.gauss(0, SPREAD))
        took = START_S + size / shares / speed
        fails = took > TIMEOUT_S - TIDYING_S
        took = min(took, TIMEOUT_S - TIDYING_S)
        back = 5.0
        if chance.random() < DEATHS:
            took, fails, back = took * chance.random(), True, RETURN_S
        heapq.heappush(slots, at + took)
        busy, longest, invocations = busy + took, max(longest, took), invocations + 1
        if fails:
            heapq.heappush(waiting, (at + took + back, share))
        else:
            end = max(end, at + took)
    parts = math.ceil(size / part_bytes(size, shares))
    last = FINISH_S + COMPLETE_S_PER_1000 * parts / 1000
    return end + last, busy + last, longest, invocations


def clock(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def shared_films() -> list[str]:
    lines = [
        "| film | shares | largest part | parts | memory | copied after: median, 99 % | with 10 at a time | one function alone"
        " | longest invocation | dollars |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, size in [
        ("2 GB", 2e9), ("5 GB", 5e9), ("20 GB", 20e9), ("50 GB", 50e9), ("200 GB", 200e9), ("1 TB", 1e12), ("2.5 TB", 2.5e12),
        ("10 TB", 1e13),
    ]:  # fmt: skip
        size = int(size)
        shares = shares_of(size)
        part = part_bytes(size, shares)
        count = shares * math.ceil(math.ceil(size / shares) / part)
        assert count <= MOST_PARTS and part <= LARGEST_PART
        memory = (PARTS_HELD * part + WINDOWS) / 1e6
        chance = random.Random(size)
        runs = sorted(run(size, shares, CONCURRENCY, chance) for _ in range(RUNS))
        few = sorted(run(size, shares, 10, chance) for _ in range(RUNS // 10))
        median, nearly_all = runs[RUNS // 2], runs[RUNS * 99 // 100]
        longest = max(outcome[2] for outcome in runs)
        alone = START_S + size / FILM_BYTES_S
        busy = sum(outcome[1] for outcome in runs) / RUNS
        dollars = (
            busy * MEMORY_MB / 1024 * GB_SECOND
            + median[3] * REQUEST
            + count * PUT
            + size / WINDOW * GET
            + shares * (WRITE * math.ceil(shares * 4 / 1024 + 0.1) + 4 * MESSAGE)
        )
        fits = memory < MEMORY_MB * 0.8
        cells = [
            name,
            f"{shares}",
            f"{part / MIB:.0f} MiB",
            f"{count:,}",
            f"{memory:,.0f} MB" + ("" if fits else ": more than the function has"),
            f"{clock(median[0])}, {clock(nearly_all[0])}",
            clock(few[len(few) // 2][0]),
            clock(alone) + ("" if alone < TIMEOUT_S - TIDYING_S else ": impossible"),
            clock(longest),
            f"{dollars:.2f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


if __name__ == "__main__":
    reckoned.hold(PAGE, shared_films)
