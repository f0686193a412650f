"""The ledger's steps, one by one."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from penstock.errors import IncarnationError, LedgerError, StaleLeaseError
from penstock.store.database import Store
from penstock.store.ledger import Batch, Ledger, Span, Totals
from penstock.store.schema import BATCH, POSITION

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.store.ledger import Intent, Stream

    Intend = Callable[..., Intent]


def test_a_stream_is_found_again(ledger: Ledger) -> None:
    made = ledger.stream("homes", "readings", "spool-1")
    assert made.epoch == 0
    assert ledger.stream("homes", "readings", "spool-1") == made
    assert ledger.stream("homes", "meters", "spool-1").id != made.id
    assert ledger.stream("sales", "readings", "spool-1").id != made.id


def test_another_incarnation_is_refused(ledger: Ledger) -> None:
    ledger.stream("homes", "readings", "spool-1")
    with pytest.raises(IncarnationError, match=r"spool-2.*spool-1") as caught:
        ledger.stream("homes", "readings", "spool-2")
    assert caught.value.where == "homes/readings"
    assert caught.value.next_step


def test_each_lease_raises_the_epoch(ledger: Ledger) -> None:
    one = ledger.stream("homes", "readings", "s")
    two = ledger.stream("homes", "meters", "s")
    assert [ledger.lease(one.id), ledger.lease(one.id), ledger.lease(two.id)] == [1, 2, 1]
    assert ledger.stream("homes", "readings", "s").epoch == 2
    with pytest.raises(LedgerError, match="no stream 99"):
        ledger.lease(99)


def test_open_and_close_move_the_positions(ledger: Ledger, stream: Stream) -> None:
    intent = ledger.open(
        stream,
        spans=[Span(3, 0, 100), Span(1, 0, 50)],
        rows=140,  # ten offsets hold no record
        size=4096,
        fingerprint="abc",
        ingested_ms=1_700_000_000_000,
    )
    assert (intent.state, intent.attempts, intent.error) == ("open", 0, "")
    assert (intent.stream_id, intent.epoch) == (stream.id, stream.epoch)
    assert intent.spans == (Span(3, 0, 100), Span(1, 0, 50))
    assert (intent.rows, intent.size, intent.ingested_ms) == (140, 4096, 1_700_000_000_000)
    assert ledger.positions(stream.id) == {3: 0, 1: 0}
    assert ledger.open_intents() == [intent]

    before = time.time_ns() // 1_000_000
    batch = ledger.close(intent, good=139, dead=1)
    assert before <= batch.closed_ms <= time.time_ns() // 1_000_000
    assert batch == Batch(
        batch=intent.batch,
        stream_id=stream.id,
        spans=intent.spans,
        rows=140,
        good=139,
        dead=1,
        size=4096,
        ingested_ms=1_700_000_000_000,
        token=intent.token,
        fingerprint="abc",
        closed_ms=batch.closed_ms,
    )
    assert ledger.positions(stream.id) == {3: 100, 1: 50}
    assert ledger.open_intents() == []
    assert ledger.batches() == [batch]


def test_positions_and_intents_are_those_of_one_stream(
    ledger: Ledger, stream: Stream, intend: Intend
) -> None:
    other = ledger.stream("homes", "meters", "s")
    other = replace(other, epoch=ledger.lease(other.id))
    mine, theirs = intend(stream, (0, 0, 5)), intend(other, (0, 0, 9))
    assert ledger.open_intents() == [mine, theirs]
    assert ledger.open_intents(other.id) == [theirs]
    ledger.close(theirs, good=9, dead=0)
    assert ledger.positions(stream.id) == {0: 0}
    assert ledger.positions(other.id) == {0: 9}
    assert [b.batch for b in ledger.batches(other.id)] == [theirs.batch]
    assert ledger.batches(stream.id) == []


@pytest.mark.parametrize(
    ("spans", "rows", "words"),
    [
        ([], 0, "without spans"),
        ([Span(0, 10, 20)], 10, "leave rows out: the next one is 0"),
        ([Span(0, 0, 5), Span(0, 5, 9)], 9, "part 0 in two spans"),
        ([Span(0, 5, 5)], 0, "no range of rows"),
        ([Span(0, 5, 4)], 0, "no range of rows"),
        ([Span(0, -1, 4)], 5, "no range of rows"),
        ([Span(0, 0, 2**63)], 5, "no range of rows"),
        ([Span(2**32, 0, 1)], 1, "32 bits"),
        ([Span(-1, 0, 1)], 1, "32 bits"),
        ([Span(0, 0, 5)], 6, "6 rows in spans of 5"),
        ([Span(0, 0, 5)], -1, "-1 rows"),
    ],
)
def test_malformed_batches_are_refused(
    ledger: Ledger, stream: Stream, spans: list[Span], rows: int, words: str
) -> None:
    with pytest.raises(LedgerError, match=re.escape(words)) as caught:
        ledger.open(stream, spans=spans, rows=rows, size=1, fingerprint="f", ingested_ms=1)
    assert caught.value.where.startswith("homes/readings")
    assert ledger.open_intents() == []
    assert ledger.positions(stream.id) == {}


def test_one_open_intent_a_part(ledger: Ledger, stream: Stream, intend: Intend) -> None:
    first = intend(stream, (0, 0, 10), (1, 0, 10))
    for span in [(1, 0, 10), (1, 10, 20), (0, 5, 15)]:
        with pytest.raises(LedgerError, match=f"batch {first.batch} is still open"):
            intend(stream, (2, 0, 10), span)
    # What was refused took part 2 with it: nothing of it is left.
    assert ledger.positions(stream.id) == {0: 0, 1: 0}
    second = intend(stream, (2, 0, 10))
    assert ledger.open_intents() == [first, second]


@pytest.mark.parametrize(("start", "stop"), [(0, 10), (5, 15)])
def test_landed_rows_are_not_landed_again(
    ledger: Ledger, stream: Stream, intend: Intend, start: int, stop: int
) -> None:
    ledger.close(intend(stream, (0, 0, 10)), good=10, dead=0)
    with pytest.raises(LedgerError, match="land rows again: the next one is 10"):
        intend(stream, (0, start, stop))
    with pytest.raises(LedgerError, match="leave rows out: the next one is 10"):
        intend(stream, (0, 11, 20))
    intend(stream, (0, 10, 20))


@pytest.mark.parametrize(("good", "dead"), [(9, 0), (10, 1), (11, -1), (-1, 11), (0, 0)])
def test_counts_that_do_not_add_up_do_not_close(
    ledger: Ledger, stream: Stream, intend: Intend, good: int, dead: int
) -> None:
    intent = intend(stream, (0, 0, 10))
    with pytest.raises(LedgerError, match="10 rows"):
        ledger.close(intent, good=good, dead=dead, tables=["homes.readings"])
    assert ledger.open_intents() == [intent]
    assert ledger.positions(stream.id) == {0: 0}
    assert ledger.versions() == {}
    assert ledger.totals()["homes", "readings"].batches == 0


def test_a_batch_closes_once(ledger: Ledger, stream: Stream, intend: Intend) -> None:
    intent = intend(stream, (0, 0, 10))
    ledger.close(intent, good=10, dead=0)
    for step in (
        lambda: ledger.close(intent, good=10, dead=0),
        lambda: ledger.failed(intent, "late"),
        lambda: ledger.adopt(intent, stream),
    ):
        with pytest.raises(LedgerError, match="closed already"):
            step()
    assert ledger.totals()["homes", "readings"] == Totals(10, 10, 0, 1, 7)


def test_failures_are_counted(ledger: Ledger, stream: Stream, intend: Intend) -> None:
    intent = intend(stream, (0, 0, 10))
    ledger.failed(intent, "view gold threw")
    again = ledger.failed(intent, "view gold threw twice")
    assert again == replace(intent, attempts=2, error="view gold threw twice")
    assert ledger.open_intents() == [again]
    ledger.close(again, good=10, dead=0)


def test_an_old_lease_can_do_nothing(ledger: Ledger, stream: Stream, intend: Intend) -> None:
    intent = intend(stream, (0, 0, 10))
    fresh = replace(stream, epoch=ledger.lease(stream.id))
    for step in (
        lambda: intend(stream, (1, 0, 10)),
        lambda: ledger.close(intent, good=10, dead=0, tables=["homes.readings"]),
        lambda: ledger.failed(intent, "?"),
        lambda: ledger.adopt(intent, stream),
    ):
        with pytest.raises(StaleLeaseError, match="lease 1 is over: lease 2"):
            step()
    assert ledger.open_intents() == [intent]
    assert ledger.positions(stream.id) == {0: 0}
    assert ledger.versions() == {}
    ahead = replace(stream, epoch=99)
    with pytest.raises(StaleLeaseError):
        intend(ahead, (1, 0, 10))
    intend(fresh, (1, 0, 10))


def test_a_new_lease_adopts_before_it_closes(
    ledger: Ledger, stream: Stream, intend: Intend
) -> None:
    intent = ledger.failed(intend(stream, (0, 0, 10)), "killed")
    fresh = replace(stream, epoch=ledger.lease(stream.id))
    with pytest.raises(LedgerError, match="adopt it first"):
        ledger.close(replace(intent, epoch=fresh.epoch), good=10, dead=0)
    adopted = ledger.adopt(intent, fresh)
    assert adopted == replace(intent, epoch=fresh.epoch)
    assert ledger.open_intents() == [adopted]
    with pytest.raises(StaleLeaseError):
        ledger.close(intent, good=10, dead=0)
    ledger.close(adopted, good=10, dead=0)
    assert ledger.positions(stream.id) == {0: 10}


def test_an_intent_of_another_stream_is_not_adopted(
    ledger: Ledger, stream: Stream, intend: Intend
) -> None:
    other = ledger.stream("homes", "meters", "s")
    other = replace(other, epoch=ledger.lease(other.id))
    intent = intend(stream, (0, 0, 10))
    with pytest.raises(LedgerError, match="not one of this stream"):
        ledger.adopt(intent, other)
    with pytest.raises(LedgerError, match="not one of this stream"):
        ledger.close(replace(intent, token="0" * 64), good=10, dead=0)


@pytest.mark.parametrize("by_hand", [{"next_row": 3}, {"open_batch": None}])
def test_a_position_changed_by_hand_stops_the_close(
    store: Store, ledger: Ledger, stream: Stream, intend: Intend, by_hand: dict[str, int | None]
) -> None:
    intent = intend(stream, (0, 0, 10), (1, 0, 10))
    with store.writing() as connection:
        connection.execute(sa.update(POSITION).where(POSITION.c.part == 1).values(**by_hand))
    with pytest.raises(LedgerError, match="where the position is not"):
        ledger.close(intent, good=20, dead=0)
    assert ledger.positions(stream.id) == {0: 0, 1: by_hand.get("next_row", 0)}
    assert ledger.open_intents() == [intent]


def test_tokens_are_bound_to_the_content(places: Callable[[], str]) -> None:
    """In each store only one thing differs, the batch number is the same."""
    cases = [
        ("homes", "readings", "s", (Span(0, 0, 10),), "f"),
        ("homes.readings", "", "s", (Span(0, 0, 10),), "f"),
        ("home", "s.readings", "s", (Span(0, 0, 10),), "f"),
        ("homes", "readings:s", "", (Span(0, 0, 10),), "f"),
        ("homes", "readings", "s2", (Span(0, 0, 10),), "f"),
        ("homes", "readings", "s", (Span(0, 0, 11),), "f"),
        ("homes", "readings", "s", (Span(1, 0, 10),), "f"),
        ("homes", "readings", "s", (Span(0, 0, 10), Span(1, 0, 1)), "f"),
        ("homes", "readings", "s", (Span(1, 0, 1), Span(0, 0, 10)), "f"),
        ("homes", "readings", "s", (Span(0, 0, 10),), "g"),
    ]
    tokens = {}
    for i, (domain, source, incarnation, spans, fingerprint) in enumerate([*cases, cases[0]]):
        store = Store.open(places())
        ledger = Ledger(store)
        stream = ledger.stream(domain, source, incarnation)
        intent = ledger.open(
            stream, spans=spans, rows=1, size=i, fingerprint=fingerprint, ingested_ms=i
        )
        assert intent.batch == 1
        assert re.fullmatch("[0-9a-f]{64}", intent.token)
        tokens[i] = intent.token
        store.close()
    assert len({tokens[i] for i in range(len(cases))}) == len(cases)
    assert tokens[len(cases)] == tokens[0]


def test_the_batch_number_is_in_the_token(places: Callable[[], str]) -> None:
    """Two stores, the same content, but in one of them another source came first."""
    tokens = []
    for name in ("one", "two"):
        store = Store.open(places())
        ledger = Ledger(store)
        what = {"spans": [Span(0, 0, 1)], "rows": 1, "size": 1, "fingerprint": "f"}
        if name == "two":
            ledger.open(ledger.stream("homes", "meters", "s"), **what, ingested_ms=1)
        intent = ledger.open(ledger.stream("homes", "readings", "s"), **what, ingested_ms=1)
        tokens.append(intent.token)
        store.close()
    assert tokens[0] != tokens[1]


def test_batch_numbers_are_never_reused(
    place: str, store: Store, ledger: Ledger, stream: Stream, intend: Intend
) -> None:
    other = ledger.stream("sales", "orders", "s")
    one, two = intend(stream, (0, 0, 10)), intend(other, (0, 0, 10))
    assert one.batch < two.batch
    with pytest.raises(LedgerError):
        intend(stream, (0, 0, 10))  # rolled back
    three = intend(stream, (1, 0, 10))
    with store.writing() as connection:
        connection.execute(sa.update(POSITION).values(open_batch=None))
        connection.execute(sa.delete(BATCH))
    four = intend(stream, (2, 0, 10))
    assert two.batch < three.batch < four.batch
    store.close()
    again = Ledger(Store.open(place))
    fifth = again.open(
        stream, spans=[Span(3, 0, 1)], rows=1, size=1, fingerprint="f", ingested_ms=1
    )
    assert fifth.batch > four.batch


def test_batches_are_paged_by_number(ledger: Ledger, stream: Stream, intend: Intend) -> None:
    numbers = []
    for i in range(5):
        intent = intend(stream, (0, i * 10, i * 10 + 10))
        ledger.close(intent, good=10, dead=0)
        numbers.append(intent.batch)
    intend(stream, (0, 50, 60))  # open ones are not among them
    assert [b.batch for b in ledger.batches()] == numbers
    assert [b.batch for b in ledger.batches(after=numbers[1], limit=2)] == numbers[2:4]
    assert [b.batch for b in ledger.batches(stream.id, after=numbers[4])] == []


def test_no_batch_escapes_the_audit(ledger: Ledger, stream: Stream, intend: Intend) -> None:
    slow, quick = intend(stream, (0, 0, 10)), intend(stream, (1, 0, 10))
    ledger.close(quick, good=10, dead=0)
    found = ledger.unaudited()
    assert [b.batch for b in found] == [quick.batch]
    with pytest.raises(LedgerError, match="not closed"):
        ledger.audited(slow.batch)
    # The older one closes while the audit looks: the mark must not pass over it.
    ledger.close(slow, good=10, dead=0)
    ledger.audited(found[-1].batch)
    assert [b.batch for b in ledger.unaudited()] == [slow.batch]
    ledger.audited(slow.batch)
    assert ledger.unaudited() == []
    ledger.audited(quick.batch)  # never back
    assert ledger.unaudited() == []
    with pytest.raises(LedgerError, match="not closed"):
        ledger.audited(10_000)


def test_totals_equal_the_sum_of_the_batches(
    ledger: Ledger, stream: Stream, intend: Intend
) -> None:
    idle = ledger.stream("homes", "meters", "s")
    for i, (dead, ingested_ms) in enumerate([(0, 100), (3, 900), (10, 500)]):
        intent = intend(stream, (0, i * 10, i * 10 + 10), ingested_ms=ingested_ms)
        ledger.close(intent, good=10 - dead, dead=dead)
    intend(stream, (0, 30, 40), ingested_ms=5000)
    assert ledger.totals() == {
        ("homes", "readings"): Totals(rows=30, good=17, dead=13, batches=3, last_ingested_ms=900),
        ("homes", "meters"): Totals(0, 0, 0, 0, 0),
    }
    assert sum(b.good for b in ledger.batches(stream.id)) == 17
    assert ledger.batches(idle.id) == []


def test_versions_rise_with_each_change(ledger: Ledger, stream: Stream, intend: Intend) -> None:
    assert ledger.versions() == {}
    ledger.bump(["homes.readings", "homes.raw_sensors", "homes.readings"])
    assert ledger.versions() == {"homes.readings": 1, "homes.raw_sensors": 1}
    ledger.bump(["homes.readings"])
    ledger.bump([])
    assert ledger.versions() == {"homes.readings": 2, "homes.raw_sensors": 1}
    ledger.close(intend(stream, (0, 0, 10)), good=10, dead=0, tables=("homes.readings", "x.y"))
    assert ledger.versions() == {"homes.readings": 3, "homes.raw_sensors": 1, "x.y": 1}


def test_notes_are_kept(ledger: Ledger) -> None:
    assert ledger.get("boot_id") is None
    ledger.put("boot_id", "b1")
    ledger.put("boot_id", "b2: ünïcode\n\N{SNOWMAN}")
    ledger.put("clean_stop", "")
    assert ledger.get("boot_id") == "b2: ünïcode\n\N{SNOWMAN}"
    assert ledger.get("clean_stop") == ""


def test_threads_share_a_ledger(ledger: Ledger) -> None:
    streams = [ledger.stream("homes", f"s{i}", "x") for i in range(4)]
    rounds, failures = 15, []

    def land(stream: Stream) -> None:
        try:
            held = replace(stream, epoch=ledger.lease(stream.id))
            for i in range(rounds):
                intent = ledger.open(
                    held, spans=[Span(0, i, i + 1)], rows=1, size=1, fingerprint="f", ingested_ms=1
                )
                ledger.close(intent, good=1, dead=0, tables=["homes.readings"])
                assert ledger.positions(stream.id) == {0: i + 1}
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=land, args=(stream,)) for stream in streams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert ledger.versions() == {"homes.readings": 4 * rounds}
    assert len({b.batch for b in ledger.batches()}) == 4 * rounds
    assert len(ledger.unaudited()) == 4 * rounds


def test_the_audit_takes_pages_and_ends_at_the_first_that_is_too_young(
    ledger: Ledger, stream: Stream, intend: Intend
) -> None:
    closed = []
    for i in range(4):
        closed.append(ledger.close(intend(stream, (0, i * 10, i * 10 + 10)), good=10, dead=0))
        time.sleep(0.002)  # each in a millisecond of its own
    numbers = [batch.batch for batch in closed]
    assert [b.batch for b in ledger.unaudited(limit=3)] == numbers[:3]
    before = closed[2].closed_ms
    assert [b.batch for b in ledger.unaudited(before_ms=before)] == numbers[:2]
    assert ledger.unaudited(before_ms=closed[0].closed_ms) == []


def test_streams_of_all_times_are_known(ledger: Ledger, stream: Stream) -> None:
    other = ledger.stream("homes", "meters", "spool-2")
    assert ledger.streams() == [stream, other]
