"""Filling a gold anew under live writes, against one plain INSERT SELECT under the same writes."""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import EXAMPLES, Figure, Running, bodies, meanwhile, median, running, send
from penstock.engine.datadir import key

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

ROUNDS = 5
ROWS = 10_000_000
_SHARE = 500_000
_RATE = 10_000  # rows a second that go on being sent
_GOLD = """/*
description: Each home's day.
conserves:
  rows: sum(readings)
  energy: sum(energy)
from_silver:
  rows: count()
  energy: sum(energy)
*/
CREATE TABLE IF NOT EXISTS {name}
(
    home_id UInt32,
    day Date,
    readings SimpleAggregateFunction(sum, UInt64),
    energy SimpleAggregateFunction(sum, Decimal(38, 3)),
    warmest SimpleAggregateFunction(max, Nullable(Decimal(9, 2))),
    mean AggregateFunction(avg, Nullable(Decimal(9, 2)))
)
ENGINE = AggregatingMergeTree ORDER BY (home_id, day)
SETTINGS non_replicated_deduplication_window = 50000, fsync_after_insert = 1;
"""
_SELECT = """SELECT home_id, toDate(ts) AS day, count() AS readings,
       ifNull(sum(energy), 0) AS energy, max(temperature) AS warmest, avgState(temperature) AS mean
FROM readings GROUP BY home_id, day"""
_VIEW = "CREATE MATERIALIZED VIEW IF NOT EXISTS {name}_mv TO {name} AS\n" + _SELECT + ";\n"


def measure() -> list[Figure]:
    """Medians of five alternating rounds over ten million readings."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        project = Path(shutil.copytree(EXAMPLES, Path(folder) / "examples"))
        with running(project) as platform:
            _fill(platform)
            (project / "homes/gold/home_days.sql").write_text(
                _GOLD.format(name="home_days") + _VIEW.format(name="home_days")
            )
            plain, filled = [], []
            with _writing(platform):
                for number in range(ROUNDS):
                    plain.append(_plain(platform))
                    filled.append(_backfill(platform, first=number == 0))
    value, baseline = ROWS / median(filled), ROWS / median(plain)
    return [
        Figure(
            "backfill of a view over 10 M rows under 10,000 rows/s / plain INSERT SELECT",
            value, "rows/s", baseline, value / baseline, ">= 0.5",
        )
    ]  # fmt: skip


def _fill(platform: Running) -> None:
    before = 0
    for seed in itertools.count(1):
        if before >= ROWS:
            break
        for body in bodies(_SHARE, each=50_000, seed=seed, days=3):
            send(platform.url, body)
            before += body.count(b"\n")
        platform.drain(before - 2_000_000)
    platform.drain(before)
    time.sleep(5)  # merges that the load started


def _writing(platform: Running) -> AbstractContextManager[None]:
    """Readings go on coming in four bodies a second."""
    quarter = itertools.cycle(bodies(_RATE * 10, each=_RATE // 4, seed=99))
    return meanwhile(lambda: send(platform.url, next(quarter)), 1 / 4)


def _plain(platform: Running) -> float:
    """Seconds of one INSERT SELECT into a table like the gold."""
    client = platform.client()
    client.execute("DROP TABLE IF EXISTS plain", database="homes")
    client.execute(_GOLD.format(name="plain").strip().rstrip(";"), database="homes")
    began = time.perf_counter()
    client.execute(f"INSERT INTO plain {_SELECT}", database="homes")
    took = time.perf_counter() - began
    client.execute("DROP TABLE plain", database="homes")
    client.close()
    return took


def _backfill(platform: Running, *, first: bool) -> float:
    """Seconds of `penstock apply` of a new gold, or of `penstock backfill` of one that is there."""
    asked = {} if first else {"rebuild": ["homes.home_days"]}
    request = urllib.request.Request(
        f"{platform.url}/v1/admin/apply",
        json.dumps(asked).encode(),
        {"Authorization": f"Bearer {key(platform.data)}", "Content-Type": "application/json"},
    )
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=600) as answer:
        done = json.load(answer)
    took = time.perf_counter() - began
    if not any("home_days" in words for words in done["changed"]):
        raise RuntimeError(f"nothing was filled: {done}")
    return took
