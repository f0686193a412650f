"""From sent to visible in an endpoint, while 20,000 rows a second land."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from datetime import UTC, datetime

from benchmarks.harness import Figure, Running, bodies, percentile, running, send

RATE = 20_000
SECONDS = 60
_STEP = 0.1
_FIRST_MARK = 900_000


def measure() -> list[Figure]:
    """p99 over marked readings, each of a home of its own, asked for until it is there."""
    with running() as platform:
        stop = threading.Event()
        load = threading.Thread(target=keep_sending, args=(platform, RATE, stop), daemon=True)
        load.start()
        time.sleep(5)
        lags = [_mark(platform, _FIRST_MARK + n) for n in _until(SECONDS)]
        stop.set()
        load.join()
    p99, p50 = percentile(lags, 0.99), percentile(lags, 0.5)
    return [
        Figure("freshness at 20,000 rows/s, p99", p99, "s", None, None, "<= 1.5"),
        Figure("freshness at 20,000 rows/s, p50", p50, "s", None, None, "<= 1.5"),
    ]


def keep_sending(platform: Running, rate: int, stop: threading.Event) -> None:
    """Post readings at a rate, in bodies of a tenth of a second, without drifting."""
    rows = int(rate * _STEP)
    ready = bodies(rows * 50, each=rows, days=0.05)
    began, turn = time.monotonic(), 0
    while not stop.is_set():
        send(platform.url, ready[turn % len(ready)])
        turn += 1
        time.sleep(max(0.0, began + turn * _STEP - time.monotonic()))


def _until(seconds: float) -> range:
    return range(int(seconds / 0.3))


def _mark(platform: Running, home: int) -> float:
    """Seconds from sending a reading of a new home to seeing it in home_series."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = json.dumps({"home_id": home, "ts": now, "energy": 1.0}).encode() + b"\n"
    began = time.monotonic()
    send(platform.url, body)
    address = f"{platform.url}/v1/endpoints/homes/home_series.ndjson?home_id={home}"
    while True:
        with urllib.request.urlopen(address, timeout=30) as answer:
            if answer.read().strip():
                return time.monotonic() - began
        time.sleep(0.02)
