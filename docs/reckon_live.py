"""The sums in docs/live.md. Without an argument it checks that the page has them; with --write it puts them there.

Prices are list prices of us-east-1 in US dollars, without taxes, discounts or free tiers.
"""

import math
import pathlib

import reckoned

PAGE = pathlib.Path(__file__).with_name("live.md")
HOURS = 730  # of a month, as AWS reckons

# Fargate, x86_64; on arm64 both are a fifth less.
VCPU_HOUR, GB_HOUR = 0.04048, 0.004445
# A capacity unit is 1 GB in the hour, 100,000 connections (3,000 by TLS), or 800 new ones a second (50 by TLS),
# whichever makes most: of video, the bytes.
NLB_HOUR, NLCU_HOUR = 0.0225, 0.006
IPV4_HOUR = 0.005
LOGS_GB, METRIC_MONTH, ALARM_MONTH, ZONE_MONTH = 0.50, 0.30, 0.10, 0.50
ZONES_GB = 0.02  # from one availability zone to another, both ends together
WRITE = 0.625e-6  # DynamoDB on demand, up to 1 KB
# (size of the tier in GB, dollars for a GB), each month anew.
INTERNET = [(10_240, 0.09), (40_960, 0.085), (102_400, 0.07), (math.inf, 0.05)]
CLOUDFRONT = [
    (10_240, 0.085), (40_960, 0.080), (102_400, 0.060), (358_400, 0.040), (536_576, 0.030), (4_194_304, 0.025),
    (math.inf, 0.020),
]  # fmt: skip

SIZES = {256: 1, 512: 2, 1024: 4}  # infra/relay.yaml: CPU units and GB of memory

STREAM_BITS = 2_500_000  # a second, to one viewer
CHANNELS = 50
VIEWERS = 1_000_000
SEND_SECONDS = 6e-6  # of CPU for one write of up to 32 KB, docs/performance.md
TASK_BITS = 4_000_000_000  # a second, out of a task of one vCPU; to be measured, AWS promises nothing
FEED_BITS = TASK_BITS
ZAPS = 4  # channels that a viewer looks at in an hour


def task_hour(cpu: int) -> float:
    """One task with its public address."""
    return cpu / 1024 * VCPU_HOUR + SIZES[cpu] * GB_HOUR + IPV4_HOUR


def tiered(gigabytes: float, tiers: list) -> float:
    total = 0.0
    for size, price in tiers:
        part = min(gigabytes, size)
        total += part * price
        gigabytes -= part
    return total


def gigabytes(viewer_hours: float) -> float:
    return viewer_hours * STREAM_BITS * 3600 / 8 / 1e9


def idle() -> list[str]:
    lines = ["| | smallest | that survives a zone |", "|---|---|---|"]

    def row(name: str, small: float, sturdy: float) -> float:
        lines.append(f"| {name} | {small:.2f} | {sturdy:.2f} |")
        return small, sturdy

    rows = [
        row("tasks: 1 × 0.25 vCPU and 1 GB; 2 × 1 vCPU and 4 GB",
            (task_hour(256) - IPV4_HOUR) * HOURS, 2 * (task_hour(1024) - IPV4_HOUR) * HOURS),
        row("their public addresses", IPV4_HOUR * HOURS, 2 * IPV4_HOUR * HOURS),
        row("load balancer, at rest", NLB_HOUR * HOURS, NLB_HOUR * HOURS),
        row("its addresses, one in each of two zones", 2 * IPV4_HOUR * HOURS, 2 * IPV4_HOUR * HOURS),
        row("beats, one write a second and task", 3600 * HOURS * WRITE, 2 * 3600 * HOURS * WRITE),
        row("three metrics, five alarms", 3 * METRIC_MONTH + 5 * ALARM_MONTH, 3 * METRIC_MONTH + 5 * ALARM_MONTH),
    ]  # fmt: skip
    small, sturdy = (sum(column) for column in zip(*rows))
    lines.append(f"| **a month, dollars** | **{small:.2f}** | **{sturdy:.2f}** |")
    return lines


