"""penstock.toml and sources/*.toml: read, and every key and value looked at."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, cast, get_args

from penstock.errors import Problem, UsageError
from penstock.project.objects import Source, SourceKind, nearest
from penstock.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""What names a project, a domain, a relation, a source or an endpoint: it is a folder or a file,
a ClickHouse identifier and a part of a URL, so it is what all of these can hold."""

FORMATS = frozenset({"CSV", "CSVWithNames", "TSV", "TSVWithNames", "JSONEachRow", "Parquet"})
"""Formats of ClickHouse that a file source may be in."""

DEFAULT_INSERTS_PER_SECOND = 4.0
"""Batches a second a bronze table takes at most where penstock.toml does not say."""

_KINDS = get_args(SourceKind)
_COMMON = {"kind": "text", "into": "text", "description": "text", "owner": "text"}
_LATER = ("s3", "postgres")
_OPTIONS: dict[str, dict[str, str]] = {
    "http": {},
    "kafka": {"topic": "text"},
    "file": {
        "via": "text",
        "path": "text",
        "format": "format",
        "settings": "table",
        "using": "text",
    },
}
_REQUIRED = {"http": ("into",), "kafka": ("into", "topic"), "file": ("via", "path", "format")}
_PROJECT = {"name": "text", "title": "text", "platform": "table", "landing": "table"}
_PLATFORM = {setting.name: setting for setting in SETTINGS}
_TABLES = {"platform": frozenset(_PLATFORM), "landing": frozenset({"inserts_per_second"})}


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """What penstock.toml says; `settings` holds its tables as written."""

    name: str
    title: str
    inserts_per_second: float
    settings: Mapping[str, object]


def project_file(path: Path, problems: list[Problem]) -> ProjectFile:
    """Read penstock.toml; mistakes are added to `problems`."""
    toml = TomlFile(path, path.name, problems)
    toml.check(_PROJECT)
    name = str(toml.values.get("name", ""))
    if not name and not toml.broken:
        toml.problem("", "the project has no name", f'add: name = "{_suggest(path.parent.name)}"')
    elif name and not NAME.fullmatch(name):
        toml.problem("name", f"{name!r} is not a name", name_rule(name))
    for table, known in _TABLES.items():
        values = toml.values.get(table)
        for key in values if isinstance(values, dict) else ():
            if key not in known:
                toml.unknown(key, known, f"[{table}]")
    _check_platform(toml)
    landing = toml.values.get("landing")
    rate = landing.get("inserts_per_second") if isinstance(landing, dict) else None
    if rate is not None and (
        isinstance(rate, bool) or not isinstance(rate, int | float) or rate <= 0
    ):
        toml.problem(
            "inserts_per_second", f"{rate!r} is no number of inserts a second", "such as 4"
        )
        rate = None
    title = str(toml.values.get("title") or name)
    tables = {k: v for k, v in toml.values.items() if isinstance(v, dict)}
    return ProjectFile(
        name, title, float(rate or DEFAULT_INSERTS_PER_SECOND), MappingProxyType(tables)
    )


def source_file(path: Path, file: str, domain: str, problems: list[Problem]) -> Source | None:
    """Read one file of sources/; None, with the mistake added, where its kind is not known.

    Args:
        path: the file.
        file: its path relative to the project's root, for messages.
        domain: the domain's name.
        problems: mistakes are added to it.
    """
    toml = TomlFile(path, file, problems)
    if toml.broken:
        return None
    kind = toml.values.get("kind")
    if kind in _LATER:
        toml.problem(
            "kind", f"sources of kind {kind!r} are not there yet", f"now: {', '.join(_KINDS)}"
        )
        return None
    if kind not in _KINDS:
        near = nearest(str(kind or ""), _KINDS)
        known = f"did you mean {near!r}?" if near else f"one of {', '.join(_KINDS)}"
        cause = "the source has no kind" if kind is None else f"unknown kind {kind!r}"
        toml.problem("kind" if kind is not None else "", cause, known)
        return None
    kind = str(kind)
    toml.check(_COMMON | _OPTIONS[kind])
    for key in _REQUIRED[kind]:
        if key not in toml.values:
            toml.problem("", f"a source of kind {kind!r} needs {key!r}", f'add: {key} = "…"')
    if kind == "file" and "using" in toml.values:
        _using(toml, path)
    options = {k: v for k, v in toml.values.items() if k not in ("kind", "into")}
    return Source(
        domain,
        path.stem,
        cast("SourceKind", kind),
        str(toml.values.get("into", "")),
        MappingProxyType(options),
        path,
    )


