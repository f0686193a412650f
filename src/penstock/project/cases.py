"""tests/*.toml become cases: what is given, at what time, and what is expected of it.

One file, one test, its name is the file's name. The engine is not asked here; `penstock.testing`
runs them.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from os.path import relpath
from typing import TYPE_CHECKING, Literal

from penstock.errors import Problem
from penstock.project.endpoints import as_text
from penstock.project.objects import nearest
from penstock.project.toml_files import TomlFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from penstock.project.objects import Domain, Endpoint

Kind = Literal["relation", "endpoint", "check", "alert", "dead_letters"]
Row = dict[str, object]

TOLERANCE = Decimal("1e-9")
"""How far a float may be from what is expected, relative to it; other numbers are exact."""

_KINDS: tuple[Kind, ...] = ("relation", "endpoint", "check", "alert", "dead_letters")
_CASE = ("description", "now", "given", "expect")
_GIVEN = ("into", "rows", "file", "at")
_EXPECT = (*_KINDS, "params", "rows", "order", "tolerance", "schema")
_EPOCH = dt.datetime.fromtimestamp(0, dt.UTC)
_HEAD = re.compile(r"\s*\[\[?\s*(\w+)\s*\]")


@dataclass(frozen=True, slots=True)
class Given:
    """One batch of records.

    Attributes:
        into: name of a source or of a bronze relation.
        rows: records as mappings, or as text: one JSON document a line, or the lines of a file
            where the source is of kind `file`; None where `file` holds them.
        file: holds the records; None where `rows` does.
        at: when they arrive.
        line: line of the test's file.
    """

    into: str
    rows: tuple[Row, ...] | str | None
    file: Path | None
    at: dt.datetime
    line: int


@dataclass(frozen=True, slots=True)
class Expect:
    """What a relation, an endpoint, a check, an alert or the dead letters must then hold.

    Attributes:
        kind: what `name` names.
        name: of a relation, an endpoint, a check, an alert, or a source or bronze relation with
            dead letters.
        params: of the endpoint, check or alert, as a URL would carry them.
        rows: all of them, with the columns that are looked at; None where only `schema` counts.
        order: whether they must come in this order; None for an endpoint's own order and for
            any order elsewhere.
        tolerance: of floats, relative to the expected value.
        schema: column → type, all of them in order; None where they are not looked at.
        line: line of the test's file.
    """

    kind: Kind
    name: str
    params: Mapping[str, str]
    rows: tuple[Row, ...] | None
    order: bool | None
    tolerance: Decimal
    schema: Mapping[str, str] | None
    line: int


@dataclass(frozen=True, slots=True)
class Case:
    """One test.

    Attributes:
        domain: name of its domain.
        name: the file's name.
        path: the file.
        description: in the author's words.
        now: what the clock says while it runs.
        given: batches, in order of arrival.
        expect: what is looked at after all of them.
    """

    domain: str
    name: str
    path: Path
    description: str
    now: dt.datetime
    given: tuple[Given, ...]
    expect: tuple[Expect, ...]


def case_file(path: Path, file: str, domain: str, problems: list[Problem]) -> Case | None:
    """Read one file of tests/; None, with the mistakes added, where it is no test.

    Args:
        path: the file.
        file: its path relative to the project's root, for messages.
        domain: the domain's name.
        problems: mistakes are added to it.
    """
    toml = TomlFile(path, file, problems, number=Decimal)
    if toml.broken:
        return None
    lines = path.read_text("utf-8").splitlines()
    whole = _Table(toml.values, file, _Place(lines, 0, _first_head(lines)), problems)
    whole.known(_CASE)
    now = whole.moment("now")
    if "now" not in toml.values:
        whole.problem(
            "", "the test does not say what time it is", "add: now = 2026-01-31T12:00:00Z"
        )
    given = tuple(_given(t, path, now or _EPOCH) for t in _tables(whole, lines, "given"))
    expect = tuple(e for e in map(_expect, _tables(whole, lines, "expect")) if e)
    if not toml.values.get("expect"):
        whole.problem("", "the test expects nothing", "add [[expect]] with relation = and rows =")
    if now is None:
        return None
    description = whole.text("description")
    return Case(domain, path.stem, path, description, now, given, expect)


def problems(domain: Domain, root: Path) -> Iterator[Problem]:
    """Every name in a domain's tests that leads nowhere."""
    bronze = {r.name for r in domain.relations if r.stage == "bronze"}
    places = sorted({s.name for s in domain.sources} | bronze)
    files = {s.name for s in domain.sources if s.kind == "file"}
    known = {
        "relation": ("relation", sorted(r.name for r in domain.relations)),
        "endpoint": ("endpoint", sorted(e.name for e in domain.endpoints)),
        "check": ("check", sorted(c.name for c in domain.checks)),
        "alert": ("alert", sorted(a.name for a in domain.alerts)),
        "dead_letters": ("source or bronze relation", places),
    }
    asked = {
        "endpoint": domain.endpoints,
        "check": domain.checks,
        "alert": tuple(alert.query for alert in domain.alerts),
    }
    for case in domain.cases:
        file = case.path.relative_to(root).as_posix()
        for given in case.given:
            if given.into and given.into not in places:
                cause = f"there is no source or bronze relation {given.into!r}"
                yield Problem(file, given.line, cause, _hint(given.into, places))
            elif given.into in files and isinstance(given.rows, tuple):
                cause = f"{given.into!r} is of kind file: its rows are the text of one"
                yield Problem(file, given.line, cause, "rows = '''…''', with the file's head")
            if given.file and not given.file.is_file():
                beside = sorted(p.name for p in given.file.parent.glob("*") if p != case.path)
                cause = f"there is no file {relpath(given.file, root)}"
                yield Problem(file, given.line, cause, _hint(given.file.name, beside))
        for expect in case.expect:
            noun, names = known[expect.kind]
            if expect.name not in names:
                cause = f"there is no {noun} {expect.name!r}"
                yield Problem(file, expect.line, cause, _hint(expect.name, names))
            elif expect.kind in asked:
                found = next(e for e in asked[expect.kind] if e.name == expect.name)
                yield from _params(found, expect, file)


