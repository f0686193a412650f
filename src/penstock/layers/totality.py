"""Can a row that passed `_error` make a view throw? Asked by types, then with poisonous rows.

One such row would block its whole batch for ever, so silver's expressions are to be total. Types
tell which conversions can throw; then records with every kind of odd value in every field are
inserted into the throw-away bronze table, and must come out as silver rows or dead letters.
"""

from __future__ import annotations

import itertools
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from penstock.errors import EngineError, Problem
from penstock.project import lexer, queries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from penstock.engine.scratch import Scratch
    from penstock.project.lexer import Token
    from penstock.project.objects import Project, Relation, Statement

_WRAPPED = re.compile(r"(?:LowCardinality|Nullable|SimpleAggregateFunction)\((.*)\)")
_NUMBER = re.compile(r"U?Int\d+|B?Float\d+|Decimal\(.*\)|Bool")
_TEXTS = ("String", "FixedString", "JSON", "Dynamic", "Variant", "Object", "Array", "Map", "Tuple")
_MOST_GUESSES = 1000
_POISON = (
    "null", '""', '"x"', '"-1"', '"nan"', '"1e999"', "-1", "0", "0.5", "1e308", "-1e308", "1e999",
    "255", "256", "65536", "4294967296", "9223372036854775808", "18446744073709551616",
    "true", "[]", "{}", "[1]", '{"a":1}', '"2026-02-30T00:00:00Z"', '"1969-12-31T00:00:00Z"',
    '"9999-12-31T23:59:59Z"', '"2026-11-21T12:00:00"', '"\\u0000"', '"\\ud800"', f'"{"y" * 300}"',
)  # fmt: skip
_WHOLE = ("", "null", "[]", "{}", "1", '"x"', "{", '{"a":', "\\", "tru", "{}{}", "\u00e9", "[{}]")


def casts(
    engine: Scratch, relation: Relation, file: str, found: Sequence[Token], query: Sequence[Token]
) -> Iterator[Problem]:
    """Conversions that throw on some value of their argument's type.

    Args:
        engine: where the tables of the query exist.
        relation: whose expressions they are.
        file: for messages.
        found: the tokens to look through.
        query: the SELECT in whose scope they are; their own types are asked within it.
    """
    for cast in queries.casts(found):
        kind = _type_of(engine, cast.argument, queries.scope(query, cast.argument[0]))
        if (not kind and relation.stage == "gold") or (kind and _is_total(cast, kind)):
            continue
        argument = lexer.plain(cast.argument)
        cause = f"{cast.name} of {argument}{f' ({kind})' if kind else ''} throws on some values"
        texts = cast.name.startswith("to") and _bare(kind)[0] in ("String", "")
        use = f"{cast.name}OrNull or …OrZero" if texts else "accurateCastOrNull(…, 'Type')"
        yield Problem(file, cast.line, cause, f"one row would block its batch: use {use}")


def _type_of(engine: Scratch, argument: Sequence[Token], query: Sequence[Token]) -> str:
    """The type of an expression in the scope of a query; empty where it cannot be told."""
    deep = lexer.depths(query)
    at = next((i for i, t in enumerate(query) if deep[i] == 0 and t.upper == "FROM"), len(query))
    asked = " ".join(t.text for t in query[:at])
    rest = " ".join(t.text for t in query[at:])
    own = " ".join(t.text for t in argument)
    for probe in (own, f"any({own})"):  # the second where the query groups by something else
        try:
            rows = engine.rows(f"DESCRIBE TABLE ({asked}, {probe} AS penstock_probe {rest})")
        except EngineError:
            continue
        return next((str(r["type"]) for r in rows if r["name"] == "penstock_probe"), "")
    return ""


def _is_total(cast: queries.Cast, kind: str) -> bool:
    """Whether a conversion has an answer for every value of a type."""
    target = _spelled(cast.target or cast.name.removeprefix("to"))
    return _converts(_spelled(kind), target, named=bool(cast.target))


