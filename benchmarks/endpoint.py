"""An endpoint over gold must not slow down as silver grows: 1 M against 20 M readings."""

from __future__ import annotations

import itertools
import time
import urllib.request

from benchmarks.harness import Figure, Running, bodies, percentile, running, send

SMALL, LARGE = 1_000_000, 20_000_000
_ASKS = 200
_SHARE = 500_000


def measure() -> list[Figure]:
    """p50 of hourly_stats for changing homes, never from the cache, at both sizes."""
    with running() as platform:
        _fill(platform, 0, SMALL)
        small = _p50(platform)
        _fill(platform, SMALL, LARGE)
        large = _p50(platform)
    return [
        Figure(
            "endpoint over gold, p50 at 20 M readings / at 1 M",
            large * 1000, "ms", small * 1000, large / small, "<= 1.5",
        )
    ]  # fmt: skip


def _fill(platform: Running, before: int, until: int) -> None:
    for seed in itertools.count(before // _SHARE + 1):
        if before >= until:
            return
        for body in bodies(_SHARE, each=50_000, seed=seed, days=30):
            send(platform.url, body)
            before += body.count(b"\n")
        platform.drain(before - 2_000_000)
    platform.drain(until)


def _p50(platform: Running) -> float:
    platform.drain(platform.counts()["received"])
    time.sleep(5)  # merges that the load started
    times = []
    for home in range(1, _ASKS + 1):
        address = f"{platform.url}/v1/endpoints/homes/hourly_stats.json?home_id={home}&hours=168"
        began = time.perf_counter()
        with urllib.request.urlopen(address, timeout=60) as answer:
            answer.read()
        times.append(time.perf_counter() - began)
    return percentile(times, 0.5)
