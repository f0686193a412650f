"""What is wrong with a statement that somebody typed: where it is, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, Response

from penstock.engine.calls import begin

if TYPE_CHECKING:
    from penstock.errors import EngineError

_SYNTAX, _CANCELLED = 62, 394
_NAME: Final = re.compile(r"\s*\(([A-Z][A-Z_0-9]+)\)\s*\Z")
_AT: Final = re.compile(
    r"failed at position (\d+)(?: \((.*?)\)(?: \(line \d+, col \d+\))?)?:", re.DOTALL
)
_EXPECTED: Final = re.compile(r"(Expected one of: (?:[^,]+, ){5}[^,]+), .*", re.DOTALL)
_SCOPE: Final = re.compile(r"[.:]? In scope .*?(?=\. Maybe you meant|\Z)", re.DOTALL)
# Names that the engine or the guard says it does not know; the first one is looked for.
_SAID: Final = (
    re.compile(r"identifier `([^`]+)`"),
    re.compile(r"[Ff]unction (?:with name )?[`']?(\w+)"),
    re.compile(r"\A(\S+) is (?:not among|not part|no plain)"),
    re.compile(r"Substitution `(\w+)`"),
)
_OPEN: Final = "silver, gold and the functions that complete are; `penstock query` reads the rest"
_READ_LESS: Final = "add a WHERE on the columns that the table is ordered by; the plan tells more"
# Code → status, title, next step.
_KNOWN: Final = {
    _SYNTAX: (400, "Syntax error", "mend it at the marked place; one SELECT at a time"),
    497: (403, "Not open here", _OPEN),
    47: (400, "Unknown name", "the schema lists the columns of each table"),
    46: (400, "Unknown function", "the editor's completion lists those that there are"),
    456: (400, "Missing parameter", "give each {name:Type} a value: param_name=…"),
    457: (400, "Bad parameter", "give the parameter a value of its type"),
    164: (400, "Setting refused", "only output_format_… may be set"),
    159: (504, "Longer than 10 s", _READ_LESS),
    158: (413, "More than 100 million rows to read", _READ_LESS),
    307: (413, "More than 10 GB to read", "name the columns that you need, or read less"),
    241: (413, "More than 400 MB of memory", "group by fewer values, or read less"),
    396: (413, "An answer of over 10 MB", "name fewer columns, add a LIMIT, or copy it as curl"),
    _CANCELLED: (409, "Cancelled", "run it again"),
    202: (503, "Busy", "try again in a moment"),
}  # fmt: skip
_ELSE: Final = (400, "The query failed", "the message says what the engine stumbles on")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a text: line and column count from 1, in characters.

    Attributes:
        line: of the text.
        column: of the line.
        length: characters, at least 1.
    """

    line: int
    column: int
    length: int


def refusal(error: EngineError, sql: str) -> Response:
    """The problem document of a statement that was not answered.

    Args:
        error: of the engine or of its guard.
        sql: as it was typed.
    """
    status, title, next_step = _KNOWN.get(error.code, _ELSE)
    named = _NAME.search(error.what)
    body: dict[str, object] = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": _readable(error.what),
        "code": f"clickhouse_{error.code}",
        "name": named[1] if named else {_SYNTAX: "SYNTAX_ERROR"}.get(error.code, ""),
        "next": next_step,
        "reference": error.reference,
    }
    if (place := locate(error.what, sql)) is not None:
        body |= {"line": place.line, "column": place.column, "length": place.length}
    answer = JSONResponse(body, status, media_type="application/problem+json")
    if status == 503:  # noqa: PLR2004 - Service Unavailable
        answer.headers["Retry-After"] = "1"
    return answer


def locate(said: str, sql: str) -> Place | None:
    """Where in a statement a message of the engine points; None where it does not say."""
    if (at := _AT.search(said)) is not None:
        typed = begin(sql).encode()
        start = len(sql.encode()) - len(typed) + int(at[1]) - 1  # bytes, from 1
        before = sql.encode()[:start].decode("utf-8", "ignore")
        word = "" if at[2] in {None, "end of query"} else at[2].split("\n")[0]
        return _place(sql, min(len(before), len(sql.rstrip())), len(word))
    for pattern in _SAID:
        if (name := pattern.search(said)) is not None:
            last = name[1].split(".")[-1]
            # As a word of its own, so that `x` is not found in `max`.
            found = re.search(rf"(?<![\w`]){re.escape(name[1])}(?!\w)", sql) or re.search(
                rf"(?<!\w){re.escape(last)}(?!\w)", sql
            )
            if found:
                return _place(sql, found.start(), len(found[0]))
    return None


def _place(sql: str, start: int, length: int) -> Place:
    line = sql.count("\n", 0, start)
    return Place(line + 1, start - (sql.rfind("\n", 0, start) + 1) + 1, max(1, length))


def _readable(said: str) -> str:
    """A message without what is ours in it, and without the long tail of what could follow."""
    text = _NAME.sub("", said)
    text = _EXPECTED.sub(r"\1, …", text)
    return _SCOPE.sub("", text).strip()
