"""Whether a column's type may change under its values: every one of them must read the same.

Types are as the engine writes them. What is not known to be safe is not safe: an allowlist.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.project import lexer

if TYPE_CHECKING:
    from collections.abc import Mapping

_INTEGER = re.compile(r"(U?)Int(8|16|32|64|128|256)")
_EXACT = {"Float32": 24, "Float64": 53}  # bits of a whole number that a float holds exactly
_ENUM = re.compile(r"Enum(8|16)")
_NINE = 9  # with nine digits DateTime64 ends in 2262
_DIGITS = {"Decimal32": 9, "Decimal64": 18, "Decimal128": 38, "Decimal256": 76}


@dataclass(frozen=True, slots=True)
class Type:
    """A type taken apart: `Decimal(9, 2)` is the name `Decimal` with the arguments `9` and `2`."""

    name: str
    arguments: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Type:
        """Read a type of the engine's writing."""
        tokens = list(lexer.code(text))
        if len(tokens) < 2 or tokens[1].text != "(":  # noqa: PLR2004 - a name and a bracket
            return cls(text.strip(), ())
        inner = lexer.split(tokens[2 : lexer.closing(tokens, 1)], ",")
        return cls(tokens[0].text, tuple(text[a[0].start : a[-1].end] for a in inner))


def keeps_values(old: str, new: str) -> bool:
    """Whether every value of the type `old` is the same value as `new`."""
    if old == new:
        return True
    a, b = Type.parse(old), Type.parse(new)
    if a.name == "Nullable":
        return b.name == "Nullable" and keeps_values(a.arguments[0], b.arguments[0])
    if b.name == "Nullable":
        return keeps_values(old, b.arguments[0])
    if "LowCardinality" in (a.name, b.name):
        return keeps_values(_inner(a, old), _inner(b, new))
    return _simple(a, b) or _nested(a, b)


def _inner(kind: Type, text: str) -> str:
    return kind.arguments[0] if kind.name == "LowCardinality" else text


def _simple(a: Type, b: Type) -> bool:
    if _ENUM.fullmatch(a.name):
        return b.name == "String" or (
            bool(_ENUM.fullmatch(b.name)) and _enum(a).items() <= _enum(b).items()
        )
    if a.name in ("DateTime", "DateTime64", "Date", "Date32"):
        return _time(a, b)
    return _integer(a, b) or _decimal(a, b) or (a.name, b.name) == ("Float32", "Float64")


def _integer(a: Type, b: Type) -> bool:
    old, new = _INTEGER.fullmatch(a.name), _INTEGER.fullmatch(b.name)
    if old is None:
        return False
    bits = int(old[2])
    if b.name in _EXACT:
        return bits - (0 if old[1] else 1) <= _EXACT[b.name]
    if new is None:
        return False
    if old[1] == new[1]:
        return int(new[2]) >= bits
    return bool(old[1]) and int(new[2]) > bits


def _decimal(a: Type, b: Type) -> bool:
    old, new = _precision(a), _precision(b)
    if old is None or new is None:
        return False
    return new[1] >= old[1] and new[0] - new[1] >= old[0] - old[1]


def _precision(kind: Type) -> tuple[int, int] | None:
    """Digits of a Decimal, and those of them after the point."""
    if kind.name == "Decimal" and kind.arguments:
        return int(kind.arguments[0]), int((*kind.arguments, "0")[1])
    if kind.name in _DIGITS:
        return _DIGITS[kind.name], int(kind.arguments[0])
    return None


def _enum(kind: Type) -> Mapping[str, str]:
    pairs = (argument.rpartition("=") for argument in kind.arguments)
    return {name.strip(): number.strip() for name, _, number in pairs}


def _time(a: Type, b: Type) -> bool:
    """A moment stays the moment it was; its time zone is how it is shown."""
    if a.name == "Date":
        return b.name == "Date32"
    if a.name == "DateTime":
        return b.name == "DateTime" or (b.name == "DateTime64" and _digits(b) < _NINE)
    if a.name == "DateTime64" and b.name == "DateTime64":
        return _digits(a) == _digits(b) or _digits(a) < _digits(b) < _NINE
    return False


def _digits(kind: Type) -> int:
    return int(kind.arguments[0]) if kind.arguments else 3


def _nested(a: Type, b: Type) -> bool:
    """Arrays, maps and tuples by what they hold; a tuple may get elements, found by name."""
    if a.name != b.name:
        return False
    if a.name in ("Array", "Map"):
        return all(map(keeps_values, a.arguments, b.arguments))
    if a.name == "SimpleAggregateFunction":
        return a.arguments[0] == b.arguments[0] and keeps_values(a.arguments[1], b.arguments[1])
    if a.name == "Tuple":
        old, new = _elements(a), _elements(b)
        if old is None or new is None:
            pairs = zip(a.arguments, b.arguments, strict=False)
            return len(a.arguments) == len(b.arguments) and all(keeps_values(*p) for p in pairs)
        return all(name in new and keeps_values(kind, new[name]) for name, kind in old.items())
    return False


def _elements(kind: Type) -> dict[str, str] | None:
    """Name → type of a named tuple; None where it has no names."""
    found = {}
    for argument in kind.arguments:
        tokens = list(lexer.code(argument))
        if len(tokens) < 2 or not tokens[0].is_name or not tokens[1].is_name:  # noqa: PLR2004
            return None
        found[tokens[0].value] = argument[tokens[1].start :]
    return found
