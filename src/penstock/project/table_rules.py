"""The rules of the flow for tables: bronze's shape, windows, partitions, ages, engines.

Each rule is a function of one relation that yields what breaks it.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from penstock.project import lexer
from penstock.project.findings import Finding, find, unrepeatable
from penstock.project.lexer import NUMBER
from penstock.project.objects import nearest
from penstock.project.outside import reaching_out
from penstock.project.retention import kept_ms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from penstock.project.lexer import Token
    from penstock.project.objects import Column, Relation, Statement

BRONZE_COLUMNS = {
    "_source": "LowCardinality(String)",
    "_part": "UInt32",
    "_pos": "UInt64",
    "_batch": "UInt64",
    "_key": "String",
    "_headers": "Map(LowCardinality(String),String)",
    "_sent_at": "Nullable(DateTime64(3,'UTC'))",
    "_ingested_at": "DateTime64(3,'UTC')",
    "_null": "Bool",
    "_raw": "String",
}
"""What every bronze table starts with, as name → type in one spelling."""

CARRIED = {name: BRONZE_COLUMNS[name] for name in ("_source", "_batch", "_ingested_at")}
"""What a 1:1 silver table carries on, so that batches can be counted and rows expire by arrival."""

_COMPUTED = {
    "doc": "doc Tuple(…) MATERIALIZED JSONExtract(_raw, 'Tuple(…)'): parsed once, for all",
    "_error": "_error String MATERIALIZED multiIf(…, 'reason', '')",
}

WINDOW = "non_replicated_deduplication_window"
MAX_BUCKETS = 4
_RETRY_SECONDS = 3600  # an open intent is retried for an hour before it shows as blocked

_TIME_PARTITION = re.compile(
    r"to(?:YYYYMM|YYYYMMDD|Date|Date32|Monday|Year|ISOYear|LastDayOfMonth"
    r"|StartOf(?:Day|Week|Month|Quarter|Year|ISOYear))"
)
ENGINES = (
    "MergeTree",
    "ReplacingMergeTree",
    "SummingMergeTree",
    "AggregatingMergeTree",
    "CollapsingMergeTree",
    "VersionedCollapsingMergeTree",
)
"""Engines that a project's tables may have; the engine's grants hold the same list."""

_LOCAL_SOURCE = {"TABLE", "QUERY", "WHERE", "UPDATE_FIELD", "UPDATE_LAG", "INVALIDATE_QUERY"}


def table_rules(relation: Relation, inserts_per_second: float) -> Iterator[Finding]:
    """All rules about a relation's own statement, without those about its views."""
    for statement in relation.statements:
        yield from foreign_functions(statement.tokens)
        if statement.kind == "dictionary":
            yield from dictionary_source(statement)
    if relation.stage == "bronze":
        yield from bronze(relation)
    if relation.table is None:
        return
    yield from engine(relation)
    yield from repeatable_columns(relation)
    if relation.stage == "bronze" or relation.views:
        yield from window(relation, inserts_per_second)
    if relation.stage != "bronze":
        yield from partition_key(relation)
    if relation.stage == "silver":
        yield from silver_ttl(relation)


def bronze(relation: Relation) -> Iterator[Finding]:
    """A bronze table holds records as received: fixed columns, order, partition, age and fsync."""
    main, table = relation.main, relation.table
    if main is None:
        return
    if table is None:
        yield Finding(main.line, "bronze is a table", "CREATE TABLE …")
        return
    yield from _bronze_columns(relation)
    for clause, wanted in (
        ("PARTITION BY", "toDate(_ingested_at)"),
        ("ORDER BY", "(_source,_part,_pos)"),
    ):
        found = relation.clause(clause)
        if found != wanted:
            cause = f"{clause} is {found or 'not set'}"
            readable = wanted.replace(",", ", ")
            yield Finding(_line(relation, clause), cause, f"bronze needs {clause} {readable}")
    if table.engine != "MergeTree":
        cause = f"bronze is append-only, and {table.engine or 'no engine'} may drop rows"
        yield Finding(_line(relation, "ENGINE"), cause, "ENGINE = MergeTree")
    columns = _columns_in(relation, "TTL")
    if columns != {"_ingested_at"}:
        cause = f"TTL counts from {', '.join(sorted(columns))}" if columns else "TTL is not set"
        hint = "records expire by arrival: TTL toDateTime(_ingested_at) + INTERVAL 7 DAY"
        yield Finding(_line(relation, "TTL"), cause, hint)
    else:
        yield from readable_ttl(relation)
    if table.settings.get("fsync_after_insert") != "1":
        cause = "fsync_after_insert is not 1: an acknowledged batch could be lost with the power"
        yield Finding(_line(relation, "SETTINGS"), cause, "SETTINGS … fsync_after_insert = 1")


