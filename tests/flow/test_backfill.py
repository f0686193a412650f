"""A gold that is filled anew while rows go on coming: nothing is missing, nothing is doubled."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from benchmarks.harness import meanwhile
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
from tests.flow.test_replay import DiesAfterInsert, asked, replayer, with_commas

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
from penstock.runtime.replaying import Replaying
from penstock.store.backfills import Backfills
from penstock.store.journal import Journal
from penstock.store.replays import Replays

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
        rows: of a small slice.
    """

    landing: Landing
    held: list[float] = field(default_factory=list)
    rows: int = 9

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

    def send() -> None:
        landing.send(40)
        with landing.lander.hold:
            landing.lander.step()

    with meanwhile(send):
        yield
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
    # The bar is 100 ms; one of the three may meet a moment when the machine does something else.
    assert sorted(filling.held)[1] < 100, filling.held
    assert max(filling.held) < 250, filling.held
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
    """Kills one statement further again and again, rows between; the last run comes to its end."""
    landing = filling.landing
    name, text = ("by_region", BY_REGION) if what == "new" else ("hourly_stats", hourly(filling))
    filling.write(name, text)
    client = Dying(landing.engine.address)
    kills, number = 0, 1
    while True:
        client.left, client.after = number, bool(kills % 2)
        number += kills % 4 == 3
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
    assert kills >= 10, f"{kills}: it was killed less often than it has statements"
    filling.right()
    client.close()


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, 5))
def test_landing_waits_until_the_tables_have_changed_places(filling: Filling, number: int) -> None:
    """The engine is killed at each statement of it, the platform lives, and rows go on coming."""
    landing = filling.landing
    filling.write("hourly_stats", hourly(filling))
    do, left = Beside._do, [number]

    def dies(self: Beside, sql: str) -> None:
        placing = any(b.state == "placing" for b in Backfills(landing.store).unfinished())
        left[0] -= placing
        if placing and left[0] == 0:
            os.kill(landing.engine.pid, signal.SIGKILL)
            raise EngineError("the engine is gone")
        do(self, sql)

    with pytest.MonkeyPatch.context() as patched, sending(landing):
        patched.setattr(Beside, "_do", dies)
        filling.apply()
    assert left[0] <= 0
    filling.right()


def test_the_engine_may_die_at_any_slice(filling: Filling) -> None:
    client = filling.landing.client
    filling.write("by_region", BY_REGION)
    store = Beside.store
    died: list[int] = []

    def dies(self: Beside, backfill: Any, before: str) -> None:
        store(self, backfill, before)
        if backfill.done not in died:  # stored, and its answer lost
            died.append(backfill.done)
            raise EngineError("the connection was lost")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Beside, "store", dies)
        filling.apply()
    assert len(died) >= 2
    filling.right()
    assert client.value("SELECT sum(rows) FROM homes.by_region") > 500


def test_without_tokens_the_check_goes_red(filling: Filling) -> None:
    """The negative control: a slice that is stored twice is found before anybody reads it."""
    filling.write("by_region", BY_REGION)
    store = Beside.store
    died: list[int] = []

    def doubles(self: Beside, backfill: Any, before: str) -> None:
        other = replace(backfill, id=backfill.id + len(died))  # another token at the second try
        store(self, other, before)
        if not died:
            died.append(backfill.done)
            raise EngineError("the connection was lost")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Beside, "store", doubles)
        with pytest.raises(EngineError, match=r"sum\(`rows`\) is 7\d\d, not 5\d\d"):
            filling.apply()
    assert filling.landing.client.value(LEFT) == 0
    assert filling.landing.client.value("EXISTS TABLE homes.by_region") == 0
    filling.apply()
    filling.right()


def test_slices_that_do_not_fit_into_memory_together_are_stored_one_by_one(
    filling: Filling,
) -> None:
    filling.write("by_region", BY_REGION)
    store, together = Beside.store, []

    def full(self: Beside, backfill: Any, before: str) -> None:
        together.append(backfill.upto - backfill.done)
        if together[-1] > 1:
            raise EngineError("memory limit exceeded", code=241)
        store(self, backfill, before)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Beside, "store", full)
        filling.apply()
    assert max(together) > 1
    assert set(together[together.index(max(together)) + 1 :]) == {1}
    filling.right()