def _check_platform(toml: TomlFile) -> None:
    """Every value of `[platform]` is what its setting takes."""
    values = toml.values.get("platform")
    for key, value in values.items() if isinstance(values, dict) else ():
        if key not in _PLATFORM:
            continue
        try:
            _PLATFORM[key].convert(value)
        except UsageError as error:
            toml.problem(key, error.what, error.next_step)


def key_line(path: Path, key: str) -> int:
    """The line of a TOML file that sets a key, or 0."""
    pattern = re.compile(rf"\s*(?:\[\s*)?[\"']?{re.escape(key)}[\"']?\s*[=\].]")
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return next((n for n, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 0)


def name_rule(name: str) -> str:
    """What a name may be, with a legal one near to `name`."""
    near = _suggest(name)
    rule = "small letters, digits and _, a letter first"
    return f"{rule}: {near}" if near and near != name else rule


def _suggest(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789") or "project"


def _using(toml: TomlFile, path: Path) -> None:
    name = str(toml.values["using"])
    beside = sorted(p.name for p in path.parent.glob("*.sql"))
    if name in beside:
        return
    near = nearest(name, beside)
    hint = f"did you mean {near!r}?" if near else "put an .sql file beside this one"
    toml.problem("using", f"there is no {name!r} in sources/", hint)


class TomlFile:
    """One TOML file and the mistakes in it.

    Args:
        path: the file.
        file: its path relative to the project's root, for messages.
        problems: mistakes are added to it.
        number: makes a number with a fraction from its text.
    """

    def __init__(
        self,
        path: Path,
        file: str,
        problems: list[Problem],
        *,
        number: Callable[[str], object] = float,
    ) -> None:
        self.path, self.file, self._problems = path, file, problems
        self.values: dict[str, object] = {}
        self.broken = False
        try:
            self.values = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=number)
        except tomllib.TOMLDecodeError as error:
            self.broken = True
            line = re.search(r"at line (\d+)", str(error))
            cause = f"not TOML: {re.sub(r' [(]at .*[)]', '', str(error))}"
            problems.append(Problem(file, int(line[1]) if line else 0, cause))
        except (OSError, UnicodeDecodeError) as error:
            self.broken = True
            problems.append(Problem(file, 0, f"cannot be read: {error}"))

    def problem(self, key: str, cause: str, hint: str = "") -> None:
        """Note a mistake at the line of a key; an empty key means the file as a whole."""
        line = key_line(self.path, key) if key else 0
        self._problems.append(Problem(self.file, line, cause, hint))

    def unknown(self, key: str, known: Iterable[str], where: str = "") -> None:
        """Note a key that means nothing, with the nearest that does."""
        near = nearest(key, known)
        hint = f"did you mean {near!r}?" if near else f"known: {', '.join(sorted(known))}"
        self.problem(key, f"unknown key {key!r}{' in ' + where if where else ''}", hint)

    def check(self, kinds: Mapping[str, str]) -> None:
        """Look at every key and the kind of its value."""
        for key, value in self.values.items():
            if key not in kinds:
                self.unknown(key, kinds)
            elif cause := _wrong(kinds[key], value):
                self.problem(key, f"{key} = {value!r}: {cause}")


def _wrong(kind: str, value: object) -> str:
    """Why a value is not of its kind, or an empty text."""
    if kind == "table":
        return "" if isinstance(value, dict) else "a table is meant"
    if not isinstance(value, str) or not value:
        return "a text is meant"
    if kind == "format" and value not in FORMATS:
        near = nearest(value, FORMATS)
        known = f"did you mean {near!r}?" if near else f"one of {', '.join(sorted(FORMATS))}"
        return f"not a format; {known}"
    return ""
