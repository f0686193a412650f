"""Grafana's time macros: written out by token, as parameters, with every mistake on its line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from penstock.engine.scratch import Scratch
from penstock.errors import BadInputError, UsageError
from penstock.project import endpoints, macros, statements
from penstock.project.objects import Endpoint
from penstock.serve.params import bind

if TYPE_CHECKING:
    from collections.abc import Iterator

WHEN = ("2026-01-31T12:00:00Z", "2026-01-31T12:15:00Z")


def asked(sql: str, *, problems: int = 0) -> Endpoint:
    text = statements.read("x.sql", sql)
    found = endpoints.endpoint(text, Path("x.sql"), "d", "d")
    assert found is not None
    assert len(text.problems) == problems, text.problems
    return found


def answered(engine: Scratch, sql: str, **given: str) -> list[object]:
    endpoint = asked(sql)
    return list(engine.rows(endpoint.sql, bind(endpoint, given))[0].values())


@pytest.fixture(scope="module")
def engine() -> Iterator[Scratch]:
    with Scratch() as opened:
        yield opened


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("toString($__fromTime)", "2026-01-31 12:00:00"),
        ("toString($__toTime_ms)", "2026-01-31 12:15:00.000"),
        ("$__timeFilter(toDateTime('2026-01-31 12:15:00', 'UTC'))", 1),
        ("$__timeFilter(toDateTime('2026-01-31 12:15:01', 'UTC'))", 0),
        ("$__timeFilter_ms(toDateTime64('2026-01-31 11:59:59.999', 3, 'UTC'))", 0),
        ("$__dateFilter(toDate('2026-01-31'))", 1),
        ("$__dt(toDate('2026-01-31'), toDateTime('2026-01-31 12:01:00', 'UTC'))", 1),
        ("$__dateTimeFilter(toDate('2026-01-30'), toDateTime('2026-01-31 12:01:00', 'UTC'))", 0),
        ("$__timeFrom(toDateTime('2026-01-31 11:00:00', 'UTC'))", 0),
        ("$__timeTo(toDateTime('2026-01-31 11:00:00', 'UTC'))", 1),
        ("toString($__timeInterval(toDateTime('2026-01-31 12:00:13', 'UTC')))",
         "2026-01-31 12:00:12"),
        ("toString($__timeInterval_ms(toDateTime64('2026-01-31 12:00:13.5', 3, 'UTC')))",
         "2026-01-31 12:00:12.000"),
        ("toString($__timeGroup(toDateTime('2026-01-31 12:13:00', 'UTC'), 5m))",
         "2026-01-31 12:10:00"),
        ("$__interval_s", 2),
    ],
)  # fmt: skip
def test_a_macro_means_what_it_means_in_grafana(
    engine: Scratch, expression: str, value: object
) -> None:
    span = dict(zip(("from", "to"), WHEN, strict=True))
    taken = {p.name for p in asked(f"SELECT {expression} AS x").params}
    given = {k: v for k, v in span.items() if k in taken}
    if taken == {"interval_s"}:
        given["interval_s"] = "2"
    assert answered(engine, f"SELECT {expression} AS x", **given) == [value]


def test_a_relative_span_moves_with_the_clock(engine: Scratch) -> None:
    sql = "SELECT $__fromTime_ms > now64(3) - INTERVAL 901 SECOND AND $__toTime_ms <= now64(3) AS x"
    assert answered(engine, sql, **{"from": "now-15m", "to": "now"}) == [1]


def test_nothing_is_seen_in_strings_and_comments() -> None:
    sql = (
        "SELECT '$__fromTime', `$__x` -- $__toTime\n/* $__y */ FROM t WHERE a = '$__timeFilter(b)'"
    )
    found = asked(sql)
    assert (found.sql, found.params, found.written) == (sql, (), "")


def test_lines_stay_and_the_text_as_written_is_kept() -> None:
    sql = "SELECT a\nFROM t\nWHERE $__timeFilter(ts)\n  AND b = 1"
    found = asked(sql)
    assert found.written == sql
    assert found.sql.count("\n") == 3
    assert next(t.line for t in found.tokens if t.text == "b") == 4
    assert found.reads == ("t",)


def test_macros_stand_within_macros(engine: Scratch) -> None:
    sql = "SELECT $__conditionalAll(r = {r:String} AND $__timeFilter(now()), $r) AS x"
    sql = sql.replace("r = ", "'north' = ")
    assert answered(engine, sql, r="") == [1]
    assert answered(engine, sql, r="south") == [0]
    assert answered(engine, sql, r="north") == [1]


@pytest.mark.parametrize(("kind", "every", "one"), [("Nullable(UInt8)", None, "5"),
                                                    ("Array(UInt8)", "[]", "[5]")])  # fmt: skip
def test_all_is_null_or_nothing(engine: Scratch, kind: str, every: str | None, one: str) -> None:
    place = f"{{v:{kind}}}"
    test = f"has({place}, 4)" if kind.startswith("Array") else f"4 = {place}"
    endpoint = asked(f"SELECT $__conditionalAll({test}, $v) AS x")
    assert engine.rows(endpoint.sql, {"v": every})[0]["x"] == 1
    assert not engine.rows(endpoint.sql, {"v": one})[0]["x"]


@pytest.mark.parametrize(
    ("sql", "cause", "hint"),
    [
        ("$__timeFiltr(ts)", "no macro $__timeFiltr", "$__timeFilter"),
        ("$__timeFilter()", "takes 1 argument, here are 0", ""),
        ("$__timeGroup(ts, soon)", "no width", "5m"),
        ("$__lttb(auto, x, y)", "no macro $__lttb", "write the SELECT out"),
        ("$__conditionalAll(a = {h:UInt32}, $h)", "cannot say", "Nullable(UInt32)"),
        ("$__conditionalAll(a = 1, $h)", "has no h", "h"),
    ],
)
def test_a_mistake_is_told(sql: str, cause: str, hint: str) -> None:
    text = statements.read("x.sql", f"SELECT 1\nFROM t WHERE\n{sql}")
    endpoints.endpoint(text, Path("x.sql"), "d", "d")
    (found,) = text.problems
    assert (found.line, cause in found.cause, hint in found.hint) == (3, True, True), str(found)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("now", 0), ("now-15m", -900_000), ("now - 7d", -604_800_000), ("-5000", -5000),
        ("1769860800000", 1769860800000), ("2026-01-31T12:00:00Z", 1769860800000),
        ("2026-01-31T12:00", 1769860800000), ("1969-07-20", 1), ("1970-01-01", 1),
    ],
)  # fmt: skip
def test_a_time_is_read(text: str, ms: int) -> None:
    assert macros.moment(text) == ms


@pytest.mark.parametrize("text", ["", "soon", "now-", "now+1h", "now/d", "2026-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        macros.moment(text)
    with pytest.raises(BadInputError, match="from"):
        bind(asked("SELECT $__fromTime"), {"from": text})


def test_defaults_of_the_header_are_times() -> None:
    found = asked("/* defaults: {from: now-6h} */ SELECT $__fromTime, $__interval_s")
    assert {p.name: p.default for p in found.params} == {"from": "-21600000", "interval_s": "6"}
    asked("/* defaults: {from: soon} */ SELECT $__fromTime", problems=1)


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [(-3_600_000, 0, 10), (-60_000, 0, 1), (-604_800_000, 0, 1800),
     (1769860800000, 1769860800000 + 900_000, 2)],
)  # fmt: skip
def test_a_step_cuts_a_span_into_at_most_600(start: int, end: int, seconds: int) -> None:
    assert macros.step(start, end) == seconds


@pytest.mark.parametrize("text", ["now", "now-15m", "now-6h", "now-7d", "now-90s"])
def test_a_time_is_spoken_as_it_was_written(text: str) -> None:
    assert macros.spoken(macros.moment(text)) == text
