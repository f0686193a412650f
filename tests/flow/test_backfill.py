"""A gold that is filled anew while rows go on coming: nothing is missing, nothing is doubled."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.flow.faults import (
    Known,
    Landing,
    PlatformProcess,
    check,
    homes,
    readings,
    wait_for,
)
from tests.flow.test_controls import Killed
from tests.flow.test_expiry import DAY, expire

from penstock.engine.client import Client
from penstock.errors import EngineError, RefusedChangeError
from penstock.layers import backfill as backfills
from penstock.layers import landing as landing_module
from penstock.layers.apply import Terms
from penstock.layers.beside import Beside
from penstock.layers.landing import Hooks
from penstock.layers.states import Consent
from penstock.project import load
from penstock.runtime.changes import Changes
from penstock.store.backfills import Backfills
from penstock.store.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator

BY_REGION = """/*
description: Rows and energy of each region and day.
*/
CREATE TABLE IF NOT EXISTS by_region
(
    region String,
    day Date,
    rows SimpleAggregateFunction(sum, UInt64),
    energy SimpleAggregateFunction(sum, Decimal(38, 3)),
    warmest AggregateFunction(max, Nullable(Decimal(9, 2)))
)
ENGINE = AggregatingMergeTree ORDER BY (region, day)
SETTINGS non_replicated_deduplication_window = 50000;
CREATE MATERIALIZED VIEW IF NOT EXISTS by_region_mv TO by_region AS
SELECT region, toDate(ts) AS day, count() AS rows, ifNull(sum(energy), 0) AS energy,
       maxState(temperature) AS warmest
FROM readings GROUP BY region, day;
"""
LEFT = "SELECT count() FROM system.tables WHERE database = 'homes' AND name LIKE '%\\_\\_%'"


@dataclass
class Filling:
    """A landing with rows, and changes of its project; holds are timed.

    Attributes:
        held: milliseconds that landing stood still, each time.
        rows: of a slice.
    """

    landing: Landing
    held: list[float] = field(default_factory=list)
    rows: int = 150

    def changes(self, client: Client | None = None) -> Changes:
        """As a platform has them after a start; its statements go through `client`."""
        landing = self.landing
        starts = lambda: landing.engine.starts  # noqa: E731
        heal = lambda reason, seen: landing.engine.restart(reason, seen=seen)  # noqa: E731
        return _Timed(
            load(landing.project.root), client or landing.client,
            Journal(landing.store, landing.data), landing.ledger, [landing.lander],
            audit=lambda: None, hooks=Hooks(starts, heal), landing=True, mine=self,
        )  # fmt: skip

    def apply(self, client: Client | None = None, **agreed: frozenset[str]) -> None:
        self.changes(client).apply(Terms(Consent(**agreed)))
        self.landing.project = load(self.landing.project.root)

    def write(self, name: str, text: str) -> None:
        (self.landing.project.root / f"homes/gold/{name}.sql").write_text(text)

    def right(self) -> None:
        """Everything is there once, in every gold, and nothing is left beside."""
        assert self.landing.check() == []
        assert self.landing.tell() == []
        assert self.landing.client.value(LEFT) == 0
        assert Backfills(self.landing.store).unfinished() == []


@dataclass
class _Timed(Changes):
    mine: Filling = field(kw_only=True)

    def _means(self, wanted: Any) -> backfills.Means:
        means = super()._means(wanted)
        return replace(means, quiet=lambda: self._clocked(means.quiet), rows=self.mine.rows)

    @contextmanager
    def _clocked(self, quiet: Any) -> Iterator[None]:
        with quiet():
            began = time.perf_counter()
            yield
            self.mine.held.append((time.perf_counter() - began) * 1000)


@pytest.fixture
def filling(tmp_path: Path) -> Iterator[Filling]:
    with Landing(homes(tmp_path / "project"), tmp_path / "data") as landing:
        for _ in range(6):  # batches
            landing.send(100)
            landing.land()
        yield Filling(landing)


def hourly(filling: Filling) -> str:
    """The file of a gold that has rows, with another key."""
    text = (filling.landing.project.root / "homes/gold/hourly_stats.sql").read_text()
    return text.replace("ORDER BY (home_id, hour)", "ORDER BY (hour, home_id)")


@contextmanager
def sending(landing: Landing) -> Iterator[None]:
    """Bodies go on being sent and landed, batch by batch."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            landing.send(40)
            with landing.lander.hold:
                landing.lander.step()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    landing.land()


