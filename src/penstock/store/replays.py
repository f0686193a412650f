"""Replays in the ledger: dead letters that are landed again, each list of positions exactly once.

As with a batch, what is about to be done is written down first (`open`) and closed in one
transaction when the engine has been seen to hold it: the batches that the records came in then
count that many more good rows and that many fewer dead letters. One replay is open at a time.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from penstock.errors import LedgerError
from penstock.store.fences import fence
from penstock.store.ledger import bump
from penstock.store.records import Span, batch_of, spans_of
from penstock.store.schema import BATCH, REPLAY, STREAM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from penstock.store.database import Store
    from penstock.store.records import Batch, Stream

_PIECE = 5000  # batches asked for at a time


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay that has been written down.

    Attributes:
        id: its number.
        stream_id: the stream whose dead letters they are.
        spans: their positions, each row of them.
        batches: batch they came in → how many of them.
        rows: how many in all.
        fingerprint: of the records, by the engine; compared before anything is deleted.
        token: what the engine deduplicates by: 64 hex digits, bound to all of the above.
        newest_batch: the newest batch of the store when the engine knew for sure what of it is
            stored; -1 where that has to be told by counting.
        epoch: the lease it is landed under.
        attempts: how often it has failed.
        error: why it failed last.
    """

    id: int
    stream_id: int
    spans: tuple[Span, ...]
    batches: Mapping[int, int]
    rows: int
    fingerprint: str
    token: str
    newest_batch: int
    epoch: int
    attempts: int
    error: str


