"""An endpoint over gold must not slow down as silver grows: 1 M against 20 M readings."""

from __future__ import annotations

import sys
import time
import urllib.request

from benchmarks.harness import Figure, Running, history, percentile, running, send

SMALL, LARGE = 1_000_000, 20_000_000
JUDGES = {
    "anomalies": ("anomalies", "anomalies_by_quantile", "anomalies_by_peers"),
    "suspected failures": (
        "suspected_thermal", "suspected_sensors", "suspected_structural", "suspected_supply",
        "suspected_outages",
    ),
}  # fmt: skip
"""Endpoints that judge all homes' last day."""

_ASKS = 200
_QUIET, _SETTLED_S = 5, 300  # seconds without a merge; and waited for that at most


def measure() -> list[Figure]:
    """p50 of hourly_stats for changing homes, never from the cache, at both sizes."""
    with running() as platform:
        _fill(platform, SMALL)
        small = _p50(platform)
    with running() as platform:
        _fill(platform, LARGE)
        large = _p50(platform)
        _merge(platform)
        judging = [_slowest(platform, what) for what in JUDGES]
    return [
        Figure(
            "endpoint over gold, p50 at 20 M readings / at 1 M",
            large * 1000, "ms", small * 1000, large / small, "<= 1.5",
        ),
        *judging,
    ]  # fmt: skip


def _fill(platform: Running, rows: int) -> None:
    """A month of readings, in the order in which devices send them."""
    for body in history(rows, days=30):
        send(platform.url, body)
    platform.drain(platform.counts()["received"])


def _merge(platform: Running) -> None:
    """What the engine does by itself ten minutes after the last of a bulk of history."""
    client = platform.client()
    client.execute("OPTIMIZE TABLE home_baseline FINAL", database="homes")
    client.close()
    _settle(platform)


def _settle(platform: Running) -> None:
    """Wait for the merges that a load leaves behind: they would be measured along."""
    client, quiet, deadline = platform.client(), 0, time.monotonic() + _SETTLED_S
    while quiet < _QUIET and time.monotonic() < deadline:
        time.sleep(1)
        running_now = int(client.value("SELECT count() FROM system.merges"))
        quiet = 0 if running_now else quiet + 1
    client.close()


def _slowest(platform: Running, what: str) -> Figure:
    took = {name: _judging(platform, name) * 1000 for name in JUDGES[what]}
    print(*(f"{each} {ms:.0f} ms" for each, ms in took.items()), sep=", ", file=sys.stderr)
    title = f"{what} of a day over 20 M readings, p50 of the slowest of {len(took)}"
    return Figure(title, max(took.values()), "ms", None, None, "<= 100")


def _judging(platform: Running, name: str) -> float:
    """p50 of an endpoint over all homes and about a day, never from the cache."""
    times = []
    for hours in range(18, 31):
        address = f"{platform.url}/v1/endpoints/homes/{name}.json?hours={hours}"
        began = time.perf_counter()
        with urllib.request.urlopen(address, timeout=60) as answer:
            answer.read()
        times.append(time.perf_counter() - began)
    return percentile(times, 0.5)


def _p50(platform: Running) -> float:
    _settle(platform)
    times = []
    for home in range(1, _ASKS + 1):
        address = f"{platform.url}/v1/endpoints/homes/hourly_stats.json?home_id={home}&hours=168"
        began = time.perf_counter()
        with urllib.request.urlopen(address, timeout=60) as answer:
            answer.read()
        times.append(time.perf_counter() - began)
    return percentile(times, 0.5)