@pytest.mark.parametrize("what", ["new", "changed"])
def test_it_is_filled_while_rows_go_on_coming(filling: Filling, what: str) -> None:
    landing = filling.landing
    name, text = ("by_region", BY_REGION) if what == "new" else ("hourly_stats", hourly(filling))
    filling.write(name, text)
    before = landing.ledger.last_batch()
    with sending(landing):
        filling.apply()
        landed = landing.ledger.last_batch() - before
    assert landed >= 5, "hardly a batch was landed meanwhile"
    filling.right()
    assert not filling.changes().plan().steps
    assert len(filling.held) == 3
    assert max(filling.held) < 100, filling.held
    landing.send(100)
    landing.land()
    filling.right()


class Dying(Client):
    """Its process ends at the n-th statement that changes something: before it, or after it."""

    left = 0
    after = False

    def execute(self, sql: str, **kwargs: Any) -> None:
        if sql.startswith("CREATE DATABASE"):
            super().execute(sql, **kwargs)
            return
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Killed
        super().execute(sql, **kwargs)
        if self.left == 0:
            raise Killed


@pytest.mark.slow
@pytest.mark.parametrize("what", ["new", "changed"])
def test_a_kill_at_any_statement_leaves_no_trace(filling: Filling, what: str) -> None:
    """A kill each time one statement further, rows between them; the last run comes to its end."""
    landing = filling.landing
    name, text = ("by_region", BY_REGION) if what == "new" else ("hourly_stats", hourly(filling))
    filling.write(name, text)
    client = Dying(landing.engine.address)
    kills, number = 0, 1
    while True:
        client.left, client.after = number, bool(kills % 2)
        number += kills % 2
        try:
            filling.apply(client)
        except Killed:
            kills += 1
            assert kills < 120
        else:
            break
        # What starts after a kill first settles what it left, then lands.
        settled = filling.changes()
        backfills.settle(settled.project, settled._means(settled.project))
        landing.send(20)
        landing.land()
    assert kills >= 14, "it was killed less often than it has statements"
    filling.right()
    client.close()


def test_the_engine_may_die_at_any_slice(filling: Filling) -> None:
    client = filling.landing.client
    filling.write("by_region", BY_REGION)
    store = Beside.store
    died: list[int] = []

    def dies(self: Beside, backfill: Any, number: int, before: str) -> None:
        store(self, backfill, number, before)
        if number not in died:  # stored, and its answer lost
            died.append(number)
            raise EngineError("the connection was lost")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Beside, "store", dies)
        filling.apply()
    assert len(died) >= 4
    filling.right()
    assert client.value("SELECT sum(rows) FROM homes.by_region") > 500


def test_without_tokens_the_check_goes_red(filling: Filling) -> None:
    """The negative control: a slice that is stored twice is found before anybody reads it."""
    filling.write("by_region", BY_REGION)
    store = Beside.store
    died: list[int] = []

    def doubles(self: Beside, backfill: Any, number: int, before: str) -> None:
        other = replace(backfill, id=backfill.id + len(died))  # another token at the second try
        store(self, other, number, before)
        if not died:
            died.append(number)
            raise EngineError("the connection was lost")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Beside, "store", doubles)
        with pytest.raises(EngineError, match=r"sum\(`rows`\) is 7\d\d, not 5\d\d"):
            filling.apply()
    assert filling.landing.client.value(LEFT) == 0
    assert filling.landing.client.value("EXISTS TABLE homes.by_region") == 0
    filling.apply()
    filling.right()


def test_rows_of_a_foreign_writer_are_told(filling: Filling) -> None:
    filling.write("by_region", BY_REGION)
    store = Beside.store

    def writes(self: Beside, backfill: Any, number: int, before: str) -> None:
        if number == 0:
            self.client.execute(
                "INSERT INTO readings (ts, home_id, region, _batch) SELECT now(), 1, 'x', 3",
                database="homes",
            )
        store(self, backfill, number, before)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Beside, "store", writes)
        with pytest.raises(EngineError, match="is not what its source gives") as error:
            filling.apply()
    assert "did something but Penstock write" in error.value.next_step


def test_a_file_that_changes_meanwhile_starts_it_anew(filling: Filling) -> None:
    filling.write("by_region", BY_REGION)
    client = Dying(filling.landing.engine.address)
    client.left = 10
    with pytest.raises(Killed):
        filling.apply(client)
    assert [b.state for b in Backfills(filling.landing.store).unfinished()] == ["filling"]
    filling.write("by_region", BY_REGION.replace("toDate(ts)", "toStartOfMonth(ts)"))
    filling.landing.send(100)
    filling.landing.land()
    filling.apply()
    filling.right()
    assert filling.landing.client.value("SELECT uniqExact(day) FROM homes.by_region") == 3
    client.close()


