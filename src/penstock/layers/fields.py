"""What a field of a sample is: its type with room for values to come, and its role.

All of it follows from what the engine said: the type it inferred, and counts over the values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from penstock.errors import BadInputError
from penstock.project import lexer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from penstock.project.lexer import Token

Kind = Literal["integer", "decimal", "float", "boolean", "text", "json", "time"]
Role = Literal["", "key", "time"]

ISO = r"^([0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9].*|[0-9]{10}|[0-9]{13})$"
"""A date with a time of day, or seconds or milliseconds since 1970."""

_PLAIN = re.compile(r"[A-Za-z_]\w*")
_UNQUOTABLE = re.compile(r"[`'\"\\\n{}]")
_NOT_BARE = re.compile(
    r"all|and|any|array|as|asc|between|by|case|cast|constraint|cross|desc|distinct|else|end"
    r"|exists|final|format|from|full|global|group|having|if|ilike|in|index|inner|interval|into"
    r"|is|join|key|left|like|limit|not|null|offset|on|or|order|outer|partition|primary"
    r"|projection|right|sample|select|set|settings|then|to|ttl|union|using|values|view|when"
    r"|where|with",
    re.IGNORECASE,
)
_ID = re.compile(
    r"(?:.*_)?(?:id|uuid|guid|serial|mac|imei|device|sensor|meter|machine|host|hostname|node"
    r"|station|vehicle|customer|account|user|store|sku|product|symbol)"
)
_TIME = re.compile(r"(?:.*_)?(?:ts|time|timestamp|datetime|date|at|when|epoch|moment)")
_FEW = 64  # values that something to look up by has at most, where its name does not say so
_REPEATED = 20  # rows that each of them has at least
_ENOUGH = 100  # values that say how many digits a field has
_MOST_DIGITS = 4  # after the point, of a Decimal; a sensor that gives more computes with floats


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a record.

    Attributes:
        path: keys that lead to it in the record.
        name: of its column, a plain name.
        kind: what it holds.
        type: of its column in silver, without Nullable.
        role: `time` for the one that says when, `key` for what rows are looked up by.
        iso: a time that always has its time of day, written as ISO 8601 or as an epoch number.
        limit: most bytes of a text, or the size below which a Decimal stays.
    """

    path: tuple[str, ...]
    name: str
    kind: Kind
    type: str
    role: Role = ""
    iso: bool = False
    limit: int = 0

    @property
    def quoted(self) -> str:
        """Its column as SQL writes it."""
        return quote(self.name)

    @property
    def text(self) -> str:
        """Where bronze has it: `doc.device.id`."""
        return ".".join(("doc", *map(quote, self.path)))


@dataclass(frozen=True, slots=True)
class Seen:
    """A field's inferred type and what its values are like (`sql/sample_field.sql`)."""

    path: tuple[str, ...]
    name: str
    inferred: str
    said: Mapping[str, Any] = field(default_factory=dict)

    def all(self, what: str) -> bool:
        """Whether there are values and all of them are of a kind that was counted."""
        return 0 < int(self.said["filled"]) == int(self.said[what])

    def number(self, what: str) -> int:
        """A count."""
        return int(self.said[what])


def quote(name: str, *, always: bool = False) -> str:
    """A name as SQL writes it: bare where that is a plain name and no keyword."""
    bare = _PLAIN.fullmatch(name) and not _NOT_BARE.fullmatch(name)
    return name if bare and not always else f"`{name}`"


def snake(name: str) -> str:
    """A column's name for a key: `Rotation Speed (%)` and `rotationSpeed` are `rotation_speed`."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    plain = re.sub(r"[^a-z0-9]+", "_", split.lower()).strip("_")
    if not plain or plain[0].isdigit() or plain == "doc":
        plain = f"field_{plain}".rstrip("_")
    return plain[:50]  # with what is put before it, it is to stay a name


def is_id(name: str) -> bool:
    """Whether a column's name says that it tells things apart: `device_id`, `serial`, `host`."""
    return _ID.fullmatch(name) is not None


def doc_type(paths: Sequence[tuple[str, ...]], between: str = " ") -> str:
    """The Tuple that holds each path as text; paths with a common start stand together.

    Args:
        paths: keys that lead to each field.
        between: what stands after each comma of the outer Tuple, such as a line break.
    """
    parts: dict[str, list[tuple[str, ...]]] = {}
    for path in paths:
        parts.setdefault(path[0], []).append(path[1:])
    pieces = [
        f"{quote(name)} {doc_type(rest) if rest[0] else 'Nullable(String)'}"
        for name, rest in parts.items()
    ]
    before = between if "\n" in between else ""
    return f"Tuple({before}{f',{between}'.join(pieces)})"