def _bronze_columns(relation: Relation) -> Iterator[Finding]:
    table = relation.table
    if table is None:
        return
    for column in table.columns:
        yield from _bronze_column(column)
    line = relation.main.line if relation.main else 0
    there = {c.name for c in table.columns}
    for name, wanted in BRONZE_COLUMNS.items():
        if name not in there:
            yield Finding(line, f"column {name!r} is missing", f"add: {name} {_spaced(wanted)}")
    for name, hint in _COMPUTED.items():
        if name not in there:
            yield Finding(line, f"column {name!r} is missing", hint)
    error = table.column("_error")
    if error and error.type not in ("String", "LowCardinality(String)"):
        hint = "_error is String: '' or the reason"
        yield Finding(error.line, f"_error is {error.type}", hint)


def _bronze_column(column: Column) -> Iterator[Finding]:
    """One column of a bronze table: a fixed one as it must be, or a computed one."""
    wanted = BRONZE_COLUMNS.get(column.name)
    names = [*BRONZE_COLUMNS, "_error"]
    if wanted and column.type != wanted:
        hint = f"bronze needs {column.name} {_spaced(wanted)}"
        yield Finding(column.line, f"{column.name} is {column.type}", hint)
    elif wanted and column.kind:
        cause = f"{column.name} is {column.kind}; the landing fills it"
        yield Finding(column.line, cause, f"write {column.name} {_spaced(wanted)}")
    elif column.name.startswith("_") and column.name not in names:
        near = nearest(column.name, names)
        hint = f"did you mean {near!r}?" if near else "_ names are Penstock's"
        yield Finding(column.line, f"{column.name!r} is no bronze column", hint)
    elif not wanted and column.name in _COMPUTED and column.kind != "MATERIALIZED":
        cause = f"{column.name} is to be MATERIALIZED: it is computed from the record"
        yield Finding(column.line, cause, _COMPUTED[column.name])
    elif not wanted and column.kind not in ("MATERIALIZED", "ALIAS"):
        cause = f"nothing fills {column.name!r}: bronze holds records as received"
        yield Finding(column.line, cause, f"{column.name} … MATERIALIZED <expression>")


def engine(relation: Relation) -> Iterator[Finding]:
    """Tables live in this engine: nothing that runs programs, opens files or the network."""
    name = relation.table.engine if relation.table else ""
    if name and name not in ENGINES:
        near = nearest(name, ENGINES)
        cause = f"engine {name} is refused: a table here lives in this engine's own storage"
        hint = f"did you mean {near}?" if near else f"one of {', '.join(ENGINES)}"
        yield Finding(_line(relation, "ENGINE"), cause, hint)


def foreign_functions(found: Sequence[Token]) -> Iterator[Finding]:
    """No function that reads files, opens the network, runs a program or asks a model."""
    for index in reaching_out(found):
        name = found[index].text
        cause = f"{name}() is refused: it reaches outside of the project's tables"
        yield Finding(found[index].line, cause, "bring data in through sources/")


def dictionary_source(statement: Statement) -> Iterator[Finding]:
    """A dictionary reads a local table or query: other sources run programs or open sockets."""
    calls = {name.upper(): index for index, name in lexer.called(statement.tokens)}
    if "SOURCE" not in calls:
        return
    arguments = lexer.arguments(statement.tokens, calls["SOURCE"])
    inner = arguments[0] if arguments else []
    kind = inner[0].upper if inner else ""
    line = statement.tokens[calls["SOURCE"]].line
    if kind not in ("CLICKHOUSE", "NULL"):
        cause = f"a dictionary over {kind or 'nothing'} is refused"
        yield Finding(line, cause, "SOURCE(CLICKHOUSE(TABLE '…')) or SOURCE(CLICKHOUSE(QUERY '…'))")
        return
    for token in inner[1:]:
        if token.is_name and token.upper not in _LOCAL_SOURCE:
            cause = f"{token.text} in a dictionary's source is refused: it is to be local"
            yield Finding(token.line, cause, "leave it out; TABLE or QUERY is enough")


def repeatable_columns(relation: Relation) -> Iterator[Finding]:
    """What a table computes is a function of the row, so that a retry makes the same row."""
    table = relation.table
    if table is None:
        return
    for column in table.columns:
        yield from unrepeatable(column.expression, f"column {column.name}")
        allowed = relation.stage == "silver" and column.name not in key_columns(relation)
        for token in find(column.expression, "dictget", prefix=True) if not allowed else ():
            cause = f"{token.text}() in column {column.name}: a retry after the dictionary changed"
            hint = "look up in silver, in a column that is in no key"
            yield Finding(token.line, f"{cause} would make another row", hint)
    for clause in ("PARTITION BY", "ORDER BY", "PRIMARY KEY", "SAMPLE BY"):
        found = table.clauses.get(clause, ())
        yield from unrepeatable(found, clause)
        for token in find(found, "dictget", prefix=True):
            cause = f"{token.text}() in {clause}: a retry after the dictionary changed doubles rows"
            yield Finding(token.line, cause, "use columns of the row only")


def key_columns(relation: Relation) -> set[str]:
    """The columns that a table's keys are made of."""
    clauses = ("PARTITION BY", "ORDER BY", "PRIMARY KEY", "SAMPLE BY")
    return {name for clause in clauses for name in _columns_in(relation, clause)}


