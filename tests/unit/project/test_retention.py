from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from penstock.project.retention import kept_ms

if TYPE_CHECKING:
    from tests.unit.project.conftest import Spoiled

RAW, SILVER = "meters/bronze/raw_meters.sql", "meters/silver/readings.sql"
TTL = "TTL toDateTime(_ingested_at) + INTERVAL 7 DAY"
DAY = 86_400_000


@pytest.mark.parametrize(
    ("clause", "kept"),
    [
        (TTL, 7 * DAY - 1000),
        ("TTL toDate(_ingested_at) + 14", 13 * DAY),
        ("TTL _ingested_at + toIntervalWeek(2) DELETE", 14 * DAY),
        ("TTL toDateTime(_ingested_at) + INTERVAL 1 DAY + INTERVAL 2 HOURS", 26 * 3_600_000 - 1000),
        ("TTL toDateTime(`_ingested_at`) + interval 1 month", 28 * DAY - 1000),
        (f"{TTL}, toDateTime(_ingested_at) + INTERVAL 1 DAY TO VOLUME 'cold'", 7 * DAY - 1000),
        (f"{TTL}, _ingested_at + INTERVAL 1 DAY DELETE", DAY),
    ],
)
def test_it_reads_how_long_rows_are_sure_to_stay(meters: Spoiled, clause: str, kept: int) -> None:
    project = meters.edit(RAW, TTL, clause).load()
    assert kept_ms(project.relation("meters", "raw_meters")) == kept


def test_without_a_ttl_rows_stay_for_ever(meters: Spoiled) -> None:
    project = meters.edit(SILVER, "TTL toDateTime(_ingested_at) + INTERVAL 30 DAY\n", "").load()
    assert kept_ms(project.relation("meters", "readings")) is None
