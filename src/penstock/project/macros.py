"""Grafana's time macros in SQL: `$__timeFilter(ts)` becomes a condition over parameters.

One SQL text then serves our own panels, an endpoint and Grafana. Where Grafana's plugin writes
numbers into the text, this writes parameters, so the engine still sees values as values:

- `{from:Int64}` and `{to:Int64}`: epoch milliseconds; up to 0, milliseconds from now;
- `{interval_s:UInt32}`: seconds of a step, made from the span where nobody says it.

Macros are told by token, so none is seen within a string or a comment. Their names and meaning:
https://github.com/grafana/clickhouse-datasource, pkg/macros.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from penstock.errors import UsageError
from penstock.project import lexer, statements
from penstock.project.objects import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from penstock.project.lexer import Token
    from penstock.project.statements import Text

TIMES = ("from", "to", "interval_s")
"""The parameters that macros bring with them."""
SPAN = {"from": "-3600000", "to": "0", "interval_s": "6"}
"""Their values where nobody says them: the last hour, in 600 steps."""

_POINTS = 600  # steps of a span, as many as a chart has room for
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_RELATIVE = re.compile(r"now(?:\s*-\s*(\d{1,9})([smhdwMy]))?")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000, "y": 31536000}
_MOMENT = "fromUnixTimestamp64Milli(if({{{0}:Int64}} > 0, 0, toUnixTimestamp64Milli(now64(3))) + {{{0}:Int64}}, 'UTC')"  # noqa: E501 - one expression
_FROM_MS, _TO_MS = _MOMENT.format("from"), _MOMENT.format("to")
_FROM, _TO = f"toDateTime({_FROM_MS}, 'UTC')", f"toDateTime({_TO_MS}, 'UTC')"
_STEP = "{interval_s:UInt32}"
_STATEMENTS = {"columns", "rateColumns", "perSecondColumns", "increaseColumns", "lttb"}
_SECONDS = re.compile(r"(\d+)\s*([smhdw])")


def expanded(text: Text) -> Text:
    """A file with its macros written out; the file itself where there are none.

    Lines stay where they are; mistakes are noted in the file that is given.
    """
    found = [token for piece in text.pieces for token in piece]
    if not any(True for _ in _places(found)):
        return text
    read = statements.read(text.file, _expand(text, text.sql, found))
    return statements.Text(text.file, read.sql, read.comments, read.pieces, text.problems)


def moment(text: str) -> int:
    """A time as Grafana's address bar has it: `now-15m`, an ISO time, epoch milliseconds.

    Returns:
        Epoch milliseconds, the first for what was before; up to 0, milliseconds from now.

    Raises:
        UsageError: the text is no time.
    """
    text = text.strip()
    relative = _RELATIVE.fullmatch(text)
    if relative:
        return -int(relative[1] or 0) * _UNIT_S[relative[2] or "s"] * 1000
    if re.fullmatch(r"-?\d{1,15}", text):
        return int(text)
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text[:40]!r} is no time",
            next_step="write now, now-15m, now-7d, 2026-01-31T12:00:00Z or epoch milliseconds",
        ) from error
    ms = int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1000)
    return max(1, ms)  # up to 0 it would be from now


def step(start: int, end: int) -> int:
    """Seconds of a step that cuts a span of two `moment`s into at most 600."""
    now = datetime.now(UTC).timestamp() * 1000 if (start > 0) != (end > 0) else 0
    span = (end if end > 0 else now + end) - (start if start > 0 else now + start)
    least = max(1.0, span / 1000 / _POINTS)
    return next((s for s in _STEPS if s >= least), _STEPS[-1])


def spoken(ms: int) -> str:
    """A `moment` as text again: `now-15m`, or an ISO time."""
    if ms > 0:
        return datetime.fromtimestamp(ms / 1000, UTC).isoformat()
    seconds = -ms // 1000
    unit = next((u for u in "dhm" if seconds and seconds % _UNIT_S[u] == 0), "s")
    return f"now-{seconds // _UNIT_S[unit]}{unit}" if seconds else "now"


def _places(found: Sequence[Token]) -> list[tuple[int, str]]:
    """Index of the name's token of each macro, and the name without `$__`."""
    return [
        (index, token.text[2:])
        for index, token in enumerate(found)
        if index
        and token.text.startswith("__")
        and found[index - 1].text == "$"
        and found[index - 1].end == token.start
    ]


