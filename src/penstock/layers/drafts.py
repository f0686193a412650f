"""The files that `penstock new` writes: a first draft, made from a sample or a relation."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.errors import UsageError
from penstock.layers.fields import ISO, doc_type, is_id, quote
from penstock.layers.templates import render
from penstock.project.lexer import literal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from penstock.layers.fields import Field
    from penstock.layers.sample import Sample
    from penstock.layers.templates import Words
    from penstock.project.objects import Column, Project, Relation

_CODECS = {
    "integer": "T64, ZSTD(1)",
    "decimal": "T64('bit'), ZSTD(1)",
    "time": "Delta, ZSTD(1)",
}  # docs/decisions/0001; everything else is ZSTD(1)
_WIDEST = 38  # digits of a Decimal that a sum may grow to
_CARRIED = ("_source", "_batch", "_ingested_at", "_part", "_pos")
_STATE = re.compile(r"AggregateFunction\((\w+)(\(.*?\))?,.*\)")
_MERGED = re.compile(r"SimpleAggregateFunction\((\w+),.*\)")


@dataclass(frozen=True, slots=True)
class Draft:
    """A file to be written: where, and its text."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a draft goes: the project, the domain's folder, and the name it is given."""

    project: Project
    folder: Path
    name: str

    @property
    def window(self) -> str:
        """A deduplication window with room: an hour of inserts in three partitions each."""
        wanted = self.project.inserts_per_second * 3600 * 3
        return str(math.ceil(wanted / 10_000) * 10_000)


def source(place: Place, sample: Sample) -> list[Draft]:
    """Source, bronze and silver for records like a sample's; for a table its file as well."""
    words = {
        "domain": place.folder.name,
        "source": place.name,
        "bronze": f"raw_{place.name}",
        "silver": place.name,
        "file": sample.path.name,
        "window": place.window,
    }
    drafts = [
        Draft(place.folder / "sources" / f"{place.name}.toml", render("source.toml", words, {})),
        Draft(place.folder / "bronze" / f"raw_{place.name}.sql", _bronze(words, sample)),
        Draft(place.folder / "silver" / f"{place.name}.sql", _silver(words, sample)),
    ]
    return [*drafts, *_file(place, words, sample)] if sample.columns else drafts


def _bronze(words: Words, sample: Sample) -> str:
    kind = doc_type([f.path for f in sample.fields])
    spread = doc_type([f.path for f in sample.fields], "\n        ")
    described = [(f, _described(f) | {"years": str(sample.years)}) for f in sample.fields]
    seen = f"{sample.rows:,} record{'' if sample.rows == 1 else 's'}"
    return render(
        "bronze.sql",
        words | {"doc": kind, "spread": spread, "seen": seen},
        {
            "required": [w for f, w in described if f.role == "key"],
            "timed": [w for f, w in described if f.role == "time"],
            "optional": [w for f, w in described if not f.role and f.kind != "json"],
        },
    )


def _described(field: Field) -> Words:
    """Words about one field; `unusable` is a condition, true or NULL for what does not fit."""
    unusable, said = _unusable(field)
    return {"name": field.name, "text": field.text, "value": _value(field),
            "unusable": unusable, "said": said}  # fmt: skip


def _unusable(field: Field) -> tuple[str, str]:
    """What a value of a field must not be: as a condition, and in words."""
    text = field.text
    number = f"toFloat64OrNull({text})"
    unusable, said = f"{_value(field)} IS NULL", "no time that can be read"
    match field.kind:
        case "decimal":
            unusable = f"NOT ifNull(abs({number}) < {field.limit}, false)"
            said = f"no number below {field.limit:,} in size"
        case "float":
            unusable, said = f"NOT ifNull(isFinite({number}), false)", "no finite number"
        case "text":
            unusable, said = f"length({text}) > {field.limit}", f"over {field.limit} bytes"
        case "integer":
            said = f"no whole number {_range(field.type)}"
        case "boolean":
            said = "neither true nor false"
        case _ if field.iso:
            unusable = f"NOT match({text}, {literal(ISO)})\n            OR {unusable}"
            unusable = unusable if field.role else f"({unusable})"
            said = "no date with a time of day (without a zone: UTC), nor s or ms since 1970"
    return unusable, said


