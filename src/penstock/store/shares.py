"""Shares of a log: landers in several processes, each with some of its parts.

Kafka says which lander has which partition; this says it too, in the store, because who was told
late by Kafka must not land what another has by now. A batch that a lander left open is inherited
by one that has a part of it, as soon as nobody holds any of its parts under the lease that it was
being landed under.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from penstock.errors import LandingBlockedError
from penstock.store.fences import STILL, draw, locked, refuse_still
from penstock.store.records import intent_of
from penstock.store.schema import BATCH, POSITION

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from penstock.store.ledger import Ledger
    from penstock.store.records import Intent, Stream

# How long all stand still at most. A platform that died meanwhile lets them go on when it starts.
_STILL_MS = 3 * 3_600_000
_LOOK_S = 0.02
_OFTEN = 5  # failures, after which a batch is tried once a pause
_PATIENCE_S, _GLANCE_S = 60.0, 2.0


class Shares:
    """Who has which parts of the logs that landers share.

    Args:
        ledger: of all of them.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._store = ledger, ledger.store

    def begin(self, stream: Stream, origins: Mapping[int, int]) -> None:
        """Write down where parts begin that are not known yet."""
        if not origins:
            return
        with self._store.writing() as connection:
            locked(connection, stream.id)
            known = sa.select(POSITION.c.part).where(POSITION.c.stream_id == stream.id)
            there = set(connection.scalars(known))
            new = [
                {"stream_id": stream.id, "part": part, "next_row": row, "lease": 0}
                for part, row in origins.items()
                if part not in there
            ]
            if new:
                connection.execute(sa.insert(POSITION), new)

    def take(self, stream: Stream, parts: Collection[int]) -> Stream:
        """Take parts over, whoever held them; the stream under the new lease."""
        with self._store.writing() as connection:
            locked(connection, stream.id)
            lease = draw(connection, stream.id)
            which = (POSITION.c.stream_id == stream.id) & POSITION.c.part.in_(parts)
            connection.execute(sa.update(POSITION).where(which).values(lease=lease))
        return replace(stream, lease=lease)

    def left(self, stream: Stream, parts: Collection[int]) -> list[Intent]:
        """The open batches that hold records of these parts, oldest first."""
        wanted = set(parts)
        intents = self._ledger.open_intents(stream.id)
        return [intent for intent in intents if wanted & {span.part for span in intent.spans}]

    def inherit(self, stream: Stream, intent: Intent, *, holds: bool = False) -> Intent | None:
        """Carry an open batch over to this lander; None where another is still landing it, or has.

        Args:
            stream: under the lease of this lander.
            intent: as `left` has it.
            holds: whether it is this one that others stand still for.

        Raises:
            StandStillError: it has failed often, and is not to be tried now.
        """
        with self._store.writing() as connection:
            locked(connection, stream.id)
            # Who holds all waits for what is left to come to its end, but for what fails and fails.
            if not holds and intent.attempts >= _OFTEN:
                refuse_still(connection, stream)
            row = connection.execute(sa.select(BATCH).where(BATCH.c.batch == intent.batch)).one()
            if row.closed_no is not None:
                return None
            if row.lease != stream.lease:
                its = sa.select(POSITION.c.part).where(
                    POSITION.c.stream_id == stream.id, POSITION.c.lease == row.lease
                )
                if row.lease and set(connection.scalars(its)) & {s.part for s in intent.spans}:
                    return None
            values = {"lease": stream.lease, "epoch": draw(connection, stream.id)}
            one = BATCH.c.batch == row.batch
            connection.execute(sa.update(BATCH).where(one).values(**values))
            return intent_of(connection.execute(sa.select(BATCH).where(one)).one())

    def positions(self, stream: Stream, parts: Collection[int]) -> dict[int, int]:
        """Part → next row to land, of these parts."""
        found = self._ledger.positions(stream.id)
        return {part: found.get(part, 0) for part in parts}

    @contextmanager
    def still(self, look: Callable[[], Stream]) -> Iterator[None]:
        """Hold the landing of all who share a log, until the block ends.

        A batch that has failed often is not waited for: its lander asks before it tries again.

        Args:
            look: gives the stream under the lease of who holds; asked again and again while a
                batch is waited for, as its lander may be gone and its parts with it.

        Raises:
            LandingBlockedError: a batch of one of them does not come to its end.
        """
        stream = look()
        self._ledger.put(_note(stream.id), str(int(time.time() * 1000) + _STILL_MS))
        try:
            # Who has joined nobody yet cannot tell a batch that a crash left from one that goes on.
            deadline = time.monotonic() + (_PATIENCE_S if stream.lease else _GLANCE_S)
            while left := self._others(stream):
                if time.monotonic() > deadline:
                    if not stream.lease:
                        break
                    raise LandingBlockedError(
                        f"batch {left[0].batch} does not come to its end",
                        where=f"{stream.domain}/{stream.source}",
                        next_step="see to the lander that has it: its log says why",
                    )
                time.sleep(_LOOK_S)
                stream = look()
            yield
        finally:
            self.go_on(stream)

    def _others(self, stream: Stream) -> list[Intent]:
        """Open batches that somebody else may be landing."""
        with self._store.reading() as connection:
            own = POSITION.c.lease == (stream.lease or -1)
            held = sa.select(POSITION.c.part).where(POSITION.c.stream_id == stream.id, own)
            mine = set(connection.scalars(held))
        return [
            intent
            for intent in self._ledger.open_intents(stream.id)
            if intent.attempts < _OFTEN and not {s.part for s in intent.spans} <= mine
        ]

    def go_on(self, stream: Stream) -> None:
        """Let those who share a log land again."""
        self._ledger.put(_note(stream.id), "0")


def _note(stream_id: int) -> str:
    return f"{STILL}{stream_id}"
