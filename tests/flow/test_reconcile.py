"""Reconcile says where rows are missing or doubled; the boot audit, leases and blocks hold."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from penstock.engine.client import Client
from penstock.engine.process import EngineProcess
from penstock.errors import EngineDownError, LandingBlockedError, StaleLeaseError
from penstock.layers import landing as landing_module
from penstock.layers import reconcile as reconcile_module
from penstock.layers.expiry import Counted
from penstock.layers.landing import Lander, Limits
from penstock.project import load
from penstock.runtime.platform import Platform
from penstock.settings import Settings
from penstock.store.database import Store
from penstock.store.ledger import Batch, Intent, Ledger

from .faults import (
    Known,
    Landing,
    PlatformProcess,
    check,
    free_port,
    homes,
    readings,
    url_of,
    wait_for,
)
from .test_controls import DiesAfterInsert, Killed

# Each by hand, as somebody with the key could do it.
DELETE = "ALTER TABLE {} DELETE WHERE _batch = 2 AND {} SETTINGS mutations_sync = 2"
ONE_SILVER = DELETE.format("readings", "home_id = 3 AND toSecond(ts) = 6")
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
        pytest.param(ONE_SILVER, "readings", ("58", "57"), id="silver"),
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
    (found,) = report["sources"][0]["differences"]
    assert (found["relation"], found["where"]) == ("home_latest", "rows, first at home_id 3")


def test_it_names_the_first_key_of_a_gold_that_differs(landed: Landing) -> None:
    """Of each value that a gold conserves, exactly: one thousandth of a Wh is too much."""
    hours = "SELECT DISTINCT home_id, toString(hour) AS hour FROM hourly_stats ORDER BY ALL"
    keys = [(k["home_id"], k["hour"]) for k in landed.client.rows(hours, database="homes")]
    for home, hour in (keys[9], keys[4]):
        more = f"INSERT INTO hourly_stats (home_id, hour, energy_sum) VALUES ({home}, '{hour}',"
        landed.client.execute(f"{more} 0.001)", database="homes")
    (found,) = landed.reconcile()["sources"][0]["differences"]
    assert found["relation"] == "hourly_stats"
    assert found["where"] == f"energy, first at home_id {keys[4][0]}, hour {keys[4][1]}"
    assert Decimal(found["found"]) - Decimal(found["expected"]) == Decimal("0.002")


def test_an_open_batch_is_listed_and_left_out(landed: Landing) -> None:
    """Where it is half stored gold cannot be compared yet; once it is landed it can."""
    landed.source, landed.lander = landed.take_over(kind=DiesAfterInsert, limits=Limits(age=0.0))
    landed.send(60)
    with pytest.raises(Killed):
        landed.land()
    report = landed.reconcile()
    (source,) = report["sources"]
    assert report["ok"], source["differences"]
    assert source["open"] == [{"batch": 4, "rows": 60, "bronze": 60, "silver": 58}]
    assert (source["received"], source["bronze"], source["uncompared"]) == (180, 180, [])
    landed.client.execute(DOUBLE_GOLD, database="homes")
    report = landed.reconcile()
    (source,) = report["sources"]
    assert report["ok"], source["differences"]
    (said,) = source["uncompared"]
    assert said.startswith("home_latest rows")
    assert said.endswith("batch 4 is half stored, so gold cannot be compared yet")
    landed.source, landed.lander = landed.take_over()
    landed.lander.recover()
    report = landed.reconcile()
    assert report["sources"][0]["open"] == []
    assert [d["relation"] for d in report["sources"][0]["differences"]] == ["home_latest"]


def test_it_looks_at_closed_batches_page_by_page_while_landing_goes_on(
    landed: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile_module, "_PAGE", 2)
    pages: list[tuple[int, bool]] = []

    def look(lander: Lander, client: Client, which: str) -> dict[int, Counted]:
        found = counted(lander, client, which)
        pages.append((len(found), lander.hold.locked()))
        return found

    counted = reconcile_module.counted
    monkeypatch.setattr(reconcile_module, "counted", look)
    (source,) = landed.reconcile()["sources"]
    assert source["ok"], source["differences"]
    assert (source["received"], source["silver"], source["batches"]) == (180, 173, 3)
    assert pages == [(2, False), (1, False), (0, True)]
    landed.client.execute(ONE_SILVER, database="homes")
    copy = "INSERT INTO readings SELECT * REPLACE 2000 AS _batch FROM readings LIMIT 1"
    landed.client.execute(copy, database="homes")
    told = landed.tell()
    assert [line for line in told if line.startswith("readings batch 2, ")]
    assert [line for line in told if line.startswith("raw_sensors batch 2000 no such batch")]


def test_it_goes_red_where_a_batch_is_not_in_the_ledger(landed: Landing) -> None:
    """Somebody with the key put rows into bronze past the ledger."""
    copy = "INSERT INTO raw_sensors (_source, _part, _pos, _batch, _ingested_at, _raw) SELECT "
    copy += "_source, 9, _pos, 77, _ingested_at, _raw FROM raw_sensors LIMIT 1"
    landed.client.execute(copy, database="homes")
    assert [line for line in landed.tell() if line.startswith("raw_sensors batch 77 no such")]


@pytest.mark.slow
def test_the_command_ends_with_4(tmp_path: Path, server: EngineProcess | None) -> None:
    """Asked of the running platform, and of the data while no platform runs."""
    platform = PlatformProcess(homes(tmp_path / "project"), tmp_path / "data", server)
    with platform:
        for first in (0, 60, 120):
            assert platform.post(readings(first, first + 60)) == 202
            platform.drain()
        green = platform.run("reconcile")
        assert green.returncode == 0, green.stderr
        platform.client().execute(ONE_SILVER, database="homes")
        asked = platform.run("reconcile")
    alone = platform.run("reconcile")
    for result in (asked, alone):
        assert result.returncode == 4, result.stdout + result.stderr
        assert "readings: expected 58, found 57" in result.stdout
        assert "part 1 rows 60 to 120" in result.stdout


@contextmanager
def platform_of(
    project: Path, data: Path, server: EngineProcess | None = None
) -> Iterator[Platform]:
    """A platform in this process, without its web server."""
    settings = Settings.load().replace(engine_port=free_port(), batch_age=0.0)
    if server is not None:
        settings = settings.replace(clickhouse_url=url_of(server.address))
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


@contextmanager
def ledger_of(data: Path) -> Iterator[Ledger]:
    store = Store.open(data / "penstock.db")
    try:
        yield Ledger(store)
    finally:
        store.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("note", "value"),
    [
        pytest.param("boot_id", "another", id="new-boot"),
        pytest.param("clean_stop", "no", id="kill"),
    ],
)
def test_the_boot_audit_finds_a_batch_that_is_gone(
    tmp_path: Path, note: str, value: str, server: EngineProcess | None
) -> None:
    """It names the batch, keeps on saying so, and `reconcile` still lists what differs."""
    project, data = homes(tmp_path / "project"), tmp_path / "data"
    with platform_of(project, data, server) as platform:
        land_all(platform, 60)
    with platform_of(project, data, server) as platform:
        land_all(platform, 60, first=60)
        gone = "ALTER TABLE raw_sensors DELETE WHERE _batch = 2 SETTINGS mutations_sync = 2"
        platform.client.execute(gone, database="homes")
    with ledger_of(data) as ledger:
        assert ledger.get("clean_stop") == "yes"
        assert [batch.batch for batch in ledger.unaudited()] == [1, 2]
        ledger.put(note, value)
    for _ in range(2):
        with pytest.raises(LandingBlockedError) as blocked, platform_of(project, data, server):
            pass
        assert "batch 2 was stored with 60 rows (58 good)" in str(blocked.value)
        assert "bronze has 0 and silver 58" in str(blocked.value)
        assert "part 1 rows 60-120" in str(blocked.value)
    told = PlatformProcess(project, data, server).run("reconcile")
    assert told.returncode == 4, told.stdout + told.stderr
    assert "raw_sensors: expected 60, found 0  at batch 2" in told.stdout


@pytest.mark.slow
def test_the_boot_audit_passes_what_is_whole(tmp_path: Path) -> None:
    project, data = homes(tmp_path / "project"), tmp_path / "data"
    with platform_of(project, data) as platform:
        land_all(platform, 60)
    with ledger_of(data) as ledger:
        ledger.put("boot_id", "another")
    with platform_of(project, data) as platform:
        land_all(platform, 60, first=60)
        assert platform.reconcile()["ok"]
        assert [batch.batch for batch in platform.ledger.unaudited()] == [2]


def test_a_zombie_lander_is_refused_by_the_ledger_and_by_the_front(landed: Landing) -> None:
    """It sleeps over its open intent while another takes the stream; then it wakes."""
    zombie, woken = landed.lander, {}

    def sleep(intent: Intent, body: bytes) -> None:
        woken.update(intent=intent, body=body)
        raise InterruptedError

    zombie._insert = sleep  # type: ignore[method-assign]
    landed.send(60)
    with pytest.raises(InterruptedError):
        landed.land()
    del zombie._insert  # type: ignore[method-assign]
    landed.source, landed.lander = landed.take_over()
    assert landed.lander.recover() == 1
    landed.send(20)
    landed.land()
    before = landed.check()
    with pytest.raises(StaleLeaseError, match="is over"):
        zombie._insert(woken["intent"], woken["body"])
    other = replace(woken["intent"], token="another token", batch=99)
    with pytest.raises(StaleLeaseError, match="is over"):
        zombie._insert(other, woken["body"])
    with pytest.raises(StaleLeaseError, match="is over"):
        landed.ledger.close(woken["intent"], good=58, dead=2)
    zombie.source.spool.append([(readings(500, 510), 10)])  # type: ignore[attr-defined]
    zombie.run(threading.Event())
    assert (zombie.state.name, before, landed.check()) == ("blocked", [], [])
    assert "is over" in zombie.state.reason


def test_the_front_knows_the_lease_after_a_restart(landed: Landing) -> None:
    zombie = landed.lander
    landed.source, landed.lander = landed.take_over()
    landed.send(20)
    landed.land()
    landed.engine.restart("a test")
    intent = replace(intent_of_batch(landed.ledger.batches()[0]), epoch=zombie._stream.epoch)
    with pytest.raises(StaleLeaseError):
        zombie._insert(intent, readings(0, 60))
    assert landed.check() == []


@pytest.mark.slow
def test_a_batch_that_fails_five_times_names_its_view_and_lands_once_it_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: EngineProcess | None
) -> None:
    monkeypatch.setattr(landing_module, "_BLOCKED_PAUSE", 0.5)
    project = homes(tmp_path / "project")
    with platform_of(project, tmp_path / "data", server) as platform:
        (lander,) = platform.landers
        silver = platform.project.relation("homes", "readings")
        (view,) = silver.views
        land_all(platform, 60)
        throwing = view.sql.replace(
            "WHERE _error = ''",
            "WHERE _error = '' AND throwIf(_pos = 70, 'the view is broken') = 0",
        )
        assert throwing != view.sql
        replace_view(platform, throwing)
        source = lander.source
        source.spool.append([(readings(60, 120), 60)])  # type: ignore[attr-defined]
        wait_for("the source to be blocked", lambda: lander.state.name == "blocked", seconds=60)
        assert "failed 5 times" in lander.state.reason
        assert "readings_mv" in lander.state.reason, lander.state.reason
        (status,) = platform.status()["sources"]
        assert (status["state"], status["in_flight"]) == ("blocked", 60)
        (intent,) = platform.ledger.open_intents()
        assert intent.batch == 2, "the batch was skipped"
        source.spool.append([(readings(120, 180), 60)])  # type: ignore[attr-defined]
        tried = intent.attempts
        wait_for("more tries", lambda: platform.ledger.open_intents()[0].attempts > tried)
        assert platform.status()["sources"][0]["state"] == "blocked"
        replace_view(platform, view.sql)
        assert platform.drain(60), lander.state.reason
        known = Known(Counter(readings(0, 180).splitlines()))
        assert check(platform.client, platform.project, known) == []
        assert platform.reconcile()["ok"]
        assert lander.state.name != "blocked"


def replace_view(platform: Platform, sql: str) -> None:
    """The engine is restarted after each failure meanwhile, so it may take some tries."""
    for statement in ("DROP VIEW IF EXISTS readings_mv SYNC", sql):

        def tried(statement: str = statement) -> bool:
            try:
                platform.client.execute(statement, database="homes")
            except EngineDownError:
                return False
            return True

        wait_for("the view to be replaced", tried)


def intent_of_batch(batch: Batch) -> Intent:
    """A landed batch as its intent was."""
    return Intent(
        batch=batch.batch, stream_id=batch.stream_id, spans=batch.spans, rows=batch.rows,
        size=batch.size, fingerprint=batch.fingerprint, ingested_ms=batch.ingested_ms,
        token=batch.token, epoch=0, attempts=0, error="", state="open",
    )  # fmt: skip