def moment(value: dt.datetime) -> dt.datetime:
    """A time in UTC, which is also what is meant where no zone is written."""
    return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


def param_text(value: object) -> str:
    """A value of an endpoint's parameter as a URL would carry it; times are in UTC."""
    if isinstance(value, dt.datetime):
        value = moment(value).replace(tzinfo=None)
    return as_text(value) or ""


def _params(asked: Endpoint, expect: Expect, file: str) -> Iterator[Problem]:
    params = {p.name: p for p in asked.params}
    for name in expect.params:
        if name not in params:
            cause = f"{expect.name} has no parameter {name!r}"
            yield Problem(file, expect.line, cause, _hint(name, sorted(params)))
    for name, param in params.items():
        if param.default is None and name not in expect.params:
            cause = f"{expect.name} needs the parameter {name!r}, which has no default"
            yield Problem(file, expect.line, cause, f"add params = {{{name} = …}}")


def _hint(name: str, known: Sequence[str]) -> str:
    near = nearest(name, known)
    return f"did you mean {near!r}?" if near else f"known: {', '.join(known) or 'none'}"


@dataclass(frozen=True, slots=True)
class _Place:
    """Lines [start, stop) of a file, from 0."""

    lines: Sequence[str]
    start: int
    stop: int

    def holding(self, text: str) -> int:
        """The line, from 1, that holds a text and nothing else; 0 where none does."""
        numbers = range(self.start, self.stop)
        return next((n + 1 for n in numbers if self.lines[n].strip() == text), 0)

    def line(self, key: str) -> int:
        """The line, from 1, that sets a key; the first one where none does."""
        pattern = re.compile(rf"\s*(?:\[\w+\.)?[\"']?{re.escape(key)}[\"']?\s*[=.\]]")
        for number in range(self.start, self.stop):
            if key and pattern.match(self.lines[number]):
                return number + 1
        return self.start + 1 if self.start else 0


class _Table:
    """The file itself, or one of its [[given]] and [[expect]], and the mistakes in it."""

    def __init__(
        self, values: Mapping[str, object], file: str, place: _Place, problems: list[Problem]
    ) -> None:
        self.values, self.file, self.place, self.problems = values, file, place, problems

    @property
    def line(self) -> int:
        """Where it starts, from 1; 0 for the file itself."""
        return self.place.line("")

    def problem(self, key: str, cause: str, hint: str = "", line: int = 0) -> None:
        """Note a mistake at a line, else at that of a key; an empty key means the table."""
        self.problems.append(Problem(self.file, line or self.place.line(key), cause, hint))

    def known(self, keys: Sequence[str]) -> None:
        """Look for keys that mean nothing."""
        for key in self.values:
            if key not in keys:
                self.problem(key, f"unknown key {key!r}", _hint(key, keys))

    def text(self, key: str) -> str:
        """A text; empty where it is not set."""
        value = self.values.get(key, "")
        if isinstance(value, str):
            return value
        self.problem(key, f"{key} = {value!r}: a text is meant")
        return ""

    def moment(self, key: str) -> dt.datetime | None:
        """A time; None where it is not set."""
        value = self.values.get(key)
        if isinstance(value, dt.datetime):
            return moment(value)
        if value is not None:
            cause = f"{key} = {value!r}: a time is meant"
            self.problem(key, cause, "without quotes, such as 2026-01-31T12:00:00Z")
        return None

    def rows(self) -> tuple[Row, ...] | str | None:
        """`rows` as written: mappings or a text; None where it is not set."""
        value = self.values.get("rows")
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, list) and all(isinstance(row, dict) for row in value):
            return tuple(value)
        self.problem("rows", "rows are [{…}, …] or a text of one JSON object a line")
        return None

    def mapping(self, key: str) -> dict[str, object] | None:
        """A table; None where it is not set."""
        value = self.values.get(key)
        if value is None or isinstance(value, dict):
            return value
        self.problem(key, f"{key} = {value!r}: a table is meant", f"write {key} = {{name = …}}")
        return None