def leaves(columns: Mapping[str, str], *, nested: bool) -> Iterator[Seen]:
    """The fields of a file, with names that differ.

    Args:
        columns: name → type as the engine infers it.
        nested: whether names are keys of a record; else of a table's columns, which get plain ones.

    Raises:
        BadInputError: a key holds a quote, a brace or a line break.
    """
    taken: set[str] = set()
    for column, kind in columns.items():
        for path, leaf in _leaves((column,), list(lexer.code(kind))):
            bad = next((key for key in path if _UNQUOTABLE.search(key) or not key), None)
            if bad is not None:
                what = f"the key {bad!r} cannot be a column's name"
                raise BadInputError(400, "Bad key", what, next_step="rename it in the sample")
            name = base = snake("_".join(path))
            number = 1
            while name in taken:
                number += 1
                name = f"{base}_{number}"
            taken.add(name)
            yield Seen(path if nested else (name,), name, leaf)


def _leaves(path: tuple[str, ...], kind: list[Token]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every value below a key: an object is taken apart, an array is one value."""
    while kind[0].text in ("Nullable", "LowCardinality"):
        kind = kind[2:-1]
    parts = lexer.split(kind[2:-1], ",") if kind[0].text == "Tuple" else []
    if parts and all(len(p) > 1 and p[0].is_name and p[1].is_name for p in parts):
        for part in parts:
            yield from _leaves((*path, part[0].value), part[1:])
    else:
        yield path, lexer.plain(kind)


def typed(seen: Seen, rows: int) -> Field:
    """A field with the type its values ask for, with headroom."""
    told = seen.said
    plain = Field(seen.path, seen.name, "text", "String")
    if seen.inferred.startswith(("Array", "Map", "Tuple")):
        return replace(plain, kind="json")
    if seen.all("truths"):
        return replace(plain, kind="boolean", type="Bool")
    if _is_time(seen):
        return replace(plain, kind="time", type="DateTime64(3, 'UTC')", iso=seen.all("iso"))
    if seen.all("whole"):
        lowest, highest = float(told["lowest"]), float(told["highest"])
        least = 32 if is_id(seen.name) else 8
        return replace(plain, kind="integer", type=_integer(lowest, highest, least))
    if seen.all("numbers"):
        return _fraction(plain, seen)
    few = rows >= _REPEATED and seen.number("distinct") <= min(1000, rows // 5)
    limit = 64
    while limit < 4 * seen.number("longest"):
        limit *= 2
    return replace(plain, type="LowCardinality(String)" if few else "String", limit=limit)


def _is_time(seen: Seen) -> bool:
    if not seen.all("moments"):
        return False
    if seen.inferred.startswith("Date") or (seen.inferred == "String" and seen.all("iso")):
        return True
    return seen.all("iso") and _TIME.fullmatch(seen.name) is not None  # an epoch number


def _integer(lowest: float, highest: float, least: int) -> str:
    """The narrowest integer type in which values four times as large still fit."""
    signed = lowest < 0
    size = 4 * max(abs(lowest), abs(highest))
    width = next((w for w in (8, 16, 32, 64) if w >= least and size < 2 ** (w - signed)), 64)
    return f"{'' if signed else 'U'}Int{width}"


def _fraction(plain: Field, seen: Seen) -> Field:
    digits = seen.number("decimals")
    size = 10 * max(abs(float(seen.said["lowest"])), abs(float(seen.said["highest"])))
    exact = seen.number("filled") >= _ENOUGH and not seen.number("exponents")
    if exact and digits <= _MOST_DIGITS:
        for precision in (9, 18):
            limit = 10 ** (precision - digits)
            if size < limit:
                return replace(
                    plain, kind="decimal", type=f"Decimal({precision}, {digits})", limit=limit - 1
                )
    return replace(plain, kind="float", type="Float64")


def when(fields: Sequence[Field], seen: Sequence[Seen]) -> str:
    """The name of the field that says when: the first time that every record has."""
    rows = seen[0].number("rows")
    times = [f for f, s in zip(fields, seen, strict=True)
             if f.kind == "time" and s.number("filled") == rows]  # fmt: skip
    best = next((f for f in times if _TIME.fullmatch(f.name)), None) or next(iter(times), None)
    return best.name if best else ""


def keys(fields: Sequence[Field], seen: Sequence[Seen], time: str) -> tuple[str, ...]:
    """What rows are looked up by: the first id that repeats, else two fields of few values.

    A whole number of few values is only taken for a label where records have no time: else it
    may well be a measure that moves little.
    """
    rows = seen[0].number("rows")
    few: list[str] = []
    for one, told in zip(fields, seen, strict=True):
        distinct = told.number("distinct")
        if one.kind not in ("integer", "text") or told.number("filled") < rows:
            continue
        if is_id(one.name) and (rows < _REPEATED or distinct < rows):
            return (one.name,)
        label = one.kind == "text" or not time
        if label and 1 < distinct <= _FEW and distinct * _REPEATED <= rows:
            few.append(one.name)
    return tuple(few[:2])


def years(age: int) -> int:
    """How many years back a time may lie: ten more than the sample's oldest, twenty at least."""
    return max(20, -(-(age + 10) // 10) * 10)
