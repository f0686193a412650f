"""Grafana's JSON of a dashboard, as far as no Grafana is needed to see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.project import grafana

if TYPE_CHECKING:
    from tests.unit.project.conftest import Spoiled

BY_HAND = """title = "Power"
[[row]]
[[row.panel]]
title = "By the hour"
kind = "line"
time = "hour"
value = "power"
sql = '''
SELECT hour, sum(meter_id) / {interval_s:UInt32} AS power, {from:Int64} AS a, {to:Int64} AS b
FROM hourly WHERE $__timeFilter(hour) GROUP BY hour
'''
"""


def test_times_written_by_hand_are_grafanas_too(meters: Spoiled) -> None:
    (found,) = meters.write("meters/dashboards/power.toml", BY_HAND).load().dashboards()
    sql = grafana.raw_sql(found.panels[0], found.variables)
    for word in (
        "CAST($__interval_s, 'UInt32')", "CAST(${__from}, 'Int64')", "CAST(${__to}, 'Int64')"
    ):  # fmt: skip
        assert word in sql


def test_two_long_names_are_two_dashboards(meters: Spoiled) -> None:
    name = "a_name_that_is_longer_than_grafana_would_have_it"
    for end in ("", "_too"):
        meters.write(f"meters/dashboards/{name}{end}.toml", BY_HAND)
    meters.write("meters/dashboards/short.toml", BY_HAND)
    uids = {grafana.dashboard(found)["uid"] for found in meters.load().dashboards()}
    assert sorted(map(len, uids)) == [21, 40, 40]
    assert "penstock-meters-short" in uids
