"""Silences: what they are of, however its values are written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from penstock.store.incidents import Incident
from penstock.store.silences import Silence, Silences

if TYPE_CHECKING:
    from penstock.store.database import Store

HOT = Incident(1, "homes", "hot", "[7]", "firing", "critical", "hot", {}, 1, 2, 2)
ONE = Silence("homes", "hot", '["7"]', 100, "known")


@pytest.mark.parametrize(
    ("typed", "key", "covered"),
    [
        ('["42"]', '["42"]', True),
        ('["42"]', "[42]", True),
        ("[42]", '["42"]', True),  # of a version that made numbers of them
        ('["0.5"]', "[0.5]", True),
        ('["true"]', "[true]", True),
        ('["Köln", "3"]', '["Köln", 3]', True),
        ("", "[42]", True),
        ('["42"]', "[43]", False),
        ('["42"]', '["42", "1"]', False),
    ],
)
def test_a_key_is_compared_by_its_text(typed: str, key: str, covered: bool) -> None:
    assert replace(ONE, key=typed).covers(replace(HOT, key=key)) is covered


def test_one_about_the_same_takes_its_place(store: Store) -> None:
    silences = Silences(store)
    silences.put(replace(ONE, key="[7]"), 1)
    silences.put(replace(ONE, reason="again"), 2)
    assert [each.reason for each in silences.active(3)] == ["again"]
    silences.put(replace(ONE, until_ms=3), 3)
    assert silences.active(3) == []
