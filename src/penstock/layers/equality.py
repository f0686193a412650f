"""Equality: that a table which was filled in slices holds what one query over its source gives.

Compared are numbers that a slice left out or stored twice would change. A file that says what its
table conserves has named them; else they are taken from what its columns say they are (how many
keys there are, sums, counts, extremes), and the query is run for these columns alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING

import structlog

from penstock.layers.beside import NEXT, SEEN, WAS, batches
from penstock.layers.conservation import Difference, Value, values
from penstock.project import lexer, queries
from penstock.project.lexer import literal, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from penstock.layers.beside import Beside
    from penstock.project.objects import Column, Relation
    from penstock.store.backfills import Backfill

_SIMPLE = re.compile(r"SimpleAggregateFunction\((sum|min|max),(.*)\)")
_STATE = re.compile(r"AggregateFunction\((count|sum|avg|min|max|uniqExact)(?:,(.*))?\)")
_NUMBER = re.compile(r"(?:Nullable\()?(?:U?Int|Decimal)\d*.*")
_DROPS = re.compile(r"(?:WHERE|GROUP|TO|RECOMPRESS|SET)", re.IGNORECASE)
_PLAIN = ("SummingMergeTree", "AggregatingMergeTree", "ReplacingMergeTree", "CollapsingMergeTree")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Total:
    """A number over all rows of a table.

    Attributes:
        expression: of it.
        adds: whether those of two sets of rows add up to that of both.
    """

    expression: str
    adds: bool


def unequal(beside: Beside, backfill: Backfill, last: int, before: str) -> list[Difference]:
    """What differs between the new table, as it was copied, and its source.

    Args:
        beside: the tables.
        backfill: that filled the new one.
        last: the last batch that had come when the copy was made.
        before: condition on the rows that were taken from the former table; empty for none.
    """
    relation = beside.relation
    lasting = _lasting(relation)
    if lasting is None:
        _log.info("backfill_not_compared", relation=backfill.relation, reason="its TTL")
        return []
    declared = _declared(relation)
    if declared and not before and not lasting:
        source = beside.source(relation.views[0])
        filters = beside.filters({source: batches(0, last, backfill.work.since_ms)})
        wanted = [held for held, _ in declared]
        expected = _values(beside, [of for _, of in declared], quoted(source), filters)
    else:
        wanted, expected = _derived(beside, backfill, last, before, lasting)
    seen = f"(SELECT * FROM {quoted(beside.name + SEEN)} WHERE {lasting or 'true'})"  # noqa: S608
    held = _values(beside, wanted, seen, "{}")
    return [
        Difference(relation.name, what, should.text, value.text)
        for what, should, value in zip(wanted, expected, held, strict=True)
        if not should.equals(value)
    ]


def _lasting(relation: Relation) -> str | None:
    """The condition on a table's rows that its own TTL leaves; None where it cannot be told."""
    clause = relation.table.clauses.get("TTL", ()) if relation.table else ()
    elements = lexer.split(clause, ",")
    if not elements:
        return ""
    words = [token for token in elements[0] if token.upper != "DELETE"]
    if len(elements) > 1 or any(_DROPS.fullmatch(token.text) for token in words):
        return None
    # A day's slack: what a merge may drop while both sides are looked at is left out of both.
    return f"toDateTime64({' '.join(t.text for t in words)}, 3, 'UTC') > now() + INTERVAL 1 DAY"


def _declared(relation: Relation) -> list[tuple[str, str]]:
    """What a file says that its table conserves: expressions over it and over its only source."""
    conserves, source = (relation.header.values.get(k) for k in ("conserves", "from_silver"))
    if len(relation.views) != 1 or not isinstance(conserves, dict) or not isinstance(source, dict):
        return []
    return [(str(conserves[k]), str(source[k])) for k in conserves if k in source]


def _derived(
    beside: Beside, backfill: Backfill, last: int, before: str, lasting: str
) -> tuple[list[str], list[Value]]:
    """What the columns' types say can be compared, and what the views' queries give for it."""
    comparable = _comparable(beside)
    wanted = list(totals(beside.relation, tuple(comparable)))
    parts = list(_parts(beside, backfill, last, before))
    if len(parts) > 1:  # of several queries only what adds up can be told
        wanted = [total for total in wanted if total.adds]
    said = [total.expression for total in wanted]
    _log.info("backfill_compared", relation=backfill.relation, by=said)
    columns = ", ".join(comparable.values()) or "1"
    found = [
        _values(
            beside,
            said,
            f"(SELECT {columns} FROM ({query}) WHERE {lasting or 'true'})",  # noqa: S608
            filters,
        )
        for query, filters in parts
    ]
    return said, [reduce(_sum, values) for values in zip(*found, strict=True)]


def _comparable(beside: Beside) -> dict[str, str]:
    """Column → its expression over a view, of those whose values a table takes as they are.

    What is stored is of the table's type: a view's value is turned into it. Where that rounds, or
    puts a default in the place of NULL, sums depend on how rows were put together.
    """
    types = beside.types(beside.name + NEXT)
    views = [beside.types(view.name + NEXT) for view in beside.relation.views]
    found: dict[str, str] = {}
    for name, kind in types.items():
        given = [view.get(name, "") for view in views]
        inner = _SIMPLE.sub(r"\2", kind)
        rounds = any("Float" in one and "Float" not in inner for one in given)
        fills = any("Nullable" in one and "Nullable" not in inner for one in given)
        if not all(given) or rounds or fills:
            continue
        same = all(_SIMPLE.sub(r"\2", one) == inner for one in given)
        cast = f"CAST({quoted(name)}, {literal(inner)}) AS {quoted(name)}"
        found[name] = quoted(name) if same else cast
    return found


def totals(relation: Relation, given: Sequence[str]) -> Iterator[Total]:
    """The numbers by which two contents of a relation's table are compared.

    Args:
        relation: whose table it is.
        given: columns whose values can be compared.
    """
    table = relation.table
    if table is None:
        return
    engine, key = table.engine, relation.clause("ORDER BY")
    names = {
        token.value
        for clause in ("ORDER BY", "PARTITION BY")
        for token in table.clauses.get(clause, ())
        if token.is_name and table.column(token.value)
    }
    summing = engine.endswith("SummingMergeTree")  # rows whose sums are all 0 are dropped
    if names and names <= set(given) and not summing:
        yield Total(f"uniqExact({key})", adds=False)
    if engine.endswith("MergeTree") and not engine.endswith(_PLAIN):
        grouped = any("GROUP" in queries.clauses(view.query) for view in relation.views)
        if not grouped:
            yield Total("count()", adds=True)
    said = {t.value for t in table.clauses.get("ENGINE", ())[1:] if t.is_name}
    for column in table.columns:
        if column.name in given and column.name not in names:
            yield from _of_column(column, summing=summing and (not said or column.name in said))


def _of_column(column: Column, *, summing: bool) -> Iterator[Total]:
    """Floats are left out: their sums depend on the order of adding."""
    name = quoted(column.name)
    if simple := _SIMPLE.fullmatch(column.type):
        if simple[1] != "sum" or _NUMBER.fullmatch(simple[2]):
            yield Total(f"{simple[1]}({name})", adds=simple[1] == "sum")
    elif state := _STATE.fullmatch(column.type):
        if "Float" not in (state[2] or ""):
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


def _values(beside: Beside, wanted: Sequence[str], place: str, filters: str) -> list[Value]:
    return values(beside.client, beside.relation.database, place, wanted, filters)


def _sum(one: Value, other: Value) -> Value:
    return Value(str(Decimal(one.text) + Decimal(other.text)), one.type)
