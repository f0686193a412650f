"""Bronze, and silver where it has a TTL, let rows go by age: nobody may take that for a loss."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from penstock.errors import LandingBlockedError
from penstock.layers import landing as landing_module
from penstock.layers.landing import Lander, Limits
from penstock.runtime.audit import audit

from .faults import Landing, homes, wait_for
from .test_controls import DiesAfterInsert, DiesBeforeInsert, Killed

DAY = 86_400
Aged = Callable[[float], None]


@pytest.fixture
def aged(monkeypatch: pytest.MonkeyPatch) -> Aged:
    """Sets what time it is for those who write intents: so many days ago."""

    def set_back(days: float) -> None:
        clock = SimpleNamespace(time=lambda: time.time() - days * DAY, sleep=time.sleep)
        monkeypatch.setattr(landing_module, "time", clock)

    return set_back


@contextmanager
def landing_of(tmp_path: Path, *, silver_ttl: bool = False) -> Iterator[Landing]:
    project = homes(tmp_path / "project")
    if silver_ttl:
        file = project / "homes/silver/readings.sql"
        text = file.read_text()
        ttl = "TTL toDateTime(_ingested_at) + INTERVAL 7 DAY\nSETTINGS non_repl"
        file.write_text(text.replace("SETTINGS non_repl", ttl))
        assert file.read_text() != text
    with Landing(project, tmp_path / "data") as landing:
        yield landing


def expire(landing: Landing, *tables: str) -> None:
    """Wait until the engine has dropped what is past its TTL, as it does by itself in time."""
    for table in tables:

        def gone(table: str = table) -> bool:
            landing.client.execute(f"OPTIMIZE TABLE {table} FINAL", database="homes")
            sql = f"SELECT count() FROM {table} WHERE _ingested_at < now() - INTERVAL 7 DAY"
            return int(landing.client.value(sql, database="homes")) == 0

        wait_for(f"{table} to expire", gone)


def count(landing: Landing, table: str, batch: int) -> int:
    sql = f"SELECT count() FROM {table} WHERE _batch = {batch}"
    return int(landing.client.value(sql, database="homes"))


def reboot(landing: Landing) -> None:
    landing.ledger.put("boot_id", "another")
    audit(landing.project, [landing.lander], landing.ledger)


def test_batches_that_bronze_has_let_go_are_no_loss(tmp_path: Path, aged: Aged) -> None:
    """Neither after an unclean stop nor in reconcile; one that silver lacks still is."""
    with landing_of(tmp_path) as landing:
        for days in (8, 7.5, 0):
            aged(days)
            landing.send(60)
            landing.land()
        # The engine drops parts in its own order: an older one may still be there.
        by_hand = "ALTER TABLE raw_sensors DELETE WHERE _batch = 2 SETTINGS mutations_sync = 2"
        landing.client.execute(by_hand, database="homes")
        assert landing.tell() == []
        expire(landing, "raw_sensors")
        assert [count(landing, "raw_sensors", n) for n in (1, 2, 3)] == [0, 0, 60]
        (source,) = landing.reconcile()["sources"]
        assert source["ok"], source["differences"]
        batches = landing.ledger.batches()
        assert (source["received"], source["bronze"]) == (180, 180)
        assert source["dead_letters"] == sum(b.dead for b in batches)
        assert len(landing.ledger.unaudited()) == 3
        reboot(landing)
        assert landing.ledger.unaudited() == []
        by_hand = "ALTER TABLE readings DELETE WHERE _batch = 1 AND home_id = 3"
        landing.client.execute(f"{by_hand} SETTINGS mutations_sync = 2", database="homes")
        assert [line for line in landing.tell() if line.startswith("readings batch 1,")]


@pytest.mark.parametrize("rebooted", [False, True], ids=["kill", "reboot"])
@pytest.mark.parametrize("dies", [DiesBeforeInsert, DiesAfterInsert])
def test_a_batch_left_open_for_longer_than_bronze_keeps_it_is_landed_once(
    tmp_path: Path, aged: Aged, dies: type[Lander], rebooted: bool
) -> None:
    with landing_of(tmp_path) as landing:
        aged(8)
        landing.source, landing.lander = landing.take_over(kind=dies, limits=Limits(age=0.0))
        landing.send(60)
        with pytest.raises(Killed):
            landing.land()
        aged(0)
        landing.source, landing.lander = landing.take_over()
        if dies is DiesAfterInsert:
            expire(landing, "raw_sensors")
            assert count(landing, "raw_sensors", 1) == 0
        if rebooted:
            reboot(landing)
        assert landing.lander.recover() == (0 if rebooted and dies is DiesAfterInsert else 1)
        landing.send(60)
        landing.land()
        assert [batch.rows for batch in landing.ledger.batches()] == [60, 60]
        first = landing.ledger.batches()[0]
        assert first.good == count(landing, "readings", 1) > 0
        report = landing.reconcile()
        assert report["ok"], report["sources"][0]["differences"]
        assert report["sources"][0]["gold"]["home_latest.rows"] == str(
            sum(batch.good for batch in landing.ledger.batches())
        )


def test_silver_may_expire_too_and_gold_is_then_compared_with_the_ledger(
    tmp_path: Path, aged: Aged
) -> None:
    with landing_of(tmp_path, silver_ttl=True) as landing:
        for days in (8, 0):
            aged(days)
            landing.send(60)
            landing.land()
        expire(landing, "raw_sensors", "readings")
        assert (count(landing, "readings", 1), count(landing, "readings", 2)) == (0, 58)
        (source,) = landing.reconcile()["sources"]
        assert source["ok"], source["differences"]
        assert source["silver"] == sum(batch.good for batch in landing.ledger.batches())
        assert "hourly_stats energy: readings has let rows go by age" in source["uncompared"]
        reboot(landing)
        delete = "ALTER TABLE home_latest DELETE WHERE home_id = 3 SETTINGS mutations_sync = 2"
        landing.client.execute(delete, database="homes")
        assert [line.split(",")[0] for line in landing.tell()] == ["home_latest rows"]


def test_a_fresh_batch_that_bronze_lacks_is_a_loss(tmp_path: Path, aged: Aged) -> None:
    """A day before its time nothing may be missing yet."""
    with landing_of(tmp_path) as landing:
        aged(6)
        landing.send(60)
        landing.land()
        by_hand = "ALTER TABLE raw_sensors DELETE WHERE _pos = 7 SETTINGS mutations_sync = 2"
        landing.client.execute(by_hand, database="homes")
        assert [line for line in landing.tell() if line.startswith("raw_sensors batch 1,")]
        with pytest.raises(LandingBlockedError, match="bronze has 59"):
            reboot(landing)