class Replays:
    """The only writer of replays; safe to share between threads.

    All methods raise `DataDirError`, `StoreError` or `StoreDownError` where the store itself cannot
    be read or written (see `Store`).
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def unfinished(self, stream_id: int | None = None) -> Replay | None:
        """The replay that is open, of one stream or of any."""
        query = sa.select(REPLAY).where(REPLAY.c.open)
        if stream_id is not None:
            query = query.where(REPLAY.c.stream_id == stream_id)
        with self._store.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _replay_of(row)

    def open(
        self,
        stream: Stream,
        *,
        spans: Sequence[Span],
        batches: Mapping[int, int],
        fingerprint: str,
    ) -> Replay:
        """Write down what is about to be landed again: on the disk when this returns.

        Raises:
            StaleLeaseError: another lander has leased the stream since.
            LedgerError: another replay is open, or the rows are not dead letters of closed
                batches of this stream.
        """
        where = f"{stream.domain}/{stream.source}"
        rows = sum(span.stop - span.start for span in spans)
        if not rows or rows != sum(batches.values()):
            raise LedgerError(f"the ledger refuses a replay of {rows} positions", where=where)
        listed = [[s.part, s.start, s.stop] for s in spans]
        counts = sorted([batch, count] for batch, count in batches.items())
        with self._store.writing() as connection:
            fence(connection, stream.id, stream.epoch)
            if other := connection.scalar(sa.select(REPLAY.c.id).where(REPLAY.c.open)):
                raise LedgerError(f"replay {other} is still open", where=where)
            _refuse_more(connection, stream, batches)
            values = {
                "stream_id": stream.id,
                "epoch": stream.epoch,
                "spans": listed,
                "batches": counts,
                "rows": rows,
                "fingerprint": fingerprint,
                "newest_batch": _newest(connection),
                "attempts": 0,
                "error": "",
                "open": True,
                "landed": 0,
                "opened_ms": time.time_ns() // 1_000_000,
            }
            made = connection.execute(
                sa.insert(REPLAY).values(**values, token="").returning(REPLAY.c.id)
            )
            number: int = made.scalar_one()
            bound = [stream.domain, stream.source, stream.incarnation, listed, fingerprint, number]
            token = hashlib.sha256(json.dumps(["replay", *bound]).encode()).hexdigest()
            one = REPLAY.c.id == number
            connection.execute(sa.update(REPLAY).where(one).values(token=token))
            return _replay_of(connection.execute(sa.select(REPLAY).where(one)).one())

    def adopt(self, replay: Replay, stream: Stream) -> Replay:
        """Carry an open replay over to a new lease: same positions, same token, new epoch.

        Raises:
            StaleLeaseError: `stream.epoch` is not the current lease.
            LedgerError: it is closed.
        """
        with self._store.writing() as connection:
            fence(connection, stream.id, stream.epoch)
            return _changed(connection, replay, {"epoch": stream.epoch})

    def failed(self, replay: Replay, error: str) -> Replay:
        """Count a failed attempt, and keep its reason. Raises LedgerError where it is closed."""
        with self._store.writing() as connection:
            fence(connection, replay.stream_id, replay.epoch)
            values = {"attempts": REPLAY.c.attempts + 1, "error": error}
            return _changed(connection, replay, values)

    def trust(self, replay: Replay, newest_batch: int) -> Replay:
        """Note since when the engine knows what of it is stored; -1: it may have lost that."""
        with self._store.writing() as connection:
            fence(connection, replay.stream_id, replay.epoch)
            return _changed(connection, replay, {"newest_batch": newest_batch})

    def batches(self, replay: Replay) -> list[Batch]:
        """The closed batches that the records came in, as they are now."""
        with self._store.reading() as connection:
            found = _closed(connection, replay.stream_id, replay.batches)
            return [batch_of(row) for row in found]

    def close(self, replay: Replay, landed: Mapping[int, int], tables: Sequence[str]) -> None:
        """Write down that the engine holds the records as good ones.

        Args:
            replay: what `open`, `adopt` or `failed` returned last.
            landed: batch → records of it that are good now; fewer than were opened where bronze
                has let them go by age before they could be landed.
            tables: that changed; their versions rise in the same transaction.

        Raises:
            StaleLeaseError: another lander has leased the stream since.
            LedgerError: it is closed, or a batch has fewer dead letters than that.
        """
        total = sum(landed.values())
        with self._store.writing() as connection:
            fence(connection, replay.stream_id, replay.epoch)
            ended = {"open": False, "landed": total, "closed_ms": time.time_ns() // 1_000_000}
            _changed(connection, replay, ended)
            for batch, count in sorted(landed.items()):
                moved = connection.execute(
                    sa.update(BATCH)
                    .where(
                        BATCH.c.batch == batch,
                        BATCH.c.stream_id == replay.stream_id,
                        BATCH.c.closed_no.is_not(None),
                        BATCH.c.dead >= count,
                    )
                    .values(good=BATCH.c.good + count, dead=BATCH.c.dead - count)
                )
                if moved.rowcount != 1:
                    raise LedgerError(
                        f"batch {batch} has not {count} dead letters any more",
                        next_step="the ledger has been changed by hand: restore it from a backup",
                    )
            connection.execute(
                sa.update(STREAM)
                .where(STREAM.c.id == replay.stream_id)
                .values(good=STREAM.c.good + total, dead=STREAM.c.dead - total)
            )
            bump(connection, tables)


def _newest(connection: sa.Connection) -> int:
    return connection.scalar(sa.select(sa.func.max(BATCH.c.batch))) or 0


def _closed(
    connection: sa.Connection, stream_id: int, batches: Iterable[int]
) -> Iterator[sa.Row[Any]]:
    wanted = sorted(batches)
    for start in range(0, len(wanted), _PIECE):
        yield from connection.execute(
            sa.select(BATCH).where(
                BATCH.c.batch.in_(wanted[start : start + _PIECE]),
                BATCH.c.stream_id == stream_id,
                BATCH.c.closed_no.is_not(None),
            )
        )


def _refuse_more(connection: sa.Connection, stream: Stream, batches: Mapping[int, int]) -> None:
    """Refuse more dead letters of a batch than the ledger knows."""
    known = {row.batch: row.dead for row in _closed(connection, stream.id, batches)}
    for batch, count in batches.items():
        if known.get(batch, 0) < count:
            raise LedgerError(
                f"batch {batch} has {known.get(batch, 0)} dead letters by the ledger, and {count} "
                "of them would be replayed",
                where=f"{stream.domain}/{stream.source}",
            )


def _changed(connection: sa.Connection, replay: Replay, values: Mapping[str, Any]) -> Replay:
    one = (REPLAY.c.id == replay.id) & (REPLAY.c.token == replay.token)
    done = connection.execute(sa.update(REPLAY).where(one, REPLAY.c.open).values(**values))
    if done.rowcount != 1:
        raise LedgerError(f"replay {replay.id} is closed already")
    return _replay_of(connection.execute(sa.select(REPLAY).where(one)).one())


def _replay_of(row: sa.Row[Any]) -> Replay:
    return Replay(
        id=row.id,
        stream_id=row.stream_id,
        spans=spans_of(row.spans),
        batches=dict(map(tuple, row.batches)),
        rows=row.rows,
        fingerprint=row.fingerprint,
        token=row.token,
        newest_batch=row.newest_batch,
        epoch=row.epoch,
        attempts=row.attempts,
        error=row.error,
    )
