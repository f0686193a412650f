"""A clock that stands still: looks at the time in a query become one moment, by token.

Files stay as production runs them; only a test's throw-away engine is given the frozen text. The
types stay the same: `now64(3, 'UTC')` is a DateTime64(3, 'UTC') frozen or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.project import lexer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from penstock.project.lexer import Token

_NOW = frozenset({"now", "nowinblock", "current_timestamp", "localtimestamp"})
_NOW64 = frozenset({"now64", "nowinblock64"})
_UTC = frozenset({"utctimestamp", "utc_timestamp"})
_TODAY = frozenset({"today", "curdate", "current_date"})
_CLOCKS = frozenset({*_NOW, *_NOW64, *_UTC, *_TODAY, "yesterday"})
# Standard SQL's own, which stand without brackets. A bare `now` or `today` is left alone: it may
# as well be a column.
_BARE = frozenset({"current_timestamp", "localtimestamp", "current_date"})


def looks(found: Sequence[Token]) -> bool:
    """Whether any of the tokens asks what time it is."""
    return any(True for _ in _clocks(found))


def frozen(sql: str, at_ms: int) -> str:
    """A statement in which it is always the same time.

    Args:
        sql: the statement.
        at_ms: the moment, epoch milliseconds.
    """
    found = list(lexer.code(sql))
    parts, done = [], 0
    for first, last in _clocks(found):
        arguments = sql[found[first + 1].end : found[last].start].strip() if last > first else ""
        parts += [sql[done : found[first].start], _moment(found[first], arguments, at_ms)]
        done = found[last].end
    return "".join([*parts, sql[done:]])


def _clocks(found: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """First and last index of each look at the clock: `now('UTC')`, `CURRENT_DATE`."""
    named = {found[i + 1].text.lower() for i, t in enumerate(found[:-1]) if t.upper == "AS"}
    for index, token in enumerate(found):
        name = token.text.lower()
        if token.kind != lexer.WORD or name not in _CLOCKS:
            continue
        if index and found[index - 1].text == ".":
            continue
        if index + 1 < len(found) and found[index + 1].text == "(":
            yield index, lexer.closing(found, index + 1)
        elif name in _BARE - named:
            yield index, index


def _moment(token: Token, arguments: str, at_ms: int) -> str:
    name = token.text.lower()
    if name in _NOW64:
        moment = f"fromUnixTimestamp64Milli(toInt64({at_ms}))"
        return f"toDateTime64({moment}, {arguments or 3})"
    zone = "'UTC'" if name in _UTC else "" if name in _TODAY else arguments
    moment = f"toDateTime({at_ms // 1000}{', ' + zone if zone else ''})"
    if name == "yesterday":
        return f"(toDate({moment}) - 1)"
    return f"toDate({moment})" if name in _TODAY else moment