def _converts(kind: str, target: str, *, named: bool = True) -> bool:
    bare, nullable = _bare(kind)
    wanted, takes_null = _bare(target)
    if named and nullable and not takes_null:
        return False
    if wanted in ("String", bare):
        return True
    if bare.startswith("Tuple(") and wanted.startswith("Tuple("):
        have, want = _elements(bare), _elements(wanted)
        return len(have) == len(want) and all(map(_converts, have, want))
    if bare.startswith((*_TEXTS, "Enum", "UUID", "IPv")):
        return False
    return _fits(bare, wanted)


def _spelled(kind: str) -> str:
    """A type in one spelling."""
    return lexer.plain(list(lexer.code(kind)))


def _elements(kind: str) -> list[str]:
    """The types within a Tuple, without the names of its fields."""
    pieces = lexer.split(list(lexer.code(kind))[2:-1], ",")
    bare = (p[1:] if len(p) > 1 and p[0].is_name and p[1].is_name else p for p in pieces)
    return [lexer.plain(p) for p in bare]


def _fits(bare: str, wanted: str) -> bool:
    """Whether each value of `bare`, no text, becomes a `wanted` without an exception."""
    if wanted.startswith("Decimal(") and _NUMBER.fullmatch(bare):
        return not bare.startswith(("Float", "BFloat")) and not _narrowing(bare, wanted)
    if bare.startswith(("Float", "BFloat")):
        return wanted.startswith(("Float", "BFloat", "Bool"))  # NaN is no integer and no Decimal
    if bare.startswith("Decimal"):
        return wanted.startswith(("Float", "BFloat"))
    return not wanted.startswith(("Decimal", "Enum", "FixedString", "UUID", "IPv"))


def _bare(kind: str) -> tuple[str, bool]:
    """A type without Nullable and LowCardinality, and whether it was Nullable."""
    nullable = False
    while match := _WRAPPED.fullmatch(kind):
        nullable = nullable or kind.startswith("Nullable")
        simple = kind.startswith("SimpleAggregate")  # (function, Type)
        kind = match[1].split(",", 1)[1].strip() if simple else match[1]
    return kind, nullable


def conversions(engine: Scratch, file: str, relation: Relation, view: Statement) -> list[Problem]:
    """Columns of a view that its table takes with a conversion that throws or changes values.

    The table converts what a view gives, in silence or by an exception; a column that the view
    leaves out is filled with defaults.
    """
    given = _columns(engine, relation, view.name)
    taken = _columns(engine, relation, relation.name)
    lines = {i.name: i.tokens[0].line for i in queries.items(view.query) if i.name and i.tokens}
    found: list[Problem] = []
    for name, column in taken.items():
        if column["default_kind"]:
            continue
        if name not in given:
            cause = f"view {view.name} does not give {name!r}: every row would hold its default"
            found.append(Problem(file, view.line, cause, f"add … AS {name}, or drop the column"))
            continue
        why = _conversion(given[name]["type"], column["type"])
        if why:
            cause = f"{name} is {given[name]['type']} in the view and {column['type']} in the table"
            found.append(Problem(file, lines.get(name, view.line), f"{cause}: {why}", _REMEDY))
    return found


_REMEDY = "convert in the view, by ifNull, …OrNull or …OrZero, or change the column"


def _columns(engine: Scratch, relation: Relation, table: str) -> dict[str, dict[str, str]]:
    asked = (
        "SELECT name, type, default_kind FROM system.columns "
        "WHERE database = {database:String} AND table = {table:String}"
    )
    rows = engine.rows(asked, {"database": relation.database, "table": table})
    return {row["name"]: row for row in rows}


