"""A backup taken under writes, its data destroyed, restored: everything up to it, each row once."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from penstock.project import load

from .faults import Known, PlatformProcess, check, homes, readings, wait_for

ROWS = 50  # of a body


@dataclass
class Sender:
    """Posts bodies of `readings` one after the other, and notes which were acknowledged."""

    platform: PlatformProcess
    sent: int = 0
    acknowledged: list[int] = field(default_factory=list)  # first serials
    stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self.stopping.clear()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join(60)

    def _run(self) -> None:
        while not self.stopping.wait(0.01):
            first, self.sent = self.sent, self.sent + ROWS
            if self.platform.post(readings(first, self.sent)) == 202:
                self.acknowledged.append(first)

    def lines(self, firsts: list[int]) -> Counter[bytes]:
        return Counter(line for n in firsts for line in readings(n, n + ROWS).splitlines())


def backup(platform: PlatformProcess, to: Path) -> dict[str, Any]:
    done = platform.run("backup", str(to), "--json")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def destroy(data: Path) -> None:
    shutil.rmtree(data)
    assert not data.exists()


@pytest.mark.slow
def test_a_destroyed_data_directory_comes_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project, data = homes(tmp_path / "project"), tmp_path / "data"
    with PlatformProcess(project, data, PENSTOCK_BATCH_AGE="20ms") as platform:
        sender = Sender(platform)
        sender.start()
        wait_for("rows to be landed", lambda: platform.closed() > 5)
        before = list(sender.acknowledged)
        about = backup(platform, tmp_path / "kept.tar")
        after = list(sender.acknowledged)
        aim = platform.closed() + 5
        wait_for("rows after the backup", lambda: platform.closed() > aim)
        sender.stop()
        assert not list((data / "snapshots").iterdir()), "the snapshot was left behind"
        engine = platform.engine_pid
        platform.kill()
        wait_for("the engine to end", lambda: not _alive(engine))
        destroy(data)

        restored = platform.run("restore", str(tmp_path / "kept.tar"))
        assert restored.returncode == 0, restored.stderr
        platform.start()
        platform.drain()
        sure = sender.lines(before)
        maybe = sender.lines([*after, (max(after) + ROWS)]) - sure
        found = check(platform.client(), load(project), Known(sure, maybe))
        assert not found, "\n".join(found)
        (source,) = platform.get("/v1/reconcile")["sources"]
        assert source["ok"], source["differences"]
        (saved,) = about["sources"]
        assert source["received"] == saved["received"], "not the rows of the backup's moment"
        held = Counter(
            platform.client().fetch("SELECT _raw FROM homes.raw_sensors", "TSVRaw").splitlines()
        )

        sender.acknowledged.clear()
        sender.start()
        aim = platform.closed() + 5
        wait_for("the senders to go on", lambda: platform.closed() > aim)
        sender.stop()
        platform.drain()
        known = Known(held + sender.lines(sender.acknowledged))
        found = check(platform.client(), load(project), known)
        assert not found, "\n".join(found)
        assert platform.get("/v1/reconcile")["ok"]
    with capsys.disabled():
        print(f"\nbackup of {saved['received']:,} rows, {about['bytes']:,} bytes: landing held "
              f"{about['held_ms']} ms, {about['seconds']} s in all")  # fmt: skip


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
