"""The ledger's side of a replay: one at a time, closed once, counted where its records came in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from penstock.errors import LedgerError, StaleLeaseError
from penstock.store.ledger import Ledger, Span
from penstock.store.replays import Replays

if TYPE_CHECKING:
    from penstock.store.database import Store
    from penstock.store.ledger import Stream

SPANS = (Span(0, 3, 5), Span(0, 9, 10), Span(0, 12, 14))


@pytest.fixture
def replays(store: Store) -> Replays:
    return Replays(store)


@pytest.fixture
def landed(ledger: Ledger, stream: Stream) -> Stream:
    """Batches 1 and 2 of ten rows each, with four and three dead letters."""
    for start, dead in ((0, 4), (10, 3)):
        span = Span(0, start, start + 10)
        intent = ledger.open(
            stream, spans=[span], rows=10, size=1, fingerprint=f"f{start}", ingested_ms=1
        )
        ledger.close(intent, good=10 - dead, dead=dead)
    return stream


def test_closing_moves_rows_from_dead_to_good(
    ledger: Ledger, replays: Replays, landed: Stream
) -> None:
    replay = replays.open(landed, spans=SPANS, batches={1: 3, 2: 2}, fingerprint="f")
    assert (replay.rows, replay.spans, replay.batches) == (5, SPANS, {1: 3, 2: 2})
    assert (replay.newest_batch, replay.attempts, len(replay.token)) == (2, 0, 64)
    assert ledger.replaying() == {1, 2}
    assert replays.unfinished() == replay == replays.unfinished(landed.id)
    assert [b.dead for b in replays.batches(replay)] == [4, 3]
    replays.close(replay, {1: 3, 2: 2}, ["homes.readings"])
    assert [(b.good, b.dead) for b in ledger.batches()] == [(9, 1), (9, 1)]
    assert ledger.totals()["homes", "readings"][:4] == (20, 18, 2, 2)
    assert ledger.versions() == {"homes.readings": 1}
    assert (replays.unfinished(), ledger.replaying()) == (None, frozenset())
    with pytest.raises(LedgerError, match="closed already"):
        replays.close(replay, {1: 1}, [])
    assert [b.dead for b in ledger.batches()] == [1, 1]


def test_fewer_may_be_landed_than_were_written_down(
    ledger: Ledger, replays: Replays, landed: Stream
) -> None:
    replay = replays.open(landed, spans=SPANS, batches={1: 3, 2: 2}, fingerprint="f")
    replays.close(replay, {2: 2}, [])
    assert [(b.good, b.dead) for b in ledger.batches()] == [(6, 4), (9, 1)]


def test_one_is_open_at_a_time(replays: Replays, landed: Stream) -> None:
    first = replays.open(landed, spans=SPANS[:1], batches={1: 2}, fingerprint="f")
    with pytest.raises(LedgerError, match=f"replay {first.id} is still open"):
        replays.open(landed, spans=SPANS[2:], batches={2: 2}, fingerprint="f")
    replays.close(first, {1: 2}, [])
    again = replays.open(landed, spans=SPANS[:1], batches={1: 2}, fingerprint="f")
    assert again.token != first.token  # the same positions once more are another replay


@pytest.mark.parametrize(
    ("spans", "batches", "words"),
    [
        ((), {}, "0 positions"),
        (SPANS[:1], {1: 3}, "2 positions"),
        (SPANS, {1: 5}, "batch 1 has 4 dead letters"),
        (SPANS[:1], {7: 2}, "batch 7 has 0 dead letters"),
    ],
)
def test_what_cannot_be_dead_letters_is_refused(
    replays: Replays, landed: Stream, spans: tuple[Span, ...], batches: dict[int, int], words: str
) -> None:
    with pytest.raises(LedgerError, match=words):
        replays.open(landed, spans=spans, batches=batches, fingerprint="f")


def test_an_open_batch_has_no_dead_letters_yet(
    ledger: Ledger, replays: Replays, landed: Stream
) -> None:
    span = Span(0, 20, 30)
    ledger.open(landed, spans=[span], rows=10, size=1, fingerprint="f20", ingested_ms=1)
    with pytest.raises(LedgerError, match="batch 3 has 0 dead letters"):
        replays.open(landed, spans=[Span(0, 20, 21)], batches={3: 1}, fingerprint="f")


def test_another_lease_fences_the_former_one(
    ledger: Ledger, replays: Replays, landed: Stream
) -> None:
    replay = replays.open(landed, spans=SPANS[:1], batches={1: 2}, fingerprint="f")
    taken = replace(landed, epoch=ledger.lease(landed.id))
    for step in (
        lambda: replays.close(replay, {1: 2}, []),
        lambda: replays.failed(replay, "late"),
        lambda: replays.adopt(replay, landed),
    ):
        with pytest.raises(StaleLeaseError):
            step()
    adopted = replays.failed(replays.adopt(replay, taken), "a view throws")
    assert (adopted.token, adopted.epoch) == (replay.token, taken.epoch)
    assert (adopted.attempts, adopted.error) == (1, "a view throws")
    replays.close(adopted, {1: 2}, [])


def test_more_than_a_batch_has_left_is_not_closed(
    ledger: Ledger, replays: Replays, landed: Stream
) -> None:
    replay = replays.open(landed, spans=SPANS, batches={1: 3, 2: 2}, fingerprint="f")
    with pytest.raises(LedgerError, match="batch 2 has not 9 dead letters"):
        replays.close(replay, {1: 3, 2: 9}, ["homes.readings"])
    assert [b.dead for b in ledger.batches()] == [4, 3]  # all of it or nothing
    assert ledger.versions() == {}
    assert replays.unfinished() is not None