def test_a_file_that_goes_meanwhile_leaves_nothing(filling: Filling) -> None:
    filling.write("by_region", BY_REGION)
    client = Dying(filling.landing.engine.address)
    client.left = 10
    with pytest.raises(Killed):
        filling.apply(client)
    assert filling.landing.client.value(LEFT) > 0
    (filling.landing.project.root / "homes/gold/by_region.sql").unlink()
    filling.apply()
    filling.right()
    client.close()


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Filling]:
    """A silver that keeps its rows for a week, and has let the first ones go; another key asked."""
    project = homes(tmp_path / "project")
    file = project / "homes/silver/readings.sql"
    ttl = "TTL toDateTime(_ingested_at) + INTERVAL 7 DAY\nSETTINGS non_repl"
    file.write_text(file.read_text().replace("SETTINGS non_repl", ttl))
    with Landing(project, tmp_path / "data") as landing:
        for days in (9, 8, 0, 0):
            back = SimpleNamespace(time=lambda d=days: time.time() - d * DAY, sleep=time.sleep)
            monkeypatch.setattr(landing_module, "time", back)
            landing.send(100)
            landing.land()
        expire(landing, "readings")
        found = Filling(landing)
        found.write("hourly_stats", hourly(found))
        yield found


SUMS = "SELECT sum(readings) AS readings, sum(energy_sum) AS energy FROM homes.hourly_stats"


def test_a_source_that_keeps_less_history_is_refused_with_three_ways_out(short: Filling) -> None:
    with pytest.raises(RefusedChangeError, match="the oldest are gone") as refused:
        short.apply()
    for way in ("--forward-only", "--carry", "--accept-loss"):
        assert f"`{way} homes.hourly_stats`" in refused.value.next_step
    before = short.landing.client.rows(SUMS)
    short.apply(carry=frozenset({"hourly_stats"}))
    assert short.landing.client.rows(SUMS) == before
    short.landing.send(100)
    short.landing.land()
    assert [line for line in short.landing.tell() if "hourly_stats" in line] == []
    assert short.landing.client.value(LEFT) == 0


def test_the_loss_of_history_is_taken_only_when_said(short: Filling) -> None:
    short.apply(accept_loss=frozenset({"homes.hourly_stats"}))
    there = short.landing.client.value("SELECT count() FROM homes.readings")
    assert short.landing.client.rows(SUMS)[0]["readings"] == there


def test_it_is_filled_anew_when_asked(filling: Filling) -> None:
    """After a change that took new rows only, and once: nothing is left to do then."""
    text = (filling.landing.project.root / "homes/gold/hourly_stats.sql").read_text()
    filling.write("hourly_stats", text.replace("count() AS readings", "count() * 2 AS readings"))
    filling.apply()
    filling.landing.send(100)
    filling.landing.land()
    mixed = filling.landing.client.rows(SUMS)[0]["readings"]
    filling.apply(rebuild=frozenset({"homes.hourly_stats"}))
    rows = filling.landing.client.value("SELECT count() FROM homes.readings")
    assert filling.landing.client.rows(SUMS)[0]["readings"] == 2 * rows > mixed
    assert not filling.changes().plan().steps


@pytest.mark.slow
def test_a_platform_that_is_killed_while_it_fills_goes_on_by_itself(tmp_path: Path) -> None:
    """Asked by the command line, under rows that are sent all the while."""
    project = homes(tmp_path / "project")
    known, sent, stop = Known(), 0, threading.Event()
    settings = {"PENSTOCK_BACKFILL_ROWS": "50", "PENSTOCK_BATCH_AGE": "20ms"}
    with PlatformProcess(project, tmp_path / "data", **settings) as platform:

        def send() -> None:
            nonlocal sent
            while not stop.is_set():
                body = readings(sent, sent + 50)
                sent += 50
                status = platform.post(body)
                counts = known.acknowledged if status == 202 else known.uncertain
                counts.update(body.splitlines())

        thread = threading.Thread(target=send)
        thread.start()
        wait_for("forty batches", lambda: platform.closed() >= 40)
        (project / "homes/gold/by_region.sql").write_text(BY_REGION)
        asked = threading.Thread(target=platform.run, args=("apply", "--yes"))
        asked.start()
        wait_for("the third slice", lambda: _slices(platform) >= 3)
        platform.kill()
        asked.join()
        platform.start()
        there = "SELECT count() FROM system.tables WHERE name = 'by_region'"
        client = platform.client()
        wait_for("the backfill to end", lambda: client.value(there), seconds=60)
        wait_for("its end to be noted", lambda: not platform.get("/v1/status")["filling"])
        stop.set()
        thread.join()
        platform.drain()
        assert check(client, load(project), known) == []
        assert platform.get("/v1/reconcile")["ok"]
        assert platform.run("plan").returncode == 0
        client.close()


def _slices(platform: PlatformProcess) -> int:
    return max((found["done"] for found in platform.get("/v1/status")["filling"]), default=0)
