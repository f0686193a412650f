"""What the words of `_error` say, and which field they are about."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.layers.reasons import Meaning, fields, meaning
from penstock.project import load

ROOT = Path(__file__).parents[3]
FIELDS = ("id", "id_type", "ts", "power")


@pytest.mark.parametrize(
    ("reason", "field", "word"),
    [
        ("not_json", "", "JSON"),
        ("too_large: 2000000 bytes", "", "larger"),
        ("ts_range: 1990-01-01", "ts", "range"),
        ("power_value: 2,5", "power", "value"),
        ("power", "power", "does not fit"),
        ("id_type", "id_type", "does not fit"),  # the longest name that fits
        ("id_type_missing", "id_type", "missing"),
        ("powerful", "", ""),
        ("", "", ""),
    ],
)
def test_a_reason_in_words(reason: str, field: str, word: str) -> None:
    found = meaning(reason, FIELDS)
    assert found.field == field
    assert word in found.words
    assert found.words == "" or found.words.endswith(".")


def test_fields_are_those_of_doc() -> None:
    homes = load(ROOT / "examples").relation("homes", "raw_sensors")
    assert fields(homes)[:2] == ("home_id", "ts")
    assert len(fields(homes)) == 7
    meters = load(ROOT / "tests" / "fixtures" / "projects" / "meters")
    assert fields(meters.relation("meters", "raw_meters")) == ("ts", "meter_id", "power")
    assert fields(meters.relation("meters", "readings")) == ()
    assert meaning("meter_id", ()) == Meaning("", "")
