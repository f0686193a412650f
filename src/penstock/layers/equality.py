"""Equality: that a table which was filled in slices holds what one query over its source gives.

Compared are numbers that a slice left out or stored twice would change: how many keys there are,
sums, counts, extremes. They are taken from what the table's columns say they are, and the query
is run for these columns alone, which costs a fraction of filling.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from penstock.layers.beside import NEXT, SEEN, WAS, batches
from penstock.layers.conservation import Value
from penstock.layers.forms import quoted
from penstock.project import queries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from penstock.layers.beside import Beside
    from penstock.project.objects import Column, Relation
    from penstock.store.backfills import Backfill

_SIMPLE = re.compile(r"SimpleAggregateFunction\((sum|min|max),.*")
_STATE = re.compile(r"AggregateFunction\((count|sum|avg|min|max)(?:,.*)?\)")
_NUMBER = re.compile(r"(?:Nullable\()?(?:U?Int|Float|BFloat|Decimal)\d*.*")


@dataclass(frozen=True, slots=True)
class Unequal:
    """One number that differs: what it is, what the source gives, what the new table holds."""

    what: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Total:
    """A number over all rows of a table.

    Attributes:
        expression: of it.
        adds: whether those of two sets of rows add up to that of both.
    """

    expression: str
    adds: bool


def unequal(beside: Beside, backfill: Backfill, last: int, before: str) -> list[Unequal]:
    """What differs between the new table, as it was copied, and its source.

    Args:
        beside: the tables.
        backfill: that filled the new one.
        last: the last batch that had come when the copy was made.
        before: condition on the rows that were taken from the former table; empty for none.
    """
    views = [view.name + NEXT for view in beside.relation.views]
    given = beside.columns([*views, beside.name + NEXT])
    wanted = list(totals(beside.relation, given))
    parts = list(_parts(beside, backfill, last, before))
    if len(parts) > 1:  # of several queries only what adds up can be told
        wanted = [total for total in wanted if total.adds]
    if not wanted:
        return []
    held = _values(beside, wanted, f"SELECT * FROM {quoted(beside.name + SEEN)}", "{}")  # noqa: S608
    expected = _values(beside, wanted, *parts[0])
    for query, filters in parts[1:]:
        more = _values(beside, wanted, query, filters)
        expected = [_sum(one, other) for one, other in zip(expected, more, strict=True)]
    return [
        Unequal(total.expression, should.text, value.text)
        for total, should, value in zip(wanted, expected, held, strict=True)
        if not should.equals(value)
    ]


def totals(relation: Relation, given: Sequence[str]) -> Iterator[Total]:
    """The numbers by which two contents of a relation's table are compared.

    Args:
        relation: whose table it is.
        given: columns that all of its views give.
    """
    table = relation.table
    if table is None:
        return
    engine, key = table.engine, relation.clause("ORDER BY")
    names = {t.value for t in table.clauses.get("ORDER BY", ()) if t.is_name}
    if names and names <= set(given):
        yield Total(f"uniqExact({key})", adds=False)
    if engine.endswith("MergeTree") and not engine.endswith(
        ("SummingMergeTree", "AggregatingMergeTree", "ReplacingMergeTree", "CollapsingMergeTree")
    ):
        grouped = any("GROUP" in queries.clauses(view.query) for view in relation.views)
        if not grouped:
            yield Total("count()", adds=True)
    for column in table.columns:
        if column.name in given and column.name not in names:
            yield from _of_column(column, summing=engine.endswith("SummingMergeTree"))


def _of_column(column: Column, *, summing: bool) -> Iterator[Total]:
    name = quoted(column.name)
    if simple := _SIMPLE.fullmatch(column.type):
        yield Total(f"{simple[1]}({name})", adds=simple[1] == "sum")
    elif state := _STATE.fullmatch(column.type):
        yield Total(f"{state[1]}Merge({name})", adds=state[1] in ("count", "sum"))
    elif summing and _NUMBER.fullmatch(column.type):
        yield Total(f"sum({name})", adds=True)


def _parts(beside: Beside, backfill: Backfill, last: int, before: str) -> Iterator[tuple[str, str]]:
    """What the new table is to hold, as queries, each with the filters of its source."""
    since = backfill.work.since_ms
    for view in beside.relation.views:
        source, select = beside.source(view), f"SELECT * FROM (\n{view.select}\n)"  # noqa: S608
        if not before:
            yield select, beside.filters({source: batches(0, last, since)})
            continue
        old = batches(0, backfill.cut, since)
        yield f"{select} WHERE NOT ({before})", beside.filters({source: old})
        yield select, beside.filters({source: batches(backfill.cut + 1, last, since)})
    if before:
        former = quoted(beside.name + WAS)
        yield f"SELECT * FROM {former} WHERE {before}", "{}"  # noqa: S608 - names of ours


def _values(beside: Beside, wanted: Sequence[Total], query: str, filters: str) -> list[Value]:
    columns = ", ".join(
        f"ifNull(toString({total.expression}), '0') AS c{n}, toTypeName({total.expression}) AS t{n}"
        for n, total in enumerate(wanted)
    )
    sql = f"SELECT {columns} FROM ({query}) SETTINGS additional_table_filters = {filters}"  # noqa: S608
    row = beside.client.rows(sql, database=beside.relation.database)[0]
    return [Value(str(row[f"c{n}"]), row[f"t{n}"]) for n in range(len(wanted))]


def _sum(one: Value, other: Value) -> Value:
    return Value(str(Decimal(one.text) + Decimal(other.text)), one.type)
