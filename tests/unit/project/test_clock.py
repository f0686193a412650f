"""Looks at the clock become one moment; everything else stays as it is written."""

from __future__ import annotations

import pytest

from penstock.project import clock, lexer

AT = 1795269637250  # 2026-11-21T14:00:37.250Z
FROZEN = [
    ("SELECT now()", "SELECT toDateTime(1795269637)"),
    ("SELECT NOW( 'UTC' ) AS at", "SELECT toDateTime(1795269637, 'UTC') AS at"),
    ("SELECT now({tz:String})", "SELECT toDateTime(1795269637, {tz:String})"),
    (
        "SELECT now64(3, 'UTC')",
        "SELECT toDateTime64(fromUnixTimestamp64Milli(toInt64(1795269637250)), 3, 'UTC')",
    ),
    ("SELECT today() - 1", "SELECT toDate(toDateTime(1795269637)) - 1"),
    ("SELECT yesterday()", "SELECT (toDate(toDateTime(1795269637)) - 1)"),
    ("SELECT CURRENT_TIMESTAMP", "SELECT toDateTime(1795269637)"),
    ("SELECT a -- now()\nFROM t", "SELECT a -- now()\nFROM t"),
    ("SELECT 'now()', t.now, `now`, now FROM t", "SELECT 'now()', t.now, `now`, now FROM t"),
    ("WITH 5 AS current_date SELECT current_date", "WITH 5 AS current_date SELECT current_date"),
    (
        "SELECT toStartOfHour(now()), now()",
        "SELECT toStartOfHour(toDateTime(1795269637)), toDateTime(1795269637)",
    ),
]


@pytest.mark.parametrize(("sql", "frozen"), FROZEN)
def test_frozen(sql: str, frozen: str) -> None:
    assert clock.frozen(sql, AT) == frozen
    assert clock.looks(list(lexer.code(sql))) == (sql != frozen)
    assert clock.frozen(frozen, AT) == frozen