def _conversion(given: str, taken: str) -> str:
    """Why a value of one type does not safely go into a column of another; empty where it does."""
    have, nullable = _bare(given)
    want, takes_null = _bare(taken)
    if nullable and not takes_null:
        return "NULL would make the insert throw"
    if want in (have, "String") or "AggregateFunction" in (have[:17], want[:17]):
        return ""
    if _NUMBER.fullmatch(have) and _NUMBER.fullmatch(want):
        return _narrowing(have, want)
    if have.startswith(_TEXTS) or want.startswith(("Enum", "FixedString")):
        return "some values would make the insert throw"
    return ""


def _narrowing(have: str, want: str) -> str:
    """Why a number of one type is not always one of another; empty where it is."""
    if want.startswith(("Float", "BFloat")):
        return ""
    if have.startswith(("Float", "BFloat")):
        return "some values would make the insert throw"
    before, after = _digits(have)
    room_before, room_after = _digits(want)
    if "Decimal" in (have[:7], want[:7]):
        if before > room_before:
            return "some values would make the insert throw"
        return "digits would be cut off in silence" if after > room_after else ""
    signed = have.startswith("Int") and not want.startswith("Int")
    if signed or before > room_before or (have[0] == "U" and want == have[1:]):
        return "numbers that do not fit would be changed in silence"
    return ""


def _digits(kind: str) -> tuple[int, int]:
    """How many decimal digits a number of a type has before and after the point."""
    if kind.startswith("Decimal"):
        precision, scale = (int(n) for n in re.findall(r"\d+", kind)[-2:])
        return precision - scale, scale
    bits = re.search(r"\d+", kind)
    return (len(str(2 ** int(bits[0]))), 0) if bits else (1, 0)


def sound_record(engine: Scratch, bronze: Relation) -> dict[str, object]:
    """A record that the project itself takes as good, found by trying; empty where none is.

    Leaves the table empty; to be asked before any view reads it.
    """
    fields = _doc_fields(bronze)
    guesses = (dict(zip(fields, values, strict=True)) for values in _guesses(fields))
    records = [json.dumps(g) for g in itertools.islice(guesses, _MOST_GUESSES)]
    if _insert(engine, bronze, records) is not None:
        return {}
    found = engine.rows(f"SELECT _raw FROM {bronze.name} WHERE _error = '' ORDER BY _pos LIMIT 1")  # noqa: S608 - a checked name
    engine.execute(f"TRUNCATE TABLE {bronze.name}")
    good: dict[str, object] = json.loads(found[0]["_raw"]) if found else {}
    return good


def _guesses(fields: list[str]) -> Iterator[tuple[object, ...]]:
    """Values for each field: first by what the names say, then every mixture."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    timely = [re.search(r"ts|time|_at|date|when", name) is not None for name in fields]
    for other in (1, "north", "1"):
        yield tuple(moment if t else other for t in timely)
    for others in itertools.product((1, "north"), repeat=timely.count(False)):
        rest = iter(others)
        yield tuple(moment if t else next(rest) for t in timely)
    yield from itertools.product((1, moment, "north"), repeat=len(fields))


def poison(
    engine: Scratch, project: Project, bronze: Relation, sound: dict[str, object]
) -> list[Problem]:
    """Insert records with odd values; none may make the insert throw or lose a good row.

    Args:
        engine: holds the tables and views of the domain, which is its current database.
        project: for messages, and to find the view that an error names.
        bronze: the table to insert into.
        sound: a record to spoil, as `sound_record` finds it.
    """
    fields = _doc_fields(bronze)
    if not fields:
        return []
    records = _records(fields, sound)
    if _insert(engine, bronze, records) is not None:
        return [_blame(engine, project, bronze, records)]
    return _lost(engine, project, bronze)


def _doc_fields(bronze: Relation) -> list[str]:
    """The names of `doc`'s fields, from its type as written."""
    doc = bronze.table.column("doc") if bronze.table else None
    if doc is None or not doc.type.startswith("Tuple("):
        return []
    inner = list(lexer.code(doc.type))[2:-1]
    pieces = lexer.split(inner, ",")
    return [p[0].value for p in pieces if len(p) > 1 and p[0].is_name]


