"""A body with a key, and kill -9 at each step between its arrival and its answer.

Whatever the step was, the retry is answered as if nothing had happened, and the records are in
the spool once.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2 as httpx
import pytest

from penstock.sources.frames import FRAME_ROWS
from penstock.sources.spool import Spool

from .faults import PlatformProcess, free_port, homes, readings
from .renames import lacking

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = Path(__file__).with_name("keyed_server.py")
BODY, ROWS = readings(0, 20), 20
OTHER = readings(20, 25)
# Name → calls, file, which of the thread's calls on it; whether the records are there after it.
KILLS = {
    "the key is being written": ("fdatasync", "penstock.db-wal", 1, False),
    "nothing is in the spool": ("write", "spool/00000001.log", 1, False),
    "half a frame is in the spool": ("write", "spool/00000001.log", 2, False),
    "the spool has them, nobody was told": ("fsync", "spool/00000001.log", 1, True),
    "the answer is being written": ("fdatasync", "penstock.db-wal", 2, True),
}


@contextmanager
def serving(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    port = free_port()
    words = [sys.executable, str(SERVER), str(folder), str(port)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


@contextmanager
def killing(pid: int, calls: str, file: Path, nth: int) -> Iterator[None]:
    """Kills a process as one of its threads enters its n-th such call on a file."""
    words = ["strace", "-f", "-p", str(pid), "-o", "/dev/null", "-P", str(file), "-e"]
    words += [f"trace={calls}", "-e", f"inject={calls}:signal=KILL:when={nth}"]
    tracer = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    said = tracer.stderr.readline()
    try:
        if "attached" not in said:
            lacking(f"strace may not trace here: {said.strip()}")
        yield
    finally:
        tracer.kill()  # asked nicely, it may wait for ever for threads that are gone
        tracer.communicate()


def post(url: str, body: bytes, key: str = "", **params: str) -> httpx.Response:
    headers = {"Content-Type": "application/x-ndjson"} | ({"Idempotency-Key": key} if key else {})
    return httpx.post(
        f"{url}/v1/ingest/homes/readings",
        content=body,
        headers=headers,
        params=params,
        timeout=60,
    )


def held(folder: Path) -> bytes:
    """Every record in the spool, in order."""
    spool = Spool(folder / "spool", limit=1 << 30)
    spool.resume({})
    frames = spool.next_frames(rows=10**9, size=10**9)
    return spool.read(1, frames[0].start, frames[-1].stop)[0] if frames else b""


@pytest.mark.slow
@pytest.mark.parametrize("step", KILLS)
@pytest.mark.usefixtures("strace")
def test_killed_on_the_way(tmp_path: Path, step: str) -> None:
    calls, file, nth, there = KILLS[step]
    with serving(tmp_path) as (process, url):
        with killing(process.pid, calls, tmp_path / file, nth), pytest.raises(httpx.TransportError):
            post(url, BODY, "k")
        assert process.wait(10) != 0, "the kill met nothing"
    assert held(tmp_path) == (BODY if there else b"")
    with serving(tmp_path) as (_, url):
        assert post(url, OTHER).status_code == 202  # another sender comes first
        if there:
            assert post(url, BODY + OTHER, "k").status_code == 422
        for replayed in (there, True):
            answer = post(url, BODY, "k")
            assert answer.status_code == 202, answer.text
            assert answer.json() == {"accepted": ROWS, "source": "homes/readings"}
            assert ("Idempotent-Replayed" in answer.headers) == replayed
    assert held(tmp_path) == (BODY + OTHER if there else OTHER + BODY)


@pytest.mark.slow
@pytest.mark.usefixtures("strace")
def test_killed_between_two_frames_of_a_body(tmp_path: Path) -> None:
    """A body of more rows than a frame holds: the retry stores the rest, not the whole again."""
    rows = FRAME_ROWS + 10
    body = b"".join(b"%d\n" % n for n in range(rows))
    with serving(tmp_path) as (process, url):
        with (  # a frame is two writes: its head, its records
            killing(process.pid, "write", tmp_path / "spool/00000001.log", 3),
            pytest.raises(httpx.TransportError),
        ):
            post(url, body, "k")
        process.wait(10)
    stored = held(tmp_path).count(b"\n")
    with serving(tmp_path) as (_, url):
        assert post(url, body, "k").json()["accepted"] == rows
    assert held(tmp_path) == body
    assert stored == FRAME_ROWS


@pytest.mark.slow
def test_a_platform_killed_before_it_could_answer(tmp_path: Path, traceable: str) -> None:
    """The same through the whole platform: the retry waits, and is told which rows were bad."""
    assert traceable
    data = tmp_path / "data"
    with PlatformProcess(homes(tmp_path / "project"), data, PENSTOCK_BATCH_AGE="50ms") as platform:
        assert platform.process is not None
        assert post(platform.url, OTHER, "first", wait="true").status_code == 200
        log = data / "spool/homes.readings/00000001.log"
        with (
            killing(platform.process.pid, "fsync", log, 1),
            pytest.raises(httpx.TransportError),
        ):
            post(platform.url, BODY + b"broken\n", "k", wait="true")
        platform.process.wait()
        platform.start()
        answer = post(platform.url, BODY + b"broken\n", "k", wait="true")
        assert answer.headers["Idempotent-Replayed"] == "true"
        assert answer.json() == {
            "accepted": ROWS + 1,
            "source": "homes/readings",
            "stored": ROWS,
            "dead": 1,
            "dead_letters": [{"row": ROWS, "reason": "not_json"}],
        }
        assert post(platform.url, BODY + b"broken\n", "k").json() == answer.json()
        status = platform.get("/v1/status")["balance"]
        assert (status["received"], status["difference"]) == (len(OTHER.splitlines()) + 21, 0)