GOLDS = {
    "its own TTL": (
        (
            "(day Date, rows SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree "
            "ORDER BY day TTL day + INTERVAL 3 DAY"
        ),
        "SELECT toDate(ts) AS day, count() AS rows FROM readings GROUP BY day",
    ),
    "sums of zero are dropped": (
        (
            "(home_id UInt32, ts DateTime64(3), cold UInt64) ENGINE = SummingMergeTree "
            "ORDER BY (home_id, ts)"
        ),
        "SELECT home_id, ts, countIf(temperature < 16) AS cold FROM readings GROUP BY home_id, ts",
    ),
    "one of its numbers is summed": (
        "(day Date, rows UInt64, price Decimal(9, 2)) ENGINE = SummingMergeTree(rows) ORDER BY day",
        (
            "SELECT toDate(ts) AS day, count() AS rows, toDecimal32(3.5, 2) AS price FROM readings "
            "GROUP BY day"
        ),
    ),
    "times are cut": (
        (
            "(home_id UInt32, last SimpleAggregateFunction(max, DateTime('UTC'))) "
            "ENGINE = AggregatingMergeTree ORDER BY home_id"
        ),
        (
            "SELECT home_id, max(ts) + toIntervalMillisecond(123) AS last FROM readings "
            "GROUP BY home_id"
        ),
    ),
    "numbers are rounded": (
        (
            "(home_id UInt32, energy SimpleAggregateFunction(sum, Decimal(38, 3))) "
            "ENGINE = AggregatingMergeTree ORDER BY home_id"
        ),
        (
            "SELECT home_id, sum(toFloat64(ifNull(energy, 0))) / 7 AS energy FROM readings "
            "GROUP BY home_id"
        ),
    ),
    "NULL has a default": (
        (
            "(k UInt32, rows SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree "
            "ORDER BY k"
        ),
        "SELECT nullIf(home_id % 3, 1) AS k, count() AS rows FROM readings GROUP BY k",
    ),
}


@pytest.mark.parametrize("what", GOLDS)
def test_a_right_table_is_no_false_alarm(filling: Filling, what: str) -> None:
    shape, query = GOLDS[what]
    window = "SETTINGS non_replicated_deduplication_window = 50000"
    filling.write(
        "odd",
        f"CREATE TABLE odd {shape} {window};\nCREATE MATERIALIZED VIEW odd_mv TO odd AS {query};",
    )
    landing = filling.landing
    Changes(
        load(landing.project.root, rules=False), landing.client,
        Journal(landing.store, landing.data), landing.ledger, [landing.lander],
        audit=lambda: None, landing=True, slice_rows=filling.rows,
    ).apply(Terms())  # fmt: skip
    assert landing.client.value("SELECT count() FROM homes.odd FINAL") > 0
    assert landing.client.value(LEFT) == 0


def test_a_backfill_that_nobody_asks_for_any_more_is_let_go(filling: Filling) -> None:
    filling.write("by_region", BY_REGION)
    client = Dying(filling.landing.engine.address)
    client.left = 4
    with pytest.raises(Killed):
        filling.apply(client)
    assert Backfills(filling.landing.store).unfinished() != []
    filling.apply(forward_only=frozenset({"by_region"}))
    assert Backfills(filling.landing.store).unfinished() == []
    assert filling.landing.client.value(LEFT) == 0
    client.close()


def test_rows_of_a_foreign_writer_are_told(filling: Filling) -> None:
    filling.write("by_region", BY_REGION)
    store = Beside.store

    def writes(self: Beside, backfill: Any, before: str) -> None:
        if backfill.done == 0:
            self.client.execute(
                "INSERT INTO readings (ts, home_id, region, _batch) SELECT now(), 1, 'x', 3",
                database="homes",
            )
        store(self, backfill, before)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Beside, "store", writes)
        with pytest.raises(EngineError, match="is not what its source gives") as error:
            filling.apply()
    assert "did something but Penstock write" in error.value.next_step


def test_a_file_that_changes_meanwhile_starts_it_anew(filling: Filling) -> None:
    filling.write("by_region", BY_REGION)
    client = Dying(filling.landing.engine.address)
    client.left = 4
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
    client.left = 4
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


