"""dashboards/*.toml: read, and every key, name and value looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from penstock.errors import Problem, UsageError
from penstock.project import endpoints, macros, statements
from penstock.project.dashboards import (
    MOST_QUERIES,
    OVER_TIME,
    PANEL_KINDS,
    Dashboard,
    Panel,
    PanelKind,
    Row,
    Variable,
)
from penstock.project.objects import Header, nearest
from penstock.project.toml_files import NAME, TomlFile, name_rule
from penstock.settings import duration

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from penstock.project.objects import Endpoint

_FILE = {"title": str, "description": str, "from": str, "to": str, "refresh": str,
         "variable": list, "row": list}  # fmt: skip
_VARIABLE = {"name": str, "label": str, "values": list, "sql": str, "default": object,
             "all": bool, "reason": str}  # fmt: skip
_ROW = {"title": str, "height": int, "panel": list}
_PANEL = {
    "title": str, "name": str, "description": str, "kind": str, "endpoint": str, "sql": str,
    "params": dict, "time": str, "by": str, "value": object, "unit": str, "digits": int,
    "width": int, "low": float, "high": float, "warn": float, "bad": float, "stacked": bool,
    "reason": str, "cache": str,
}  # fmt: skip
_WORDS = {str: "a text", list: "a list", int: "a whole number", float: "a number", bool: "true or "
          "false", dict: "a table", object: "a value"}  # fmt: skip
_LIVE, _SPAN, _HEIGHT, _COLUMNS = "live", ("now-1h", "now"), 220, 12
_TABLE = re.compile(r"\s*\[\[\s*(variable|row(?:\s*\.\s*panel)?)\s*\]\]")
_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class _Home:
    """Where a dashboard lives: its domain, its database and the endpoints it may ask."""

    domain: str
    database: str
    endpoints: Mapping[str, Endpoint]


def dashboard_file(
    path: Path, file: str, place: tuple[str, str], asked: Collection[Endpoint],
    problems: list[Problem],
) -> Dashboard | None:  # fmt: skip
    """Read one file of dashboards/; None, with the mistake added, where it is no TOML.

    Args:
        path: the file.
        file: its path relative to the project's root, for messages.
        place: name and database of its domain.
        asked: the endpoints of the domain.
        problems: mistakes are added to it.
    """
    toml = TomlFile(path, file, problems)
    if toml.broken:
        return None
    return _Reader(toml, _Home(*place, {e.name: e for e in asked}), problems).dashboard()


def unused(folder: Path, dashboards: Collection[Dashboard], root: Path) -> list[Problem]:
    """Every .sql of dashboards/ that no panel names."""
    used = {query.path for dashboard in dashboards for query in dashboard.queries}
    return [
        Problem(path.relative_to(root).as_posix(), 0, "no panel uses this file",
                f'sql = "{path.name}" in a panel')
        for path in sorted(folder.glob("*.sql") if folder.is_dir() else ()) if path not in used
    ]  # fmt: skip


class _Block:
    """One table of the file: its keys, and where they stand."""

    def __init__(self, reader: _Reader, values: Mapping[str, Any], where: str, at: int) -> None:
        self._reader, self.values, self.where, self.at = reader, values, where, at

    def line(self, key: str) -> int:
        """The line that sets a key; the block's first where it is not found."""
        return self._reader.line(self.at, key)

    def problem(self, key: str, cause: str, hint: str = "") -> None:
        """Note a mistake at the line of a key."""
        self._reader.problem(self.line(key), f"{self.where}{cause}", hint)

    def check(self, known: Mapping[str, type]) -> None:
        """Look at every key and the kind of its value; what does not fit is left out."""
        sound = {}
        for key, value in self.values.items():
            if key not in known:
                near = nearest(key, known)
                hint = f"did you mean {near!r}?" if near else f"known: {', '.join(sorted(known))}"
                self.problem(key, f"unknown key {key!r}", hint)
            elif not _fits(value, known[key]):
                self.problem(key, f"{key} = {value!r}: {_WORDS[known[key]]} is meant")
            else:
                sound[key] = value
        self.values = sound

    def text(self, key: str, default: str = "") -> str:
        """A text, without the space around it."""
        return str(self.values.get(key, default)).strip()

    def tables(self, key: str) -> list[Mapping[str, Any]]:
        """The tables of a list."""
        listed: list[Mapping[str, Any]] = [
            v for v in self.values.get(key, ()) if isinstance(v, dict)
        ]
        if len(listed) != len(self.values.get(key, ())):
            self.problem(key, f"{key} holds more than tables", f"write [[{key}]]")
        return listed


