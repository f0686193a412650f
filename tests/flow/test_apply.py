"""Apply refuses what would be wrong from its first day, and tells what it did not make."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import RefusedChangeError
from penstock.layers.apply import Terms, apply, plan
from penstock.project import load
from penstock.store.journal import Journal

from .faults import Landing, homes

GOLD = """
CREATE TABLE IF NOT EXISTS by_region (region String, rows UInt64) ENGINE = SummingMergeTree
ORDER BY region SETTINGS non_replicated_deduplication_window = 50000;
CREATE MATERIALIZED VIEW IF NOT EXISTS by_region_mv TO by_region AS
SELECT region, count() AS rows FROM readings GROUP BY region;
"""


def test_it_refuses_a_view_over_rows_and_a_table_that_it_did_not_make(tmp_path: Path) -> None:
    project = homes(tmp_path / "project")
    new = project / "homes/gold/by_region.sql"
    with Landing(project, tmp_path / "data") as landing:
        client, journal = landing.client, Journal(landing.store, landing.data)
        new.write_text(GOLD)
        apply(load(project), client, journal)  # nothing is there yet, so it is whole
        landing.send(60)
        landing.land()
        other = project / "homes/gold/by_region_too.sql"
        other.write_text(GOLD.replace("by_region", "by_region_too"))
        for terms in (Terms(), Terms(unasked=True)):
            with pytest.raises(RefusedChangeError, match="a backfill is needed") as refused:
                apply(load(project), client, journal, terms)
            assert "homes.by_region_too" in str(refused.value)
            assert "(homes/gold/by_region_too.sql:2)" in str(refused.value)
        there = "SELECT count() FROM system.tables WHERE name LIKE 'by_region_too%'"
        assert int(client.value(there)) == 0, "it made half of it"
        other.unlink()
        assert apply(load(project), client, journal).created == ()
        # Made by hand, with rows, and then a file claims its name.
        client.execute(
            "CREATE TABLE by_hand (region String, rows UInt64) ENGINE = MergeTree ORDER BY rows",
            database="homes",
        )
        client.execute("INSERT INTO by_hand VALUES ('north', 1)", database="homes")
        (drift,) = plan(load(project), client, journal).drift
        assert (drift.name, drift.words) == (
            "homes.by_hand",
            "it was made by hand; it is left alone",
        )
        claim = project / "homes/gold/by_hand.sql"
        claim.write_text(GOLD.replace("by_region", "by_hand"))
        for _ in range(2):
            with pytest.raises(RefusedChangeError, match="nothing was applied"):
                apply(load(project), client, journal)
        assert client.value("SELECT region FROM by_hand", database="homes") == "north"
