"""What the ledger hands out: frozen records, read from its tables."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from penstock.errors import IncarnationError, LedgerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

_MOST_PART = 2**32 - 1  # `_part` is UInt32
_MOST_ROW = 2**63 - 1  # the widest integer of the store


@dataclass(frozen=True, slots=True)
class Span:
    """Rows `[start, stop)` of one part, as the source counts them."""

    part: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Stream:
    """One source of one domain.

    Attributes:
        id: its number in the ledger.
        domain: the folder it belongs to.
        source: its name within the domain.
        incarnation: which log it is: a topic's id, a spool's id, a bucket.
        epoch: the lease it was read under. To write, lease it and put the new epoch here:
            `replace(stream, epoch=ledger.lease(stream.id))`.
    """

    id: int
    domain: str
    source: str
    incarnation: str
    epoch: int

    def check(self, incarnation: str) -> None:
        """Raise IncarnationError where the source is another log than the ledger knows."""
        if self.incarnation != incarnation:
            raise IncarnationError(
                f"the source is {incarnation!r}, the ledger knows it as {self.incarnation!r}",
                where=f"{self.domain}/{self.source}",
                next_step="bring the former source back (its spool, topic or bucket), or give the"
                " new one another name: its positions start afresh",
            )


@dataclass(frozen=True, slots=True)
class Intent:
    """A batch that has been written down.

    Attributes:
        batch: its number, `_batch` in the engine; never handed out twice in one store.
        stream_id: the stream it belongs to.
        spans: what it holds, in the order the rows are landed; one span a part.
        rows: how many rows that is; a source may have gaps, so at most the width of the spans.
        size: bytes as read from the source.
        fingerprint: of the content; the lander compares it when it rebuilds the batch.
        ingested_ms: `_ingested_at` of all its rows, epoch milliseconds.
        token: what the engine deduplicates by: 64 hex digits, bound to all of the above.
        epoch: the lease it is being landed under.
        attempts: how often landing it has failed.
        error: why it failed last.
        state: `open` until the engine has been seen to hold it.
    """

    batch: int
    stream_id: int
    spans: tuple[Span, ...]
    rows: int
    size: int
    fingerprint: str
    ingested_ms: int
    token: str
    epoch: int
    attempts: int
    error: str
    state: Literal["open", "closed"]


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that has been landed: a closed intent (see there) and what became of its rows.

    Attributes:
        good: rows that reached silver.
        dead: rows that are dead letters; `good + dead == rows`.
        closed_ms: when it was closed, epoch milliseconds.
    """

    batch: int
    stream_id: int
    spans: tuple[Span, ...]
    rows: int
    good: int
    dead: int
    size: int
    ingested_ms: int
    token: str
    fingerprint: str
    closed_ms: int


class Totals(NamedTuple):
    """Counts over all closed batches of a source; `last_ingested_ms` is 0 where there is none."""

    rows: int
    good: int
    dead: int
    batches: int
    last_ingested_ms: int


def spans_of(stored: list[list[int]]) -> tuple[Span, ...]:
    """Read spans as they are stored: `[[part, start, stop], …]`."""
    return tuple(Span(*each) for each in stored)


def intent_of(row: sa.Row[Any]) -> Intent:
    """Read an intent from a row of `batch`."""
    return Intent(
        batch=row.batch,
        stream_id=row.stream_id,
        spans=spans_of(row.spans),
        rows=row.rows,
        size=row.size,
        fingerprint=row.fingerprint,
        ingested_ms=row.ingested_ms,
        token=row.token,
        epoch=row.epoch,
        attempts=row.attempts,
        error=row.error,
        state="open" if row.closed_no is None else "closed",
    )


def batch_of(row: sa.Row[Any]) -> Batch:
    """Read a landed batch from a row of `batch` that is closed."""
    return Batch(
        batch=row.batch,
        stream_id=row.stream_id,
        spans=spans_of(row.spans),
        rows=row.rows,
        good=row.good,
        dead=row.dead,
        size=row.size,
        ingested_ms=row.ingested_ms,
        token=row.token,
        fingerprint=row.fingerprint,
        closed_ms=row.closed_ms,
    )


def check_spans(spans: Sequence[Span], rows: int, where: str) -> None:
    """Refuse what cannot be a batch, before anything is asked of the store.

    Raises:
        LedgerError: what is wrong, `where`.
    """
    fault = ""
    width = sum(span.stop - span.start for span in spans)
    parts = Counter(span.part for span in spans)
    if not spans:
        fault = "a batch without spans"
    elif max(parts.values()) > 1:
        fault = f"part {parts.most_common(1)[0][0]} in two spans: join them"
    elif bad := [s for s in spans if not 0 <= s.start < s.stop <= _MOST_ROW]:
        fault = f"a span that is no range of rows: {bad[0]}"
    elif bad := [s for s in spans if not 0 <= s.part <= _MOST_PART]:
        fault = f"a part that does not fit 32 bits: {bad[0]}"
    elif not 0 <= rows <= width:
        fault = f"{rows} rows in spans of {width}"
    if fault:
        raise LedgerError(f"the ledger refuses {fault}", where=where)