@pytest.mark.parametrize("number", [2, 4, 6, 9])
def test_what_was_agreed_to_holds_after_a_kill(short: Filling, number: int) -> None:
    """Who goes on asks nothing, and carries what was to be carried."""
    before = short.landing.client.rows(SUMS)
    client = Dying(short.landing.engine.address)
    client.left = number
    with pytest.raises(Killed):
        short.apply(client, carry=frozenset({"hourly_stats"}))
    short.changes().apply(Terms(unasked=True))
    assert short.landing.client.rows(SUMS) == before
    assert not short.changes().plan().steps
    client.close()


def test_another_way_out_may_be_chosen_after_a_kill(short: Filling) -> None:
    before = short.landing.client.rows(SUMS)
    client = Dying(short.landing.engine.address)
    client.left = 4
    with pytest.raises(Killed):
        short.apply(client, accept_loss=frozenset({"hourly_stats"}))
    assert [b.state for b in Backfills(short.landing.store).unfinished()] == ["filling"]
    short.apply(carry=frozenset({"hourly_stats"}))
    assert short.landing.client.rows(SUMS) == before
    client.close()


def test_the_loss_of_history_is_taken_only_when_said(short: Filling) -> None:
    short.apply(accept_loss=frozenset({"homes.hourly_stats"}))
    there = short.landing.client.value("SELECT count() FROM homes.readings")
    assert short.landing.client.rows(SUMS)[0]["readings"] == there


def test_it_is_filled_anew_when_asked(filling: Filling) -> None:
    """After a change that took new rows only, and once: nothing is left to do then."""
    text = (filling.landing.project.root / "homes/gold/hourly_stats.sql").read_text()
    text = text.replace("rows: sum(readings)", "rows: intDiv(sum(readings), 2)")
    filling.write("hourly_stats", text.replace("count() AS readings", "count() * 2 AS readings"))
    filling.apply()
    filling.landing.send(100)
    filling.landing.land()
    mixed = filling.landing.client.rows(SUMS)[0]["readings"]
    filling.apply(rebuild=frozenset({"homes.hourly_stats"}))
    rows = filling.landing.client.value("SELECT count() FROM homes.readings")
    assert filling.landing.client.rows(SUMS)[0]["readings"] == 2 * rows > mixed
    assert not filling.changes().plan().steps


def test_a_replay_is_not_begun_in_the_middle_of_a_backfill(filling: Filling) -> None:
    """Its rows have batches from before the cut: a slice and a view would both take them."""
    filling.write("by_region", BY_REGION)
    client = Dying(filling.landing.engine.address)
    client.left = 4
    with pytest.raises(Killed):
        filling.apply(client)
    store = Replays(filling.landing.store)
    replaying = Replaying(filling.changes(), store, lambda _tables: None, lambda: False)
    with pytest.raises(RefusedChangeError, match="an apply was cut short"):
        replaying.run({})
    filling.apply()
    assert replaying.run({})["landed"] == 0
    filling.right()
    client.close()


def test_a_backfill_is_not_begun_in_the_middle_of_a_replay(filling: Filling) -> None:
    landing = filling.landing
    with_commas(landing, 50)
    dies = replayer(landing, DiesAfterInsert)
    with pytest.raises(Killed):
        dies.run(asked(dies))
    filling.write("by_region", BY_REGION)
    with pytest.raises(RefusedChangeError, match="a replay of dead letters has not come"):
        filling.apply()
    replayer(landing).resume()
    filling.apply()
    filling.right()
    rows = landing.client.value("SELECT count() FROM homes.readings")
    assert landing.client.value("SELECT sum(rows) FROM homes.by_region") == rows


@pytest.mark.slow
def test_a_platform_that_is_killed_while_it_fills_goes_on_by_itself(tmp_path: Path) -> None:
    """Asked by the command line, under rows that are sent all the while."""
    project = homes(tmp_path / "project")
    known, sent, stop = Known(), 0, threading.Event()
    settings = {"PENSTOCK_BACKFILL_ROWS": "8", "PENSTOCK_BATCH_AGE": "20ms"}
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
