"""The records of backfills: what is being filled anew, and how far it has got.

::

    making ──▶ filling ──▶ placing ──▶ sweeping ──▶ done
       └──────────┴──▶ abandoned

A kill leaves a record in one of the first four states; what is to be done about it is read from
here, as the engine's tables alone do not say which slices they hold.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import sqlalchemy as sa

from penstock.store.schema import BACKFILL

if TYPE_CHECKING:
    from penstock.store.database import Store

BackfillState = Literal["making", "filling", "placing", "sweeping", "done", "abandoned"]
_OPEN = ("making", "filling", "placing", "sweeping")


class Slice(NamedTuple):
    """Rows of one partition of a view's source, by whole batches.

    Attributes:
        view: index of the view among its relation's.
        part: partition of the source, `_partition_id`.
        first: lowest batch.
        last: highest batch.
        rows: it holds.
    """

    view: int
    part: str
    first: int
    last: int
    rows: int


@dataclass(frozen=True, slots=True)
class Work:
    """What a backfill consists of, known from its cut on.

    Attributes:
        table: UUID of the table that is being filled: tells whether it is in its place already.
        slices: of the source, in order.
        since_ms: rows that arrived earlier are left out, as the source lets go of them; 0 for none.
        carried_ms: rows of the former table of times before it are taken over, epoch
            milliseconds; 0 for none.
        drops: views that go when the new table comes.
    """

    table: str = ""
    slices: tuple[Slice, ...] = ()
    since_ms: int = 0
    carried_ms: int = 0
    drops: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def read(cls, document: dict[str, Any]) -> Work:
        """From JSON."""
        slices = tuple(Slice(*each) for each in document["slices"])
        return cls(**{**document, "slices": slices, "drops": tuple(document["drops"])})


@dataclass(frozen=True, slots=True)
class Backfill:
    """One backfill.

    Attributes:
        id: its number; never given twice in one store.
        relation: `database.relation`.
        digest: of the file's statements it was begun for.
        state: how far it is.
        cut: the last batch that its slices hold; those after it come by its view.
        done: slices that are stored.
        work: what it consists of.
    """

    id: int
    relation: str
    digest: str
    state: BackfillState
    cut: int = 0
    done: int = 0
    work: Work = field(default_factory=Work)


class Backfills:
    """All of them, in a store; safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def unfinished(self) -> list[Backfill]:
        """Those that have neither come to their end nor been abandoned, oldest first."""
        query = sa.select(BACKFILL).where(BACKFILL.c.state.in_(_OPEN)).order_by(BACKFILL.c.id)
        with self._store.reading() as connection:
            return [_read(row) for row in connection.execute(query)]

    def begin(self, relation: str, digest: str, work: Work) -> Backfill:
        """Write one down before the first thing is made for it."""
        values = {"relation": relation, "digest": digest, "state": "making", "cut": 0, "done": 0}
        values |= {"work": work.document(), "started_ms": time.time_ns() // 1_000_000}
        with self._store.writing() as connection:
            made = sa.insert(BACKFILL).values(**values).returning(BACKFILL)
            return _read(connection.execute(made).one())

    def fill(self, backfill: Backfill, cut: int, work: Work) -> Backfill:
        """Note the cut and the slices before it: from here on it is filled."""
        return self._change(backfill, state="filling", cut=cut, work=work.document())

    def count(self, backfill: Backfill, done: int) -> Backfill:
        """Note how many slices are stored."""
        return self._change(backfill, done=done)

    def turn(self, backfill: Backfill, state: BackfillState) -> Backfill:
        """Note another state."""
        ended = None if state in _OPEN else time.time_ns() // 1_000_000
        return self._change(backfill, state=state, ended_ms=ended)

    def _change(self, backfill: Backfill, **values: object) -> Backfill:
        one = BACKFILL.c.id == backfill.id
        changed = sa.update(BACKFILL).where(one).values(**values).returning(BACKFILL)
        with self._store.writing() as connection:
            return _read(connection.execute(changed).one())


def _read(row: sa.Row[Any]) -> Backfill:
    return Backfill(
        id=row.id,
        relation=row.relation,
        digest=row.digest,
        state=row.state,
        cut=row.cut,
        done=row.done,
        work=Work.read(row.work),
    )
