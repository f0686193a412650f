"""City for a hundred viewers at once: what they cost the engine, and how late a frame is."""

from __future__ import annotations

import asyncio
import itertools
import re
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from benchmarks.freshness import keep_sending
from benchmarks.harness import Figure, Running, bodies, median, percentile, running, send

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

VIEWERS, ROUNDS, SECONDS = 100, 5, 6.0
HOMES_RATE = 1_000  # rows a second, in ten bodies: each tick there is something new
_TILES = (
    "homes/city_heartbeat",
    "homes/energy_by_region?minutes=15",
    "homes/homes_now",
    "homes/anomalies_by_peers?hours=2#15s",
)
_EVENT = re.compile(rb'event: tile\ndata: \{"tile": "([^"]+)", "at": (\d+)')
_QUERIES = "SELECT value FROM system.events WHERE event = 'SelectQuery'"


def measure() -> list[Figure]:
    """Medians of alternating rounds with nobody, one viewer and a hundred."""
    with running(PENSTOCK_BATCH_AGE="50ms") as here:
        for body in bodies(200_000, each=50_000):
            send(here.url, body)
        here.drain(200_000)
        stop = threading.Event()
        load = threading.Thread(target=keep_sending, args=(here, HOMES_RATE, stop), daemon=True)
        load.start()
        try:
            return asyncio.run(_compared(here))
        finally:
            stop.set()
            load.join()


async def _compared(here: Running) -> list[Figure]:
    client = here.client()
    asked: dict[int, list[float]] = {0: [], 1: [], VIEWERS: []}
    late: list[float] = []
    rates: list[float] = []
    for _, viewers in itertools.product(range(ROUNDS), asked):
        async with _watching(here.url, viewers) as frames:
            await asyncio.sleep(2)  # the first frames are the ones kept for who joins
            frames.clear()
            before, began = int(client.value(_QUERIES)), time.monotonic()
            await asyncio.sleep(SECONDS)
            took = time.monotonic() - began
            asked[viewers].append((int(client.value(_QUERIES)) - before) / took)
            if viewers == VIEWERS:
                late += [arrived - at for _, at, arrived in frames]
                rates.append(max(_of_each(frames)) / VIEWERS / took)
    client.close()
    nobody, one, many = (median(rounds) for rounds in asked.values())
    return [
        Figure(
            f"engine queries a second for {VIEWERS} viewers of City / for one",
            many - nobody, "1/s", one - nobody, (many - nobody) / (one - nobody), "<= 1.1",
        ),
        Figure(
            f"tick to client with {VIEWERS} viewers of City, p99",
            percentile(late, 0.99) * 1000, "ms", None, None, "<= 250",
        ),
        Figure(
            f"frames a second of City's quickest tile for each of {VIEWERS} viewers",
            median(rates), "Hz", None, None, ">= 3.5",
        ),
    ]  # fmt: skip


def _of_each(frames: list[tuple[bytes, float, float]]) -> list[int]:
    """How many frames there were of each tile."""
    names = [name for name, _, _ in frames]
    return [names.count(name) for name in set(names)]


@asynccontextmanager
async def _watching(url: str, viewers: int) -> AsyncIterator[list[tuple[bytes, float, float]]]:
    """Tabs with City open; each frame as its tile, when it was made and when it came."""
    frames: list[tuple[bytes, float, float]] = []
    tabs = [asyncio.create_task(_tab(url, frames)) for _ in range(viewers)]
    try:
        yield frames
    finally:
        for tab in tabs:
            tab.cancel()
        await asyncio.gather(*tabs, return_exceptions=True)


async def _tab(url: str, frames: list[tuple[bytes, float, float]]) -> None:
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    asked = urlencode([("tile", tile) for tile in _TILES])
    writer.write(f"GET /v1/live?{asked} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
    try:
        while chunk := await reader.read(1 << 20):
            arrived = time.time()
            found = _EVENT.findall(chunk)  # an event's head is never cut but by chance: it is short
            frames += [(name, int(at) / 1000, arrived) for name, at in found]
    finally:
        writer.close()
