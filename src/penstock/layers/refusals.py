"""What the engine says about a statement becomes a mistake in a file: line, cause, nearest name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.errors import Problem
from penstock.project.objects import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from penstock.errors import EngineError
    from penstock.project.lexer import Token

_SYNTAX, _NO_SUCH_COLUMN, _UNKNOWN_NAME, _UNKNOWN_TABLE = 62, 8, 47, 60
_BAD_PARAMETER = 457
_PLACE = re.compile(r"failed at position (\d+) \((.*?)\)(?: \(line (\d+), col \d+\))?", re.DOTALL)
_QUOTED = re.compile(r"[`'\"](\w+(?:\.\w+)*)[`'\"]")
_AFTER_A_NOUN = re.compile(r"(?:family|engine|function):? (\w+)")
_MEANT = re.compile(r"[Mm]aybe you meant:? \[?'?([^\s'\]?,]+)")
_REST = re.compile(
    r"[.:]? (?:In scope|In query|while |[Mm]aybe you meant|Expected one of|Stack trace).*",
    re.DOTALL,
)
_SYMBOL = re.compile(r"\s*\(([A-Z][A-Z_]+)\)\s*$")
_LONGEST = 240


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement that the engine was given.

    Attributes:
        file: path relative to the project's root.
        line: line of the file on which it starts, from 1.
        sql: as it was sent.
        tokens: of it, with the lines of the file.
        prefix: characters put before `sql` when it was sent.
        header: lines of the file before the statement, where defaults stand.
    """

    file: str
    line: int
    sql: str
    tokens: Sequence[Token]
    prefix: int = 0
    header: Sequence[str] = ()


def problem(error: EngineError, asked: Asked, known: Iterable[str] = ()) -> Problem:
    """The mistake behind an error of the engine.

    Args:
        error: what the engine said.
        asked: the statement it said it about.
        known: names of columns and tables the statement may use, for the nearest one.
    """
    text = error.what
    symbol = _SYMBOL.search(text)
    suffix = f" ({symbol[1]})" if symbol else ""
    text = _SYMBOL.sub("", text)
    if error.code == _SYNTAX:
        return _syntax(text, asked, suffix)
    cause = _REST.sub("", text).strip(" .:")[:_LONGEST]
    name = _name(cause)
    line = _line(name, asked)
    if error.code == _BAD_PARAMETER:
        own = (n for n, text in enumerate(asked.header, 1) if re.search(rf"\b{name}\b", text))
        line = next(own, line)
    return Problem(asked.file, line, cause + suffix, _hint(text, name, error, known))


def _syntax(text: str, asked: Asked, suffix: str) -> Problem:
    place = _PLACE.search(text)
    if place is None:
        return Problem(asked.file, asked.line, _REST.sub("", text)[:_LONGEST] + suffix)
    offset = max(0, int(place[1]) - 1 - asked.prefix)
    line = asked.line + asked.sql.count("\n", 0, offset)
    at = " ".join(place[2].split())
    expected = re.search(r"Expected one of: (.*)", text, re.DOTALL)
    words = ", ".join(expected[1].rstrip(". ").split(", ")[:4]) if expected else ""
    if "Unmatched parentheses" in text:
        words = ""
        at += ", a bracket is not closed"
    cause = f"the SQL cannot be read at {at}{suffix}"
    return Problem(asked.file, line, cause, f"expected: {words}" if words else "")


def _name(text: str) -> str:
    match = _QUOTED.search(text) or _AFTER_A_NOUN.search(text)
    return match[1] if match else ""


def _line(name: str, asked: Asked) -> int:
    """The line on which the name that the engine complains about stands."""
    wanted = name.rsplit(".", 1)[-1]
    for token in asked.tokens:
        if wanted and (token.value == wanted or token.parameter[0] == wanted):
            return token.line
    return asked.line


def _hint(text: str, name: str, error: EngineError, known: Iterable[str]) -> str:
    if error.code == _BAD_PARAMETER:
        return "give it another default in the header"
    own = [k for k in known if k != name]
    near = ""
    if name and error.code in (_NO_SUCH_COLUMN, _UNKNOWN_NAME, _UNKNOWN_TABLE):
        near = nearest(name.rsplit(".", 1)[-1], own)
    meant = _MEANT.search(text)
    if not near and meant:
        near = meant[1].rsplit(".", 1)[-1]
    return f"did you mean {near!r}?" if near else ""
