"""Fences: whether who writes may still write, asked in the transaction that writes.

A lander that has a source to itself holds the stream's **epoch**. Landers that share a log each
hold some of its **parts** under a lease, and land each batch under a number of its own, drawn when
the batch is opened or inherited. Of two numbers of one part the higher one is the later: that is
what the engine's front knows a late write by.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from penstock.errors import LedgerError, StaleLeaseError, StandStillError
from penstock.store.schema import BATCH, NOTE, POSITION, STREAM

if TYPE_CHECKING:
    from collections.abc import Collection

    from penstock.store.records import Intent, Stream

STILL = "still_"  # and the stream's number: the note until when its landing is held, epoch ms
_STOP = "stop this lander; the other one carries on with what it left"


def fence(connection: sa.Connection, stream_id: int, epoch: int) -> sa.Row[Any]:
    """Return the stream's row if `epoch` is its lease; held to the end of the transaction."""
    row = locked(connection, stream_id)
    if row.epoch != epoch:
        raise StaleLeaseError(
            f"lease {epoch} is over: lease {row.epoch} holds the stream",
            where=f"{row.domain}/{row.source}",
            next_step=_STOP,
        )
    return row


def fence_parts(connection: sa.Connection, stream: Stream, parts: Collection[int]) -> sa.Row[Any]:
    """Return the stream's row if its parts are held under `stream.lease`, as `fence` does.

    Raises:
        StaleLeaseError: another lander has one of them.
        StandStillError: no batch may be opened now.
    """
    row = locked(connection, stream.id)
    refuse_still(connection, stream)
    which = (POSITION.c.stream_id == stream.id) & POSITION.c.part.in_(parts)
    found = connection.execute(sa.select(POSITION.c.part, POSITION.c.lease).where(which))
    leases: dict[int, int] = {place.part: place.lease for place in found}
    if lost := sorted(part for part in parts if leases.get(part) != stream.lease):
        raise StaleLeaseError(
            f"lease {stream.lease} of part {lost[0]} is over: lease {leases.get(lost[0])} holds it",
            where=f"{row.domain}/{row.source}",
            next_step="another lander has it now and carries on with what this one left",
        )
    return row


def refuse_still(connection: sa.Connection, stream: Stream) -> None:
    """Raise StandStillError where those who share the stream's log are to land nothing now."""
    note = sa.select(NOTE.c.value).where(NOTE.c.key == f"{STILL}{stream.id}")
    if int(connection.scalar(note) or 0) > time.time() * 1000:
        raise StandStillError("landing is held", where=f"{stream.domain}/{stream.source}")


def locked(connection: sa.Connection, stream_id: int) -> sa.Row[Any]:
    """Return the stream's row, held to the end of the transaction."""
    query = sa.select(STREAM).where(STREAM.c.id == stream_id).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise LedgerError(f"the ledger has no stream {stream_id}")
    return row


def draw(connection: sa.Connection, stream_id: int) -> int:
    """Return the next number of a stream's leases; each is handed out once."""
    one = STREAM.c.id == stream_id
    connection.execute(sa.update(STREAM).where(one).values(leases=STREAM.c.leases + 1))
    number: int = connection.execute(sa.select(STREAM.c.leases).where(one)).scalar_one()
    return number


def held_row(connection: sa.Connection, intent: Intent) -> sa.Row[Any]:
    """Return the row of an open intent whose holder may still write.

    Raises:
        StaleLeaseError: another lander has the stream, or this batch, by now.
        LedgerError: the intent is closed, or has to be adopted first.
    """
    if intent.lease:
        held = locked(connection, intent.stream_id)
        row = _row(connection, intent, held)
        if row.epoch != intent.epoch:
            raise StaleLeaseError(
                f"batch {intent.batch} has gone to another lander",
                where=f"{held.domain}/{held.source}",
            )
        return _still_open(row, held)
    held = fence(connection, intent.stream_id, intent.epoch)
    row = open_row(connection, intent, held)
    if row.epoch != intent.epoch:
        raise LedgerError(
            f"batch {intent.batch} was opened under lease {row.epoch}: adopt it first",
            where=f"{held.domain}/{held.source}",
        )
    return row


def open_row(connection: sa.Connection, intent: Intent, held: sa.Row[Any]) -> sa.Row[Any]:
    """Return the row of an intent that is open; `held` is its stream's."""
    return _still_open(_row(connection, intent, held), held)


def _still_open(row: sa.Row[Any], held: sa.Row[Any]) -> sa.Row[Any]:
    if row.closed_no is not None:
        raise LedgerError(
            f"batch {row.batch} is closed already", where=f"{held.domain}/{held.source}"
        )
    return row


def _row(connection: sa.Connection, intent: Intent, held: sa.Row[Any]) -> sa.Row[Any]:
    row = connection.execute(
        sa.select(BATCH).where(BATCH.c.batch == intent.batch, BATCH.c.stream_id == held.id)
    ).one_or_none()
    if row is None or row.token != intent.token:
        raise LedgerError(
            f"batch {intent.batch} is not one of this stream", where=f"{held.domain}/{held.source}"
        )
    return row
