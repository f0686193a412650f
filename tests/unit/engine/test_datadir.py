"""The data directory: one owner, one key, and nothing that a newer version wrote."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from penstock.engine.datadir import VERSION, Ownership, check_version, key
from penstock.errors import DataDirError, DataDirTakenError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Owns a directory, starts a child as the platform starts its engine, and waits to be killed.
OWNER = """
import subprocess, sys, time
from pathlib import Path
from penstock.engine.datadir import Ownership
with Ownership(Path(sys.argv[1])):
    words = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    child = subprocess.Popen(words, stdin=subprocess.PIPE)
    print("owned", child.pid, flush=True)
    sys.stdin.read()
child.stdin.close()
child.wait()
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "data" / "platform.lock"


@pytest.fixture
def owner(lock: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns the directory; its standard input ends it."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    words = process.stdout.readline().split()
    assert words[0] == "owned"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


# The lock


def test_the_second_owner_is_told_who_the_first_is(
    lock: Path, owner: subprocess.Popen[str]
) -> None:
    with pytest.raises(DataDirTakenError) as refused:
        Ownership(lock)
    assert refused.value.what.endswith(f"process {owner.pid}")
    assert refused.value.where == str(lock.parent)
    assert f"kill {owner.pid}" in refused.value.next_step
    assert "PENSTOCK_DATA" in refused.value.next_step
    assert lock.read_text() == str(owner.pid), "the refused one wrote into the lock"


def test_a_killed_owner_leaves_no_lock_behind(lock: Path, owner: subprocess.Popen[str]) -> None:
    """Not even while a process that it had started goes on for a moment."""
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    with Ownership(lock):
        assert lock.read_text() == str(os.getpid())


def test_two_owners_in_one_process(lock: Path) -> None:
    with Ownership(lock):
        with pytest.raises(DataDirTakenError, match=f"process {os.getpid()}"):
            Ownership(lock)
        with Ownership(lock.with_name("engine.lock")):
            pass  # another lock of the same directory
    with Ownership(lock):
        pass


def test_waiting_ends_as_the_owner_lets_go(lock: Path, owner: subprocess.Popen[str]) -> None:
    assert owner.stdin is not None
    threading.Timer(0.3, owner.stdin.close).start()
    started = time.monotonic()
    with Ownership(lock, wait=10):
        assert time.monotonic() - started >= 0.25
    assert time.monotonic() - started < 8


def test_waiting_ends_when_the_time_is_over(lock: Path, owner: subprocess.Popen[str]) -> None:
    started = time.monotonic()
    with pytest.raises(DataDirTakenError, match=f"process {owner.pid}"):
        Ownership(lock, wait=0.3)
    assert 0.3 <= time.monotonic() - started < 3


def test_only_one_of_many_gets_it(lock: Path) -> None:
    gate = threading.Barrier(8)

    def take(_: int) -> Ownership | None:
        gate.wait()
        try:
            return Ownership(lock)
        except DataDirTakenError:
            return None

    with ThreadPoolExecutor(8) as pool:
        owners = [owned for owned in pool.map(take, range(8)) if owned is not None]
    assert len(owners) == 1
    owners[0].release()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataDirError, match="cannot be written") as refused:
        Ownership(tmp_path / "file" / "data" / "platform.lock")
    assert refused.value.where == str(tmp_path / "file" / "data")
    assert "PENSTOCK_DATA" in refused.value.next_step


# The key


def test_the_key_is_for_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        secret = key(tmp_path / "data")
    finally:
        os.umask(before)
    assert len(secret) >= 40
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["engine.key"]
    mode = (tmp_path / "data" / "engine.key").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_the_key_of_a_directory_stays(tmp_path: Path) -> None:
    one = key(tmp_path / "one")
    written = (tmp_path / "one" / "engine.key").stat().st_mtime_ns
    assert key(tmp_path / "one") == one
    assert (tmp_path / "one" / "engine.key").stat().st_mtime_ns == written
    assert key(tmp_path / "two") != one


def test_a_key_that_was_half_written_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "engine.key.new").write_text("half")
    assert len(key(tmp_path)) >= 40


# The version


def test_the_version_is_noted(tmp_path: Path) -> None:
    check_version(tmp_path)
    assert (tmp_path / "engine.version").read_text() == VERSION
    check_version(tmp_path)


def later(part: int) -> str:
    numbers = [int(n) for n in VERSION.split(".")]
    numbers[part] += 1
    return ".".join(map(str, numbers))


@pytest.mark.parametrize("written", [later(0), later(1), f"{VERSION}.1", "100.1"])
def test_data_of_a_newer_version_is_not_touched(tmp_path: Path, written: str) -> None:
    path = tmp_path / "engine.version"
    path.write_text(f"{written}\n")
    with pytest.raises(DataDirError, match=f"written by engine {written}") as refused:
        check_version(tmp_path)
    assert VERSION in refused.value.what
    assert refused.value.where == str(tmp_path)
    assert "upgrade Penstock" in refused.value.next_step
    assert "PENSTOCK_DATA" in refused.value.next_step
    assert path.read_text() == f"{written}\n"


@pytest.mark.parametrize("written", ["26.8", "25.12", "9.99", "26"])
def test_data_of_an_older_version_is_taken_over(tmp_path: Path, written: str) -> None:
    (tmp_path / "engine.version").write_text(written)
    check_version(tmp_path)
    assert (tmp_path / "engine.version").read_text() == VERSION


@pytest.mark.parametrize(
    "written",
    ["", "\n", "26.", "x"],
)
def test_a_version_that_cannot_be_read_is_no_accident(tmp_path: Path, written: str) -> None:
    """It is taken as ours or refused in words; it is not a crash for good."""
    (tmp_path / "engine.version").write_text(written)
    try:
        check_version(tmp_path)
    except DataDirError as error:
        assert error.next_step  # noqa: PT017 - both ways are right


def test_the_version_is_not_written_again(tmp_path: Path) -> None:
    check_version(tmp_path)
    path = tmp_path / "engine.version"
    os.utime(path, (1, 1))
    check_version(tmp_path)
    assert path.stat().st_mtime == 1