def _range(kind: str) -> str:
    """What an integer type holds, in words."""
    signed, bits = kind.startswith("I"), int(kind.rpartition("t")[2])
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return f"from {low} to {high}"


def _value(field: Field) -> str:
    """A field as its type, NULL where it does not fit; never an exception."""
    text = field.text
    return {
        "integer": f"to{field.type}OrNull({text})",
        "decimal": f"accurateCastOrNull(round(toDecimal128OrNull({text}, 9), "
        f"{field.type[:-1].rpartition(' ')[2]}), '{field.type}')",
        "float": f"toFloat64OrNull({text})",
        "boolean": f"multiIf(lower({text}) IN ('true', '1'), true, "
        f"lower({text}) IN ('false', '0'), false, NULL)",
        "time": f"parseDateTime64BestEffortOrNull({text}, 3, 'UTC')",
    }.get(field.kind, text)


def _silver(words: Words, sample: Sample) -> str:
    first = [f for f in (sample.time, *sample.keys) if f]
    ordered = [*first, *(f for f in sample.fields if not f.role)]
    time = sample.time
    order = [f.quoted for f in sample.keys]
    order += [time.quoted] if time else ["_ingested_at", "_part", "_pos"]
    return render(
        "silver.sql",
        words | {"time": time.quoted if time else "_ingested_at", "order": ", ".join(order)},
        {
            "columns": [_column(f) for f in ordered],
            "decimal": [{}] if any(f.kind == "decimal" for f in ordered) else [],
            "timeless": [] if time else [{}],
        },
    )


def _column(field: Field) -> Words:
    kind, value = field.type, _value(field)
    if field.kind in ("text", "json"):
        value = f"ifNull({value}, '')"
    elif field.role == "time":
        value = f"ifNull({value}, toDateTime64(0, 3, 'UTC'))"
    elif field.role == "key":
        value = f"ifNull({value}, 0)"
    else:
        kind = f"Nullable({kind})"
    codec = "Delta, ZSTD(1)" if field.role == "key" and field.kind == "integer" else ""
    codec = codec or _CODECS.get(field.kind, "ZSTD(1)")
    return {"quoted": field.quoted, "type": kind, "codec": codec, "expression": value}


