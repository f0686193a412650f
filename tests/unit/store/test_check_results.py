"""Results of checks in the store: the newest of each, a month of those before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.store.check_results import CheckResults, Result

if TYPE_CHECKING:
    from penstock.store.database import Store

DAY = 86_400_000
PASSED = Result("homes", "readings.range_power", 0, "passed", 0, [], 3)


def test_the_newest_counts_and_a_month_is_kept(store: Store) -> None:
    results = CheckResults(store)
    failed = replace(PASSED, at_ms=DAY, state="failed", failures=2, sample=[{"power": 10}])
    results.keep([PASSED, replace(PASSED, name="other"), failed])
    assert results.newest() == {
        ("homes", "readings.range_power"): failed,
        ("homes", "other"): replace(PASSED, name="other"),
    }
    assert results.recent(9)["homes", PASSED.name] == [replace(failed, sample=[]), PASSED]
    results.keep([replace(failed, at_ms=30 * DAY + 1)])
    assert [r.at_ms for r in results.recent(9)["homes", PASSED.name]] == [30 * DAY + 1, DAY]


def test_the_last_few_of_each_check(store: Store) -> None:
    results = CheckResults(store)
    for n in range(5):
        results.keep([replace(PASSED, at_ms=n, sample=[{"n": n}]), replace(PASSED, name="b")])
    recent = results.recent(3)
    assert [r.at_ms for r in recent["homes", PASSED.name]] == [4, 3, 2]
    assert [r.sample for r in recent["homes", PASSED.name]] == [[], [], []]
    assert len(recent["homes", "b"]) == 3
