"""What stands in the way of a start, or comes in the way later, is said in words with a next step.

All of it with the processes a user starts.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import pytest
from tests.conftest import need
from tests.contract.conftest import (
    EXAMPLES,
    Up,
    engine_process,
    environment,
    reading,
    running,
    up_words,
)

from penstock.engine.datadir import Ownership
from penstock.errors import DataDirTakenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

METERS = Path(__file__).parents[1] / "fixtures" / "projects" / "meters"


def penstock(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A command that has to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "penstock.cli", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment(**settings),
    )


def refused(done: subprocess.CompletedProcess[str], status: int, *words: str) -> str:
    """What it said, after a look at how it ended."""
    said = done.stderr
    assert done.returncode == status, said
    assert "Traceback" not in said, said
    assert done.stdout == ""
    for word in words:
        assert word in said, said
    assert "  next  " in said
    return said


@pytest.fixture
def start(tmp_path: Path, free_port: Callable[[], int]) -> Callable[..., Any]:
    """Starts the examples where it should not start."""

    def _start(
        data: Path | None = None, port: int = 0, engine_port: int = 0, *before: str
    ) -> subprocess.CompletedProcess[str]:
        words = up_words(
            EXAMPLES, data or tmp_path / "data", port or free_port(), engine_port or free_port()
        )
        return subprocess.run(
            [*before, *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=environment(),
        )

    return _start


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def owned(lock: Path) -> bool:
    try:
        Ownership(lock).release()
    except DataDirTakenError:
        return True
    return False


# Ports


def test_the_port_is_taken(start: Callable[..., Any], taken: int, tmp_path: Path) -> None:
    refused(start(port=taken), 1, f"port {taken}", "in use", "PENSTOCK_PORT=")
    assert not (tmp_path / "data").exists(), "something was begun"


def test_the_port_of_the_engine_is_taken(
    start: Callable[..., Any], taken: int, tmp_path: Path
) -> None:
    refused(start(engine_port=taken), 1, f"port {taken}", "in use", "PENSTOCK_ENGINE_PORT=")
    assert not owned(tmp_path / "data" / "platform.lock")
    assert not owned(tmp_path / "data" / "engine.lock")


def test_an_address_that_is_not_this_machine(project: Path, tmp_path: Path) -> None:
    words = ("up", "--project", str(project), "--data", str(tmp_path / "data"))
    refused(penstock(*words, PENSTOCK_HOST="0.0.0.0"), 2, "0.0.0.0", "login")


# The data directory


def test_a_second_platform_is_told_who_the_first_is(
    platform: Up, start: Callable[..., Any]
) -> None:
    pid = platform.process.pid
    refused(start(platform.data), 1, f"process {pid}", f"kill {pid}", "PENSTOCK_DATA=")
    assert platform.http.get("/readyz").text == "ready\n"
    body = json.dumps(reading()).encode()
    assert platform.post(body, wait="true").status_code == 200


def test_a_folder_that_may_not_be_written(start: Callable[..., Any], tmp_path: Path) -> None:
    before: list[str] = []
    if os.geteuid() == 0:  # who may do everything, unless that is taken away
        need("setpriv", present=shutil.which("setpriv") is not None, how="util-linux")
        before = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o555)
    for data in (folder, folder / "data"):
        done = start(data, 0, 0, *before)
        refused(done, 1, str(data), "cannot be written", "Permission denied", "PENSTOCK_DATA=")
    assert list(folder.iterdir()) == []


def test_a_file_in_place_of_the_folder(start: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    refused(start(), 1, str(tmp_path / "data"), "PENSTOCK_DATA=")


def test_data_that_a_newer_engine_wrote(start: Callable[..., Any], tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "engine.version").write_text("99.1")
    refused(start(), 1, "engine 99.1", str(data), "upgrade Penstock", "PENSTOCK_DATA=")
    assert (data / "engine.version").read_text() == "99.1"
    assert not (data / "engine").exists(), "the engine opened it all the same"


def test_data_that_a_newer_penstock_wrote(start: Callable[..., Any], tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with contextlib.closing(sqlite3.connect(data / "penstock.db")) as database:
        database.executescript(
            "CREATE TABLE alembic_version (version_num TEXT); "
            "INSERT INTO alembic_version VALUES ('9000')"
        )
    refused(start(), 1, "newer Penstock", "9000", str(data / "penstock.db"), "PENSTOCK_DATA")
    assert not (data / "engine").exists()


# The project


def test_a_project_with_mistakes(tmp_path: Path) -> None:
    """All of them at once, each with its file and line; nothing is started."""
    root = tmp_path / "project"
    shutil.copytree(METERS, root)
    view = root / "meters" / "silver" / "readings.sql"
    view.write_text(view.read_text().replace("WHERE _error = ''", "WHERE 1", 1))
    source = next((root / "meters" / "sources").glob("*.toml"))
    source.write_text('kind = "htpp"\ninto = "raw_meter"\n')
    checked = refused(penstock("check", str(root)), 5)
    names = ("meters/silver/readings.sql:", f"meters/sources/{source.name}:")
    for name in names:
        assert name in checked
    data = tmp_path / "data"
    refused(penstock("up", "--project", str(root), "--data", str(data)), 5, *names)
    assert not data.exists()


def test_no_project_at_all(tmp_path: Path) -> None:
    refused(penstock("up", "--project", str(tmp_path)), 2, "penstock.toml", "--project")


def test_a_setting_that_is_wrong(project: Path) -> None:
    done = penstock("up", "--project", str(project), PENSTOCK_ENGINE_MEMORY="plenty")
    refused(done, 2, "engine_memory = 'plenty'", "PENSTOCK_ENGINE_MEMORY", "environment")


@pytest.mark.xfail(
    strict=True, reason="penstock.toml is read for its settings before it is looked at: a traceback"
)
@pytest.mark.parametrize("text", ["name = ", 'name = "x"\nplatform = 3\n'])
def test_a_project_file_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "penstock.toml").write_text(text)
    refused(penstock("up", "--project", str(tmp_path)), 5, "penstock.toml")


# The end


def test_a_signal_ends_it_in_time(
    project: Path, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    data = tmp_path / "data"
    with running(project, data, free_port) as up:
        assert up.post(json.dumps(reading()).encode()).status_code == 202
        assert owned(data / "engine.lock")
        started = time.monotonic()
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(20) == 0
        assert time.monotonic() - started < 5
        assert not owned(data / "engine.lock")
        assert not owned(data / "platform.lock")
        assert "Traceback" not in up.stop()


def test_a_signal_while_it_starts(
    project: Path, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """The engine goes with it, and the directory is free for the next start."""
    data = tmp_path / "data"
    process = subprocess.Popen(
        up_words(project, data, free_port(), free_port()),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    try:
        until((data / "engine.lock").exists, seconds=30)
        process.send_signal(signal.SIGTERM)
        process.wait(5)
    finally:
        process.kill()
        process.wait()
    until(lambda: not owned(data / "engine.lock"), seconds=10)
    assert not owned(data / "platform.lock")


def until(seen: Callable[[], object], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain"
        time.sleep(0.02)


# A full disk

KEPT = 256 << 20  # bytes that the engine leaves free


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(folder)]
    done = (
        subprocess.run(words, capture_output=True, check=False) if shutil.which("mount") else None
    )
    need("a small disk", present=done is not None and done.returncode == 0, how="mount as root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@contextlib.contextmanager
def filled(disk: Path, *, free: int) -> Iterator[None]:
    """The disk with so many bytes free."""
    room = os.statvfs(disk)
    filler = disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - free)
    try:
        yield
    finally:
        filler.unlink()


def lines(first: int, rows: int) -> bytes:
    return b"".join(json.dumps(reading(first + n)).encode() + b"\n" for n in range(rows))


@pytest.mark.slow
def test_a_full_disk(project: Path, small_disk: Path, free_port: Callable[[], int]) -> None:
    """Senders are told to wait, nothing acknowledged is lost, and it goes on by itself."""
    kind = "application/x-ndjson"
    with running(project, small_disk / "data", free_port, PENSTOCK_BATCH_AGE="50ms") as up:
        assert up.post(lines(1, 1000), kind, wait="true").status_code == 200
        with filled(small_disk, free=100 << 20):
            # The spool has room, the engine has not: rows are taken, and wait.
            assert up.post(lines(2001, 1000), kind).status_code == 202
            until(lambda: up.source()["state"] == "blocked", seconds=60)
            source = up.source()
            assert "not enough space" in source["reason"]
            assert source["in_flight"] == 1000
            assert up.http.get("/readyz").status_code == 503
            assert up.post(lines(4001, 500), kind).status_code == 202
        until(lambda: up.source()["in_flight"] == 0, seconds=60)
        assert up.http.get("/readyz").status_code == 200
        with filled(small_disk, free=0):
            answer = up.post(lines(6001, 1000), kind)
            assert_asked_to_wait(answer)
            assert up.source()["in_flight"] == 0
        assert up.post(lines(8001, 1000), kind, wait="true").status_code == 200
        assert up.front.count("homes.readings") == 3500
        status = up.status()
        assert status["balance"]["difference"] == 0
        assert status["balance"]["silver"] == 3500
        assert up.http.get("/v1/reconcile").json()["ok"]


def assert_asked_to_wait(answer: httpx.Response) -> None:
    assert answer.status_code == 429, answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    document = answer.json()
    assert "disk is full" in document["detail"]
    assert "free some space" in document["next"]


def test_an_engine_that_ends_on_a_full_disk_starts_again_when_there_is_room(
    small_disk: Path, free_port: Callable[[], int]
) -> None:
    data = small_disk / "data"
    with engine_process(data, free_port()):
        pass
    with (
        filled(small_disk, free=0),
        contextlib.suppress(Exception),  # to say that there is no room is right
        engine_process(data, free_port()),
    ):
        pass
    with engine_process(data, free_port()) as process:
        assert process.state == "up"
