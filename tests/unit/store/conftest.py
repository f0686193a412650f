from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from penstock.store.database import Store
from penstock.store.ledger import Ledger, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from penstock.store.ledger import Intent, Stream


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "penstock.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store.open(path)
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
