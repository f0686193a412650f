from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import psycopg
import pytest

from penstock.store.database import Store
from penstock.store.ledger import Ledger, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.services.postgres import Postgres

    from penstock.store.ledger import Intent, Stream


_schemas = count(1)


@contextmanager
def schema(server: Postgres) -> Iterator[str]:
    """A new schema, as the URL of a store that lives in it; dropped at the end."""
    name = f"store_{next(_schemas)}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    yield server.url(schema=name)
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "penstock.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Gives places for stores of the test's own, each as DATABASE_URL would name it."""
    numbers = count(1)
    with ExitStack() as stack:

        def give() -> str:
            if request.param == "sqlite":
                return str(tmp_path / "data" / f"{next(numbers)}.sqlite")
            return stack.enter_context(schema(request.getfixturevalue("postgres")))

        yield give


@pytest.fixture
def place(places: Callable[[], str]) -> str:
    return places()


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    store = Store.open(place)
    yield store
    store.close()


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store)


@pytest.fixture
def stream(ledger: Ledger) -> Stream:
    found = ledger.stream("homes", "readings", "spool-1")
    return replace(found, epoch=ledger.lease(found.id))


@pytest.fixture
def intend(ledger: Ledger) -> Callable[..., Intent]:
    """Opens an intent over full spans, given as (part, start, stop)."""

    def _intend(
        stream: Stream, *spans: tuple[int, int, int], fingerprint: str = "f1", ingested_ms: int = 7
    ) -> Intent:
        return ledger.open(
            stream,
            spans=[Span(*span) for span in spans],
            rows=sum(stop - start for _, start, stop in spans),
            size=1000,
            fingerprint=fingerprint,
            ingested_ms=ingested_ms,
        )

    return _intend
