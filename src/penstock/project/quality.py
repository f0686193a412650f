"""Rules in a relation's header become checks: SELECTs of which each row is a failure.

::

    not_null: [home_id, ts]
    unique: [home_id, ts]              # together
    accepted: {region: [north, east]}
    range: {temperature: [-40, 60]}    # either end may be null
    fresh: {_ingested_at: 10m}         # the newest one is no older
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.errors import UsageError
from penstock.project import lexer
from penstock.project.lexer import quoted
from penstock.project.objects import Endpoint, Header
from penstock.settings import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from penstock.project.objects import Relation

_ENDS = 2  # of a range


class RuleError(Exception):
    """What a rule says cannot be a rule: the key, the cause, and what to write."""

    def __init__(self, key: str, cause: str, hint: str) -> None:
        super().__init__(cause)
        self.key, self.hint = key, hint


def rules(relation: Relation) -> Iterator[Endpoint]:
    """The checks that a relation's header asks for.

    Raises:
        RuleError: a rule is written in a way that means nothing.
    """
    for key, make in _RULES.items():
        value = relation.header.values.get(key)
        if value is not None:
            for name, words, sql in make(relation, value):
                yield _check(relation, f"{key}_{name}", words, sql)


def _check(relation: Relation, name: str, words: str, sql: str) -> Endpoint:
    return Endpoint(
        relation.domain,
        relation.database,
        f"{relation.name}.{name}",
        relation.path,
        sql,
        1,
        Header(f"{relation.name}: {words}"),
        (),
        (relation.name,),
        tokens=tuple(lexer.code(sql)),
    )


_Made = tuple[str, str, str]


def _not_null(relation: Relation, value: object) -> Iterator[_Made]:
    for column in _names("not_null", value):
        condition = f"{quoted(column)} IS NULL"
        yield column, f"{column} is never NULL", _rows(relation, column, condition)


def _unique(relation: Relation, value: object) -> Iterator[_Made]:
    names = _names("unique", value)
    columns = ", ".join(map(quoted, names))
    sql = f"SELECT {columns}, count() AS rows FROM {quoted(relation.name)}"  # noqa: S608 - quoted
    sql += f" GROUP BY {columns} HAVING rows > 1"
    yield "_".join(names), f"{', '.join(names)} is there once", sql


def _accepted(relation: Relation, value: object) -> Iterator[_Made]:
    for column, known in _mapping("accepted", value).items():
        if not isinstance(known, list) or not known:
            raise RuleError("accepted", f"accepted of {column} is {known!r}", "a list of values")
        condition = f"{quoted(column)} NOT IN ({', '.join(map(_literal, known))})"
        words = f"{column} is one of {', '.join(map(str, known))}"
        yield column, words, _rows(relation, column, condition)


def _range(relation: Relation, value: object) -> Iterator[_Made]:
    for column, ends in _mapping("range", value).items():
        if not isinstance(ends, list) or len(ends) != _ENDS:
            raise RuleError("range", f"range of {column} is {ends!r}", "[lowest, highest]")
        name = quoted(column)
        said = [f"{name} {sign} {_literal(end)}" for sign, end in zip("<>", ends, strict=True)
                if end is not None]  # fmt: skip
        words = f"{column} is within {ends[0]} and {ends[1]}"
        yield column, words, _rows(relation, column, " OR ".join(said) or "false")


def _fresh(relation: Relation, value: object) -> Iterator[_Made]:
    for column, age in _mapping("fresh", value).items():
        try:
            seconds = duration(str(age))
        except UsageError as error:
            raise RuleError("fresh", f"fresh of {column} is {age!r}", error.next_step) from error
        sql = f"SELECT max({quoted(column)}) AS newest, count() AS rows"
        sql += f" FROM {quoted(relation.name)}"
        sql += f" HAVING rows = 0 OR newest < now() - INTERVAL {seconds:.0f} SECOND"
        yield column, f"the newest {column} is no older than {age}", sql


_RULES: Mapping[str, Callable[[Relation, object], Iterator[_Made]]] = {
    "not_null": _not_null,
    "unique": _unique,
    "accepted": _accepted,
    "range": _range,
    "fresh": _fresh,
}


def _rows(relation: Relation, column: str, condition: str) -> str:
    """The rows that fail, by the table's key and the column in question."""
    table = relation.table
    tokens = table.clauses.get("ORDER BY", ()) if table else ()
    key = [t.value for t in tokens if t.is_name and table and table.column(t.value)]
    columns = ", ".join(map(quoted, dict.fromkeys([*key, column])))
    return f"SELECT {columns} FROM {quoted(relation.name)} WHERE {condition}"  # noqa: S608 - quoted


def _names(key: str, value: object) -> list[str]:
    found = value if isinstance(value, list) else [value]
    if not found or not all(isinstance(name, str) for name in found):
        raise RuleError(key, f"{key} is {value!r}", f"{key}: [column, …]")
    return [str(name) for name in found]


def _mapping(key: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict) or not value:
        raise RuleError(key, f"{key} is {value!r}", f"{key}: {{column: …}}")
    return {str(name): said for name, said in value.items()}


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return lexer.literal(str(value))
