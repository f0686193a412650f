"""The store in PostgreSQL: durable, locked, through restarts and crashes of its server."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa
from tests.conftest import need
from tests.services.postgres import Postgres, programs

from penstock.errors import StoreDownError, StoreError
from penstock.store import dialects
from penstock.store.database import Store
from penstock.store.ledger import Ledger

from .conftest import schema
from .test_ledger_processes import check_after_kill, child, reopened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One that may be killed."""
    need("PostgreSQL", present=programs() is not None, how="apt-get install postgresql")
    with Postgres() as server:
        yield server


@pytest.fixture
def places(server: Postgres) -> Iterator[Callable[[], str]]:
    """Here all stores are in that server."""
    with schema(server) as url:
        yield lambda: url


def hasten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Milliseconds where the store waits for seconds."""
    quick = dialects._POSTGRES_LOCK.text.replace("15s", "150ms").replace("30s", "300ms")
    monkeypatch.setattr(dialects, "_POSTGRES_LOCK", sa.text(quick))


def test_every_writer_is_durable_whatever_the_server_says(place: str) -> None:
    lax = Store.open(place + "%20-csynchronous_commit%3Doff")
    with lax.reading() as connection:
        assert connection.scalar(sa.text("SHOW synchronous_commit")) == "off"
    with lax.writing() as connection:
        assert connection.scalar(sa.text("SHOW synchronous_commit")) == "on"
        assert connection.scalar(sa.text("SHOW transaction_isolation")) == "read committed"
    with lax.reading() as connection:
        assert connection.scalar(sa.text("SHOW transaction_isolation")) == "repeatable read"
    lax.close()


def test_stores_of_two_schemas_do_not_wait_for_each_other(server: Postgres) -> None:
    with schema(server) as one, schema(server) as two:
        first, second = Store.open(one), Store.open(two)
        with first.writing():
            Ledger(second).put("key", "value")
        assert (Ledger(first).get("key"), Ledger(second).get("key")) == (None, "value")
        first.close()
        second.close()


def test_a_process_that_never_lets_go_is_named_as_the_cause(
    place: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Store.open(place)
    hasten(monkeypatch)
    with store.writing(), pytest.raises(StoreError, match="locked by another process") as caught:
        Ledger(other).put("key", "value")
    assert "pg_stat_activity" in caught.value.next_step
    Ledger(other).put("key", "value")
    other.close()


def test_a_holder_that_sleeps_is_thrown_out(
    place: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasten(monkeypatch)
    other = Store.open(place)

    def doze() -> None:
        with store.writing() as connection:
            connection.execute(sa.text("INSERT INTO note VALUES ('half', 'done')"))
            while Ledger(other).get("key") is None:
                try:
                    Ledger(other).put("key", "value")
                except StoreError:
                    continue
            connection.execute(sa.text("INSERT INTO note VALUES ('rest', 'done')"))

    with pytest.raises(StoreDownError):
        doze()
    assert Ledger(store).get("half") is None
    other.close()


def test_a_restarted_server_is_not_noticed(server: Postgres, store: Store) -> None:
    ledger = Ledger(store)
    ledger.put("key", "1")
    server.stop()
    server.start()
    assert ledger.get("key") == "1"
    server.kill()
    server.start()
    ledger.put("key", "2")
    assert ledger.get("key") == "2"


def test_a_step_waits_for_a_server_that_comes_back(server: Postgres, store: Store) -> None:
    server.stop()
    starter = threading.Timer(0.3, server.start)
    starter.start()
    Ledger(store).put("key", "value")
    starter.join()
    assert Ledger(store).get("key") == "value"


def test_a_server_that_stays_away_is_named(server: Postgres, place: str, store: Store) -> None:
    store._patience = 0.1
    server.stop()
    try:
        for attempt in (lambda: Ledger(store).put("key", "value"), lambda: Store.open(place)):
            with pytest.raises(StoreDownError, match=r"cannot be reached.*refused") as caught:
                attempt()
            assert caught.value.where == f"postgresql://penstock@127.0.0.1:{server.port}/postgres"
            assert "DATABASE_URL" in caught.value.next_step
            assert caught.value.exit_code == 6
    finally:
        server.start()
    Ledger(store).put("key", "value")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("@127.0.0.1", "x@127.0.0.1"), "password authentication failed"),
        (("/postgres?", "/nowhere?"), "does not exist"),
        (("@127.0.0.1", "@nowhere.invalid"), "resolve"),
    ],
)
def test_a_wrong_address_is_named_without_the_password(
    place: str, server: Postgres, change: tuple[str, str], words: str
) -> None:
    with pytest.raises(StoreDownError, match=words) as caught:
        Store.open(place.replace(*change))
    assert (server.folder / "password").read_text() not in str(caught.value)


def test_a_user_without_rights_is_told_which(server: Postgres, place: str) -> None:
    word = (server.folder / "password").read_text()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
        connection.execute(f"GRANT USAGE ON SCHEMA {place.rpartition('%3D')[2]} TO guest")
    try:
        with pytest.raises(StoreError, match="may not be used by this user") as caught:
            Store.open(place.replace(f"penstock:{word}", "guest:guest"))
        assert "CREATE on the schema" in caught.value.next_step
    finally:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("DROP OWNED BY guest")
            connection.execute("DROP ROLE guest")


def test_a_standby_may_be_read_but_not_written(place: str) -> None:
    Store.open(place).close()
    standby = Store.open(place + "%20-cdefault_transaction_read_only%3Don")
    assert Ledger(standby).get("key") is None
    with pytest.raises(StoreError, match="takes no writes now") as caught:
        Ledger(standby).put("key", "value")
    assert "primary" in caught.value.next_step
    standby.close()


def test_a_search_path_that_leads_nowhere(place: str) -> None:
    with pytest.raises(StoreError, match="no schema to put its tables in"):
        Store.open(place + "_gone")


def test_urls_may_be_spelt_as_others_do(place: str) -> None:
    for prefix in ("postgres://", "postgresql+psycopg://"):
        store = Store.open(place.replace("postgresql://", prefix))
        assert store.where.startswith("postgresql://")
        store.close()


def test_the_server_is_killed_in_the_middle_of_the_work(server: Postgres, place: str) -> None:
    """SIGKILL to all of it, at any moment: what was said is there, and the lander carries on."""
    dice = random.Random(7)
    said: list[dict[str, object]] = []
    with child("through", place) as lander:
        for _ in range(8):
            aim = len(said) + 10
            while len(said) < aim or "closed" not in said[-1]:
                said.append(lander.hear())
            time.sleep(dice.uniform(0, 0.02))
            server.kill()
            server.start()
        aim = len(said) + 20
        while len(said) < aim:
            said.append(lander.hear())
        said += lander.kill()
    opened = {int(str(step["opened"])) for step in said if "opened" in step}
    closed = {int(str(step["closed"])) for step in said if "closed" in step}
    with reopened(place) as ledger:
        check_after_kill(ledger, opened, closed)
    assert sum("down" in step for step in said) >= 4, "the kills met no step"
    assert all(step["same_token"] for step in said if "adopted" in step)
