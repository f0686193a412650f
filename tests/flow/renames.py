"""Kills the engine at the n-th rename of one insert, by strace."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from .faults import Landing

if TYPE_CHECKING:
    from pathlib import Path

PREPARED = 180  # rows
_CALLS = "rename,renameat,renameat2"
_RENAME = re.compile(r'^(\d+) .*?rename\w*\(.*?"([^"]+)"', re.MULTILINE)
_PART = re.compile(r".*/(?P<folder>[\w-]{36})/tmp_insert_(?P<partition>.+?)(?:_\d+){3}/?")


class Strace:
    """Follows a process; kills it as it enters its n-th rename.

    Args:
        pid: the process, all its threads.
        log: file for what was seen.
        kill_at: n, from 1; 0 only looks on.
    """

    def __init__(self, pid: int, log: Path, *, kill_at: int = 0) -> None:
        self.log = log
        words = ["strace", "-f", "-p", str(pid), "-o", str(log), "-e", f"trace={_CALLS}"]
        if kill_at:
            words += ["-e", f"inject={_CALLS}:signal=KILL:when={kill_at}"]
        self._process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        self._said = self._process.stderr.readline()
        if "attached" not in self._said:
            self.close()
            lacking(f"strace may not trace here: {self._said.strip()}")

    def close(self) -> list[tuple[str, str]]:
        """Let go; gives the thread and the former name of each rename, in order."""
        self._process.terminate()
        self._process.wait(10)
        assert self._process.stderr is not None
        self._process.stderr.close()
        return _RENAME.findall(self.log.read_text()) if self.log.exists() else []


def lacking(reason: str) -> None:
    """Skip for want of a tool; with CI=true that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


GOLDS = ("hourly_stats", "city_minute", "home_latest", "home_hours", "home_baseline")


def prepare(project: Path, data: Path) -> None:
    """A data directory with a little in it: rows in merged parts and in small ones."""
    with Landing(project, data) as landing:
        for _ in range(3):
            landing.send(PREPARED // 3)
            landing.land()
        for table in ("raw_sensors", "readings", *GOLDS):
            landing.client.execute(f"OPTIMIZE TABLE {table} FINAL", database="homes")


def reopened(project: Path, data: Path, *, prepared: Path, healing: bool = True) -> Landing:
    """A landing over a copy of the prepared directory."""
    shutil.copytree(prepared, data, symlinks=True)
    landing = Landing(project, data, healing=healing)
    landing.expect(PREPARED)
    return landing


def warm(landing: Landing) -> None:
    """Let the front take note of the lease: a rename of its own, in a thread of its own."""
    landing.send(5)
    landing.land()


def count_renames(project: Path, data: Path, *, prepared: Path, rows: int) -> list[str]:
    """`table/partition` of each part that one landed batch renames into place, in order."""
    with reopened(project, data, prepared=prepared) as landing:
        warm(landing)
        names = tables(landing)
        traced = Strace(landing.engine.pid, data.with_suffix(".strace"))
        landing.send(rows)
        landing.land()
        seen = traced.close()
        assert landing.check() == []
    threads = Counter(thread for thread, _ in seen)
    # strace counts for each thread apart, so «the n-th» needs them all in one.
    assert len(threads) == 1, f"an insert's renames are spread over threads: {seen}"
    return [named(path, names) for _, path in seen]


def tables(landing: Landing) -> dict[str, str]:
    """Folder of each table → its name."""
    sql = "SELECT toString(uuid) AS folder, name FROM system.tables WHERE database = 'homes'"
    return {row["folder"]: row["name"] for row in landing.client.rows(sql)}


def named(path: str, names: dict[str, str]) -> str:
    """What a rename's former name belongs to: `table/partition`, or the file's own name."""
    part = _PART.fullmatch(path)
    if part is None:
        return path.rpartition("/")[2]
    return f"{names.get(part['folder'], part['folder'])}/{part['partition']}"
