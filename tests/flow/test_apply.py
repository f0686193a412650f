"""Apply refuses what would be wrong from its first day, and what it did not make."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from penstock.errors import RefusedChangeError
from penstock.layers.apply import apply
from penstock.project import load
from penstock.store.schema import NOTE

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
        new.write_text(GOLD)
        apply(load(project), landing.client, landing.ledger)  # nothing is there yet, so it is whole
        landing.send(60)
        landing.land()
        other = project / "homes/gold/by_region_too.sql"
        other.write_text(GOLD.replace("by_region", "by_region_too"))
        with pytest.raises(RefusedChangeError) as refused:
            apply(load(project), landing.client, landing.ledger)
        assert "by_region_too (homes/gold/by_region_too.sql:4) over readings" in str(refused.value)
        there = "SELECT count() FROM system.tables WHERE name LIKE 'by_region_too%'"
        assert int(landing.client.value(there)) == 0, "it made half of it"
        other.unlink()
        assert apply(load(project), landing.client, landing.ledger).created == ()
        with landing.store.writing() as connection:
            note = NOTE.c.key == "applied:homes.by_region"
            connection.execute(sa.delete(NOTE).where(note))
        new.write_text(GOLD.replace("region String", "region LowCardinality(String)"))
        for _ in range(2):
            with pytest.raises(RefusedChangeError, match="did not make"):
                apply(load(project), landing.client, landing.ledger)
