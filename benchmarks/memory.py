"""Resident memory of all processes over ten minutes at 20,000 rows a second."""

from __future__ import annotations

import threading
import time

from benchmarks.freshness import RATE, keep_sending
from benchmarks.harness import Figure, median, running

MINUTES = 10


def measure() -> list[Figure]:
    """Median of the last two minutes to that of minutes two to four; and the highest total."""
    samples: list[tuple[float, float]] = []
    with running() as platform:
        stop = threading.Event()
        load = threading.Thread(target=keep_sending, args=(platform, RATE, stop), daemon=True)
        began = time.monotonic()
        load.start()
        while (at := time.monotonic() - began) < MINUTES * 60:
            samples.append((at, platform.resident_mb()))
            time.sleep(1)
        stop.set()
        load.join()
        platform.drain(platform.counts()["received"])
    early = median([mb for at, mb in samples if 120 <= at < 240])
    late = median([mb for at, mb in samples if at >= (MINUTES - 2) * 60])
    most = max(mb for _, mb in samples)
    return [
        Figure("memory, last 2 minutes / minutes 2-4", late, "MB", early, late / early, "<= 1.1"),
        Figure("memory, highest total", most, "MB", None, None, "<= 1536"),
    ]