def _file(place: Place, words: Words, sample: Sample) -> list[Draft]:
    """A source of kind `file` that gives the rows of a table as records."""
    name = f"{place.name}_file"
    near = sample.path.is_relative_to(place.project.root.parent)
    path = os.path.relpath(sample.path, place.folder) if near else str(sample.path)
    own = {"name": name, "path": path, "format": sample.form.name}
    delimiter = sample.form.settings.get("format_csv_delimiter")
    pairs = list(zip(sample.columns, sample.fields, strict=True))
    cells = [
        {"column": quote(column, always=True), "quoted": field.quoted,
         "comma": "," if field is not pairs[-1][1] else ""}
        for column, field in pairs
    ]  # fmt: skip
    lists = {"fields": cells, "delimiter": [{"character": delimiter}] if delimiter else []}
    if delimiter == "\t":
        lists["delimiter"] = [{"character": "\\t"}]
    folder = place.folder / "sources"
    return [
        Draft(folder / f"{name}.toml", render("file.toml", words | own, lists)),
        Draft(folder / f"{name}.sql", render("file.sql", words | own, lists)),
    ]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a relation's columns are for.

    Attributes:
        keys: what its rows are looked up by, first in its ORDER BY.
        time: the column of its ORDER BY that says when, or None.
        others: the rest, without what Penstock itself carries.
    """

    keys: tuple[Column, ...]
    time: Column | None
    others: tuple[Column, ...]

    @classmethod
    def of(cls, relation: Relation) -> _Shape:
        """Read from its CREATE TABLE. Raises UsageError where it is no table."""
        table = relation.table
        if table is None:
            raise UsageError(
                f"{relation.name} is no table, so its columns are not in its file",
                next_step="name the table that it reads",
            )
        named = [t.value for t in table.clauses.get("ORDER BY", ()) if t.is_name]
        order = [c for c in (table.column(name) for name in dict.fromkeys(named)) if c]
        time = next((c for c in order if c.type.startswith(("DateTime", "Date"))), None)
        keys = tuple(c for c in order if c is not time and c.name not in _CARRIED)
        rest = (c for c in table.columns if c not in (*order, time) and c.name not in _CARRIED)
        return cls(keys, time, tuple(rest))


def gold(place: Place, relation: Relation) -> list[Draft]:
    """The hours of a silver table as states. Raises UsageError where it has no time to go by."""
    shape = _Shape.of(relation)
    if relation.stage != "silver" or shape.time is None:
        raise UsageError(
            f"{relation.name} is {relation.stage}"
            + ("" if shape.time else " and has no time in its ORDER BY"),
            next_step="name a silver table that is ordered by a time",
        )
    columns = {c.name for c in relation.table.columns} if relation.table else set()
    free = {word: _free(word, columns) for word in ("hour", "rows", "last")}
    order = ", ".join([*(quote(c.name) for c in shape.keys), free["hour"]])
    words = free | {
        "silver": relation.name,
        "gold": place.name,
        "time": quote(shape.time.name),
        "order": order if shape.keys else free["hour"],
        "grain": " and ".join([*(c.name for c in shape.keys), "hour"]),
        "window": place.window,
    }
    measures = [w for w in map(_measure, shape.others) if w]
    states = {f"{w['name']}_{state}" for w in measures for state in ("sum", "avg", "min", "max")}
    for measure in measures if states & columns else ():  # an alias would hide such a column
        measure["quoted"] = f"{relation.name}.{measure['quoted']}"
    keys = [{"quoted": quote(c.name), "type": _spaced(c.type), "codec": _key_codec(c)}
            for c in shape.keys]  # fmt: skip
    text = render("gold.sql", words, {"keys": keys, "measures": measures})
    return [Draft(place.folder / "gold" / f"{place.name}.sql", text)]


def _measure(column: Column) -> Words | None:
    """Words about a column whose sum and average mean something, or None."""
    bare = re.sub(r"Nullable\((.*)\)", r"\1", column.type)
    number = re.fullmatch(r"(U?)Int\d+|(Float)\d+|Decimal\(\d+,(\d+)\)", bare)
    if number is None or is_id(column.name):
        return None
    wide = "Float64" if number[2] else f"{number[1]}Int64"
    kind = f"Decimal({_WIDEST}, {number[3]})" if number[3] else wide
    return {"name": column.name, "key": _yaml(column.name), "quoted": quote(column.name),
            "type": _spaced(column.type), "sum": kind}  # fmt: skip


def endpoint(place: Place, relation: Relation) -> list[Draft]:
    """A SELECT over gold that finishes its states; over silver its newest rows, with a reason."""
    if relation.stage == "bronze":
        raise UsageError("an endpoint reads gold", next_step="name a gold or silver relation")
    shape = _Shape.of(relation)
    finished = [(c, _finished(relation.name, c)) for c in shape.others]
    grouped = any(merged for _, merged in finished)
    cells = [quote(c.name) for c in shape.keys]
    cells += [_millis(shape.time)] if shape.time else []
    cells += [f"{merged} AS {quote(c.name)}" if merged else quote(c.name)
              for c, merged in finished if merged or not grouped]  # fmt: skip
    by = [quote(c.name) for c in (*shape.keys, shape.time) if c]
    order = [f"{quote(shape.time.name)} DESC"] if shape.time else []
    order += [quote(c.name) for c in shape.keys]
    lists = {
        "params": _params(shape),
        "columns": [{"expression": cell, "comma": ","} for cell in cells[:-1]]
        + [{"expression": cells[-1], "comma": ""}],
        "filters": _filters(shape),
        "grouped": [{"by": ", ".join(by)}] if grouped and by else [],
        "ordered": [{"by": ", ".join(order)}] if order else [],
        "reason": [] if relation.stage == "gold" else
            [{"text": "It shows single rows, which no gold keeps."}],
    }  # fmt: skip
    order_said = "newest first" if shape.time else "in order"
    words = {"title": f"The rows of {relation.name}, {order_said}.", "relation": relation.name}
    if grouped:
        words["title"] = f"The states of {relation.name}, finished, {order_said}."
    text = render("endpoint.sql", words, lists)
    return [Draft(place.folder / "serve" / f"{place.name}.sql", text)]


def _finished(relation: str, column: Column) -> str:
    """How a state is finished by a query; empty for a plain value."""
    named = f"{relation}.{quote(column.name)}"
    if match := _MERGED.fullmatch(column.type):
        return f"{match[1]}({named})"
    if match := _STATE.fullmatch(column.type):
        return f"{match[1]}Merge{match[2] or ''}({named})"
    return ""


def _millis(time: Column) -> str:
    name = quote(time.name)
    exact = time.type.startswith("DateTime64")
    ms = f"toUnixTimestamp64Milli({name})" if exact else f"toUnixTimestamp({name}) * 1000"
    return f"{ms} AS {time.name.strip('_')}_ms"


def _params(shape: _Shape) -> list[Words]:
    params = [
        {"name": _yaml(c.name), "default": "''" if _is_text(c) else "-1",
         "said": f"one {c.name} only; {'empty' if _is_text(c) else '-1'} is all of them"}
        for c in shape.keys
    ]  # fmt: skip
    if shape.time:
        params.append({"name": "since", "default": "'1970-01-01 00:00:00'",
                       "said": "rows from then on, UTC"})  # fmt: skip
    return [*params, {"name": "limit", "default": "1000", "said": "most rows"}]


def _filters(shape: _Shape) -> list[Words]:
    found = []
    for column in shape.keys:
        kind, none = ("String", "''") if _is_text(column) else ("Int64", "-1")
        given = f"{{{column.name}:{kind}}}"
        found.append(f"({given} = {none} OR {quote(column.name)} = {given})")
    if shape.time:
        found.append(f"{quote(shape.time.name)} >= {{since:DateTime('UTC')}}")
    return [{"word": "    AND" if n else "WHERE", "condition": c} for n, c in enumerate(found)]


def check(place: Place, relation: Relation) -> list[Draft]:
    """A SELECT whose rows are failures: hours without rows, or no rows at all."""
    shape = _Shape.of(relation)
    keys = [quote(c.name) for c in shape.keys]
    words = {
        "relation": relation.name,
        "time": quote(shape.time.name) if shape.time else "",
        "list": "".join(f"{key}, " for key in keys),
        "partition": f"PARTITION BY {', '.join(keys)} " if keys else "",
        "of": f" of each {' and '.join(c.name for c in shape.keys)}" if keys else "",
    }
    template = "gaps.sql" if shape.time else "rows.sql"
    text = render(template, words, {"keys": [{"quoted": key} for key in keys]})
    return [Draft(place.folder / "checks" / f"{place.name}.sql", text)]


def has_time(relation: Relation) -> bool:
    """Whether a relation is ordered by a time, among others."""
    return _Shape.of(relation).time is not None


def _is_text(column: Column) -> bool:
    return re.search(r"String|UUID|Enum|IPv", column.type) is not None


def _key_codec(column: Column) -> str:
    return "ZSTD(1)" if _is_text(column) else "Delta, ZSTD(1)"


def _free(word: str, taken: Iterable[str]) -> str:
    return word if word not in taken else _free(f"{word}_", taken)


def _spaced(kind: str) -> str:
    return kind.replace(",", ", ")


def _yaml(name: str) -> str:
    """A name as a key of YAML, which takes some words for truth values."""
    words = ("on", "off", "yes", "no", "true", "false", "null", "y", "n")
    return f"'{name}'" if name in words else name
