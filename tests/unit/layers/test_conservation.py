"""Two values are compared as their types say, not as their digits look."""

from __future__ import annotations

import pytest

from penstock.layers.conservation import Value


@pytest.mark.parametrize(
    ("first", "second", "equal"),
    [
        (("5", "UInt64"), ("5", "UInt64"), True),
        (("10000000000000001", "UInt64"), ("10000000000000000", "UInt64"), False),
        (("1000000000.001", "Decimal(38, 3)"), ("1000000000", "Decimal(38, 3)"), False),
        (("5", "Decimal(38, 3)"), ("5.000", "Decimal(38, 3)"), True),
        (("5", "Float64"), ("5.000000000001", "Float64"), True),
        (("3e20", "Nullable(Float64)"), ("300000000000000000001", "Decimal(38, 0)"), True),
        (("5", "Float64"), ("5.001", "Float64"), False),
        (("1.0", "String"), ("1", "String"), False),
        (("1e3", "LowCardinality(String)"), ("1000", "LowCardinality(String)"), False),
        (("2026-11-20", "Date"), ("2026-11-21", "Date"), False),
    ],
)
def test_values_are_compared_by_their_types(
    first: tuple[str, str], second: tuple[str, str], equal: bool
) -> None:
    assert Value(*first).equals(Value(*second)) is equal
    assert Value(*second).equals(Value(*first)) is equal
