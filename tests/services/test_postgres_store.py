"""The whole platform with its metadata in PostgreSQL, which crashes under load."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.conftest import need
from tests.flow.faults import Known, Landing, PlatformProcess, check, homes, readings, wait_for
from tests.services.postgres import Postgres, programs

from penstock.errors import StoreDownError
from penstock.project import load
from penstock.store.ledger import Batch, Intent, Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

ROWS = 200


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One that may be killed."""
    need("PostgreSQL", present=programs() is not None, how="apt-get install postgresql")
    with Postgres() as server:
        yield server


class Sender(threading.Thread):
    """Sends bodies, each with a key and again until it is answered."""

    def __init__(self, platform: PlatformProcess) -> None:
        super().__init__(daemon=True)
        self.platform, self.known, self.statuses = platform, Known(), Counter[int]()
        self.stop = threading.Event()

    def run(self) -> None:
        first = 0
        while not self.stop.is_set():
            body = readings(first, first + ROWS)
            while self.post(body, f"body-{first}") not in {200, 202}:
                time.sleep(0.05)
            self.known.acknowledged.update(body.splitlines())
            first += ROWS

    def post(self, body: bytes, key: str) -> int:
        request = urllib.request.Request(
            f"{self.platform.url}/v1/ingest/homes/readings",
            data=body,
            headers={"content-type": "application/x-ndjson", "idempotency-key": key},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status = int(answer.status)
        except urllib.error.HTTPError as error:
            status = error.code
        except OSError:
            status = 0
        self.statuses[status] += 1
        return status


@pytest.mark.slow
def test_landing_goes_on_after_each_crash(server: Postgres, tmp_path: Path) -> None:
    """kill -9 of PostgreSQL, by turns with one of the platform: every row is there once."""
    project, data = homes(tmp_path / "project"), tmp_path / "data"
    settings = {"PENSTOCK_BATCH_AGE": "50ms", "DATABASE_URL": server.url()}
    with PlatformProcess(project, data, **settings) as platform:
        sender = Sender(platform)
        sender.start()
        for number in range(4):
            before = sender.known.acknowledged.total()
            wait_for("rows", lambda: sender.known.acknowledged.total() > before + 3 * ROWS)  # noqa: B023
            if number % 3 == 2:
                platform.kill()
                platform.start()
            else:
                server.kill()
                server.start()
        sender.stop.set()
        sender.join(60)
        assert not sender.is_alive(), sender.statuses
        assert 409 not in sender.statuses or sender.statuses[409] < 100, sender.statuses
        platform.drain()
        assert check(platform.client(), load(project), sender.known) == []
        assert platform.get("/v1/reconcile")["ok"]
    assert not (data / "penstock.db").exists()


class Cut(Ledger):
    """A ledger whose connection breaks once as it closes a batch: before it is closed, or after."""

    after = False
    cut = False

    def close(self, intent: Intent, *, good: int, dead: int, tables: Sequence[str] = ()) -> Batch:
        broken, self.cut = self.cut, False
        if broken and not self.after:
            raise StoreDownError("cut before")
        batch = super().close(intent, good=good, dead=dead, tables=tables)
        if broken:
            raise StoreDownError("cut after")
        return batch


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_closing_that_was_cut_off_is_looked_up(tmp_path: Path, after: bool) -> None:
    with Landing(homes(tmp_path / "project"), tmp_path / "data") as landing:
        ledger = Cut(landing.store)
        ledger.after = after
        landing.lander.ledger = ledger
        told: list[Batch] = []
        landing.lander.hooks.closed = lambda _lander, batch, _ms: told.append(batch)
        for _ in range(2):
            landing.send(20)
            ledger.cut = True
            with pytest.raises(StoreDownError):
                landing.land()
            assert landing.lander.recover() == (0 if after else 1)
            assert landing.source.spool.rows_waiting == 0
        assert [batch.batch for batch in told] == [1, 2]
        assert landing.lander.state.good + landing.lander.state.dead == 40
        assert landing.check() == []
