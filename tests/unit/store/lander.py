"""A lander in a process of its own, for the tests to kill, overtake and race.

Says each step on stdout as one JSON document a line, after it has returned.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.errors import LedgerError, StoreDownError
from penstock.store.database import Store
from penstock.store.ledger import Ledger, Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.store.ledger import Intent, Stream

ROWS = 10


def say(**step: object) -> None:
    sys.stdout.write(json.dumps(step) + "\n")
    sys.stdout.flush()


def hear() -> str:
    return sys.stdin.readline().strip()


def take(ledger: Ledger) -> Stream:
    stream = ledger.stream("homes", "readings", "spool-1")
    return replace(stream, epoch=ledger.lease(stream.id))


def intend(ledger: Ledger, stream: Stream) -> Intent:
    start = ledger.positions(stream.id).get(0, 0)
    return ledger.open(
        stream,
        spans=[Span(0, start, start + ROWS)],
        rows=ROWS,
        size=1,
        fingerprint=f"f{start}",
        ingested_ms=1,
    )


def recover(ledger: Ledger, stream: Stream) -> None:
    for intent in ledger.open_intents(stream.id):
        adopted = ledger.adopt(intent, stream)
        say(adopted=intent.batch, same_token=adopted.token == intent.token)
        ledger.close(adopted, good=ROWS, dead=0)
        say(closed=intent.batch)


def between(ledger: Ledger) -> None:
    """Recovers, opens one intent and waits for its death."""
    stream = take(ledger)
    recover(ledger, stream)
    say(opened=intend(ledger, stream).batch)
    hear()


def onward(ledger: Ledger) -> None:
    """Recovers, then lands until it is killed."""
    stream = take(ledger)
    recover(ledger, stream)
    while True:
        intent = intend(ledger, stream)
        say(opened=intent.batch)
        ledger.close(intent, good=ROWS, dead=0, tables=["homes.readings"])
        say(closed=intent.batch)


def through(ledger: Ledger) -> None:
    """Lands on whatever happens to the ledger's server."""
    stream = take(ledger)
    while True:
        try:
            recover(ledger, stream)
            while True:
                intent = intend(ledger, stream)
                say(opened=intent.batch)
                ledger.close(intent, good=ROWS, dead=0)
                say(closed=intent.batch)
        except StoreDownError as error:
            say(down=error.what)


def zombie(ledger: Ledger) -> None:
    """Opens, sleeps through another's lease, wakes and tries every step it knows."""
    stream = take(ledger)
    intent = intend(ledger, stream)
    say(opened=intent.batch)
    hear()
    steps: dict[str, Callable[[], object]] = {
        "close": lambda: ledger.close(intent, good=ROWS, dead=0, tables=["homes.readings"]),
        "failed": lambda: ledger.failed(intent, "woke"),
        "adopt": lambda: ledger.adopt(intent, stream),
        "open": lambda: intend(ledger, stream),
    }
    for name, step in steps.items():
        try:
            step()
        except LedgerError as error:
            say(step=name, error=type(error).__name__)
        else:
            say(step=name, error="")


def race(ledger: Ledger) -> None:
    """Tries to open each of 30 parts under a lease it shares with another, at the same time."""
    stream = ledger.stream("homes", "readings", "spool-1")
    say(ready=True)
    hear()
    for part in range(30):
        try:
            intent = ledger.open(
                stream,
                spans=[Span(part, 0, 1)],
                rows=1,
                size=1,
                fingerprint="f",
                ingested_ms=1,
            )
        except LedgerError:
            continue
        say(part=part, batch=intent.batch)


if __name__ == "__main__":
    roles = {f.__name__: f for f in (between, onward, through, zombie, race)}
    roles[sys.argv[1]](Ledger(Store.open(sys.argv[2])))
