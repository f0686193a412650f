"""kill -9 of the platform and of its engine, by turns, under load.

`PENSTOCK_KILLS` sets how many (`make chaos`), `PENSTOCK_SEED` their moments.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from penstock.engine.process import EngineProcess
from penstock.project import load
from penstock.simulate.homes import Batch, Faults, Homes, Schedule

from .faults import Known, PlatformProcess, check, homes, wait_for

KILLS = int(os.environ.get("PENSTOCK_KILLS", "20"))
SEED = int(os.environ.get("PENSTOCK_SEED", "20261121"))
HOMES, RATE = 200, 4000.0 if KILLS <= 40 else 1000.0
FAULTS = Faults(late=0.005, duplicates=0.01, malformed=0.01)


@dataclass
class Sender:
    """The simulator as a process, which never sends again what was not acknowledged."""

    process: subprocess.Popen[bytes]
    start: datetime
    folder: Path

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, (self.folder / "simulate.log").read_text()

    def truth(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / "truth.json").read_text())
        assert document["final"]
        return document

    def known(self) -> Known:
        """Every row sent, made again from the seed: acknowledged, or not (or never sent)."""
        schedule = Schedule.live(round(self.start.timestamp() * 1000), RATE)
        again = Homes(schedule, homes=HOMES, seed=SEED, faults=FAULTS, serial=True)
        lines = (self.folder / "ids").read_text().splitlines()
        known = Known()
        for entry in sorted(map(json.loads, lines), key=lambda entry: entry["first"]):
            if entry["first"] > again.next:
                known.uncertain.update(_lines(again.take(entry["first"] - again.next)))
            batch = again.take(entry["last"] + 1 - again.next)
            assert batch.first == entry["first"], "the sender listed a body twice"
            assert (batch.counts.rows, batch.malformed) == (entry["rows"], entry["malformed"])
            known.acknowledged.update(_lines(batch))
        # Bodies after the last acknowledged one, as many as four connections can have had.
        known.uncertain.update(_lines(again.take(4 * int(RATE))))
        return known


def _lines(batch: Batch) -> list[bytes]:
    return batch.body.splitlines()


@contextmanager
def sending(platform: PlatformProcess, folder: Path) -> Iterator[Sender]:
    start = datetime.now(UTC).replace(microsecond=0)
    words = platform.command(
        "simulate", "homes", "--serial", "--url", f"{platform.url}/v1/ingest/homes/readings",
        "--ids", str(folder / "ids"), "--truth", str(folder / "truth.json"),
        "--homes", str(HOMES), "--rate", str(RATE), "--seed", str(SEED),
        "--start", start.isoformat(), "--late", str(FAULTS.late),
        "--duplicates", str(FAULTS.duplicates), "--malformed", str(FAULTS.malformed),
    )  # fmt: skip
    with (folder / "simulate.log").open("wb") as log:
        process = subprocess.Popen(words, env=platform.environment, stdout=log, stderr=log)
    try:
        yield Sender(process, start, folder)
    finally:
        process.kill()
        process.wait()


@dataclass
class Strike:
    """One kill: of whom, the window it landed in, and how long landing stood still.

    Attributes:
        open: batches whose intent was open.
        parts: parts that the engine was still writing.
    """

    victim: str
    open: list[int]
    parts: int
    closed: int
    seconds: float = 0.0

    @classmethod
    def at(cls, platform: PlatformProcess, victim: str) -> Strike:
        data = platform.data if platform.server is None else platform.data.with_name("server")
        parts = sum(1 for _ in data.glob("engine/store/*/*/tmp_insert_*"))
        return cls(victim, platform.open_batches(), parts, platform.closed())

    def __str__(self) -> str:
        window = f"batch {self.open[0]} open" if self.open else "nothing open"
        return (
            f"{self.victim:8}  after {self.closed:5} batches: {window}, "
            f"{self.parts} parts half written; landing again after {self.seconds:.1f} s"
        )


def strike(platform: PlatformProcess, victim: str) -> Strike:
    """Kill, note the window, and see to it that landing goes on."""
    began = time.monotonic()
    if victim == "platform":
        platform.kill()
        found = Strike.at(platform, victim)
        platform.start()
    else:
        former = platform.engine_pid
        platform.kill_engine()
        found = Strike.at(platform, victim)
        wait_for("another engine", lambda: platform.engine_pid not in {0, former})
    aim = found.closed + 2
    wait_for("landing to go on", lambda: platform.closed() >= aim, seconds=60)
    found.seconds = time.monotonic() - began
    return found


@pytest.mark.slow
@pytest.mark.timeout(180 + 15 * KILLS)
def test_kills_under_load(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], server: EngineProcess | None
) -> None:
    """Where the engine is a server, it is healed by who starts it again; fewer are enough."""
    rng, began, strikes = random.Random(SEED), time.monotonic(), []
    kills = KILLS if server is None else KILLS // 2
    project = homes(tmp_path / "project")
    # Small batches without a pause, so that most of the time one of them is open.
    settings = {"PENSTOCK_BATCH_AGE": "20ms", "PENSTOCK_BATCH_ROWS": "5000"}
    with PlatformProcess(project, tmp_path / "data", server, **settings) as platform:
        with sending(platform, tmp_path) as sender:
            wait_for("the first batches", lambda: platform.closed() > 3)
            for number in range(kills):
                time.sleep(rng.uniform(0.0, 0.6))
                strikes.append(strike(platform, ("engine", "platform")[number % 2]))
            sender.stop()
        platform.drain()
        report, known, truth = platform.get("/v1/reconcile"), sender.known(), sender.truth()
        problems = check(platform.client(), load(project), known)
        healed = platform.healed()
    seconds = time.monotonic() - began
    with capsys.disabled():
        print(f"\n{kills} kills in {seconds:.0f} s, seed {SEED}", *strikes, sep="\n")
        print(f"{truth['acknowledged']:,} rows acknowledged, {truth['unacknowledged']:,} not;",
              f"{len(healed)} records healed")  # fmt: skip
    assert not problems, "\n".join(problems)
    assert report["ok"], [d for s in report["sources"] for d in s["differences"]]
    (source,) = report["sources"]
    assert known.acknowledged.total() == truth["acknowledged"]
    assert truth["acknowledged"] <= source["received"] <= truth["sent"]
    assert truth["good"] <= source["silver"] <= truth["of_sent"]["good"]
    dead = sum(truth["malformed"].values()), sum(truth["of_sent"]["malformed"].values())
    assert dead[0] <= source["dead_letters"] <= dead[1]
    windows = Counter(s.victim for s in strikes if s.open)
    assert all(windows[victim] * 10 >= kills for victim in ("engine", "platform")), (
        f"too few kills met an open intent to prove anything: {windows} of {kills}"
    )
