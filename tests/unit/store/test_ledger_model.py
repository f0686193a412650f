"""The ledger against a model of a few lines: any order of steps, by any holder of a lease."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from penstock.errors import LedgerError, StaleLeaseError
from penstock.store.database import Store
from penstock.store.ledger import Ledger, Span, Stream
from penstock.store.schema import METADATA

if TYPE_CHECKING:
    from penstock.store.ledger import Intent

PARTS = st.integers(0, 2)


def empty(store: Store) -> None:
    """As new, for the next example: cheaper than another one."""
    with store.writing() as connection:
        for table in reversed(METADATA.sorted_tables):
            connection.execute(sa.delete(table))


class LedgerMachine(RuleBasedStateMachine):
    """One stream, its holders of today and before, and all the intents they remember."""

    place: str  # of a store that is migrated
    holders = Bundle("holders")
    intents = Bundle("intents")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(Store.open(self.place))
        empty(self.ledger.store)
        self.stream = self.ledger.stream("homes", "readings", "spool-1")
        self.epoch = 0
        self.positions: dict[int, int] = {}
        self.open: dict[int, Intent] = {}
        self.closed: dict[int, tuple[int, int]] = {}  # batch → good, dead; in order of closing
        self.highest = 0
        self.version = 0
        self.audited = 0

    def teardown(self) -> None:
        self.ledger.store.close()

    @rule(target=holders)
    def lease(self) -> Stream:
        self.epoch += 1
        assert self.ledger.lease(self.stream.id) == self.epoch
        return replace(self.stream, epoch=self.epoch)

    @rule(
        target=intents,
        holder=holders,
        parts=st.lists(PARTS, min_size=1, max_size=3, unique=True),
        shift=st.sampled_from([0, 0, 0, 0, -1, 1]),
        width=st.integers(1, 5),
        gaps=st.integers(0, 1),
    )
    def intend(self, holder: Stream, parts: list[int], shift: int, width: int, gaps: int) -> object:
        starts = [max(0, self.positions.get(part, 0) + shift) for part in parts]
        spans = [Span(p, s, s + width) for p, s in zip(parts, starts, strict=True)]
        busy = {span.part for intent in self.open.values() for span in intent.spans}
        fits = all(s.start == self.positions.get(s.part, 0) for s in spans)
        allowed = holder.epoch == self.epoch and fits and not busy & set(parts)
        what = {"rows": len(parts) * width - gaps, "size": 1, "fingerprint": "f", "ingested_ms": 1}
        try:
            intent = self.ledger.open(holder, spans=spans, **what)
        except LedgerError as error:
            assert not allowed
            stale = isinstance(error, StaleLeaseError)
            assert stale == (holder.epoch != self.epoch)
            return multiple()
        assert allowed
        assert intent.batch > self.highest
        self.highest = intent.batch
        self.open[intent.batch] = intent
        for part in parts:
            self.positions.setdefault(part, 0)
        return intent

    @rule(intent=intents)
    def fail(self, intent: Intent) -> None:
        held = self.held(intent)
        try:
            failed = self.ledger.failed(intent, "why")
        except LedgerError:
            assert not held
            return
        assert held
        known = self.open[intent.batch]
        self.open[intent.batch] = replace(known, attempts=known.attempts + 1, error="why")
        assert failed == self.open[intent.batch]

    @rule(target=intents, intent=intents, holder=holders)
    def adopt(self, intent: Intent, holder: Stream) -> object:
        allowed = holder.epoch == self.epoch and intent.batch in self.open
        try:
            adopted = self.ledger.adopt(intent, holder)
        except LedgerError:
            assert not allowed
            return multiple()
        assert allowed
        self.open[intent.batch] = replace(self.open[intent.batch], epoch=self.epoch)
        assert adopted == self.open[intent.batch]
        assert adopted.token == intent.token
        return adopted

    @rule(intent=intents, dead=st.integers(0, 3), off=st.sampled_from([0, 0, 0, 1, -1]))
    def close(self, intent: Intent, dead: int, off: int) -> None:
        dead = min(dead, intent.rows)
        good = intent.rows - dead + off
        held = self.held(intent)
        try:
            batch = self.ledger.close(intent, good=good, dead=dead, tables=["homes.readings"])
        except LedgerError as error:
            assert not held or off
            stale = isinstance(error, StaleLeaseError)
            assert stale == (intent.epoch != self.epoch)
            return
        assert held
        assert off == 0
        del self.open[intent.batch]
        self.closed[intent.batch] = (good, dead)
        self.positions |= {span.part: span.stop for span in intent.spans}
        self.version += 1
        assert (batch.batch, batch.good, batch.dead) == (intent.batch, good, dead)

    @precondition(lambda self: self.closed)
    @rule(data=st.data())
    def audit(self, data: st.DataObject) -> None:
        order = list(self.closed)
        mark = data.draw(st.integers(1, len(order)))
        self.ledger.audited(order[mark - 1])
        self.audited = max(self.audited, mark)

    @rule()
    def restart(self) -> None:
        self.ledger.store.close()
        self.ledger = Ledger(Store.open(self.place))

    def held(self, intent: Intent) -> bool:
        known = self.open.get(intent.batch)
        return known is not None and intent.epoch == known.epoch == self.epoch

    @invariant()
    def agrees_with_the_model(self) -> None:
        assert self.ledger.positions(self.stream.id) == self.positions
        assert self.ledger.open_intents() == [self.open[b] for b in sorted(self.open)]
        batches = self.ledger.batches()
        assert {b.batch: (b.good, b.dead) for b in batches} == self.closed
        assert [b.batch for b in self.ledger.unaudited()] == list(self.closed)[self.audited :]
        assert self.ledger.versions().get("homes.readings", 0) == self.version
        totals = self.ledger.totals()["homes", "readings"]
        assert (totals.good, totals.dead) == (
            sum(good for good, _ in self.closed.values()),
            sum(dead for _, dead in self.closed.values()),
        )
        assert totals.rows == totals.good + totals.dead
        # Exactly once: the closed spans of a part tile the rows from 0 to its position.
        for part, position in self.positions.items():
            spans = sorted((s.start, s.stop) for b in batches for s in b.spans if s.part == part)
            edges = [0, *(stop for _, stop in spans)]
            assert [start for start, _ in spans] == edges[:-1]
            assert edges[-1] == position


@pytest.mark.timeout(120)
def test_any_order_of_steps(place: str) -> None:
    LedgerMachine.place = place
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=25 if place.endswith(".sqlite") else 12,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
