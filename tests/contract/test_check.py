"""`penstock check` against the real engine: what only it can tell, in a process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from penstock.engine.scratch import Scratch, engine_error
from penstock.errors import EngineError
from penstock.layers import totality

METERS = Path(__file__).parents[1] / "fixtures" / "projects" / "meters"
EXAMPLES = Path(__file__).parents[2] / "examples"
RAW, READINGS = "meters/bronze/raw_meters.sql", "meters/silver/readings.sql"
HOURLY, SERVE = "meters/gold/hourly.sql", "meters/serve/hourly.sql"


def check(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "penstock.cli", "check", str(root), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@dataclass(frozen=True)
class Copy:
    root: Path

    def edit(self, file: str, old: str, new: str) -> Copy:
        path = self.root / file
        text = path.read_text("utf-8")
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new), "utf-8")
        return self

    def line(self, file: str, text: str) -> int:
        lines = (self.root / file).read_text("utf-8").splitlines()
        return next(n for n, line in enumerate(lines, 1) if text in line)

    def problems(self) -> list[dict[str, Any]]:
        done = check(self.root, "--json")
        assert done.returncode in (0, 5), done.stderr
        problems: list[dict[str, Any]] = json.loads(done.stdout)["problems"]
        assert done.returncode == (5 if problems else 0)
        return problems


@pytest.fixture
def meters(tmp_path: Path) -> Copy:
    root = tmp_path / "project"
    shutil.copytree(METERS, root)
    return Copy(root)


def test_the_examples_are_sound_within_five_seconds() -> None:
    started = time.perf_counter()
    done = check(EXAMPLES)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ok: ")
    assert "penstock up" in done.stderr
    assert time.perf_counter() - started < 5


def test_a_sound_project_says_what_it_counted(meters: Copy) -> None:
    document = json.loads(check(meters.root, "--json").stdout)
    assert document["ok"] is True
    assert (document["relations"], document["endpoints"], document["sources"]) == (3, 1, 2)


REFUSED = [
    (READINGS, "doc.power AS", "doc.powr AS", "doc.powr", "powr"),
    (READINGS, "AS power,", "AS powr,", "powr", "'power'"),
    (READINGS, "power Nullable(Float64)", "power Nullable(Flat64)", "Flat64", "Float64"),
    (READINGS, "'' AS region", "upperr('') AS region", "upperr", "upper"),
    (HOURLY, "sumState(power)", "sumState(powerr)", "powerr", "'power'"),
    (HOURLY, "n(quantilesTDigest(", "n(quantilesTDigst(", "quantilesTDigst", "quantilesTDigest"),
    (HOURLY, "GROUP BY meter_id, hour", "GROUP BY hour", "meter_id", ""),
    (SERVE, "hour > n", "hours_ago > n", "hours_ago", ""),
    (SERVE, "countMerge(readings)", "countMerge(reading)", "reading", "'readings'"),
    (SERVE, "meter_id: 7", "meter_id: many", "many", "another default"),
    (SERVE, "GROUP BY hour ORDER", "GROUP hour ORDER", "cannot be read", ""),
    (RAW, "fsync_after_insert = 1", "fsync_after_insert = 1, no_such = 1", "no_such", ""),
]


@pytest.mark.parametrize(("file", "old", "new", "cause", "hint"), REFUSED)
def test_what_the_engine_refuses_has_a_place(  # noqa: PLR0917 - one row of the table
    meters: Copy, file: str, old: str, new: str, cause: str, hint: str
) -> None:
    problems = meters.edit(file, old, new).problems()
    line = meters.line(file, new)
    hits = [p for p in problems if cause in p["cause"] and hint in f"{p['hint']} {p['cause']}"]
    assert hits, problems
    assert (hits[0]["file"], hits[0]["line"]) == (file, line), problems
    assert len(hits[0]["cause"]) < 420


def test_one_failure_does_not_hide_the_next_nor_drag_others_along(meters: Copy) -> None:
    meters.edit(READINGS, "'' AS region", "upperr('') AS region")  # hourly reads it: not reported
    extra = meters.root / "meters/silver/places.sql"
    extra.write_text("CREATE VIEW places AS\nSELECT no_such FROM raw_meters", "utf-8")
    lost = meters.root / "meters/gold/lost.sql"
    lost.write_text("CREATE VIEW lost AS SELECT 1 FROM hourly WHERE nothing", "utf-8")
    problems = meters.problems()
    assert {(p["file"], p["line"]) for p in problems} == {
        (READINGS, meters.line(READINGS, "upperr")),
        ("meters/silver/places.sql", 2),
    }


THROWING = [
    ("doc.power AS power", "toFloat64(doc.ts) AS power", "toFloat64 of doc.ts"),
    ("doc.power AS power", "CAST(doc.ts AS Nullable(Float64)) AS power", "CAST of doc.ts"),
    ("doc.power AS power", "doc.ts::Nullable(Float64) AS power", ":: of doc.ts"),
    ("ifNull(doc.meter_id, 0) AS", "toUInt32(doc.power) AS", "toUInt32 of doc.power"),
    ("ifNull(doc.meter_id, 0) AS", "doc.meter_id AS", "NULL would make the insert throw"),
    ("ifNull(doc.meter_id, 0) AS", "ifNull(doc.power, 0) AS", "would make the insert throw"),
    ("ifNull(doc.meter_id, 0) AS", "toUInt64(ifNull(doc.meter_id, 0)) AS", "changed in silence"),
    ("'' AS region, ", "", "does not give 'region'"),
]


@pytest.mark.parametrize(("old", "new", "cause"), THROWING)
def test_a_view_that_can_throw_or_change_values_is_refused(
    meters: Copy, old: str, new: str, cause: str
) -> None:
    problems = meters.edit(READINGS, old, new).problems()
    hits = [p for p in problems if cause in p["cause"]]
    assert hits, problems
    assert hits[0]["file"] == READINGS
    assert hits[0]["hint"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("doc.power AS power", "toFloat64(toFloat32(doc.power)) AS power"),
        ("doc.power AS power", "toFloat64OrNull(doc.ts) AS power"),
        ("doc.power AS power", "CAST(doc.meter_id AS Nullable(Float64)) AS power"),
        ("'' AS region", "toString(toDate(ts)) AS region"),
    ],
)
def test_total_conversions_are_allowed(meters: Copy, old: str, new: str) -> None:
    assert meters.edit(READINGS, old, new).problems() == []


def test_a_record_that_throws_is_found_by_trying(meters: Copy) -> None:
    # No rule on text knows this function to throw; a time written as epoch seconds makes it.
    poison = "toString(toModifiedJulianDay(substring(ifNull(doc.ts, ''), 1, 10)))"
    problems = meters.edit(READINGS, "'' AS region", f"{poison} AS region").problems()
    assert len(problems) == 1, problems
    assert "a record makes readings_mv throw" in problems[0]["cause"]
    assert problems[0]["file"] == READINGS


def test_rows_that_silver_loses_are_counted(meters: Copy) -> None:
    text = "FROM (SELECT *, doc, _error FROM raw_meters LIMIT 1) WHERE _error = ''"
    meters.edit(READINGS, "FROM raw_meters WHERE _error = ''", text)
    problems = meters.problems()
    assert any("good rows of raw_meters became" in p["cause"] for p in problems), problems


@pytest.mark.parametrize(
    ("given", "taken", "safe"),
    [
        ("String", "LowCardinality(String)", True),
        ("UInt32", "Nullable(UInt32)", True),
        ("Nullable(UInt32)", "UInt32", False),
        ("UInt8", "UInt32", True),
        ("UInt32", "UInt8", False),
        ("UInt32", "Int32", False),
        ("UInt32", "Int64", True),
        ("Int8", "UInt64", False),
        ("Float64", "Float32", True),
        ("Float64", "Decimal(9, 2)", False),
        ("Decimal(9, 3)", "Decimal(38, 3)", True),
        ("Decimal(9, 3)", "Decimal(9, 2)", False),
        ("UInt32", "Decimal(18, 2)", True),
        ("UInt64", "Decimal(18, 2)", False),
        ("Decimal(9, 2)", "Int64", False),
        ("DateTime64(3, 'UTC')", "DateTime('UTC')", True),
        ("String", "DateTime('UTC')", False),
        ("Nullable(Float64)", "SimpleAggregateFunction(max, Nullable(Float64))", True),
        ("UInt64", "SimpleAggregateFunction(sum, UInt32)", False),
        ("String", "Enum8('a' = 1)", False),
    ],
)
def test_what_a_table_takes_without_harm(given: str, taken: str, *, safe: bool) -> None:
    assert (totality._conversion(given, taken) == "") == safe


def test_scratch_reads_the_files_it_is_given_and_no_other(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine.csv", tmp_path / "other.csv"
    for path in (mine, other):
        path.write_text("a\n1\n2\n", "utf-8")
    with Scratch(access=[mine]) as engine:
        rows = engine.rows(f"SELECT a FROM file('{mine}', 'CSVWithNames')")
        assert rows == [{"a": 1}, {"a": 2}]
        for sql in (
            f"SELECT * FROM file('{other}', 'CSVWithNames')",
            f"SELECT * FROM file('{mine}/../other.csv', 'CSVWithNames')",
            f"SELECT file('{other}')",
            f"SELECT arrayMap(file, ['{other}'])",
            f"SELECT * APPLY(file) FROM (SELECT '{other}')",
            f"SELECT * FROM file(concat('{mine}', ''), 'CSVWithNames')",
            "SELECT * FROM url('http://127.0.0.1:9/x', 'CSV')",
        ):
            with pytest.raises(EngineError) as caught:
                engine.rows(sql)
            assert caught.value.code == 497, sql


def test_scratch_starts_empty_each_time_and_binds_what_it_is_given() -> None:
    with Scratch() as engine:
        engine.execute("CREATE DATABASE once")
    with Scratch() as engine:
        assert engine.rows("SELECT name FROM system.databases WHERE name = 'once'") == []
        for value in ("plain", "tab\tline\nback\\slash", "quote ' \" `", "\\N", "é"):
            assert engine.rows("SELECT {v:String} AS v", {"v": value}) == [{"v": value}]
        with pytest.raises(EngineError) as caught:
            engine.execute("SELECT * FROM no_such_table_here")
        assert caught.value.code in (60, 497)  # its own database looks for a file of that name
        assert engine.bytes("SELECT 1 AS a", "CSVWithNames") == b'"a"\n1\n'


def test_an_engine_error_is_taken_apart() -> None:
    error = engine_error("Code: 60. DB::Exception: No table. (UNKNOWN_TABLE) (version 26.9.2.1)")
    assert (error.code, error.what) == (60, "No table. (UNKNOWN_TABLE)")


def test_what_reaches_outside_is_refused_unrun(meters: Copy, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    sql = f"SELECT file('{canary}') AS leak"
    canary.write_text("secret-of-the-canary", "utf-8")
    (meters.root / "meters/serve/leak.sql").write_text(sql, "utf-8")
    done = check(meters.root)
    assert done.returncode == 5
    assert "file() is refused" in done.stderr
    assert "secret-of-the-canary" not in done.stdout + done.stderr


def test_mistakes_of_text_and_of_the_engine_come_together(meters: Copy) -> None:
    meters.edit("penstock.toml", "title", "titel")
    meters.edit(SERVE, "countMerge(readings)", "countMerge(reading)")
    assert {p["file"] for p in meters.problems()} == {"penstock.toml", SERVE}


def test_a_folder_without_a_project_says_so(tmp_path: Path) -> None:
    done = check(tmp_path)
    assert done.returncode == 5
    assert "there is no penstock.toml" in done.stderr
