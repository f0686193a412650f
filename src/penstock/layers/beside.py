"""The table beside a table: made by the same file, filled unseen, then put in its place.

`hourly__next` is made as `hourly` is to be, `hourly_mv__next` feeds it from the same source as
`hourly_mv` will. Readers see nothing of them until they are exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.layers.statements import fill, load
from penstock.project.lexer import literal, quoted
from penstock.store.backfills import Slice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from penstock.engine.client import Client
    from penstock.project.objects import Relation, Statement
    from penstock.store.backfills import Backfill

NEXT, SEEN, WAS = "__next", "__seen", "__was"
"""What is filled; a copy of it at one moment, to be checked; the former table at the cut."""

CARRIED = -1
"""The view of a slice that comes from the former table."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A relation's table, the one beside it, and the statements about both.

    Attributes:
        relation: with a table and the materialized views that feed it.
        client: to the engine.
    """

    relation: Relation
    client: Client

    @property
    def name(self) -> str:
        """The relation's own."""
        return self.relation.name

    def make(self) -> str:
        """Make the new table, empty, in the place of what an earlier try left; gives its UUID."""
        self.drop()
        main = self.relation.main
        if main is not None:
            self._do(_renamed(main, {main.name: self.name + NEXT}))
        return self._uuids()[self.name + NEXT]

    def watch(self, *, carry: bool) -> None:
        """Let the new table get what comes from now on; keep the former one as it is now."""
        for view in self.relation.views:
            names = {view.name: view.name + NEXT, view.target: self.name + NEXT}
            self._do(_renamed(view, names))
        if carry:
            self._do(f"CREATE TABLE {quoted(self.name + WAS)} CLONE AS {quoted(self.name)}")

    def look(self) -> None:
        """Keep what the new table holds at this moment."""
        self._do(f"DROP TABLE IF EXISTS {quoted(self.name + SEEN)}")
        self._do(f"CREATE TABLE {quoted(self.name + SEEN)} CLONE AS {quoted(self.name + NEXT)}")

    def place(self, new: str, drops: Iterable[str]) -> None:
        """Put the new table and its views in their places; may be repeated after a kill.

        Args:
            new: UUID of the new table: where it stands already, the tables are not exchanged back.
            drops: statements for views that the file no longer has.
        """
        for sql in drops:
            self._do(sql)
        for view in self.relation.views:
            self._do(f"DROP VIEW IF EXISTS {quoted(view.name)}")
        there = self._uuids().get(self.name)
        if there is None:
            self._do(f"RENAME TABLE {quoted(self.name + NEXT)} TO {quoted(self.name)}")
        elif there != new:
            self._do(f"EXCHANGE TABLES {quoted(self.name + NEXT)} AND {quoted(self.name)}")
        # A view feeds the table of its name: those beside would go on with the former one.
        for view in self.relation.views:
            self._do(view.sql)
            self._do(f"DROP VIEW IF EXISTS {quoted(view.name + NEXT)}")

    def is_placed(self, new: str) -> bool:
        """Whether the new table and all of its views are in their places."""
        found = self._uuids()
        views = [view.name for view in self.relation.views]
        there = all(name in found and name + NEXT not in found for name in views)
        return there and found.get(self.name) == new

    def drop(self) -> None:
        """Remove all that was made beside: after an exchange that is the former table."""
        found = self._uuids()
        for name in (view.name + NEXT for view in self.relation.views):
            if name in found:
                self._do(f"DROP VIEW IF EXISTS {quoted(name)}")
        for name in (self.name + suffix for suffix in (NEXT, SEEN, WAS)):
            if name in found:
                self._do(f"DROP TABLE IF EXISTS {quoted(name)}")

    def slices(self, cut: int, since_ms: int, size: int) -> Iterable[Slice]:
        """What the views' sources hold up to a batch, cut into slices.

        Args:
            cut: the last batch.
            since_ms: rows that arrived earlier are left out.
            size: rows of a slice, but for its last batch.
        """
        for index, view in enumerate(self.relation.views):
            source = self.source(view)
            params = {"database": self.relation.database, "table": source}
            for row in self.client.rows(load("partitions"), params=params):
                part, rows = str(row["part"]), int(row["rows"])
                if rows <= size:
                    yield Slice(index, part, 0, cut, rows)
                    continue
                words = {"source": quoted(source), "part": literal(part)}
                sql = fill("slices", **words, which=batches(0, cut, since_ms), size=size)
                for each in self._rows(sql):
                    yield Slice(index, part, *(int(each[n]) for n in ("first", "last", "rows")))

    def carried(self, before: str, size: int) -> Iterable[Slice]:
        """What of the former table is taken over, cut into slices by a hash of its key."""
        former = quoted(self.name + WAS)
        counted = f"SELECT count() AS rows FROM {former} WHERE {before}"  # noqa: S608 - our names
        rows = int(self._rows(counted)[0]["rows"])
        parts = -(-rows // size)
        for number in range(parts):
            yield Slice(CARRIED, str(parts), number, number, rows // parts)

    def store(self, backfill: Backfill, before: str) -> None:
        """Store the slices that are next; storing them again changes nothing.

        Args:
            backfill: whose they are: from `done` to `upto`, all of one view.
            before: condition on the rows that are taken from the former table; empty for none.
        """
        pieces = backfill.work.slices[backfill.done : backfill.upto]
        filters: dict[str, str] = {}
        if pieces[0].view == CARRIED:
            key = self.relation.clause("ORDER BY")
            names = self.columns([self.name + WAS, self.name + NEXT])
            query = f"SELECT * FROM {quoted(self.name + WAS)} WHERE {before}"  # noqa: S608
            numbers = ", ".join(str(piece.first) for piece in pieces)
            which = f"cityHash64({key}) % {pieces[0].part} IN ({numbers})"
        else:
            view = self.relation.views[pieces[0].view]
            names = self.columns([view.name + NEXT, self.name + NEXT])
            query, which = view.select, f"NOT ({before})" if before else "true"
            filters = {self.source(view): _either(backfill)}
        sql = fill(
            "fill",
            target=quoted(self.name + NEXT),
            columns=", ".join(map(quoted, names)),
            which=which,
            filters=self.filters(filters),
            token=literal(f"{backfill.work.table} {backfill.id} {backfill.done} {backfill.upto}"),
            query=query,
        )
        self._do(sql)

    def filters(self, conditions: Mapping[str, str]) -> str:
        """Table → condition, as the value of the setting `additional_table_filters`."""
        database = self.relation.database
        pairs = (f"{literal(f'{database}.{n}')}: {literal(c)}" for n, c in conditions.items())
        return "{" + ", ".join(pairs) + "}"

    def source(self, view: Statement) -> str:
        """The one table that a view reads."""
        return view.reads[0]

    def columns(self, names: Iterable[str]) -> list[str]:
        """The columns that tables and views have in common, by name, in order."""
        params = {"database": self.relation.database, "tables": str(list(names))}
        rows = self.client.rows(load("common_columns"), params=params)
        return [str(row["name"]) for row in rows]

    def types(self, name: str) -> dict[str, str]:
        """Column → type of a table or a view, in one spelling, without spaces."""
        params = {"d": self.relation.database, "t": name}
        sql = "SELECT name, type FROM system.columns WHERE database = {d:String}"
        rows = self.client.rows(f"{sql} AND table = {{t:String}}", params=params)
        return {str(row["name"]): "".join(str(row["type"]).split()) for row in rows}

    def _uuids(self) -> dict[str, str]:
        """The UUID of each of the tables and views that there are."""
        sql = "SELECT name, toString(uuid) AS uuid FROM system.tables WHERE database = {d:String}"
        rows = self.client.rows(sql, params={"d": self.relation.database})
        return {str(row["name"]): str(row["uuid"]) for row in rows}

    def _do(self, sql: str) -> None:
        self.client.execute(sql, database=self.relation.database)

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        return self.client.rows(sql, database=self.relation.database)


def batches(first: int, last: int, since_ms: int) -> str:
    """The condition on a source's rows that says which batches are meant."""
    since = f" AND _ingested_at >= fromUnixTimestamp64Milli({since_ms}, 'UTC')" if since_ms else ""
    return f"_batch >= {first} AND _batch <= {last}{since}"


def _either(backfill: Backfill) -> str:
    """The condition on a source's rows that says which slices are next."""
    work = backfill.work
    pieces = work.slices[backfill.done : backfill.upto]
    if len(pieces) == sum(piece.view == pieces[0].view for piece in work.slices):
        return batches(0, backfill.cut, work.since_ms)  # all of them: cheaper to tell
    parts: dict[str, list[str]] = {}
    for piece in pieces:
        parts.setdefault(piece.part, []).append(batches(piece.first, piece.last, work.since_ms))
    return " OR ".join(
        f"_partition_id = {literal(part)} AND ({' OR '.join(conditions)})"
        for part, conditions in parts.items()
    )


def _renamed(statement: Statement, names: Mapping[str, str]) -> str:
    """A CREATE that makes and feeds others than it says; its query stays as it is."""
    base = statement.tokens[0].start
    end = statement.query[0].start if statement.query else statement.tokens[-1].end
    head, at = "", base
    left = dict(names)
    for token in statement.tokens:
        if token.start < end and token.is_name and token.value in left:
            head += statement.sql[at - base : token.start - base] + quoted(left.pop(token.value))
            at = token.end
    return head + statement.sql[at - base :]