def _first_head(lines: Sequence[str]) -> int:
    return next((n for n, line in enumerate(lines) if _HEAD.match(line)), len(lines))


def _tables(whole: _Table, lines: Sequence[str], name: str) -> Iterator[_Table]:
    """Each [[name]] of the file, with the lines it takes."""
    found = whole.values.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        whole.problem(name, f"{name} is a list of tables", f"write [[{name}]]")
        return
    heads = [(n, match[1]) for n, match in enumerate(map(_HEAD.match, _outside(lines))) if match]
    places = [
        _Place(lines, start, stop)
        for (start, head), (stop, _) in pairwise([*heads, (len(lines), "")])
        if head == name
    ]
    everywhere = _Place(lines, 0, len(lines))
    for index, values in enumerate(found):
        place = places[index] if len(places) == len(found) else everywhere
        yield _Table(values, whole.file, place, whole.problems)


def _outside(lines: Sequence[str]) -> Iterator[str]:
    """The lines, with those inside of a text of several lines left empty."""
    mark = ""
    for line in lines:
        yield "" if mark else line
        for quote in re.findall(r"'''|\"\"\"", line):
            mark = "" if quote == mark else mark or quote


def _given(table: _Table, path: Path, now: dt.datetime) -> Given:
    table.known(_GIVEN)
    if "into" not in table.values:
        table.problem("", "[[given]] does not say where the records go", 'add: into = "…"')
    rows, file = table.rows(), table.text("file")
    if ("rows" in table.values) == ("file" in table.values):
        table.problem("", "[[given]] needs either rows or a file", 'rows = [{…}] or file = "…"')
    at = table.moment("at") or now
    into = table.text("into")
    return Given(into, rows, path.parent / file if file else None, at, table.line)


def _expect(table: _Table) -> Expect | None:
    table.known(_EXPECT)
    kinds = [kind for kind in _KINDS if kind in table.values]
    if len(kinds) != 1:
        cause = "[[expect]] names one relation, endpoint, check, alert or dead_letters"
        table.problem(kinds[1] if kinds else "", cause, 'such as relation = "…"')
        return None
    if "rows" not in table.values and "schema" not in table.values:
        table.problem("", "[[expect]] expects nothing", "add rows = [{…}] or schema = {…}")
    if "params" in table.values and kinds[0] not in ("endpoint", "check", "alert"):
        table.problem("params", f"a {kinds[0]} has no params", "they are for endpoint = …")
    if "schema" in table.values and kinds[0] in ("dead_letters", "check", "alert"):
        table.problem("schema", f"the columns of {kinds[0]} are not compared", "leave schema out")
    order = table.values.get("order")
    if order is not None and not isinstance(order, bool):
        table.problem("order", f"order = {order!r}: true or false is meant")
        order = None
    schema = table.mapping("schema")
    return Expect(
        kinds[0],
        table.text(kinds[0]),
        {name: param_text(value) for name, value in (table.mapping("params") or {}).items()},
        _expected(table),
        order,
        _tolerance(table),
        None if schema is None else {name: str(kind) for name, kind in schema.items()},
        table.line,
    )


def _expected(table: _Table) -> tuple[Row, ...] | None:
    rows = table.rows()
    if not isinstance(rows, str):
        return rows
    result: list[Row] = []
    for line in filter(None, map(str.strip, rows.splitlines())):
        try:
            row = json.loads(line, parse_float=Decimal)
        except ValueError as error:
            row, cause = None, f"{line!r} is not JSON: {error}"
        else:
            cause = f"{line!r} is no object"
        if isinstance(row, dict):
            result.append(row)
        else:
            table.problem("rows", cause, "one object a line", table.place.holding(line))
    return tuple(result)


def _tolerance(table: _Table) -> Decimal:
    value = table.values.get("tolerance", TOLERANCE)
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and value >= 0:
        return Decimal(value)
    table.problem("tolerance", f"tolerance = {value!r}: a number is meant", "such as 1e-9")
    return TOLERANCE
