"""How fast a source lands, second by second."""

from __future__ import annotations

from penstock.runtime.pace import SECONDS, Pace

SOURCE = ("homes", "readings")


def test_rows_of_each_of_the_last_seconds() -> None:
    pace = Pace()
    for now, rows in ((100.0, 5), (100.9, 7), (102.1, 3), (103.0, 100)):
        pace.note(SOURCE, rows, now)
    found = pace.of(SOURCE, 103.5)
    assert len(found) == SECONDS
    assert found[-3:] == [12, 0, 3], "the second that runs is left out"
    assert sum(pace.of(SOURCE, 103.0 + SECONDS + 1)) == 0
    assert sum(pace.of(("homes", "other"), 103.5)) == 0
