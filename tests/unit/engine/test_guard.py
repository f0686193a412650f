"""The parts of the guard that need no engine."""

from __future__ import annotations

import pytest

from penstock.engine.functions import reviewed
from penstock.engine.guard import Verdicts, check_columns
from penstock.errors import EngineError


def test_the_verdict_used_least_lately_goes_first() -> None:
    verdicts = Verdicts(2)
    one, two, three = (Verdicts.key(name) for name in ("one", "two", "three"))
    verdicts.put(one, "1")
    verdicts.put(two, "2")
    assert verdicts.get(one) == "1"
    verdicts.put(three, "3")
    assert [verdicts.get(key) for key in (one, two, three)] == ["1", None, "3"]


def test_no_two_statements_share_a_verdict() -> None:
    words = [
        ("a", "bc"),
        ("ab", "c"),
        ("abc",),
        ("a", "b", "c"),
        ("", "abc"),
        ("1 a", ""),
        ("\ud800",),
    ]
    assert len({Verdicts.key(*each) for each in words}) == len(words)


@pytest.mark.parametrize(
    ("name", "opens", "aggregates"),
    [
        ("sum", True, True),
        ("COUNT", True, True),
        ("sumIf", True, True),
        ("quantilesTDigestArrayMergeState", True, True),
        ("arrayMap", True, False),
        ("lambda", True, False),
        ("ARRAYMAP", False, False),
        ("file", False, False),
        ("fileIf", False, False),
        ("aggThrow", False, False),
        ("aggThrowIf", False, False),
        ("If", True, False),
        ("Map", False, False),
        ("", False, False),
        ("somebodys", False, False),
    ],
)
def test_a_function_is_open_by_its_name(name: str, *, opens: bool, aggregates: bool) -> None:
    assert reviewed().opens(name) is opens
    assert reviewed().aggregates(name) is aggregates


@pytest.mark.parametrize(
    ("columns", "plain"),
    [
        ("a UInt8", True),
        ("a UInt8, b Nullable(String)", True),
        ("a Map(String, Tuple(x UInt8, y Array(Decimal(9, 2))))", True),
        ("a Enum8('DEFAULT (' = 1, 'b' = 2)", True),
        ("just-a-value", True),
        ("a UInt8 DEFAULT 1", False),
        ("a DEFAULT(file('x'))", False),
        ("a  alias (x)", False),
        ("a String EPHEMERAL", False),
        ("a Enum8('\\'' = 1) ALIAS f('x')", False),
        ("a/**/String/**/ALIAS/**/f('x')", False),
        ("a Decimal(9 --(\n, 2), b String ALIAS f('x') --)\n", False),
        ("a Decimal(9 #!(\n, 2), b String ALIAS f('x') #!)\n", False),
        ("a Tuple(`(` UInt8), b String ALIAS f('x'), c Tuple(`)` UInt8)", False),
        (
            "a Tuple(\u201c(\u201d UInt8), b String ALIAS f('x'), c Tuple(\u201c)\u201d UInt8)",
            False,
        ),
        ("`a` String ALIAS f(1)", False),
        ("a String CODEC(ZSTD)", False),
        ("(" * 3_000, False),
    ],
)
def test_columns_of_values_are_names_and_types(columns: str, *, plain: bool) -> None:
    literal = {"type": "Literal", "value": {"field_type": "String", "value": columns}}
    node = {"name": "values", "arguments": {"children": [literal]}}
    if plain:
        check_columns(node)
    else:
        with pytest.raises(EngineError, match="names and types only"):
            check_columns(node)