def busy() -> list[str]:
    gb = gigabytes(1)
    direct, cdn = gb * (INTERNET[0][1] + NLCU_HOUR), gb * (CLOUDFRONT[0][1] + NLCU_HOUR)
    return [
        f"One viewer of {STREAM_BITS / 1e6:g} Mbit/s takes {gb:.3f} GB an hour. At the first tier that is",
        f"{gb:.3f} × ({INTERNET[0][1]} egress + {NLCU_HOUR} load balancer) = **{direct:.3f} dollars** over TCP, and",
        f"{gb:.3f} × ({CLOUDFRONT[0][1]} CloudFront + {NLCU_HOUR} load balancer) = **{cdn:.3f} dollars** through the CDN.",
        f"A hundred people for two hours: {200 * direct:.0f} dollars; a thousand around the clock: "
        f"{tiered(gigabytes(1000 * HOURS), INTERNET) + gigabytes(1000 * HOURS) * NLCU_HOUR:,.0f} a month.",
    ]  # fmt: skip


def million() -> list[str]:
    egress = VIEWERS * STREAM_BITS
    gb = gigabytes(VIEWERS)
    tasks = math.ceil(egress / TASK_BITS)
    source = CHANNELS * STREAM_BITS
    children = FEED_BITS // source
    feeds, level = [], tasks
    while level > 1:
        level = math.ceil(level / children)
        feeds.append(level)
    relays = tasks + sum(feeds)
    cores = VIEWERS * 10 * SEND_SECONDS
    rows = VIEWERS * (2 * ZAPS + 1)
    beats = relays * 3600
    # One row with all channels, about 70 bytes each, every five seconds.
    lists = relays * 720 * math.ceil(CHANNELS * 70 / 1024)
    writes = (rows + beats + lists) * WRITE
    direct, cdn, nlb = tiered(gb, INTERNET), tiered(gb, CLOUDFRONT), gb * NLCU_HOUR
    compute = relays * task_hour(1024)
    fed_gb = source * 3600 / 8 / 1e9
    fed = (relays - 1) / 2 * fed_gb * ZONES_GB

    def line(*cells: str) -> str:
        return "| " + " | ".join(cells) + " |"

    return [
        line("what", "how", "an hour"),
        "|---|---|---|",
        line("egress", f"{VIEWERS:,} × {STREAM_BITS / 1e6:g} Mbit/s = {egress / 1e12:g} Tbit/s", f"{gb:,.0f} GB"),
        line("CPU for sending", f"{VIEWERS:,} × 10 writes/s (`FLUSH_INTERVAL_MS=100`) × {SEND_SECONDS * 1e6:g} µs",
             f"{cores:,.0f} cores"),
        line("tasks that serve viewers", f"{egress / 1e12:g} Tbit/s ÷ {TASK_BITS / 1e9:g} Gbit/s, "
             f"{TASK_BITS // STREAM_BITS:,} viewers each", f"{tasks:,}"),
        line("relays that feed them", f"{CHANNELS} channels are {source / 1e6:g} Mbit/s; one feeds "
             f"{FEED_BITS / 1e9:g} Gbit/s ÷ {source / 1e6:g} Mbit/s = {children:g}",
             " + ".join(f"{count:,}" for count in feeds)),
        line("Fargate and addresses", f"{relays:,} × {task_hour(1024):.4f}", f"{compute:,.2f} dollars"),
        line("what feeds carry to another zone", f"half of {relays - 1:,} × {fed_gb} GB, × {ZONES_GB}", f"{fed:,.0f} dollars"),
        line("usage rows", f"a start and an end for each of {ZAPS} channels, one at the change of the hour",
             f"{rows / 1e6:g} million writes"),
        line("beats", f"{relays:,} × 3,600", f"{beats / 1e6:.2f} million writes"),
        line("channel lists", f"{relays:,} × 720 × {math.ceil(CHANNELS * 70 / 1024)} KB", f"{lists / 1e6:.2f} million writes"),
        line("DynamoDB", f"{(rows + beats + lists) / 1e6:.2f} million × 0.625", f"{writes:.2f} dollars"),
        line("load balancer", f"{gb:,.0f} GB × {NLCU_HOUR}", f"{nlb:,.0f} dollars"),
        line("egress to the internet", "tiers of 0.09 to 0.05 a GB", f"{direct:,.0f} dollars"),
        line("or through CloudFront", "tiers of 0.085 to 0.025 a GB", f"{cdn:,.0f} dollars"),
        line("**all, over TCP**", f"{100 * direct / (direct + nlb + compute + fed + writes):.0f} % of it egress",
             f"**{direct + nlb + compute + fed + writes:,.0f} dollars**"),
        line("**all, through CloudFront**", f"{100 * cdn / (cdn + nlb + compute + fed + writes):.0f} % of it egress",
             f"**{cdn + nlb + compute + fed + writes:,.0f} dollars**"),
    ]  # fmt: skip


if __name__ == "__main__":
    reckoned.hold(PAGE, idle, busy, million)
