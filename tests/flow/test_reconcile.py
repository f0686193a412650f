"""Reconcile says where rows are missing or doubled; the boot audit, leases and blocks hold."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from penstock.engine.client import Client
from penstock.errors import (
    EngineError,
    IncarnationError,
    LandingBlockedError,
    PenstockError,
    StaleLeaseError,
)
from penstock.layers import landing as landing_module
from penstock.project import load
from penstock.runtime.platform import Platform
from penstock.settings import Settings
from penstock.store.records import Batch

from .faults import Landing, PlatformProcess, check, free_port, homes, readings, wait_for

# Each by hand, as somebody with the key could do it.
DELETE = "ALTER TABLE {} DELETE WHERE _batch = 2 AND {} SETTINGS mutations_sync = 2"
ONE_SILVER = DELETE.format("readings", "home_id = 3 AND toSecond(ts) = 3")
ONE_BRONZE = DELETE.format("raw_sensors", "_pos = 70")
DOUBLE_GOLD = "INSERT INTO home_latest SELECT * FROM home_latest WHERE home_id = 3 LIMIT 1"


@pytest.fixture
def landed(tmp_path: Path) -> Iterator[Landing]:
    """Three batches of 60 rows: rows 0 to 180 of part 1."""
    with Landing(homes(tmp_path / "project"), tmp_path / "data") as landing:
        for _ in range(3):
            landing.send(60)
            landing.land()
        yield landing


def hour(batch: Batch) -> str:
    return time.strftime("%Y-%m-%dT%H:00Z", time.gmtime(batch.ingested_ms / 1000))


def test_it_is_green_after_landing(landed: Landing) -> None:
    report = landed.reconcile()
    (source,) = report["sources"]
    assert report["ok"]
    assert source["differences"] == []
    assert (source["received"], source["bronze"], source["batches"]) == (180, 180, 3)
    assert (source["silver"], source["dead_letters"]) == (173, 7)
    assert landed.check() == []


@pytest.mark.parametrize(
    ("statement", "relation", "said"),
    [
        pytest.param(ONE_SILVER, "readings", ("57", "56"), id="silver"),
        pytest.param(ONE_BRONZE, "raw_sensors", ("60", "59"), id="bronze"),
    ],
)
def test_it_goes_red_where_one_row_is_deleted_by_hand(
    landed: Landing, statement: str, relation: str, said: tuple[str, str]
) -> None:
    """Relation, batch, hour and range of positions are named."""
    landed.client.execute(statement, database="homes")
    assert landed.check(), "the statement deleted nothing"
    report = landed.reconcile()
    assert not report["ok"]
    found = [d for d in report["sources"][0]["differences"] if "batch" in d["where"]]
    where = f"batch 2, hour {hour(landed.ledger.batches()[1])}, part 1 rows 60 to 120"
    assert found == [
        {"relation": relation, "where": where, "expected": said[0], "found": said[1]}
    ]  # fmt: skip


def test_it_goes_red_where_a_gold_row_is_doubled(landed: Landing) -> None:
    landed.client.execute(DOUBLE_GOLD, database="homes")
    assert landed.check(), "the statement doubled nothing"
    report = landed.reconcile()
    assert not report["ok"]
    assert [d["relation"] for d in report["sources"][0]["differences"]] == ["home_latest"]


def test_it_goes_red_where_a_batch_is_not_in_the_ledger(landed: Landing) -> None:
    """Somebody with the key put rows into bronze past the ledger."""
    copy = "INSERT INTO raw_sensors (_source, _part, _pos, _batch, _ingested_at, _raw) SELECT "
    copy += "_source, 9, _pos, 77, _ingested_at, _raw FROM raw_sensors LIMIT 1"
    landed.client.execute(copy, database="homes")
    assert [line for line in landed.tell() if line.startswith("raw_sensors batch 77 no such")]


@pytest.mark.slow
def test_the_command_ends_with_4(tmp_path: Path) -> None:
    """Asked of the running platform, and of the data while no platform runs."""
    platform = PlatformProcess(homes(tmp_path / "project"), tmp_path / "data")
    with platform:
        for first in (0, 60, 120):
            assert platform.post(readings(first, first + 60)) == 202
            platform.drain()
        green = platform.run("reconcile")
        assert (green.returncode, green.stderr) == (0, "")
        platform.client().execute(ONE_SILVER, database="homes")
        asked = platform.run("reconcile")
    alone = platform.run("reconcile")
    for result in (asked, alone):
        assert result.returncode == 4, result.stdout + result.stderr
        assert "readings: expected 57, found 56" in result.stdout
        assert "part 1 rows 60 to 120" in result.stdout


@contextmanager
def platform_of(project: Path, data: Path) -> Iterator[Platform]:
    """A platform in this process, without its web server."""
    settings = Settings.load().replace(engine_port=free_port(), batch_age=0.0)
    platform = Platform(load(project), settings, data)
    platform.start()
    try:
        yield platform
    finally:
        platform.stop()


def land_all(platform: Platform, rows: int, *, first: int = 0) -> None:
    source = platform.landers[0].source
    source.spool.append([(readings(first, first + rows), rows)])  # type: ignore[attr-defined]
    assert platform.drain(30), platform.status()["sources"]


def machine_went_down(platform: Platform) -> None:
    platform.ledger.put("boot_id", "another boot")


@pytest.mark.slow
@pytest.mark.parametrize("clean", [True, False], ids=["new-boot", "killed"])
def test_the_boot_audit_finds_a_batch_that_is_gone(tmp_path: Path, *, clean: bool) -> None:
    """It names the batch, keeps on saying so, and `reconcile` still lists what differs."""
    project, data = homes(tmp_path / "project"), tmp_path / "data"
    with platform_of(project, data) as platform:
        land_all(platform, 60)
        land_all(platform, 60, first=60)
    with platform_of(project, data) as platform:  # audited: a clean stop on the same boot
        land_all(platform, 60, first=120)
        platform.client.execute(
            "ALTER TABLE raw_sensors DELETE WHERE _batch = 3 SETTINGS mutations_sync = 2",
            database="homes",
        )
    with platform_of(project, data) as platform:
        pass  # a clean stop and the same boot: nothing is counted
    with open_ledger(project, data) as ledger:
        ledger.put("boot_id" if clean else "clean_stop", "another boot" if clean else "no")
        unaudit(ledger)
    for _ in range(2):
        with pytest.raises(LandingBlockedError) as blocked, platform_of(project, data):
            pass
        assert "batch 3 was stored with 60 rows (57 good)" in str(blocked.value)
        assert "bronze has 0 and silver 57" in str(blocked.value)
        assert "part 1 rows 120-180" in str(blocked.value)
    other = PlatformProcess(project, data)
    told = other.run("reconcile")
    assert told.returncode == 4, told.stdout + told.stderr
    assert "raw_sensors: expected 60, found 0  at batch 3" in told.stdout
