"""Tail: the newest rows of a relation by arrival, and each that lands from then on, once.

It goes by the ledger: a batch that is closed is whole in every table, and batches are closed one
after the other. Rows that nobody landed (an INSERT by hand) have no batch and are not seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from penstock.errors import UsageError
from penstock.layers.statements import fill
from penstock.store.schema import BATCH, STREAM

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from penstock.engine.client import Client
    from penstock.project.objects import Project, Relation
    from penstock.store.database import Store

_FIRST, _MOST = 8, 8192  # batches looked at for the newest rows: ever more until they are enough
_AT_ONCE = 32  # batches of one query while following
_COLUMNS = (
    "SELECT name FROM system.columns WHERE database = {database:String} AND table = {table:String}"
)
_COUNT = "SELECT count() FROM {relation} WHERE _batch IN {{batches:Array(UInt64)}}"


class Tail:
    """The end of one relation.

    Args:
        project: that it is of.
        relation: with a column `_batch`.
        client: to the engine.
        store: that has the ledger.

    Raises:
        UsageError: its rows do not say which batch they came with.
    """

    def __init__(self, project: Project, relation: Relation, client: Client, store: Store) -> None:
        self._relation, self._client, self._store = relation, client, store
        self._feeding = _feeding(project, relation)
        names = {"database": relation.database, "table": relation.name}
        self._columns = {row["name"] for row in client.rows(_COLUMNS, params=names)}
        self._mark = 0
        if "_batch" not in self._columns or not self._feeding:
            raise UsageError(
                f"rows of {relation.name} do not say when they came: it has no _batch",
                next_step=f'penstock query "{_instead(relation)}"',
            )

    def newest(self, limit: int, form: str) -> bytes:
        """The rows that came last, oldest of them first, in a format of ClickHouse."""
        closings = self._closings(0, newest=_MOST)
        self._mark = closings[0][0] if closings else 0
        batches = [batch for _, batch in closings]
        if limit == 0:
            return b""
        most = _FIRST
        while most < len(batches) and self._count(batches[:most]) < limit:
            most *= 4
        return self._rows(batches[:most][::-1], limit, form)

    def landed(self, form: str) -> Iterator[bytes]:
        """The rows of every batch that was closed since the last one that was given.

        A batch counts as given when the next one is asked for: after an error it comes again.
        """
        closings = self._closings(self._mark)
        for start in range(0, len(closings), _AT_ONCE):
            piece = closings[start : start + _AT_ONCE]
            yield self._rows([batch for _, batch in piece], 0, form)
            self._mark = piece[-1][0]

    def _closings(self, after: int, *, newest: int = 0) -> list[tuple[int, int]]:
        """(number of its closing, batch) each, in that order; the newest first where so many."""
        named = sa.tuple_(STREAM.c.domain, STREAM.c.source).in_(self._feeding)
        query = (
            sa.select(BATCH.c.closed_no, BATCH.c.batch)
            .join(STREAM, STREAM.c.id == BATCH.c.stream_id)
            .where(BATCH.c.closed_no > after, named)
        )
        if newest:
            query = query.order_by(BATCH.c.closed_no.desc()).limit(newest)
        else:
            query = query.order_by(BATCH.c.closed_no)
        with self._store.reading() as connection:
            return [(row.closed_no, row.batch) for row in connection.execute(query)]

    def _count(self, batches: list[int]) -> int:
        sql = _COUNT.format(relation=f"`{self._relation.name}`")
        params = {"batches": str(batches)}
        return int(self._client.value(sql, database=self._relation.database, params=params))

    def _rows(self, batches: list[int], limit: int, form: str) -> bytes:
        order = ["_closed", *(name for name in ("_part", "_pos") if name in self._columns)]
        sql = fill(
            "tail",
            columns="*, _error" if "_error" in self._columns else "*",  # it is MATERIALIZED
            relation=f"`{self._relation.name}`",
            newest=", ".join(f"{name} DESC" for name in order),
            oldest=", ".join(order),
        )
        params = {"batches": str(batches), "limit": str(limit or 2**63)}
        return self._client.fetch(sql, form, database=self._relation.database, params=params)


def _feeding(project: Project, relation: Relation) -> Collection[tuple[str, str]]:
    """The sources whose rows reach a relation, as (domain, source)."""
    feeding = []
    for source in project.sources():
        if source.domain != relation.domain or source.kind == "file":  # which goes via another
            continue
        bronze = project.relation(source.domain, source.into)
        if relation in project.changing(bronze):
            feeding.append((source.domain, source.name))
    return feeding


def _instead(relation: Relation) -> str:
    """A query of what is last in it by its own time, where it has one."""
    key = relation.clause("ORDER BY")
    columns = relation.table.columns if relation.table else ()
    times = [c.name for c in columns if c.name in key and c.type.startswith("Date")]
    last = f" ORDER BY {times[0]} DESC" if times else ""
    return f"SELECT * FROM {relation.database}.{relation.name}{last} LIMIT 10"  # noqa: S608 - shown
