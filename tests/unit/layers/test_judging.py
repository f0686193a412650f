"""Which views a replay may reach, and positions as ranges."""

from __future__ import annotations

import pytest

from penstock.layers.judging import Fate, Verdict, positions_as_spans, takes_both
from penstock.store.records import Span


@pytest.mark.parametrize(
    "where",
    [
        "WHERE _error = ''",
        "WHERE (_error = '') AND (doc.a > 1)",
        "WHERE (doc.a > 1) AND (_error = '') GROUP BY b",
        "WHERE _error != ''",
    ],
)
def test_views_of_good_or_of_bad_rows_are_reached_rightly(where: str) -> None:
    assert not takes_both(f"SELECT a FROM homes.raw {where}")


@pytest.mark.parametrize(
    "where",
    [
        "",
        "WHERE doc.a > 1",
        "WHERE (_error = '') OR (doc.a > 1)",
        "WHERE _error = 'tombstone'",
        "WHERE a IN (SELECT a FROM t WHERE _error = '')",
    ],
)
def test_views_that_have_had_dead_letters_are_in_the_way(where: str) -> None:
    assert takes_both(f"SELECT a, _error = '' AS good FROM homes.raw {where}")


def test_positions_become_ranges() -> None:
    assert list(positions_as_spans(3, [1, 2, 3, 7, 9, 10])) == [
        Span(3, 1, 4), Span(3, 7, 8), Span(3, 9, 11),
    ]  # fmt: skip
    assert list(positions_as_spans(3, [])) == []


def test_a_verdict_adds_up_and_keeps_the_first_examples() -> None:
    verdict = Verdict()
    verdict.add([Fate("a", "", 2, 0, 5, ""), Fate("a", "b", 1, 0, 6, "b: x")])
    verdict.add([Fate("a", "", 3, 1, 0, ""), Fate("c", "b", 4, 1, 1, "b: y")])
    assert (verdict.good, verdict.stay) == (5, 5)
    assert verdict.fates["a", ""] == Fate("a", "", 5, 0, 5, "")
