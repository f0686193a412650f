"""Landing over HTTP against the same staged inserts in the engine's own process.

Baseline: pre-read bytes, the same staged insert, the same tables and views, one block of 200,000
rows at a time, no spool, no ledger, no HTTP.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.harness import EXAMPLES, Figure, Running, bodies, median, running, send
from penstock.engine.inserts import STAGING, Insert, stage_and_write
from penstock.engine.pool import Connection, Pool
from penstock.layers.statements import fill
from penstock.project import load

ROWS = 1_000_000
BLOCK = 200_000
ROUNDS = 5
_SENDERS = 4


def measure() -> list[Figure]:
    """Rows a second each way, in alternating rounds; the ratio is the median of the rounds' own."""
    blocks = bodies(ROWS, each=BLOCK)
    parts = bodies(ROWS, each=20_000)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder, running() as platform:
        pool = Pool(Path(folder) / "engine", size=1, memory=800 << 20)
        with pool.connection() as connection:
            _create(connection)
            _bare(connection, blocks[:1], 0)
            _over_http(platform, parts[:10], 0)
            for turn in range(1, ROUNDS + 1):
                theirs.append(_bare(connection, blocks, turn))
                ours.append(_over_http(platform, parts, (turn - 1) * ROWS + 200_000))
        pool.close()
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return [
        Figure(
            "landing over HTTP, bronze + silver + 5 gold",
            median(ours), "rows/s", median(theirs), median(ratios), ">= 0.6",
        )
    ]  # fmt: skip


def _create(connection: Connection) -> None:
    connection.run(f"CREATE DATABASE IF NOT EXISTS {STAGING} ENGINE = Memory")
    connection.run("CREATE DATABASE homes")
    connection.enter("homes")
    for relation in load(EXAMPLES).domain("homes").relations:
        for statement in relation.statements:
            connection.run(statement.sql)


def _bare(connection: Connection, blocks: list[bytes], turn: int) -> float:
    began = time.perf_counter()
    rows = 0
    for number, block in enumerate(blocks):
        count = block.count(b"\n")
        statement = fill(
            "land",
            bronze="raw_sensors",
            source="'readings'",
            parts=f"[toUInt32({turn})]",
            shifts=f"[toInt64({rows})]",
            stops=f"[{count}]",
            batch=turn * 1000 + number,
            ingested_ms=int(time.time() * 1000),
            token=f"'bench-{turn}-{number}'",
        )
        stage_and_write(connection, Insert.parse(statement), block)
        rows += count
    return rows / (time.perf_counter() - began)


def _over_http(platform: Running, parts: list[bytes], before: int) -> float:
    began = time.monotonic()
    with ThreadPoolExecutor(_SENDERS) as senders:
        list(senders.map(lambda part: send(platform.url, part), parts))
    rows = sum(part.count(b"\n") for part in parts)
    return rows / (platform.drain(before + rows) - began)