def _expand(text: Text, sql: str, found: Sequence[Token]) -> str:
    parts, done = [], 0
    for index, name in _places(found):
        if found[index].start < done:
            continue  # within the arguments of the one before
        given = index + 1 < len(found) and found[index + 1].text == "("
        last = lexer.closing(found, index + 1) if given else index
        pieces = lexer.arguments(found, index) if given else []
        arguments = [_expand(text, sql[: p[-1].end], p)[p[0].start :] for p in pieces]
        parts += [sql[done : found[index - 1].start], _one(text, found[index], name, arguments)]
        done = found[last].end
    return "".join([*parts, sql[done:]])


def _one(text: Text, token: Token, name: str, arguments: list[str]) -> str:
    """What a macro stands for; a mistake is noted, and a NULL put there."""
    wanted, make = _MACROS.get(name, (0, None))
    if make is None:
        near = nearest(name, _MACROS)
        hint = f"did you mean $__{near}?" if near else "docs/dashboards.md lists those there are"
        if name in _STATEMENTS:
            hint = "a macro that makes whole statements is not here: write the SELECT out"
        text.problem(token.line, f"there is no macro $__{name}", hint)
        return "NULL"
    if len(arguments) != wanted:
        cause = f"$__{name} takes {wanted} argument{'' if wanted == 1 else 's'}, here are"
        text.problem(token.line, f"{cause} {len(arguments)}")
        return "NULL"
    try:
        return make(*arguments)
    except UsageError as error:
        text.problem(token.line, f"$__{name}: {error.what}", error.next_step)
        return "NULL"


def _dates_and_times(date: str, time: str) -> str:
    dates = f"{date} >= toDate({_FROM}) AND {date} <= toDate({_TO})"
    return f"({dates} AND {time} >= {_FROM} AND {time} <= {_TO})"


def width(text: str) -> int:
    """Seconds of a width such as `5m`. Raises UsageError where it is none."""
    match = _SECONDS.fullmatch(text.strip("'\" "))
    if match is None:
        raise UsageError(f"{text!r} is no width", next_step="such as 5m")
    return int(match[1]) * _UNIT_S[match[2]]


def _unless_all(condition: str, name: str) -> str:
    """The condition, or true while the variable says «all»: NULL, an empty text or list."""
    name = name.strip("$ {}")
    kinds = dict(t.parameter for t in lexer.code(condition) if t.kind == lexer.PARAM)
    kind = kinds.get(name, "")
    place = f"{{{name}:{kind}}}"
    if kind.startswith("Nullable"):
        return f"({place} IS NULL OR ({condition}))"
    if kind == "String" or kind.startswith("Array"):
        return f"(empty({place}) OR ({condition}))"
    cause = f"{name} is {kind}, which cannot say «all»" if kind else f"the condition has no {name}"
    raise UsageError(cause, next_step=f"use {{{name}:Nullable({kind or 'String'})}} in it")


_MACROS: dict[str, tuple[int, Callable[..., str]]] = {
    "fromTime": (0, lambda: _FROM),
    "toTime": (0, lambda: _TO),
    "fromTime_ms": (0, lambda: _FROM_MS),
    "toTime_ms": (0, lambda: _TO_MS),
    "timeFrom": (1, lambda c: f"({c} >= {_FROM})"),
    "timeTo": (1, lambda c: f"({c} <= {_TO})"),
    "timeFilter": (1, lambda c: f"({c} >= {_FROM} AND {c} <= {_TO})"),
    "timeFilter_ms": (1, lambda c: f"({c} >= {_FROM_MS} AND {c} <= {_TO_MS})"),
    "dateFilter": (1, lambda c: f"({c} >= toDate({_FROM}) AND {c} <= toDate({_TO}))"),
    "dateTimeFilter": (2, _dates_and_times),
    "dt": (2, _dates_and_times),
    "timeInterval": (1, lambda c: f"toStartOfInterval(toDateTime({c}), INTERVAL {_STEP} second)"),
    "timeInterval_ms": (
        1,
        lambda c: f"toStartOfInterval(toDateTime64({c}, 3), toIntervalMillisecond({_STEP} * 1000))",
    ),
    "timeGroup": (2, lambda c, wide: f"toStartOfInterval({c}, INTERVAL {width(wide)} second)"),
    "interval_s": (0, lambda: _STEP),
    "conditionalAll": (2, _unless_all),
}
