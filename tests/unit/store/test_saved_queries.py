"""Statements kept under names: each once, bounded in number."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.store.saved_queries import SavedQueries, SavedQuery

if TYPE_CHECKING:
    from penstock.store.database import Store

ONE = SavedQuery("by day", "SELECT 'ü'", "homes", {"view": "chart"}, 7)


def test_a_name_is_there_once_and_the_list_is_bounded(store: Store) -> None:
    queries = SavedQueries(store)
    assert queries.save(ONE, most=2)
    assert queries.save(replace(ONE, name="a"), most=2)
    assert not queries.save(replace(ONE, name="b"), most=2)
    changed = replace(ONE, sql="SELECT 2", saved_ms=8)
    assert queries.save(changed, most=2), "it takes the place of its own"
    assert queries.all() == [replace(ONE, name="a"), changed]
    assert queries.forget("a")
    assert not queries.forget("a")
    assert queries.all() == [changed]
