"""dashboards/*.toml of a project: what is read, and every mistake with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.project.conftest import Spoiled

FILE = "meters/dashboards/power.toml"
GOOD = '''title = "Power"
from = "now-6h"
refresh = "5s"

[[variable]]
name = "meter_id"
sql = "SELECT DISTINCT meter_id FROM hourly"

[[variable]]
name = "phase"
values = ["a", "b"]
all = true

[[row]]
height = 240

[[row.panel]]
title = "By the hour"
kind = "line"
time = "hour"
value = "power"
low = 0
sql = """
SELECT hour, sum(meter_id) AS power
FROM hourly
WHERE $__timeFilter(hour) AND meter_id = {meter_id:UInt32}
GROUP BY hour
"""

[[row.panel]]
title = "As endpoint"
kind = "table"
endpoint = "hourly"
width = 8
'''


def test_a_dashboard_is_read_whole(meters: Spoiled) -> None:
    (found,) = meters.write(FILE, GOOD).load().dashboards()
    assert (found.name, found.title, found.start, found.end) == ("power", "Power", "now-6h", "now")
    assert found.refresh == 5.0
    meter, phase = found.variables
    assert (meter.kind, meter.label, meter.default, meter.all) == ("query", "Meter id", "", False)
    assert (phase.kind, phase.values, phase.default, phase.all) == ("list", ("a", "b"), "", True)
    (row,) = found.rows
    line, table = row.panels
    assert (row.height, line.width, table.width) == (240, 6, 8)
    assert (line.name, line.kind, line.own, line.time, line.values) == (
        "by_the_hour", "line", True, "hour", ("power",),
    )  # fmt: skip
    assert dict(line.given(found.variables)) == {"meter_id": "$meter_id"}
    assert set(line.spans) == {"from", "to"}
    assert (table.own, table.query.name, table.spans) == (False, "hourly", ())
    assert found.query("by_the_hour") is line.query
    assert found.query("var-meter_id") is meter.query
    assert line.query.line == meters.line(FILE, "SELECT hour, sum")


def test_sql_may_stand_in_a_file_beside(meters: Spoiled) -> None:
    sql = "/* description: Rows. */ SELECT count() AS rows FROM hourly"
    panel = (
        '[[row]]\n[[row.panel]]\ntitle = "Rows"\nkind = "stat"\nvalue = "rows"\nsql = "rows.sql"\n'
    )
    meters.write("meters/dashboards/rows.sql", sql).write(FILE, panel)
    (found,) = meters.load().dashboards()
    assert found.panels[0].description == "Rows."
    meters.write("meters/dashboards/more.sql", sql)
    problem = meters.only()
    assert (problem.file, problem.cause) == (
        "meters/dashboards/more.sql", "no panel uses this file",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "cause", "hint"),
    [
        ('from = "now-6h"', 'from = "lately"', "'lately' is no time", "now-15m"),
        ('refresh = "5s"', 'refresh = "often"', "no length of time", "live"),
        ('kind = "line"', 'kind = "lines"', "unknown kind 'lines'", "'line'"),
        ('time = "hour"', 'tiem = "hour"', "unknown key 'tiem'", "'time'"),
        ("low = 0", 'low = "zero"', "a number is meant", ""),
        ("FROM hourly\n", "FROM hourlyy\n", "no relation 'hourlyy'", "'hourly'"),
        ("FROM hourly\n", "FROM readings\n", "silver", "reason"),
        ("$__timeFilter(", "$__timeFiltr(", "no macro $__timeFiltr", "$__timeFilter"),
        ("{meter_id:UInt32}", "{meter:UInt32}", "nothing gives the parameter 'meter'", "[[var"),
        ('endpoint = "hourly"', 'endpoint = "hourley"', "no endpoint 'hourley'", "'hourly'"),
        ("width = 8", "width = 13", "width = 13", "1 to 12"),
        ("width = 8", "params = {metre = 1}", "'metre', no parameter", ""),
        ('title = "As endpoint"', 'title = "By the hour"', "a panel 'by_the_hour' already", "name"),
        ('kind = "table"', 'kind = "pie"', "needs the column", "by"),
        ('name = "phase"', 'name = "from"', "'from' is a name of the span", ""),
        ('name = "phase"', 'name = "Phase"', "'Phase' is not a name", "phase"),
        ("all = true", 'default = "c"', "'c' is none of its values", "a, b"),
        ("height = 240", "height = 2", "height = 2", "60"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_on_its_line(
    meters: Spoiled, old: str, new: str, cause: str, hint: str
) -> None:
    problems = meters.write(FILE, GOOD).edit(FILE, old, new).problems()
    found = [p for p in problems if cause in p.cause]
    assert found, [str(p) for p in problems]
    assert hint in found[0].hint
    assert found[0].line, str(found[0])


def test_the_second_panels_key_is_found_in_its_own_block(meters: Spoiled) -> None:
    problem = meters.write(FILE, GOOD).edit(FILE, 'kind = "table"', 'kind = "tabel"').only()
    assert problem.line == meters.line(FILE, 'kind = "tabel"')


def test_an_empty_dashboard_says_what_to_add(meters: Spoiled) -> None:
    problem = meters.write(FILE, 'title = "Nothing"').only()
    assert problem.hint == "add [[row]] and [[row.panel]]"
