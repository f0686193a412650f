"""Which types may change under their values, and which may not."""

from __future__ import annotations

import pytest

from penstock.layers.widening import keeps_values

SAFE = [
    ("UInt8", "UInt8"), ("UInt8", "UInt32"), ("UInt8", "Int16"), ("Int8", "Int256"),
    ("UInt16", "Float32"), ("UInt32", "Float64"), ("Float32", "Float64"),
    ("Decimal(9, 2)", "Decimal(18, 4)"), ("Decimal(9, 2)", "Decimal(9, 2)"),
    ("Date", "Date32"), ("DateTime", "DateTime64(3)"),
    ("DateTime('UTC')", "DateTime('Asia/Tokyo')"),
    ("DateTime64(3)", "DateTime64(6, 'UTC')"), ("DateTime64(9)", "DateTime64(9, 'UTC')"),
    ("Enum8('a' = 1)", "Enum8('a' = 1, 'b' = 2)"), ("Enum8('a=b' = 1)", "Enum16('a=b' = 1)"),
    ("Enum8('a' = 1)", "LowCardinality(String)"),
    ("String", "LowCardinality(String)"), ("LowCardinality(String)", "String"),
    ("String", "Nullable(String)"), ("Nullable(UInt8)", "Nullable(UInt16)"),
    ("LowCardinality(String)", "LowCardinality(Nullable(String))"),
    ("Array(UInt8)", "Array(UInt64)"), ("Map(String, UInt8)", "Map(String, UInt16)"),
    ("Tuple(UInt8, String)", "Tuple(UInt16, Nullable(String))"),
    ("Tuple(a UInt8)", "Tuple(b String, a UInt16)"),
    ("SimpleAggregateFunction(sum, UInt32)", "SimpleAggregateFunction(sum, UInt64)"),
]  # fmt: skip
UNSAFE = [
    ("UInt32", "UInt8"), ("UInt8", "Int8"), ("Int8", "UInt64"), ("UInt32", "Float32"),
    ("Int64", "Float64"), ("Float64", "Float32"), ("Float64", "UInt64"), ("String", "UInt8"),
    ("Decimal(9, 2)", "Decimal(9, 4)"), ("Decimal(9, 2)", "Decimal(9, 1)"),
    ("DateTime64(6)", "DateTime64(3)"), ("DateTime64(3)", "DateTime"),
    ("DateTime64(3)", "DateTime64(9)"),
    ("Date", "DateTime"), ("Date32", "Date"), ("Nullable(UInt8)", "UInt8"),
    ("Enum8('a' = 1, 'b' = 2)", "Enum8('a' = 1)"), ("Enum8('a' = 1)", "Enum8('a' = 2)"),
    ("String", "FixedString(8)"), ("FixedString(8)", "String"), ("Bool", "UInt8"),
    ("Array(UInt16)", "Array(UInt8)"), ("Tuple(a UInt8, b UInt8)", "Tuple(a UInt8)"),
    ("Tuple(UInt8)", "Tuple(UInt8, UInt8)"), ("LowCardinality(Nullable(String))", "String"),
    ("SimpleAggregateFunction(sum, UInt32)", "SimpleAggregateFunction(max, UInt64)"),
    ("AggregateFunction(sum, UInt32)", "AggregateFunction(sum, UInt64)"),
    ("UInt64", "SimpleAggregateFunction(sum, UInt64)"), ("UUID", "String"), ("JSON", "String"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), SAFE)
def test_every_value_stays(old: str, new: str) -> None:
    assert keeps_values(old, new)


@pytest.mark.parametrize(("old", "new"), UNSAFE)
def test_some_value_might_not(old: str, new: str) -> None:
    assert not keeps_values(old, new)