class _Reader:
    """Reads one file; mistakes go to the list it is given."""

    def __init__(self, toml: TomlFile, home: _Home, problems: list[Problem]) -> None:
        self._toml, self._home, self._problems = toml, home, problems
        self._lines = toml.path.read_text(encoding="utf-8").splitlines()
        starts = [(n, m[1]) for n, text in enumerate(self._lines, 1) if (m := _TABLE.match(text))]
        self._starts = {
            kind: [n for n, found in starts if found.replace(" ", "") == kind]
            for kind in ("variable", "row", "row.panel")
        }
        self._ends = [n for n, _ in starts]
        self._panels = 0
        self._names: set[str] = set()
        self._variables: tuple[Variable, ...] = ()

    def problem(self, line: int, cause: str, hint: str = "") -> None:
        """Note a mistake."""
        self._problems.append(Problem(self._toml.file, line, cause, hint))

    def line(self, at: int, key: str) -> int:
        """The line within the block that starts at a line on which a key is set."""
        end = next((n for n in self._ends if n > at), len(self._lines) + 1)
        pattern = re.compile(rf"\s*(?:\[+\s*)?[\"']?{re.escape(key)}[\"']?\s*[=\].]")
        lines = enumerate(self._lines[at : end - 1], at + 1)
        return next((n for n, text in lines if pattern.match(text)), at) if key else at

    def dashboard(self) -> Dashboard:
        """Read the whole file."""
        top = _Block(self, self._toml.values, "", 0)
        top.check(_FILE)
        path = self._toml.path
        variables = enumerate(top.tables("variable"))
        self._variables = tuple(v for n, t in variables if (v := self._variable(t, n)))
        rows = tuple(self._row(table, n) for n, table in enumerate(top.tables("row")))
        found = Dashboard(
            self._home.domain,
            path.stem,
            path,
            top.text("title") or path.stem.replace("_", " ").capitalize(),
            top.text("description"),
            self._moment(top, "from", _SPAN[0]),
            self._moment(top, "to", _SPAN[1]),
            self._refresh(top),
            self._variables,
            rows,
        )
        if not found.panels:
            top.problem("", "the dashboard has no panel", "add [[row]] and [[row.panel]]")
        asked = len(found.panels) + sum(v.query is not None for v in found.variables)
        if asked > MOST_QUERIES:
            cause = f"{asked} queries are more than one page shows live"
            top.problem("", cause, f"at most {MOST_QUERIES}: make it two dashboards")
        return found

    def _moment(self, top: _Block, key: str, default: str) -> str:
        text = top.text(key, default)
        try:
            macros.moment(text)
        except UsageError as error:
            top.problem(key, f"{key}: {error.what}", error.next_step)
            return default
        return text

    def _refresh(self, top: _Block) -> float:
        text = top.text("refresh", _LIVE)
        if text == _LIVE:
            return 0.0
        try:
            return duration(text)
        except UsageError as error:
            top.problem("refresh", f"refresh: {error.what}", 'or "live"')
            return 0.0

    def _at(self, kind: str, number: int) -> int:
        starts = self._starts[kind]
        return starts[number] if number < len(starts) else 0

    def _variable(self, values: Mapping[str, Any], number: int) -> Variable | None:
        block = _Block(self, values, f"variable {number + 1}: ", self._at("variable", number))
        block.check(_VARIABLE)
        name = block.text("name")
        if not NAME.fullmatch(name) or name in macros.TIMES:
            taken = f"{name!r} is a name of the span of time"
            cause = taken if name in macros.TIMES else f"{name!r} is not a name"
            block.problem("name", cause if name else "it has no name", name_rule(name))
            return None
        if name in {v.name for v in self._variables} or f"var-{name}" in self._names:
            block.problem("name", f"there is a variable {name!r} already")
        self._names.add(f"var-{name}")
        if "sql" in block.values and "values" in block.values:
            block.problem("sql", "it has values and sql", "leave one")
        listed = tuple(str(v) for v in block.values.get("values", ()))
        query = self._select(block, f"var-{name}") if "sql" in block.values else None
        for param in query.params if query else ():
            if param.required:
                cause = f"its SELECT has the parameter {param.name!r}"
                block.problem("sql", cause, "a variable is asked without any")
        default = block.values.get("default")
        may_all = bool(block.values.get("all"))
        first = listed[0] if listed and not may_all else ""
        text = first if default is None else str(default)
        if listed and text and text not in listed:
            near = nearest(text, listed)
            hint = f"did you mean {near!r}?" if near else f"one of {', '.join(listed)}"
            block.problem("default", f"default {text!r} is none of its values", hint)
        kind = "list" if listed else "query" if "sql" in block.values else "text"
        label = block.text("label") or name.replace("_", " ").capitalize()
        return Variable(name, label, cast("Any", kind), listed, query, text, may_all)

    def _row(self, values: Mapping[str, Any], number: int) -> Row:
        block = _Block(self, values, f"row {number + 1}: ", self._at("row", number))
        block.check(_ROW)
        tables = block.tables("panel")
        share = max(1, _COLUMNS // max(1, len(tables)))
        panels = tuple(p for table in tables if (p := self._panel(table, share)))
        height = int(block.values.get("height", _HEIGHT))
        if not 60 <= height <= 1200:  # noqa: PLR2004 - what can be looked at
            block.problem("height", f"height = {height}", "pixels, from 60 to 1200")
        return Row(block.text("title"), height, panels)

    def _panel(self, values: Mapping[str, Any], share: int) -> Panel | None:
        at = self._at("row.panel", self._panels)
        self._panels += 1
        title = str(values.get("title", "")).strip()
        block = _Block(self, values, f"panel {title!r}: " if title else "", at)
        block.check(_PANEL)
        if not title:
            block.problem("title", f"panel {self._panels} has no title", 'add: title = "…"')
        name = block.text("name") or _SLUG.sub("_", title.lower()).strip("_")
        name = name if NAME.fullmatch(name) else f"panel_{self._panels}"
        if name in self._names:
            cause = f"there is a panel {name!r} already"
            block.problem("name" if "name" in values else "title", cause, 'add: name = "…"')
        self._names.add(name)
        kind = self._kind(block)
        query = self._query(block, name)
        if kind is None or query is None:
            return None
        value = block.values.get("value", [])
        low, high, warn, bad = (
            _number(block.values.get(k)) for k in ("low", "high", "warn", "bad")
        )
        panel = Panel(
            name, title, block.text("description") or query.header.description, kind, query,
            "sql" in block.values, self._params(block, query), self._time(block, kind),
            block.text("by"),
            tuple(map(str, value if isinstance(value, list) else [value])), block.text("unit"),
            int(block.values.get("digits", 1)), int(block.values.get("width", share)),
            low, high, warn, bad,
            bool(block.values.get("stacked")), at,
        )  # fmt: skip
        self._sense(block, panel)
        return panel

    def _sense(self, block: _Block, panel: Panel) -> None:
        """What keys mean together, and the values that the parameters get."""
        if not 1 <= panel.width <= _COLUMNS:
            block.problem("width", f"width = {panel.width}", f"of {_COLUMNS} columns: 1 to 12")
        if not 0 <= panel.digits <= 9:  # noqa: PLR2004 - a Float64 has no more to show
            block.problem("digits", f"digits = {panel.digits}", "0 to 9")
        if panel.kind in ("pie", "heatmap") and not panel.by:
            cause = f"a {panel.kind} needs the column that tells its parts apart"
            block.problem("kind", cause, 'add: by = "…"')
        if panel.kind == "bar" and not panel.time and not panel.by:
            block.problem("kind", "a bar stands over a time or for a name", 'add: time or by = "…"')
        if panel.kind in ("stat", "gauge", "pie", "heatmap") and len(panel.values) != 1:
            block.problem("value", f"a {panel.kind} shows one column", 'write: value = "…"')
        if panel.kind == "gauge" and (panel.low is None or panel.high is None):
            block.problem("kind", "a gauge has ends", "add: low = … and high = …")
        given = panel.given(self._variables)
        for param in panel.query.params:
            if param.required and param.name not in given and param.name not in panel.spans:
                cause = f"nothing gives the parameter {param.name!r} a value"
                hint = f"add a [[variable]] called {param.name}, or params = {{{param.name} = …}}"
                block.problem("params", cause, hint)

    def _kind(self, block: _Block) -> PanelKind | None:
        kind = block.text("kind")
        if kind in PANEL_KINDS:
            return kind
        near = nearest(kind, PANEL_KINDS)
        hint = f"did you mean {near!r}?" if near else f"one of {', '.join(PANEL_KINDS)}"
        block.problem("kind", f"unknown kind {kind!r}" if kind else "it has no kind", hint)
        return None

    def _time(self, block: _Block, kind: PanelKind) -> str:
        return block.text("time") or ("time" if kind in OVER_TIME else "")

    def _query(self, block: _Block, name: str) -> Endpoint | None:
        """The endpoint that a panel names, or its own SELECT."""
        if ("endpoint" in block.values) == ("sql" in block.values):
            cause = (
                "it names an endpoint and has SQL" if "sql" in block.values else "it asks nothing"
            )
            block.problem("sql", cause, 'write endpoint = "…" or sql = "…"')
            return None
        if "sql" in block.values:
            return self._select(block, name)
        wanted = block.text("endpoint")
        if wanted in self._home.endpoints:
            return self._home.endpoints[wanted]
        near = nearest(wanted, self._home.endpoints)
        known = ", ".join(self._home.endpoints) or "none"
        hint = f"did you mean {near!r}?" if near else f"the domain has {known}"
        block.problem("endpoint", f"there is no endpoint {wanted!r}", hint)
        return None

    def _select(self, block: _Block, name: str) -> Endpoint | None:
        """A SELECT in the file, or in the .sql file beside it that `sql` names."""
        written = str(block.values["sql"])
        path, file = self._toml.path, self._toml.file
        if re.fullmatch(r"\s*[\w-]+\.sql\s*", written):
            path = path.parent / written.strip()
            beside = sorted(p.name for p in path.parent.glob("*.sql"))
            if path.name not in beside:
                near = nearest(path.name, beside)
                hint = f"did you mean {near!r}?" if near else "put it beside this file"
                block.problem("sql", f"there is no {path.name!r} in dashboards/", hint)
                return None
            file = f"{file.rpartition('/')[0]}/{path.name}"
            text = statements.read(file, path.read_text(encoding="utf-8-sig", errors="replace"))
        else:
            at = block.line("sql")
            opened = at and self._lines[at - 1].rstrip().endswith(("'''", '"""'))
            text = statements.read(file, "\n" * (at if opened else max(0, at - 1)) + written)
        query = endpoints.endpoint(text, path, self._home.domain, self._home.database)
        self._problems += text.problems
        if query is None:
            return None
        said = {key: block.values[key] for key in ("reason", "cache") if key in block.values}
        header = Header(query.header.description, MappingProxyType({**said, **query.header.values}))
        return replace(query, name=f"{self._toml.path.stem}/{name}", header=header)

    def _params(self, block: _Block, query: Endpoint) -> Mapping[str, str]:
        """`params` as text; a `$name` is a variable."""
        params: dict[str, str] = {}
        known = [p.name for p in query.params]
        variables = [v.name for v in self._variables]
        for name, value in block.values.get("params", {}).items():
            if name not in known:
                near = nearest(name, known)
                hint = f"did you mean {near!r}?" if near else f"it has {', '.join(known) or 'none'}"
                block.problem("params", f"params names {name!r}, no parameter", hint)
                continue
            params[name] = endpoints.as_text(value) or ""
            wanted = params[name][1:] if params[name].startswith("$") else ""
            if wanted and wanted not in variables:
                near = nearest(wanted, variables)
                hint = f"did you mean ${near}?" if near else f"add a [[variable]] called {wanted}"
                block.problem("params", f"{name} = {params[name]!r}: no such variable", hint)
        return MappingProxyType(params)


def _fits(value: object, kind: type) -> bool:
    if kind is object:
        return not isinstance(value, dict)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
