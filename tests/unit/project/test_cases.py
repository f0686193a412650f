"""tests/*.toml of a project: what is read, and every mistake with its line."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.project.conftest import Spoiled

FILE = "meters/tests/hours.toml"
GOOD = """description = "An hour."
now = 2026-11-21T14:00:00Z

[[given]]
into = "readings"
at = 2026-11-21T15:00:05+01:00
rows = [{ts = "2026-11-21T13:00:00Z", meter_id = 7, power = 1.10}]

[[given]]
into = "archive"
rows = '''
meter;day
[[expect]]
'''

[[expect]]
relation = "hourly"
tolerance = 0.5
rows = '''
{"meter_id": 7, "power_sum": 1.10}

{"meter_id": 8, "power_sum": null}
'''

[[expect]]
endpoint = "hourly"
params = {meter_id = 7, hours = 24}
order = false
rows = []
schema = {hour_ms = "Int64"}

[[expect]]
dead_letters = "raw_meters"
rows = []
"""


def test_a_test_is_read_whole(meters: Spoiled) -> None:
    case = meters.write(FILE, GOOD).load().cases()[0]
    assert (case.domain, case.name, case.description) == ("meters", "hours", "An hour.")
    assert case.now == dt.datetime(2026, 11, 21, 14, tzinfo=dt.UTC)
    first, second = case.given
    assert first.at == dt.datetime(2026, 11, 21, 14, 0, 5, tzinfo=dt.UTC)
    assert first.rows == ({"ts": "2026-11-21T13:00:00Z", "meter_id": 7, "power": Decimal("1.10")},)
    assert (second.at, second.rows) == (case.now, "meter;day\n[[expect]]\n")
    relation, endpoint, dead = case.expect
    assert relation.rows == (
        {"meter_id": 7, "power_sum": Decimal("1.10")},
        {"meter_id": 8, "power_sum": None},
    )
    assert (relation.order, relation.tolerance, relation.schema) == (None, Decimal("0.5"), None)
    assert endpoint.params == {"meter_id": "7", "hours": "24"}
    assert (endpoint.order, endpoint.rows, endpoint.schema) == (False, (), {"hour_ms": "Int64"})
    assert (dead.kind, dead.name) == ("dead_letters", "raw_meters")
    lines = [meters.line(FILE, text) for text in ("given", 'relation = "h', 'point = "h', "dead_")]
    assert [first.line, *(e.line + 1 for e in case.expect)] == lines


MISTAKES = [
    ("now = 2026-11-21T14:00:00Z", 'now = "2026"', "now = '2026': a time is meant", "without quo"),
    ("now = 2026-11-21T14:00:00Z", "", "does not say what time it is", "add: now = "),
    ("description", "descripton", "unknown key 'descripton'", "'description'"),
    ('into = "readings"', 'into = "reading"', "source or bronze relation 'reading'", "'readings'"),
    ('into = "readings"', 'into = "hourly"', "source or bronze relation 'hourly'", "readings"),
    ('into = "archive"', "", "where the records go", "into ="),
    ("at = 2026-11-21T15:00:05+01:00", "at = 5", "at = 5: a time is meant", ""),
    ("at = 2026-11-21T15:00:05+01:00", 'file = "x"', "either rows or a file", ""),
    ('rows = [{ts = "2026-11-21T13:00:00Z", meter_id = 7, power = 1.10}]', 'file = "a.csv"',
     "there is no file meters/tests/a.csv", "b.csv"),
    ('rows = [{ts = "2026-11-21T13:00:00Z", meter_id = 7, power = 1.10}]', "rows = 5",
     "rows are [{…}, …] or a text", ""),
    ('rows = [{ts = "2026-11-21T13:00:00Z", meter_id = 7, power = 1.10}]', 'file = "/no/a.csv"',
     "there is no file ../", "a.csv"),
    ('relation = "hourly"', 'relation = "hourli"', "no relation 'hourli'", "'hourly'"),
    ('relation = "hourly"', 'relatoin = "hourly"', "unknown key 'relatoin'", "'relation'"),
    ('relation = "hourly"', 'relation = "hourly"\nendpoint = "hourly"', "names one", ""),
    ('relation = "hourly"', 'relation = "hourly"\nparams = {a = 1}', "has no params", "endpoint"),
    ('endpoint = "hourly"', 'endpoint = "hours"', "no endpoint 'hours'", "'hourly'"),
    ("{meter_id = 7,", "{meter = 7,", "hourly has no parameter 'meter'", "'meter_id'"),
    ("order = false", 'order = "no"', "order = 'no': true or false", ""),
    ("tolerance = 0.5", "tolerance = -1", "tolerance = -1: a number", "1e-9"),
    ('schema = {hour_ms = "Int64"}', 'schema = "x"', "schema = 'x': a table", ""),
    ('dead_letters = "raw_meters"', 'dead_letters = "hourly"', "relation 'hourly'", "raw_meters"),
    ('dead_letters = "raw_meters"', 'dead_letters = "raw_meters"\nschema = {a = "b"}',
     "the columns of dead_letters are not compared", "leave"),
    ('into = "readings"', 'into = "archive"', "'archive' is of kind file", "the file's head"),
    ('{"meter_id": 8, "power_sum": null}', '{"meter_id": 8', "is not JSON", "one object a line"),
    ('{"meter_id": 8, "power_sum": null}', "[8]", "'[8]' is no object", "one object a line"),
    ("params = {meter_id = 7, hours = 24}", "params = {", "not TOML", ""),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "cause", "hint"), MISTAKES)
def test_a_mistake_has_its_place(
    meters: Spoiled, old: str, new: str, cause: str, hint: str
) -> None:
    meters.write("meters/tests/b.csv", "meter;day").write(FILE, GOOD).edit(FILE, old, new)
    found = meters.problems()
    hits = [p for p in found if cause in p.cause and hint in f"{p.hint} {p.cause}"]
    assert len(hits) == 1, [str(p) for p in found]
    assert hits[0].file == FILE
    text = GOOD.splitlines()
    changed = next(n for n, line in enumerate(text, 1) if old.splitlines()[0] in line)
    head = max((n for n, line in enumerate(text[:changed], 1) if line.startswith("[[")), default=0)
    assert hits[0].line in (0, head, changed, changed + 1)
    assert (hits[0].line == 0) == (not new and not head)


def test_a_file_without_expectations_is_no_test(meters: Spoiled) -> None:
    meters.write(FILE, "now = 2026-11-21T14:00:00Z\n")
    assert "the test expects nothing" in meters.only().cause


def test_what_stands_beside_tests_is_left_alone(meters: Spoiled) -> None:
    meters.write("meters/tests/rows.csv", "x").write("meters/tests/test_more.py", "").write(
        FILE, GOOD
    )
    assert [c.name for c in meters.load().cases()] == ["hours"]
