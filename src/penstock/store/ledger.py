"""The ledger: which rows of which source are being landed, and which have been, exactly once.

A batch is written down (`open`) before its first row goes to the engine and closed when the
engine has been seen to hold it. In between lies an open intent: after a crash it is read back,
adopted, and the same rows are inserted again under the same token. Three fences, each checked in
the transaction that writes:

- the **lease epoch** of a stream: who leases it last is the only one who may write; of a log that
  landers share, the lease of each part (see `fences`, `shares`);
- the **position** of a part moves only from an intent's start to its stop;
- a part has **one open intent** at most.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from penstock.errors import LedgerError
from penstock.store.dialects import upsert
from penstock.store.fences import draw, fence, fence_parts, held_row, open_row
from penstock.store.records import (
    Batch,
    Intent,
    Span,
    Stream,
    Totals,
    batch_of,
    check_spans,
    intent_of,
    spans_of,
)
from penstock.store.schema import BATCH, NOTE, POSITION, REPLAY, STREAM, TABLE_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.store.database import Store

__all__ = ["Batch", "Intent", "Ledger", "Span", "Stream", "Totals"]

_AUDITED = "audited_closed_no"


class Ledger:
    """The only writer of streams, positions and batches; safe to share between threads.

    All methods raise `DataDirError`, `StoreError` or `StoreDownError` where the store itself cannot
    be read or written (see `Store`).

    Attributes:
        store: where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def stream(self, domain: str, source: str, incarnation: str) -> Stream:
        """Find a stream, or make it with epoch 0: it must be leased before the first batch.

        Args:
            domain: of the source.
            source: its name.
            incarnation: which log it is; empty where that is not known yet (see `identify`).

        Raises:
            IncarnationError: the ledger knows the source by another incarnation.
        """
        named = (STREAM.c.domain == domain) & (STREAM.c.source == source)
        with self.store.reading() as connection:
            found = connection.execute(sa.select(STREAM).where(named)).one_or_none()
        if found is None:
            with self.store.writing() as connection:
                found = connection.execute(sa.select(STREAM).where(named)).one_or_none()
                if found is None:
                    made = {"domain": domain, "source": source, "incarnation": incarnation}
                    zeros = dict.fromkeys(("epoch", "leases", *Totals._fields), 0)
                    connection.execute(sa.insert(STREAM).values(**made, **zeros))
                    found = connection.execute(sa.select(STREAM).where(named)).one()
        stream = Stream(found.id, domain, source, found.incarnation, found.epoch)
        if incarnation:
            stream.check(incarnation)
        return stream

    def identify(self, stream: Stream, incarnation: str) -> Stream:
        """Say which log a stream is of, that was made before this was known.

        Raises:
            IncarnationError: the ledger knows it as another one.
            StaleLeaseError: another lander has leased the stream since.
        """
        with self.store.writing() as connection:
            held = fence(connection, stream.id, stream.epoch)
            if not held.incarnation:
                one = STREAM.c.id == stream.id
                connection.execute(sa.update(STREAM).where(one).values(incarnation=incarnation))
        known = replace(stream, incarnation=held.incarnation or incarnation)
        known.check(incarnation)
        return known

    def streams(self) -> list[Stream]:
        """Return every stream the ledger has ever known, those of former projects among them."""
        with self.store.reading() as connection:
            rows = connection.execute(sa.select(STREAM).order_by(STREAM.c.id))
            return [Stream(r.id, r.domain, r.source, r.incarnation, r.epoch) for r in rows]

    def lease(self, stream_id: int) -> int:
        """Take a stream over: whoever held it can neither open nor close from now on.

        Returns:
            The new epoch.

        Raises:
            LedgerError: there is no such stream.
        """
        with self.store.writing() as connection:
            one = STREAM.c.id == stream_id
            connection.execute(sa.update(STREAM).where(one).values(epoch=STREAM.c.epoch + 1))
            epoch: int | None = connection.scalar(sa.select(STREAM.c.epoch).where(one))
        if epoch is None:
            raise LedgerError(f"the ledger has no stream {stream_id}")
        return epoch

    def positions(self, stream_id: int) -> dict[int, int]:
        """Return part → next row to land; a part that is not in it starts at row 0."""
        query = sa.select(POSITION.c.part, POSITION.c.next_row).where(
            POSITION.c.stream_id == stream_id
        )
        with self.store.reading() as connection:
            return {row.part: row.next_row for row in connection.execute(query)}

    def open(
        self,
        stream: Stream,
        *,
        spans: Sequence[Span],
        rows: int,
        size: int,
        fingerprint: str,
        ingested_ms: int,
    ) -> Intent:
        """Write down what is about to be landed: on the disk when this returns.

        Raises:
            StaleLeaseError: another lander has leased the stream since.
            LedgerError: the spans are malformed, overlap what has been landed or is being
                landed, or leave rows out.
        """
        where = f"{stream.domain}/{stream.source}"
        check_spans(spans, rows, where)
        with self.store.writing() as connection:
            if stream.lease:
                held = fence_parts(connection, stream, [span.part for span in spans])
            else:
                held = fence(connection, stream.id, stream.epoch)
            values = {
                "stream_id": stream.id,
                "epoch": draw(connection, stream.id) if stream.lease else stream.epoch,
                "lease": stream.lease,
                "spans": [[s.part, s.start, s.stop] for s in spans],
                "rows": rows,
                "size": size,
                "fingerprint": fingerprint,
                "ingested_ms": ingested_ms,
                "attempts": 0,
                "error": "",
                "good": 0,
                "dead": 0,
            }
            made = connection.execute(
                sa.insert(BATCH).values(**values, token="").returning(BATCH.c.batch)
            )
            batch: int = made.scalar_one()
            token = _token(held, spans, fingerprint, batch)
            connection.execute(sa.update(BATCH).where(BATCH.c.batch == batch).values(token=token))
            for span in spans:
                _claim(connection, held, span, batch)
            return intent_of(_batch_row(connection, batch))

    def open_intents(self, stream_id: int | None = None) -> list[Intent]:
        """Return the batches that are not closed, of one stream or of all, oldest first."""
        query = sa.select(BATCH).where(BATCH.c.closed_no.is_(None)).order_by(BATCH.c.batch)
        if stream_id is not None:
            query = query.where(BATCH.c.stream_id == stream_id)
        with self.store.reading() as connection:
            return [intent_of(row) for row in connection.execute(query)]

    def adopt(self, intent: Intent, stream: Stream) -> Intent:
        """Carry an open intent over to a new lease: same batch, same token, new epoch.

        Raises:
            StaleLeaseError: `stream.epoch` is not the current lease.
            LedgerError: the intent is closed, or belongs to another stream.
        """
        with self.store.writing() as connection:
            held = fence(connection, stream.id, stream.epoch)
            row = open_row(connection, intent, held)
            one = BATCH.c.batch == row.batch
            connection.execute(sa.update(BATCH).where(one).values(epoch=stream.epoch))
            return intent_of(_batch_row(connection, row.batch))

    def failed(self, intent: Intent, error: str) -> Intent:
        """Count a failed attempt at landing an intent, and keep its reason.

        Raises:
            StaleLeaseError: another lander has leased the stream since.
            LedgerError: the intent is closed.
        """
        with self.store.writing() as connection:
            row = held_row(connection, intent)
            one = BATCH.c.batch == row.batch
            connection.execute(
                sa.update(BATCH).where(one).values(attempts=BATCH.c.attempts + 1, error=error)
            )
            return intent_of(_batch_row(connection, row.batch))

    def close(self, intent: Intent, *, good: int, dead: int, tables: Sequence[str] = ()) -> Batch:
        """Write down that the engine holds a batch, and move the positions past it.

        Args:
            intent: what `open`, `adopt` or `failed` returned last.
            good: rows counted in silver.
            dead: rows counted as dead letters.
            tables: the tables that changed; their versions rise in the same transaction.

        Raises:
            StaleLeaseError: another lander has leased the stream since.
            LedgerError: `good + dead` is not `rows`, the intent is closed, or a position is not
                where the intent starts.
        """
        with self.store.writing() as connection:
            row = held_row(connection, intent)
            if good < 0 or dead < 0 or good + dead != row.rows:
                raise LedgerError(
                    f"batch {row.batch} has {row.rows} rows, but {good} good and {dead} dead"
                    " were counted",
                    next_step="run `penstock reconcile`: it names the rows that differ",
                )
            for span in spans_of(row.spans):
                _move(connection, row.stream_id, span, row.batch)
            last = connection.scalar(sa.select(sa.func.max(BATCH.c.closed_no))) or 0
            closed = {"closed_no": last + 1, "closed_ms": time.time_ns() // 1_000_000}
            connection.execute(
                sa.update(BATCH)
                .where(BATCH.c.batch == row.batch)
                .values(good=good, dead=dead, **closed)
            )
            _add_up(connection, row, good, dead)
            bump(connection, tables)
            return batch_of(_batch_row(connection, row.batch))

    def last_batch(self) -> int:
        """Return the highest number handed out so far, to whatever stream; 0 for none."""
        with self.store.reading() as connection:
            return connection.scalar(sa.select(sa.func.max(BATCH.c.batch))) or 0

    def batches(
        self, stream_id: int | None = None, *, after: int = 0, limit: int = 0
    ) -> list[Batch]:
        """Return closed batches with a number above `after`, by number; 0 sets no limit."""
        query = sa.select(BATCH).where(BATCH.c.closed_no.is_not(None), BATCH.c.batch > after)
        if stream_id is not None:
            query = query.where(BATCH.c.stream_id == stream_id)
        query = query.order_by(BATCH.c.batch)
        with self.store.reading() as connection:
            rows = connection.execute(query.limit(limit) if limit else query)
            return [batch_of(row) for row in rows]

    def unaudited(self, *, limit: int = 0, before_ms: int | None = None) -> list[Batch]:
        """Return the batches closed since the last audit mark, in the order they were closed.

        Args:
            limit: how many at most; 0 sets no limit.
            before_ms: end at the first that was closed then or later, epoch milliseconds.
        """
        with self.store.reading() as connection:
            mark = int(_note(connection, _AUDITED) or 0)
            query = sa.select(BATCH).where(BATCH.c.closed_no > mark).order_by(BATCH.c.closed_no)
            rows = connection.execute(query.limit(limit) if limit else query)
            found = map(batch_of, rows)
            # Not a condition of the query: clocks jump, and the mark passes over everything before.
            return list(takewhile(lambda b: before_ms is None or b.closed_ms < before_ms, found))

    def audited(self, up_to_batch: int) -> None:
        """Set the audit mark: this batch and all that were closed before it have been compared.

        Args:
            up_to_batch: the last of what `unaudited` returned. A batch with a lower number that
                closes later stays unaudited. The mark never moves back.

        Raises:
            LedgerError: the batch is not closed.
        """
        with self.store.writing() as connection:
            closed_no = connection.scalar(
                sa.select(BATCH.c.closed_no).where(BATCH.c.batch == up_to_batch)
            )
            if closed_no is None:
                raise LedgerError(f"batch {up_to_batch} is not closed: it cannot be audited")
            if closed_no > int(_note(connection, _AUDITED) or 0):
                _put(connection, _AUDITED, str(closed_no))

    def totals(self) -> dict[tuple[str, str], Totals]:
        """Return (domain, source) → counts; the cost does not grow with the batches."""
        with self.store.reading() as connection:
            return {
                (row.domain, row.source): Totals(*(getattr(row, name) for name in Totals._fields))
                for row in connection.execute(sa.select(STREAM))
            }

    def bump(self, tables: Sequence[str]) -> None:
        """Raise the versions of tables, named `database.table`, that have changed."""
        with self.store.writing() as connection:
            bump(connection, tables)

    def replaying(self) -> frozenset[int]:
        """Return the closed batches whose dead letters are just being landed again."""
        query = sa.select(REPLAY.c.batches).where(REPLAY.c.open)
        with self.store.reading() as connection:
            stored = connection.scalars(query).all()
        return frozenset(batch for batches in stored for batch, _ in batches)

    def versions(self) -> dict[str, int]:
        """Return table → version; a table that never changed is missing: its version is 0."""
        with self.store.reading() as connection:
            return {row.name: row.version for row in connection.execute(sa.select(TABLE_VERSION))}

    def identity(self) -> str:
        """A name of this ledger, another one for each: eight hex digits."""
        with self.store.writing() as connection:
            if (known := _note(connection, "identity")) is None:
                known = uuid.uuid4().hex[:8]
                _put(connection, "identity", known)
            return known

    def get(self, key: str) -> str | None:
        """Read a note."""
        with self.store.reading() as connection:
            return _note(connection, key)

    def put(self, key: str, value: str) -> None:
        """Write a note, over the former one of that key."""
        with self.store.writing() as connection:
            _put(connection, key, value)


def _claim(connection: sa.Connection, held: sa.Row[Any], span: Span, batch: int) -> None:
    """Make `batch` the open one of a part that stands at the span's start."""
    part = (POSITION.c.stream_id == held.id) & (POSITION.c.part == span.part)
    found = connection.execute(sa.select(POSITION).where(part)).one_or_none()
    where = f"{held.domain}/{held.source}, part {span.part}"
    if found is not None and found.open_batch is not None:
        raise LedgerError(f"batch {found.open_batch} is still open", where=where)
    next_row = 0 if found is None else found.next_row
    if span.start != next_row:
        verb = "land rows again" if span.start < next_row else "leave rows out"
        raise LedgerError(
            f"rows {span.start} to {span.stop} would {verb}: the next one is {next_row}",
            where=where,
        )
    if found is None:
        first = {"stream_id": held.id, "part": span.part, "lease": 0}
        connection.execute(sa.insert(POSITION).values(**first, next_row=0, open_batch=batch))
    else:
        connection.execute(sa.update(POSITION).where(part).values(open_batch=batch))


def _move(connection: sa.Connection, stream_id: int, span: Span, batch: int) -> None:
    """Move one position by compare-and-set, and free its part."""
    moved = connection.execute(
        sa.update(POSITION)
        .where(
            POSITION.c.stream_id == stream_id,
            POSITION.c.part == span.part,
            POSITION.c.next_row == span.start,
            POSITION.c.open_batch == batch,
        )
        .values(next_row=span.stop, open_batch=None)
    )
    if moved.rowcount != 1:
        raise LedgerError(
            f"batch {batch} starts at row {span.start}, where the position is not",
            where=f"stream {stream_id}, part {span.part}",
            next_step="the ledger has been changed by hand: restore it from a backup",
        )


def _add_up(connection: sa.Connection, row: sa.Row[Any], good: int, dead: int) -> None:
    own = STREAM.c
    latest = sa.case(
        (own.last_ingested_ms < row.ingested_ms, row.ingested_ms), else_=own.last_ingested_ms
    )
    connection.execute(
        sa.update(STREAM)
        .where(own.id == row.stream_id)
        .values(
            rows=own.rows + row.rows,
            good=own.good + good,
            dead=own.dead + dead,
            batches=own.batches + 1,
            last_ingested_ms=latest,
        )
    )


def bump(connection: sa.Connection, tables: Sequence[str]) -> None:
    """Raise the versions of tables within a transaction."""
    # Sorted: two writers that lock rows one by one must meet them in the same order.
    names = sorted(set(tables))
    if not names:
        return
    insert = upsert(connection, TABLE_VERSION)
    raised = insert.on_conflict_do_update(
        index_elements=["name"], set_={"version": TABLE_VERSION.c.version + 1}
    )
    connection.execute(raised, [{"name": name, "version": 1} for name in names])


def _note(connection: sa.Connection, key: str) -> str | None:
    value: str | None = connection.scalar(sa.select(NOTE.c.value).where(NOTE.c.key == key))
    return value


def _put(connection: sa.Connection, key: str, value: str) -> None:
    insert = upsert(connection, NOTE).values(key=key, value=value)
    connection.execute(insert.on_conflict_do_update(index_elements=["key"], set_={"value": value}))


def _token(held: sa.Row[Any], spans: Sequence[Span], fingerprint: str, batch: int) -> str:
    """Bind a token to the content. JSON, as names joined by a sign could spell each other."""
    ranges = [[s.part, s.start, s.stop] for s in spans]
    bound = [held.domain, held.source, held.incarnation, ranges, fingerprint, batch]
    return hashlib.sha256(json.dumps(bound).encode()).hexdigest()


def _batch_row(connection: sa.Connection, batch: int) -> sa.Row[Any]:
    return connection.execute(sa.select(BATCH).where(BATCH.c.batch == batch)).one()
