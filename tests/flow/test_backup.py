"""A backup taken under writes, its data destroyed, restored: everything up to it, each row once."""

from __future__ import annotations

import json
import os
import shutil
import threading
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from penstock.engine import snapshot as engine
from penstock.errors import EngineError, LandingBlockedError
from penstock.layers.landing import Limits
from penstock.project import load
from penstock.runtime import archive
from penstock.runtime.snapshot import Snapshots

from .faults import Known, Landing, PlatformProcess, check, homes, readings, wait_for
from .test_controls import DiesAfterInsert, Killed

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


def post_keyed(platform: PlatformProcess, body: bytes) -> int:
    """A body that may be sent again by its key; gives the status."""
    headers = {"content-type": "application/x-ndjson", "idempotency-key": "once"}
    address = f"{platform.url}/v1/ingest/homes/readings"
    request = urllib.request.Request(address, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return int(answer.status)


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
        keyed = readings(10_000_000, 10_000_000 + ROWS)
        assert post_keyed(platform, keyed) == 202
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
        sure = sender.lines(before) + Counter(keyed.splitlines())
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

        assert post_keyed(platform, keyed) == 202, "its key is known as well"
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


@pytest.mark.slow
@pytest.mark.parametrize("memory", ["kept", "lost"])
def test_a_batch_that_was_open_in_the_backup_is_finished_once(memory: str, tmp_path: Path) -> None:
    """The engine's memory of tokens comes along; the control without it doubles the batch."""
    project, file = homes(tmp_path / "project"), tmp_path / "kept.tar"
    with Landing(project, tmp_path / "data") as landing:
        landing.send(100)
        landing.land()
        landing.source.close()
        limits = Limits(age=0.0)
        landing.source, landing.lander = landing.take_over(kind=DiesAfterInsert, limits=limits)
        landing.send(100)
        with pytest.raises(Killed):
            landing.land()
        landing.send(100)  # acknowledged, and nothing of it landed
        snapshots = Snapshots(
            landing.data, landing.client, landing.ledger, [landing.lander],
            {("homes", "readings"): landing.source}, lambda: 0,
        )  # fmt: skip
        about = snapshots.take()
        assert about["sources"] == [{"source": "homes/readings", "received": 300, "landed": 100}]
        archive.write(Path(about.pop("folder")), about, file)
    archive.restore(file, tmp_path / "restored")
    if memory == "lost":
        for logs in (tmp_path / "restored").glob("engine/store/*/*/deduplication_logs"):
            shutil.rmtree(logs)
    with Landing(project, tmp_path / "restored") as landing:
        landing.expect(300)
        assert len(landing.ledger.open_intents()) == 1
        if memory == "lost":
            with pytest.raises(LandingBlockedError, match="200 in raw_sensors"):
                landing.lander.recover()
            return
        landing.lander.recover()
        landing.send(50)
        landing.land()
        assert (landing.check(), landing.tell()) == ([], [])


@pytest.mark.slow
def test_parts_that_go_meanwhile_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between list and links a part is removed: the next try begins anew, with merges paused."""
    project, link = homes(tmp_path / "project"), engine.link_parts
    optimize = "OPTIMIZE TABLE homes.raw_sensors FINAL"
    outcomes = []
    with Landing(project, tmp_path / "data") as landing:
        for _ in range(2):
            landing.send(100)
            landing.land()
        landing.client.execute("CREATE TABLE homes.side (n UInt8) ENGINE = MergeTree ORDER BY n")
        landing.client.execute("INSERT INTO homes.side SELECT 1")

        def after_others(folder: Path, to: Path, parts: list[Path]) -> None:
            if not outcomes:
                landing.client.execute("TRUNCATE TABLE homes.side")
                gone = lambda: not all((folder / part).exists() for part in parts)  # noqa: E731
                wait_for("the part to be removed", gone)
            else:
                with pytest.raises(EngineError, match=r"[Cc]ancel"):
                    landing.client.execute(optimize)
            try:
                link(folder, to, parts)
            except FileNotFoundError:
                outcomes.append("gone")
                raise
            outcomes.append("linked")

        monkeypatch.setattr(engine, "link_parts", after_others)
        sources = {("homes", "readings"): landing.source}
        snapshots = Snapshots(
            landing.data, landing.client, landing.ledger, [landing.lander], sources, lambda: 0
        )
        about = snapshots.take()
        assert outcomes == ["gone", "linked"]
        archive.write(Path(about.pop("folder")), about, tmp_path / "kept.tar")
        landing.client.execute(optimize)  # nothing is held back any more
    archive.restore(tmp_path / "kept.tar", tmp_path / "restored")
    with Landing(project, tmp_path / "restored") as landing:
        landing.expect(200)
        assert (landing.check(), landing.tell()) == ([], [])


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