def _records(fields: list[str], sound: dict[str, object]) -> list[str]:
    base = {name: json.dumps(sound.get(name)) for name in fields}

    def document(changes: dict[str, str]) -> str:
        return "{" + ",".join(f"{json.dumps(k)}:{v}" for k, v in (base | changes).items()) + "}"

    odd = (*_POISON, *_moments())
    records = [document({}), *_WHOLE]
    records += [document({name: value}) for name in fields for value in odd]
    records += [document(dict.fromkeys(fields, value)) for value in odd]
    records += [
        "{" + ",".join(f'"{k}":{v}' for k, v in base.items() if k != f) + "}" for f in fields
    ]
    return records


def _moments() -> Iterator[str]:
    """This moment in the ways that devices write it, as JSON."""
    now = datetime.now(UTC)
    yield from (str(int(now.timestamp())), str(int(now.timestamp() * 1000)))
    yield from (f'"{int(now.timestamp())}"', f'"{int(now.timestamp() * 1000)}"')
    yield from (f'"{now:%Y-%m-%d}"', f'"{now:%Y-%m-%d %H:%M:%S}"', f'"{now:%d %b %Y %H:%M}"')
    yield from (f'"{now:%Y%m%d%H%M%S}"', f'"{now:%Y-%m-%dT%H:%M:%S+00:00}"')


def _values(bronze: Relation, records: Sequence[str]) -> str:
    arrival = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.000")
    rows = (
        {
            "_source": f"{bronze.domain}/probe",
            "_part": 0,
            "_pos": number,
            "_batch": 1,
            "_ingested_at": arrival,
            "_null": False,
            "_raw": record,
        }
        for number, record in enumerate(records)
    )
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


def _insert(engine: Scratch, bronze: Relation, records: Sequence[str]) -> EngineError | None:
    insert = (
        f"INSERT INTO {bronze.name} (_source, _part, _pos, _batch, _ingested_at, _null, _raw) "
        "SETTINGS throw_on_max_partitions_per_insert_block = 0 FORMAT JSONEachRow\n"
    )
    try:
        engine.execute(insert + _values(bronze, records))
    except EngineError as error:
        return error
    return None


def _blame(engine: Scratch, project: Project, bronze: Relation, records: list[str]) -> Problem:
    """Halve the records until one is left that throws, and name the view it throws in."""
    while len(records) > 1:
        half = len(records) // 2
        records = records[:half] if _insert(engine, bronze, records[:half]) else records[half:]
    error = _insert(engine, bronze, records)
    text = error.what if error else "the insert throws"
    named = re.search(r"while pushing to view (?:\w+\.)?(\w+)", text)
    relations = project.domain(bronze.domain).relations
    views = {v.name: (r, v) for r in relations for v in r.views}
    relation, view = views.get(named[1] if named else "", (bronze, bronze.main))
    why = re.split(r": while |[.:] In scope", text)[0][:160]
    cause = f"a record makes {view.name if view else bronze.name} throw: {why}; {records[0][:160]}"
    file = relation.path.relative_to(project.root).as_posix()
    hint = "one row would block its batch: make the expression total, or let _error refuse the row"
    return Problem(file, view.line if view else 0, cause, hint)


def _lost(engine: Scratch, project: Project, bronze: Relation) -> list[Problem]:
    """Every good row is in the 1:1 silver once."""
    silver = project.first_silver(bronze)
    if silver is None:
        return []
    good = engine.rows(f"SELECT count() AS n FROM {bronze.name} WHERE _error = ''")[0]["n"]  # noqa: S608 - a checked name
    kept = engine.rows(f"SELECT count() AS n FROM {silver.name}")[0]["n"]  # noqa: S608 - a checked name
    if good == kept:
        return []
    cause = f"{good} good rows of {bronze.name} became {kept} silver rows"
    file = silver.path.relative_to(project.root).as_posix()
    return [
        Problem(file, silver.views[0].line, cause, "silver is 1:1 with the good rows of bronze")
    ]
