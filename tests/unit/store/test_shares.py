"""Landers that share a log: who has which part, and who finishes what another left open."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from penstock.errors import StaleLeaseError, StandStillError
from penstock.store.ledger import Span
from penstock.store.shares import Shares

if TYPE_CHECKING:
    from penstock.store.ledger import Intent, Ledger, Stream


@pytest.fixture
def shares(ledger: Ledger) -> Shares:
    return Shares(ledger)


@pytest.fixture
def shared(ledger: Ledger, shares: Shares) -> Stream:
    """A topic of four parts, of which one begins at row 10."""
    stream = ledger.stream("meters", "readings", "kafka:t:1")
    shares.begin(stream, {0: 0, 1: 0, 2: 10, 3: 0})
    return stream


def opened(ledger: Ledger, stream: Stream, *spans: Span) -> Intent:
    rows = sum(span.stop - span.start for span in spans)
    return ledger.open(stream, spans=spans, rows=rows, size=1, fingerprint="f", ingested_ms=7)


def test_a_part_that_is_taken_is_landed_by_its_new_holder_alone(
    ledger: Ledger, shares: Shares, shared: Stream
) -> None:
    first = shares.take(shared, {0, 1, 2, 3})
    second = shares.take(shared, {2, 3})
    assert second.lease > first.lease > 0
    with pytest.raises(StaleLeaseError, match="part 2"):
        opened(ledger, first, Span(0, 0, 5), Span(2, 10, 15))
    ledger.close(opened(ledger, first, Span(0, 0, 5), Span(1, 0, 5)), good=10, dead=0)
    ledger.close(opened(ledger, second, Span(2, 10, 15)), good=5, dead=0)
    assert ledger.positions(shared.id) == {0: 5, 1: 5, 2: 15, 3: 0}


def test_what_begins_once_begins_there(ledger: Ledger, shares: Shares, shared: Stream) -> None:
    shares.begin(shared, {2: 99, 4: 7})
    assert ledger.positions(shared.id) == {0: 0, 1: 0, 2: 10, 3: 0, 4: 7}
    assert shares.positions(shared, {2, 4, 5}) == {2: 10, 4: 7, 5: 0}


def test_a_batch_is_inherited_when_nobody_holds_any_of_it(
    ledger: Ledger, shares: Shares, shared: Stream
) -> None:
    gone = shares.take(shared, {0, 1, 2, 3})
    left = opened(ledger, gone, Span(0, 0, 5), Span(1, 0, 5))
    heir = shares.take(shared, {0})
    assert shares.left(heir, {0}) == [left]
    assert shares.left(heir, {2, 3}) == []
    assert shares.inherit(heir, left) is None, "its holder has part 1 still"
    other = shares.take(shared, {1})
    inherited = shares.inherit(heir, left)
    assert inherited is not None
    assert (inherited.batch, inherited.token) == (left.batch, left.token)
    assert inherited.epoch > left.epoch, "the front knows the late write by it"
    assert shares.inherit(other, left) is None, "one heir is enough"
    for late in (lambda: ledger.close(left, good=10, dead=0), lambda: ledger.failed(left, "e")):
        with pytest.raises(StaleLeaseError, match="gone to another lander"):
            late()
    ledger.close(inherited, good=10, dead=0)
    assert ledger.positions(shared.id) == {0: 5, 1: 5, 2: 10, 3: 0}
    with pytest.raises(StaleLeaseError):
        ledger.close(left, good=10, dead=0)


def test_an_heir_that_dies_is_followed_by_another(
    ledger: Ledger, shares: Shares, shared: Stream
) -> None:
    left = opened(ledger, shares.take(shared, {0, 1}), Span(0, 0, 5), Span(1, 0, 5))
    heir = shares.take(shared, {0, 1})
    first = shares.inherit(heir, left)
    again = shares.inherit(heir, left)  # its own, after a try that failed
    assert first is not None
    assert again is not None
    assert again.epoch > first.epoch
    second = shares.inherit(shares.take(shared, {0, 1}), left)
    assert second is not None
    with pytest.raises(StaleLeaseError):
        ledger.close(again, good=10, dead=0)
    ledger.close(second, good=10, dead=0)


def test_each_batch_of_a_part_has_a_higher_number(
    ledger: Ledger, shares: Shares, shared: Stream
) -> None:
    epochs = []
    for turn in range(3):
        holder = shares.take(shared, {0})
        for row in (2 * turn, 2 * turn + 1):
            intent = opened(ledger, holder, Span(0, row, row + 1))
            epochs.append(intent.epoch)
            ledger.close(intent, good=1, dead=0)
    assert epochs == sorted(set(epochs))


def test_all_stand_still_while_one_looks(ledger: Ledger, shares: Shares, shared: Stream) -> None:
    looks, lands = shares.take(shared, {0, 1}), shares.take(shared, {2, 3})
    busy = opened(ledger, lands, Span(2, 10, 12))
    threading.Timer(0.2, lambda: ledger.close(busy, good=2, dead=0)).start()
    with shares.still(lambda: looks):
        assert ledger.open_intents(shared.id) == [], "it waited for the batch that was open"
        with pytest.raises(StandStillError):
            opened(ledger, lands, Span(2, 12, 14))
    ledger.close(opened(ledger, lands, Span(2, 12, 14)), good=2, dead=0)


def test_a_ledger_has_one_name(ledger: Ledger) -> None:
    assert ledger.identity() == ledger.identity()
    assert len(ledger.identity()) == 8
