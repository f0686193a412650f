"""A sample file becomes fields with types: the engine infers them, headroom is added.

The engine says what each field is over the first rows; then all values are looked at as the text
that bronze will see, so that a type fits every row of the sample and leaves room for the next ones.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from penstock.engine.scratch import Scratch
from penstock.errors import BadInputError, EngineError, UsageError
from penstock.layers import fields
from penstock.layers.convert import TEXTS, FileFormat
from penstock.layers.fields import ISO, Field, Seen, doc_type, quote
from penstock.layers.statements import fill
from penstock.project.lexer import literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from penstock.layers.fields import Role

_TABLES = ("CSVWithNames", "TSVWithNames")
_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True)
class Sample:
    """What a file says about the records to come.

    Attributes:
        path: the file.
        form: how it is read; its `settings` may name a delimiter.
        rows: how many it has, of at most a million that were looked at.
        fields: in the file's order, each with a type.
        columns: a CSV's own name of each field; empty for JSON.
        years: how far back its times go, rounded up; at least 20.
    """

    path: Path
    form: FileFormat
    rows: int
    fields: tuple[Field, ...]
    columns: tuple[str, ...] = ()
    years: int = 20

    @property
    def time(self) -> Field | None:
        """The field that says when; None where records have no time of their own."""
        return next((f for f in self.fields if f.role == "time"), None)

    @property
    def keys(self) -> tuple[Field, ...]:
        """What rows are looked up by, first in ORDER BY."""
        return tuple(f for f in self.fields if f.role == "key")


def look(path: Path) -> Sample:
    """Read a sample.

    Args:
        path: CSV, TSV, JSON or NDJSON, which `.gz`, `.zst`, `.xz` or `.bz2` may follow.

    Raises:
        UsageError: the name says no format. BadInputError: the file cannot be read as that.
    """
    if not path.is_file():
        raise BadInputError(400, "No file", f"there is no file {path}", next_step="check the path")
    form = FileFormat.guess(path)
    if form.name not in (*_TABLES, "JSONEachRow"):
        raise UsageError(
            f"{path.name} is no text: fields are read from CSV, TSV, JSON and NDJSON",
            next_step="give a sample in one of these",
        )
    with Scratch(access=(path,)) as engine:
        try:
            return _Look(engine, path, form).sample()
        except EngineError as error:
            cause = f"{path.name} cannot be read as {form.name}: {error.what[:300]}"
            raise BadInputError(400, "Unreadable", cause, next_step="look at the file") from error


class _Look:
    """Asks the throw-away engine about one file."""

    def __init__(self, engine: Scratch, path: Path, form: FileFormat) -> None:
        self._engine, self._path, self._form = engine, path.resolve(), form

    def sample(self) -> Sample:
        """The whole of it."""
        columns = self._columns()
        seen = list(fields.leaves(columns, nested=not self._is_table))
        if seen:
            self._load(seen, columns)
            seen = [replace(s, said=self._values(s)) for s in seen]
        rows = seen[0].number("rows") if seen else 0
        if not rows:
            raise BadInputError(400, "No rows", f"{self._path.name} holds no rows")
        found = [fields.typed(s, rows) for s in seen]
        time = fields.when(found, seen)
        keys = fields.keys(found, seen, time)
        roles: dict[str, Role] = {time: "time"}
        roles |= dict.fromkeys(keys, "key")
        age = max((s.number("age") for s in seen if s.name == time), default=0)
        return Sample(
            self._path,
            self._form,
            rows,
            tuple(replace(f, role=roles.get(f.name, "")) for f in found),
            tuple(columns) if self._is_table else (),
            fields.years(age),
        )

    @property
    def _is_table(self) -> bool:
        return self._form.name in _TABLES

    def _columns(self) -> dict[str, str]:
        """Name → type as the engine infers it; of a CSV by the delimiter that gives the most."""
        if self._form.name != "CSVWithNames":
            return self._describe("")
        found: dict[str, dict[str, str]] = {}
        for delimiter in _DELIMITERS:
            with contextlib.suppress(EngineError):  # under a wrong one lines differ in length
                clause = f"SETTINGS format_csv_delimiter = {literal(delimiter)}"
                found[delimiter] = self._describe(clause)
        best = max(found, key=lambda delimiter: len(found[delimiter]), default="")
        if best and best != _DELIMITERS[0]:
            self._form = replace(self._form, settings={"format_csv_delimiter": best})
        return found[best] if best else self._describe("")

    def _describe(self, settings: str) -> dict[str, str]:
        file = f"file({literal(str(self._path))}, {literal(self._form.name)})"
        rows = self._engine.rows(f"DESCRIBE TABLE {file} {settings}")
        return {str(row["name"]): str(row["type"]) for row in rows}

    def _load(self, seen: Sequence[Seen], columns: dict[str, str]) -> None:
        kind = literal(doc_type([s.path for s in seen]))
        settings = dict(self._form.settings)
        if self._is_table:
            cells = ", ".join(f"nullIf(trim({quote(c, always=True)}), '')" for c in columns)
            doc, form = f"tuple({cells})", self._form.name
            settings |= TEXTS
        else:
            doc, form = f"JSONExtract(json, {kind})", "JSONAsString"
        clause = ", ".join(f"{name} = {literal(value)}" for name, value in settings.items())
        self._engine.execute(
            fill(
                "sample_text",
                doc=doc,
                type=kind,
                path=literal(str(self._path)),
                format=literal(form),
                settings=f"SETTINGS {clause}" if clause else "",
            )
        )

    def _values(self, seen: Seen) -> dict[str, Any]:
        value = ".".join(("doc", *map(quote, seen.path)))
        return self._engine.rows(fill("sample_field", value=value, iso=literal(ISO)))[0]
