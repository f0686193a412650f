"""Rules in a header become SELECTs of which each row is a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from penstock.engine.scratch import Scratch

if TYPE_CHECKING:
    from tests.unit.project.conftest import Spoiled

FILE = "meters/silver/readings.sql"
RULES = """not_null: [power]
unique: [meter_id, ts]
accepted: {meter_id: [7, 8]}
range: {power: [0, 9.5]}
fresh: {_ingested_at: 10m}
"""
ROWS = """
INSERT INTO readings SELECT * FROM format(JSONEachRow,
'{"meter_id": 7, "ts": "2026-11-21 13:00:00", "power": 1.5, "_ingested_at": "2026-11-21 13:00:00"}
{"meter_id": 7, "ts": "2026-11-21 13:00:00", "power": 9.6, "_ingested_at": "2026-11-21 13:00:00"}
{"meter_id": 9, "ts": "2026-11-21 13:00:01", "power": null, "_ingested_at": "2026-11-21 13:00:00"}')
"""


def ruled(meters: Spoiled, rules: str = RULES) -> Spoiled:
    text = (meters.root / FILE).read_text("utf-8")
    at = text.index("*/")
    return meters.write(FILE, text[:at] + rules + text[at:])


def test_each_rule_is_a_check_by_name(meters: Spoiled) -> None:
    names = [check.name for check in ruled(meters).load().checks()]
    assert names == [
        "readings.not_null_power",
        "readings.unique_meter_id_ts",
        "readings.accepted_meter_id",
        "readings.range_power",
        "readings.fresh__ingested_at",
    ]


def test_its_rows_are_what_fails(meters: Spoiled) -> None:
    project = ruled(meters).load()
    relation = project.relation("meters", "readings")
    assert relation.main is not None
    with Scratch() as engine:
        engine.execute("CREATE DATABASE meters")
        engine.execute("USE meters")
        engine.execute(relation.main.sql)
        empty = {c.name: engine.rows(c.sql) for c in project.checks()}
        assert [name for name, rows in empty.items() if rows] == ["readings.fresh__ingested_at"]
        columns = {c.name for c in relation.table.columns} if relation.table else set()
        assert {"meter_id", "ts", "power", "_ingested_at"} <= columns
        engine.execute(ROWS.replace("SELECT *", "(meter_id, ts, power, _ingested_at) SELECT *"))
        found = {c.name.partition(".")[2]: len(engine.rows(c.sql)) for c in project.checks()}
    assert found == {
        "not_null_power": 1, "unique_meter_id_ts": 1, "accepted_meter_id": 1, "range_power": 1,
        "fresh__ingested_at": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "cause"),
    [
        ("not_null: 7\n", "not_null is 7"),
        ("unique: {}\n", "unique is {}"),
        ("accepted: {power: 7}\n", "accepted of power is 7"),
        ("accepted: [power]\n", "accepted is ['power']"),
        ("range: {power: [1]}\n", "range of power is [1]"),
        ("fresh: {ts: soon}\n", "fresh of ts is 'soon'"),
    ],
)
def test_a_rule_that_means_nothing_is_told_with_its_line(
    meters: Spoiled, rules: str, cause: str
) -> None:
    problem = ruled(meters, rules).only()
    assert cause in problem.cause
    assert problem.line == meters.line(FILE, rules.strip())
