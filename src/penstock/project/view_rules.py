"""The rules of the flow for materialized views: total, repeatable, one table in, one table out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from penstock.project import lexer, queries, table_rules
from penstock.project.findings import Finding, find, unrepeatable
from penstock.project.lexer import NUMBER, OP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from penstock.project.lexer import Token
    from penstock.project.objects import Domain, Relation, Statement

_THROWS = re.compile(
    r"throwif|accuratecast|parsedatetime\w*|parsereadablesize|parsetimedelta|base(?:32|58|64)\w*decode"
    r"|ipv[46]stringtonum|decrypt|aes_decrypt_mysql|jsonpath\w*|dictget(?!ordefault|ornull)\w*"
    r"|joinget(?!ornull)\w*|identity_throw|assertequal"
)
_TOTAL_ENDING = re.compile(r"\w*(?:ornull|orzero|ordefault)")
_NOT_ONE_TO_ONE = (
    "PREWHERE",
    "GROUP",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "UNION",
    "INTERSECT",
    "QUALIFY",
)
_AVERAGE = re.compile(
    r"(?:avg|avgweighted|median\w*|quantiles?\w*|uniq\w*|stddev\w*|var(?:samp|pop)\w*|corr\w*"
    r"|min|max|any|anylast|argmin|argmax|topk\w*)(?:if|ornull|ordefault)*"
)
_AGGREGATE = re.compile(r"(?:sum|count|avg|min|max)(?:if|ornull|ordefault)*")
_MERGING = ("SummingMergeTree", "AggregatingMergeTree")


def view_rules(domain: Domain, relation: Relation) -> Iterator[Finding]:
    """All rules about the materialized views of one relation."""
    bronze = {r.name for r in domain.relations if r.stage == "bronze"}
    for view in relation.views:
        yield from one_table(domain, view)
        yield from unrepeatable(view.query, f"view {view.name}")
        yield from total(view.query, f"view {view.name}")
        yield from look_ups(relation, view)
        yield from averages(relation, view)
        if relation.stage == "silver" and bronze & set(view.reads):
            yield from good_rows(view)
            yield from carried(relation, view)
            yield from only_silver(domain, relation, view)
    if relation.stage == "bronze" and relation.table:
        for column in relation.table.columns:
            yield from total(column.expression, f"column {column.name}")


def one_table(domain: Domain, view: Statement) -> Iterator[Finding]:
    """A view reads the table that feeds it and no other: another may change between two tries."""
    names = {r.name: r for r in domain.relations}
    tables = [n for n in view.reads if n in names and names[n].main_kind != "dictionary"]
    join = next((t for i, t in enumerate(view.query) if _is_join(view.query, i)), None)
    if join is not None:
        cause = f"view {view.name} joins: the other side may change between two tries of a batch"
        yield Finding(join.line, cause, "join where it is read, or look up in silver by dictGet")
    elif len(tables) > 1:
        cause = f"view {view.name} reads {' and '.join(tables)}: only the first one feeds it"
        yield Finding(view.line, cause, "one view, one table")
    elif "UNION" in queries.clauses(view.query):
        cause = f"view {view.name} is a UNION: only its first SELECT is fed"
        yield Finding(view.line, cause, "one view, one SELECT")
    elif not view.reads:
        yield Finding(view.line, f"view {view.name} reads no table", "SELECT … FROM <table>")


def _is_join(query: Sequence[Token], index: int) -> bool:
    before = query[index - 1].upper if index else ""
    return query[index].upper == "JOIN" and before not in ("ARRAY", ".")


def good_rows(view: Statement) -> Iterator[Finding]:
    """The view on bronze takes every good row once, and no other row."""
    clauses = queries.clauses(view.query)
    where = clauses.get("WHERE", [])
    if lexer.plain(lexer.unwrapped(where)) not in ("_error=''", "_error==''", "''=_error"):
        cause = f"view {view.name} reads bronze " + (
            f"WHERE {lexer.plain(where)}" if where else "without WHERE"
        )
        hint = "silver is 1:1 with the good rows: WHERE _error = ''"
        yield Finding(where[0].line if where else view.line, cause, hint)
    for word in _NOT_ONE_TO_ONE:
        if word in clauses:
            cause = f"view {view.name} has {word}{' BY' if word == 'GROUP' else ''}"
            line = clauses[word][0].line if clauses[word] else view.line
            yield Finding(line, cause, "silver is 1:1 with the good rows: shape it in gold")
    selected = clauses.get("SELECT", [])
    distinct = selected and selected[0].upper == "DISTINCT"
    unrolls = any(t.upper == "ARRAY" for t in clauses.get("FROM", []))
    unrolls = unrolls or any(True for _ in find(view.query, "arrayjoin"))
    if distinct or unrolls:
        cause = f"view {view.name} has {'DISTINCT' if distinct else 'ARRAY JOIN'}"
        yield Finding(view.line, cause, "silver is 1:1 with the good rows: do it in a later table")


def carried(relation: Relation, view: Statement) -> Iterator[Finding]:
    """The 1:1 silver is append-only and carries where a row came from, and when."""
    table = relation.table
    if table is None:
        return
    main_line = relation.main.line if relation.main else 0
    if table.engine not in ("MergeTree", ""):
        cause = f"{relation.name} is 1:1 with bronze, and {table.engine} drops or changes rows"
        yield Finding(main_line, cause, "ENGINE = MergeTree; feed a current-state table from it")
    given = {item.name for item in queries.items(view.query)}
    starred = any(t.text == "*" for i in queries.items(view.query) for t in i.tokens[:1])
    for name, kind in table_rules.CARRIED.items():
        column = table.column(name)
        readable = kind.replace(",", ", ")
        if column is None:
            cause = f"column {name!r} is missing: batches are counted and rows expire by it"
            yield Finding(main_line, cause, f"add: {name} {readable}")
        elif column.type != kind:
            yield Finding(column.line, f"{name} is {column.type}", f"write {name} {readable}")
        elif name not in given and not starred:
            cause = f"view {view.name} does not give {name!r}"
            yield Finding(view.line, cause, f"add {name} to its SELECT")


def only_silver(domain: Domain, relation: Relation, view: Statement) -> Iterator[Finding]:
    """One silver table is 1:1 with a bronze table; others are fed from that one."""
    for other in domain.relations:
        if other.name == relation.name:
            return  # the first by order is the 1:1 one
        shared = {n for v in other.views for n in v.reads} & set(view.reads)
        if other.stage == "silver" and shared:
            cause = f"{other.name} is 1:1 with {min(shared)} already"
            yield Finding(view.line, cause, f"read {other.name}")


def total(found: Sequence[Token], where: str) -> Iterator[Finding]:
    """No value of a row can make an expression throw: one row would block its whole batch.

    Conversions are looked at by `layers.check`, which knows the types of their arguments.
    """
    for index, name in lexer.called(found):
        lower = name.lower()
        if _THROWS.fullmatch(lower) and not _TOTAL_ENDING.fullmatch(lower) and lower[:3] != "try":
            if lower.startswith("dictget"):
                continue  # throws for a wrong name only, which the engine finds now
            cause = f"{name}() in {where} throws on some values: one row would block its batch"
            hint = f"use {name}OrNull, and let _error say what does not fit"
            hint = "let _error say what does not fit" if lower == "throwif" else hint
            yield Finding(found[index].line, cause, hint)
        if lower in ("intdiv", "modulo"):
            arguments = lexer.arguments(found, index)
            if len(arguments) == 2 and not _nonzero(arguments[1]):  # noqa: PLR2004 - a and b
                cause = f"{name}() in {where} throws when it divides by zero"
                yield Finding(found[index].line, cause, f"use {name}OrNull")
    for index, token in enumerate(found[:-1]):
        percent = token.kind == OP and token.text == "%"
        if percent and not _nonzero(found[index + 1 : index + 2]):
            cause = f"% in {where} throws when it divides by zero"
            yield Finding(token.line, cause, "use moduloOrNull")


def _nonzero(found: Sequence[Token]) -> bool:
    """Whether this is one number other than zero, such as 60, 1e3 or 0x3C."""
    if len(found) != 1 or found[0].kind != NUMBER:
        return False
    text = found[0].text
    return (float.fromhex(text) if text.lower().startswith("0x") else float(text)) != 0


def look_ups(relation: Relation, view: Statement) -> Iterator[Finding]:
    """A dictionary is looked up in silver only, and only for a column that is in no key."""
    keys = table_rules.key_columns(relation)
    free: set[int] = set()
    if relation.stage == "silver":
        for item in queries.items(view.query):
            if item.name and item.name not in keys:
                free |= {t.start for t in item.tokens}
    for token in find(view.query, "dict", prefix=True):
        if not re.match(r"dict(get|has|is)", token.text, re.IGNORECASE) or token.start in free:
            continue
        cause = f"{token.text}() here: a retry after the dictionary changed would double rows"
        hint = "look up in silver, in a column that is in no key"
        yield Finding(token.line, cause, hint)


def averages(relation: Relation, view: Statement) -> Iterator[Finding]:
    """No plain average, quantile or extreme in a table whose rows are merged by adding them up."""
    table = relation.table
    if table is None or not table.engine.endswith(_MERGING):
        return
    summing = table.engine.endswith("SummingMergeTree")
    for item in queries.items(view.query):
        column = table.column(item.name)
        if column is None or column.type.startswith(("AggregateFunction", "SimpleAggregate")):
            continue
        if column.name in table_rules.key_columns(relation):
            continue
        calls = [name for _, name in lexer.called(item.tokens)]
        wrong = next((name for name in calls if _AVERAGE.fullmatch(name.lower())), "")
        parts = [name for name in calls if _AGGREGATE.fullmatch(name.lower())]
        ratio = any(t.kind == OP and t.text == "/" for t in item.tokens) and len(parts) > 1
        if not wrong and not ratio:
            continue
        what = f"{wrong}()" if wrong else "a ratio of aggregates"
        how = "adds up" if summing else "keeps any one of"
        cause = f"{what} in column {item.name}: {table.engine} {how} the values of merged parts"
        hint = "keep a state, AggregateFunction(…) and …State(), or the sum and the count"
        yield Finding(item.tokens[0].line, cause, hint)
