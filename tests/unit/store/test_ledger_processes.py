"""The ledger between processes: killed, overtaken, raced."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from penstock.store.database import Store
from penstock.store.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.store.ledger import Stream

LANDER = Path(__file__).with_name("lander.py")
ROWS = 10


class Child:
    """One lander."""

    def __init__(self, role: str, place: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(LANDER), role, place],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hear(self) -> dict[str, Any]:
        """The next step it says; fails the test when it says none."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def wake(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> list[dict[str, Any]]:
        """SIGKILL; what it had said by then (a last line may be torn)."""
        self.process.kill()
        return self.rest()

    def rest(self) -> list[dict[str, Any]]:
        said, _ = self.process.communicate(timeout=60)
        return [json.loads(line) for line in said.splitlines(keepends=True) if line[-1] == "\n"]


@contextmanager
def child(role: str, place: str) -> Iterator[Child]:
    made = Child(role, place)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.kill()


@contextmanager
def reopened(place: str) -> Iterator[Ledger]:
    store = Store.open(place)
    try:
        yield Ledger(store)
    finally:
        store.close()


def test_killed_between_open_and_close(place: str) -> None:
    """Each round's lander finishes its predecessor's batch and dies over one of its own."""
    last = None
    for landed in range(5):
        with child("between", place) as lander:
            if last is not None:
                assert lander.hear() == {"adopted": last, "same_token": True}
                assert lander.hear() == {"closed": last}
            opened = lander.hear()["opened"]
            assert last is None or opened > last
            lander.kill()
        with reopened(place) as ledger:
            [intent] = ledger.open_intents()
            assert (intent.batch, intent.state) == (opened, "open")
            assert ledger.positions(intent.stream_id) == {0: landed * ROWS}
            assert [(s.start, s.stop) for s in intent.spans] == [
                (landed * ROWS, landed * ROWS + ROWS)
            ]
            assert len(ledger.batches()) == landed
        last = opened


@pytest.mark.slow
def test_killed_at_any_moment(place: str) -> None:
    dice = random.Random(7)
    opened: set[int] = set()
    closed: set[int] = set()
    for _ in range(12):
        with child("onward", place) as lander:
            said = [lander.hear()]
            time.sleep(dice.uniform(0, 0.25))
            said += lander.kill()
        assert all(step["same_token"] for step in said if "adopted" in step)
        opened |= {step["opened"] for step in said if "opened" in step}
        closed |= {step["closed"] for step in said if "closed" in step}
        with reopened(place) as ledger:
            check_after_kill(ledger, opened, closed)
    assert len(closed) > 12


def check_after_kill(ledger: Ledger, opened: set[int], closed: set[int]) -> None:
    batches, intents = ledger.batches(), ledger.open_intents()
    # What was said happened; what was not said may have happened, by one step.
    assert closed <= {b.batch for b in batches}
    assert opened <= {b.batch for b in batches} | {i.batch for i in intents}
    assert len(intents) <= 1
    # Closed batches cover rows 0 to the position without a gap, in order; the open one is next.
    landed = [span for b in batches for span in b.spans]
    assert [s.start for s in landed] == [i * ROWS for i in range(len(landed))]
    stream = ledger.stream("homes", "readings", "spool-1")
    assert ledger.positions(stream.id).get(0, 0) == len(landed) * ROWS
    assert all(i.spans[0].start == len(landed) * ROWS for i in intents)
    totals = ledger.totals()["homes", "readings"]
    assert (totals.rows, totals.batches) == (len(landed) * ROWS, len(landed))
    # Recovered batches are closed without tables: every other close raised the version with it.
    assert ledger.versions().get("homes.readings", 0) <= len(batches)


def test_a_zombie_can_do_nothing(place: str) -> None:
    with child("zombie", place) as lander:
        opened = lander.hear()["opened"]
        with reopened(place) as ledger:
            stream = ledger.stream("homes", "readings", "spool-1")
            fresh = replace(stream, epoch=ledger.lease(stream.id))
            [intent] = ledger.open_intents(stream.id)
            assert intent.batch == opened
            adopted = ledger.adopt(intent, fresh)
            before = snapshot(ledger, stream)
            lander.wake()
            said = lander.rest()
            assert said == [
                {"step": name, "error": "StaleLeaseError"}
                for name in ("close", "failed", "adopt", "open")
            ]
            assert snapshot(ledger, stream) == before
            ledger.close(adopted, good=ROWS, dead=0)
            assert ledger.positions(stream.id) == {0: ROWS}


def snapshot(ledger: Ledger, stream: Stream) -> tuple[object, ...]:
    return (
        ledger.open_intents(),
        ledger.batches(),
        ledger.positions(stream.id),
        ledger.versions(),
        ledger.totals(),
    )


def test_of_two_that_race_for_a_part_one_wins(place: str) -> None:
    with reopened(place) as ledger:
        stream = ledger.stream("homes", "readings", "spool-1")
        ledger.lease(stream.id)
    with child("race", place) as one, child("race", place) as two:
        assert (one.hear(), two.hear()) == ({"ready": True}, {"ready": True})
        one.wake()
        two.wake()
        won = one.rest() + two.rest()
        assert (one.process.returncode, two.process.returncode) == (0, 0)
    assert sorted(step["part"] for step in won) == list(range(30))
    assert len({step["batch"] for step in won}) == 30
    with reopened(place) as ledger:
        assert {(i.spans[0].part, i.batch) for i in ledger.open_intents()} == {
            (step["part"], step["batch"]) for step in won
        }
