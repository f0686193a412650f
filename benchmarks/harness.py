"""What the measurements share: a platform process, readings to send, a figure and its entry."""

from __future__ import annotations

import json
import os
import platform as machine
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.engine.client import Address, Client
from penstock.engine.datadir import key
from penstock.simulate.homes import Faults, Homes, Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLES = Path(__file__).parent.parent / "examples"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of an issue's table.

    Attributes:
        name: what was measured.
        value: the measured value, in `unit`.
        unit: of value and baseline.
        baseline: what it is compared with; None where there is nothing.
        ratio: value to baseline, as the target means it; None where the target is absolute.
        target: as the issue says it, such as `>= 0.6`.
    """

    name: str
    value: float
    unit: str
    baseline: float | None
    ratio: float | None
    target: str

    def entry(self) -> dict[str, Any]:
        """As an entry of latest.json; whether it is met is computed, never said."""
        sign, _, bound = self.target.partition(" ")
        figure = self.ratio if self.ratio is not None else self.value
        met = figure >= float(bound) if sign == ">=" else figure <= float(bound)
        return {
            "name": self.name,
            "value": round(self.value, 4),
            "unit": self.unit,
            "baseline": None if self.baseline is None else round(self.baseline, 4),
            "ratio": None if self.ratio is None else round(self.ratio, 4),
            "target": self.target,
            "met": met,
            "machine": f"{os.cpu_count()} cores, {machine.machine()}, {machine.system()}",
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        }


@dataclass(frozen=True, slots=True)
class Running:
    """A platform in a process of its own."""

    url: str
    engine_port: int
    data: Path
    process: subprocess.Popen[bytes]

    def client(self) -> Client:
        """To its engine, with the key."""
        return Client(Address("127.0.0.1", self.engine_port, "penstock", key(self.data)))

    def get(self, path: str) -> Any:  # noqa: ANN401 - any JSON
        """A JSON document."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=300) as answer:
            return json.load(answer)

    def counts(self) -> dict[str, int]:
        """The balance."""
        return self.get("/v1/status")["balance"]

    def drain(self, rows: int, *, seconds: float = 300) -> float:
        """Wait until so many rows are landed; the time when they were."""
        deadline = time.monotonic() + seconds
        while True:
            counts = self.counts()
            if counts["silver"] + counts["dead_letters"] >= rows:
                return time.monotonic()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{counts} after {seconds} s, {rows} were sent")
            time.sleep(0.02)

    def resident_mb(self) -> float:
        """Resident memory of the platform and its children, in megabytes."""
        pids = [self.process.pid, *_children(self.process.pid)]
        return sum(_resident(pid) for pid in pids) / 1024


@contextmanager
def running(project: Path = EXAMPLES, **environment: str) -> Iterator[Running]:
    """Start a project on free ports and a new data directory; stop and remove them after."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    port, engine_port = free_port(), free_port()
    words = [sys.executable, "-m", "penstock.cli", "up", "--project", str(project)]
    words += ["--data", str(folder), "--port", str(port), "--engine-port", str(engine_port)]
    process = subprocess.Popen(words, env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
    here = Running(f"http://127.0.0.1:{port}", engine_port, folder, process)
    try:
        _await(here)
        yield here
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def history(rows: int, *, seed: int = 1, days: float = 1.0) -> Iterator[bytes]:
    """NDJSON bodies of readings of 1,000 homes that end now, in the order of their time.

    Args:
        rows: readings in all.
        seed: of the generator.
        days: how far back they go.
    """
    now = int(time.time() * 1000)
    schedule = Schedule.history(now, days * 86_400, rows, 1000)
    homes = Homes(schedule, homes=1000, seed=seed, faults=Faults(0.005, 0.0, 0.0))
    return (batch.body for batch in homes.batches(50_000))


def bodies(rows: int, *, each: int, seed: int = 1, days: float = 1.0) -> list[bytes]:
    """The same, made before it is sent, with `each` readings a body."""
    lines = b"".join(history(rows, seed=seed, days=days)).splitlines(keepends=True)
    return [b"".join(lines[i : i + each]) for i in range(0, len(lines), each)]


def send(url: str, body: bytes, *, wait: bool = False) -> None:
    """Post one body, again while the platform says 429."""
    address = f"{url}/v1/ingest/homes/readings" + ("?wait=true" if wait else "")
    while True:
        request = urllib.request.Request(address, body, {"Content-Type": "application/x-ndjson"})
        try:
            with urllib.request.urlopen(request, timeout=120):
                return
        except urllib.error.HTTPError as error:
            if error.code != 429:
                raise
            time.sleep(0.2)


@contextmanager
def meanwhile(do: Callable[[], object], every: float = 0.0) -> Iterator[None]:
    """Do something each `every` seconds until the block ends, as devices do that know no pause.

    What it raises is raised at the end of the block.
    """
    over = threading.Event()

    def run() -> None:
        due = time.monotonic()
        while not over.wait(max(0.0, due - time.monotonic())):
            do()
            due += every

    with ThreadPoolExecutor(1) as worker:
        doing = worker.submit(run)
        try:
            yield
        finally:
            over.set()
        doing.result()


def free_port() -> int:
    """A port nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def percentile(values: list[float], share: float) -> float:
    """Of sorted or unsorted values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def median(values: list[float]) -> float:
    """Of rounds."""
    return statistics.median(values)


def _await(here: Running) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{here.url}/readyz", timeout=2):
                return
        except OSError:
            if here.process.poll() is not None:
                break
            time.sleep(0.05)
    raise RuntimeError("the platform did not start")


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0