def partitions_per_insert(relation: Relation) -> int:
    """How many partitions one insert touches, by the header or by the shape of the key.

    One where the day of arrival (or nothing) cuts, two where event time does, as a batch may
    straddle a border; times the buckets.
    """
    stated = relation.header.values.get("partitions_per_insert")
    if isinstance(stated, int) and stated > 0:
        return stated
    columns = _columns_in(relation, "PARTITION BY")
    touched = 1
    for element in _elements(relation):
        touched *= _buckets(element) or 1
    return touched if columns <= {"_ingested_at"} else touched * 2


def window(relation: Relation, inserts_per_second: float) -> Iterator[Finding]:
    """The engine remembers enough blocks that a retry within an hour is still recognised."""
    if relation.table is None:
        return
    touched = partitions_per_insert(relation)
    wanted = math.ceil(inserts_per_second * _RETRY_SECONDS * touched)
    found = relation.table.settings.get(WINDOW, "")
    if found.isdigit() and int(found) >= wanted:
        return
    cause = f"{WINDOW} is {found or 'not set'}: a retried batch would double its rows"
    hint = (
        f"at least {wanted} = {inserts_per_second:g} inserts/s * {_RETRY_SECONDS} s * "
        f"{touched} partition{'s' if touched > 1 else ''} an insert"
    )
    yield Finding(_line(relation, "SETTINGS"), cause, hint)


def partition_key(relation: Relation) -> Iterator[Finding]:
    """Partition by month or day, with at most a few buckets: each partition costs every insert."""
    line = _line(relation, "PARTITION BY")
    buckets = 1
    for element in _elements(relation):
        if _is_time(element):
            continue
        count = _buckets(element)
        text = lexer.plain(element)
        if not count:
            cause = f"PARTITION BY {text}: every value is a partition, and each costs every insert"
            hint = "partition by month or day, toYYYYMM(…) or toDate(…); put it first in ORDER BY"
            yield Finding(line, cause, hint)
        buckets *= count or 1
    if buckets > MAX_BUCKETS:
        cause = f"{buckets} buckets in PARTITION BY: each costs every insert"
        yield Finding(line, cause, f"at most {MAX_BUCKETS}")


def silver_ttl(relation: Relation) -> Iterator[Finding]:
    """Silver expires by arrival: rows of past years must survive being loaded."""
    columns = _columns_in(relation, "TTL")
    if columns - {"_ingested_at"}:
        cause = f"TTL counts from {', '.join(sorted(columns))}: old rows vanish as they are loaded"
        hint = "count from arrival: TTL toDateTime(_ingested_at) + INTERVAL …"
        yield Finding(_line(relation, "TTL"), cause, hint)
    else:
        yield from readable_ttl(relation)


def readable_ttl(relation: Relation) -> Iterator[Finding]:
    """Reconcile and the boot audit have to know which batches may have expired."""
    try:
        kept_ms(relation)
    except ValueError as error:
        cause = f"TTL {error} does not say plainly how long rows are kept"
        hint = "write TTL toDateTime(_ingested_at) + INTERVAL 7 DAY"
        yield Finding(_line(relation, "TTL"), cause, hint)


def _elements(relation: Relation) -> list[list[Token]]:
    """The elements of a PARTITION BY, a tuple taken apart."""
    found = list(relation.table.clauses.get("PARTITION BY", ())) if relation.table else []
    if found and found[0].value == "tuple":
        found = found[1:]
    if found and found[0].text == "(" and lexer.closing(found, 0) == len(found) - 1:
        found = found[1:-1]
    return lexer.split(found, ",")


def _is_time(element: list[Token]) -> bool:
    called = next(lexer.called(element), None)
    whole = len(element) > 1 and lexer.closing(element, 1) == len(element) - 1
    return called is not None and called[0] == 0 and whole and _is_time_name(called[1])


def _is_time_name(name: str) -> bool:
    return _TIME_PARTITION.fullmatch(name) is not None


def _buckets(element: list[Token]) -> int:
    """N of `x % N`, `modulo(x, N)` and the like; 0 for anything else."""
    if len(element) > 2 and element[-2].text == "%" and element[-1].kind == NUMBER:  # noqa: PLR2004 - x % N
        return int(float(element[-1].text))
    called = next(lexer.called(element), None)
    if called and called[0] == 0 and called[1] in ("modulo", "positiveModulo", "moduloLegacy"):
        last = lexer.arguments(element, 0)[-1]
        if len(last) == 1 and last[0].kind == NUMBER:
            return int(float(last[0].text))
    return 0


def _columns_in(relation: Relation, clause: str) -> set[str]:
    """The table's columns that a clause names."""
    if relation.table is None:
        return set()
    names = {c.name for c in relation.table.columns}
    return {t.value for t in relation.table.clauses.get(clause, ()) if t.is_name} & names


def _line(relation: Relation, clause: str) -> int:
    found = relation.table.clauses.get(clause, ()) if relation.table else ()
    if found:
        return found[0].line
    return relation.main.line if relation.main else 0


def _spaced(kind: str) -> str:
    return kind.replace(",", ", ")
