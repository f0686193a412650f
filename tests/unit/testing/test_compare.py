"""Rows against rows: what counts as equal, and how a difference is told."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from penstock.testing.compare import Answer, Wanted, rows_differ, same, schema_differs

EXACT, NINE = Decimal(0), Decimal("1e-9")
HOUR = {"home": "UInt32", "name": "LowCardinality(String)", "kw": "Nullable(Float64)"}
ROWS = [(7, "north", Decimal("0.5")), (8, "south", None), (9, "", Decimal("0.25"))]


def wanted(*rows: tuple[Any, ...], **how: Any) -> Wanted:
    return Wanted([dict(zip(HOUR, row, strict=True)) for row in rows], **how)


def told(asked: Wanted, rows: list[tuple[Any, ...]] = ROWS) -> list[str]:
    return rows_differ(asked, Answer(HOUR, rows), "hours").splitlines()


EQUAL = [
    (7, 7, "UInt32"),
    (7.0, 7, "UInt32"),
    (2**64 - 1, 2**64 - 1, "UInt64"),
    (Decimal("20.50"), Decimal("20.5"), "Decimal(9, 2)"),
    (20.5, Decimal("20.5"), "Nullable(Decimal(9, 2))"),
    (0.3, Decimal("0.30000000000000004"), "Float64"),
    (0, Decimal("1e-12"), "Float64"),
    (float("nan"), "nan", "Float64"),
    (Decimal("Infinity"), "inf", "Nullable(Float64)"),
    ([1, Decimal("0.1")], [1, Decimal("0.10000000001")], "Array(Float64)"),
    ({"a": None, "b": "x"}, {"b": "x", "a": None}, "Tuple(a Nullable(UInt8), b String)"),
    (True, True, "Bool"),
    (None, None, "Nullable(String)"),
    ("2026-11-21 14:00:00", "2026-11-21 14:00:00.000", "DateTime64(3, 'UTC')"),
    ("2026-11-21T14:00:00Z", "2026-11-21 14:00:00", "DateTime('UTC')"),
    (dt.datetime(2026, 11, 21, 14, tzinfo=dt.UTC), "2026-11-21 14:00:00", "DateTime"),
    (
        dt.datetime(2026, 7, 1, 14, tzinfo=dt.UTC),
        "2026-07-01 16:00:00",
        "Nullable(DateTime('Europe/Paris'))",
    ),
    ("2026-07-01 16:00:00", "2026-07-01 16:00:00", "DateTime('Europe/Paris')"),
    (dt.date(2026, 11, 21), "2026-11-21", "Date"),
    ("2026-11-21 14:00:00.123456789", "2026-11-21 14:00:00.123456789", "DateTime64(9, 'UTC')"),
]
UNLIKE = [
    (7, 8, "UInt32"),
    ("7", 7, "UInt32"),
    (7, "7", "String"),
    (True, 1, "UInt8"),
    (1, True, "Bool"),
    (None, 0, "UInt8"),
    ("", None, "Nullable(String)"),
    (2**64 - 1, 2**64 - 2, "UInt64"),
    (1_000_000_000_000, 1_000_000_000_001, "UInt64"),  # no tolerance for whole numbers
    (Decimal("1000000000.01"), Decimal("1000000000.02"), "Decimal(18, 2)"),  # nor for Decimals
    (1, Decimal("1.00000001"), "Float64"),
    (0, Decimal("1e-8"), "Float64"),
    (Decimal("NaN"), Decimal(0), "Float64"),
    (None, "nan", "Nullable(Float64)"),
    (Decimal("Infinity"), "-inf", "Float64"),
    ("nan", "inf", "Float64"),
    ([1, 2], [2, 1], "Array(UInt8)"),
    ([1], [1, 1], "Array(UInt8)"),
    (1, [1], "Array(UInt8)"),
    ({"a": 1}, {"a": 1, "b": 2}, "Map(String, UInt8)"),
    ("2026-11-21 14:00:00", "2026-11-21 14:00:00.001", "DateTime64(3, 'UTC')"),
    ("2026-11-21 14:00:00.123456788", "2026-11-21 14:00:00.123456789", "DateTime64(9, 'UTC')"),
    (dt.datetime(2026, 7, 1, 16, tzinfo=dt.UTC), "2026-07-01 16:00:00", "DateTime('Europe/Paris')"),
    (dt.datetime(2026, 7, 1, tzinfo=dt.UTC), "2026-07-01 00:00:00", "String"),
    ("yesterday", "2026-07-01 00:00:00", "DateTime"),
]


@pytest.mark.parametrize(("expected", "got", "kind"), EQUAL)
def test_equal(expected: object, got: object, kind: str) -> None:
    assert same(expected, got, kind, NINE)


@pytest.mark.parametrize(("expected", "got", "kind"), UNLIKE)
def test_unlike(expected: object, got: object, kind: str) -> None:
    assert not same(expected, got, kind, NINE)


def test_a_tolerance_is_relative_and_only_for_floats() -> None:
    assert same(200, Decimal("200.9"), "Float64", Decimal("0.005"))
    assert not same(200, Decimal("201.1"), "Float64", Decimal("0.005"))
    assert not same(0.3, Decimal("0.30000000000000004"), "Float64", EXACT)
    assert not same(200, 201, "UInt8", Decimal("0.5"))


def test_equal_rows_in_any_order_are_no_difference() -> None:
    assert told(wanted(*reversed(ROWS))) == []
    assert told(wanted(*ROWS, order=True)) == []


def test_only_the_columns_that_are_named_are_looked_at() -> None:
    assert told(Wanted([{"home": 9}, {"home": 7}, {"home": 8}])) == []
    assert told(Wanted([{"home": 7, "kw": 0.5}, {"home": 8}, {"home": 9, "kw": 0.25}])) == []


def test_a_cell_that_differs_is_marked() -> None:
    assert told(wanted((7, "north", 0.75), *ROWS[1:])) == [
        "hours: 1 row differs",
        "                home  name     kw",
        '  expected      7     "north"  0.75',
        '  got           7     "north"  0.5',
        "                               ^^^",
    ]


def test_a_row_that_a_wanted_row_leaves_empty_is_null() -> None:
    asked = Wanted([{"home": 7, "kw": 0.5}, {"home": 8, "kw": 1}, {"home": 9}])
    found = told(asked)
    assert found[0] == "hours: 2 rows differ"
    assert "  got           8     null" in found


def test_missing_and_extra_rows_are_told_apart() -> None:
    assert told(wanted(*ROWS, (1, "x", 9)))[0] == "hours: 1 row is missing"
    assert told(wanted(*ROWS[:2]))[0] == "hours: 1 row was not expected"
    assert told(Wanted([]))[0] == "hours: 3 rows were not expected"
    assert told(wanted(*ROWS), [])[0] == "hours: 3 rows are missing"


def test_a_row_too_few_of_equals_is_missing() -> None:
    assert told(wanted(ROWS[0], ROWS[0]), [ROWS[0]])[0] == "hours: 1 row is missing"
    assert told(wanted(ROWS[0]), [ROWS[0]] * 2)[0] == "hours: 1 row was not expected"
    assert told(wanted(ROWS[0], ROWS[0]), [ROWS[0]] * 2) == []


def test_a_wrong_order_is_told_as_such() -> None:
    found = told(wanted(ROWS[0], ROWS[2], ROWS[1], order=True))
    assert found[0] == "hours: the rows are right, their order is not"
    assert len([line for line in found if line.startswith("  expected")]) == 2


def test_a_wrong_type_shows_its_quotes() -> None:
    found = told(wanted(("7", "north", 0.5), *ROWS[1:]))
    assert '  expected      "7"   "north"  0.5' in found
    assert '  got           7     "north"  0.5' in found


def test_as_many_rows_as_can_be_are_paired_within_a_tolerance() -> None:
    # The first that fits 10 is 10.4, which is the only one that fits 10.8.
    asked = Wanted([{"kw": 10}, {"kw": 10.8}], tolerance=Decimal("0.05"))
    got = Answer({"kw": "Float64"}, [(Decimal("10.4"),), (Decimal("9.6"),)])
    assert rows_differ(asked, got, "hours") == ""


def test_an_unknown_column_is_answered_with_the_nearest() -> None:
    assert told(Wanted([{"hom": 7}])) == ["hours has no column 'hom': did you mean 'home'?"]


def test_a_long_difference_is_cut() -> None:
    rows = [(n, "x" * 100, None) for n in range(1000)]
    found = told(Wanted([{"home": -1, "name": "y", "kw": 1}]), rows)
    assert found[0] == "hours: 1 row is missing, 1000 rows were not expected"
    assert found[-1] == "… and 981 more"
    assert max(map(len, found)) < 120


def test_columns_must_have_name_type_and_place() -> None:
    assert schema_differs({"a": "DateTime64(3,'UTC')"}, {"a": "DateTime64(3, 'UTC')"}, "x") == ""
    swapped = {"kw": HOUR["kw"], "home": "UInt32", "name": HOUR["name"]}
    assert "their order is not" in schema_differs(swapped, HOUR, "x")
    assert "1 row differs" in schema_differs({**HOUR, "home": "UInt64"}, HOUR, "x")
    assert "1 row was not expected" in schema_differs(
        {"home": "UInt32", "kw": HOUR["kw"]}, HOUR, "x"
    )
