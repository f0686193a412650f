"""`penstock test` and `penstock.testing`: what is right passes, what is wrong is seen."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from penstock.engine.scratch import Scratch
from penstock.errors import BadInputError, EngineError, ExpectationError, UsageError
from penstock.project import clock, load
from penstock.testing import Sandbox, run

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
READING = {"home_id": 7, "ts": "2026-11-21T13:59:00Z", "region": "north", "energy": 1.5}
NOW = "2026-11-21T14:00:00Z"


def penstock_test(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "penstock.cli", "test", "--project", str(root), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@dataclass(frozen=True)
class Copy:
    """A copy of the examples, without the houses' data."""

    root: Path

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.root / "homes" / file
        text = path.read_text("utf-8")
        assert text.count(old) >= 1, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new), "utf-8")

    def failed(self, *names: str) -> dict[str, str]:
        """Tests of homes that fail, with what they say; by their names."""
        project = load(self.root)
        cases = [c for c in project.domain("homes").cases if c.name in names]
        assert len(cases) == len(names) > 0
        outcomes = run(project, cases)
        return {o.case.name: "\n".join(f.what for f in o.failures) for o in outcomes if o.failures}


@pytest.fixture
def examples(tmp_path: Path) -> Copy:
    root = tmp_path / "examples"
    shutil.copytree(EXAMPLES, root, ignore=shutil.ignore_patterns("data"))
    return Copy(root)


def test_the_examples_pass_each_within_a_second() -> None:
    done = penstock_test(EXAMPLES, "--json")
    assert done.returncode == 0, done.stdout
    document = json.loads(done.stdout)
    assert document["ok"] is True
    assert (document["passed"], document["failed"]) == (len(document["tests"]), 0)
    domains = {d.name for d in load(EXAMPLES).domains}
    assert {t["domain"] for t in document["tests"]} == domains
    seconds = sorted(t["seconds"] for t in document["tests"])
    assert seconds[len(seconds) // 2] < 1, seconds


def test_every_relation_endpoint_and_file_of_the_examples_is_tested() -> None:
    for domain in load(EXAMPLES).domains:
        expected = {(e.kind, e.name) for c in domain.cases for e in c.expect}
        given = {g.into for c in domain.cases for g in c.given}
        gold = {("relation", r.name) for r in domain.relations if r.stage != "bronze"}
        assert gold <= expected
        assert {("endpoint", e.name) for e in domain.endpoints} <= expected
        assert {s.name for s in domain.sources} <= given


def test_every_reason_of_homes_is_tested() -> None:
    domain = load(EXAMPLES).domain("homes")
    bronze = domain.relation("raw_sensors").sql
    known = set(re.findall(r"'([a-z0-9_]+)(?:: )?'[,)]", bronze)) - {"true", "false", "unknown"}
    rows = [
        r for c in domain.cases for e in c.expect if e.kind == "dead_letters" for r in e.rows or ()
    ]
    reasons = {str(row["reason"]).split(":")[0] for row in rows}
    assert len(known) >= 13
    assert known - reasons - {"tombstone"} == set()


# What a hand may get wrong in the SQL, and which test says so.
MUTANTS = [
    ("bronze/raw_sensors.sql", "floor(doc.home_id) = doc.home_id", "true", ("dead_letters",)),
    ("silver/readings.sql", "sign(doc.energy) * 0.0005", "0", ("readings",)),
    ("silver/readings.sql", "ifNull(doc.region, '')", "'x'", ("readings",)),
    ("gold/hourly_stats.sql", "avgState(temperature)", "avgState(toNullable(0::Decimal(9, 2)))",
     ("hourly_stats",)),
    ("gold/city_minute.sql", "INTERVAL 60 SECOND) AS late", "INTERVAL 61 SECOND) AS late",
     ("late_rows",)),
    ("gold/home_latest.sql", "-toInt64(_batch)", "toInt64(_batch)", ("homes_now",)),
    ("serve/home_series.sql", "AND ts <= at", "", ("home_series",)),
    ("serve/homes_now.sql", "newest_ts > now", "newest_ts >= now", ("homes_now",)),
    ("serve/energy_by_region.sql", "minute >= toStart", "minute > toStart", ("energy_by_region",)),
    ("serve/city_heartbeat.sql", "minute <= day_before)\n) AS", "minute < day_before)\n) AS",
     ("city_heartbeat",)),
    ("serve/hourly_stats.sql", "ORDER BY hour", "ORDER BY hour DESC", ("hourly_stats",)),
    ("sources/household_power.sql", "Europe/Paris", "UTC", ("household_power",)),
    ("sources/appliances_energy.sql", "Etc/GMT-1", "Europe/Brussels", ("appliances_energy",)),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "names"), MUTANTS)
def test_a_mistake_in_the_sql_is_seen(
    examples: Copy, file: str, old: str, new: str, names: tuple[str, ...]
) -> None:
    examples.edit(file, old, new)
    assert set(examples.failed(*names)) == set(names)


def test_a_check_that_fires_is_expected_and_one_that_should_not_is_seen(examples: Copy) -> None:
    checks = examples.root / "homes" / "checks"
    checks.mkdir()
    (checks / "no_frost.sql").write_text(
        "/*\ndescription: No home is colder than it may be.\ndefaults:\n  least: 5\n*/\n"
        "SELECT home_id, temperature FROM readings WHERE temperature < {least:Int32}"
    )
    case = (
        f"now = {NOW}\n[[given]]\ninto = 'readings'\nrows = [{{home_id = 7, ts = '{NOW}', "
        "temperature = {cold}}]\n[[expect]]\ncheck = 'no_frost'\nrows = {failures}\n"
    )
    tests = examples.root / "homes" / "tests"
    for name, cold, failures in (
        ("fires", "4.5", "[{home_id = 7, temperature = 4.5}]"),
        ("passes", "5.5", "[]"),
        ("silent", "4.5", "[]"),
    ):
        text = case.replace("{cold}", cold).replace("{failures}", failures)
        (tests / f"{name}.toml").write_text(text.replace("{{", "{").replace("}}", "}"))
    failed = examples.failed("fires", "passes", "silent")
    assert set(failed) == {"silent"}
    assert "check homes/no_frost: 1 row was not expected" in failed["silent"]


# What a test may expect wrongly, and how it is told.
HEADS = 'readings = {}}}]\n\n[[expect]]\nrelation = "city'
TWICE = "  {home_id = 7, ts = 2026-11-21T13:59:59Z, energy = 1.5, _batch = 2},\n"
WEST = '{minute_ms = 1795269540000, region = "west"},\n'
WRONG = [
    ("duplicates", HEADS.format(3), HEADS.format(2), "1 row differs"),
    ("duplicates", "energy = 1.5, _batch = 2}", 'energy = "1.5", _batch = 2}', '"1.5"'),
    ("duplicates", TWICE, TWICE + "{home_id = 8},\n", "1 row is missing"),
    ("duplicates", TWICE, "", "1 row was not expected"),
    ("energy_by_region", 'kw = "Float64"', 'kw = "Float32"', "columns of homes/energy_by_region"),
    ("energy_by_region", "kw = 0.24", "kw = 0.2400001", "0.2400001"),
    ("energy_by_region", WEST, "", "1 row was not expected"),
    ("home_series", "minutes = 10}", "minutes = 70000}", "1 row"),
]


def test_what_is_not_so_is_told(examples: Copy) -> None:
    """All of WRONG in one run: each is a copy of a test with one thing changed."""
    folder = examples.root / "homes" / "tests"
    told = {}
    for number, (name, old, new, words) in enumerate(WRONG):
        text = (folder / f"{name}.toml").read_text("utf-8")
        assert old in text, old
        (folder / f"wrong_{number}.toml").write_text(text.replace(old, new, 1), "utf-8")
        told[f"wrong_{number}"] = words
    done = penstock_test(examples.root, *told)
    assert done.returncode == 4, done.stdout
    assert done.stdout.splitlines()[-1].startswith(f"{len(told)} tests: 0 ok, {len(told)} failed")
    assert "next: mend it, then penstock test homes/wrong_0" in done.stderr
    reports = dict(zip(told, done.stdout.split("FAIL  ")[1:], strict=True))
    for name, words in told.items():
        assert words in reports[name], reports[name]
        place = re.search(rf"homes/tests/{name}.toml:(\d+)", reports[name])
        assert place, reports[name]
        line = (folder / f"{name}.toml").read_text("utf-8").splitlines()[int(place[1]) - 1]
        assert line == "[[expect]]"
    assert re.search(r"\n +expected .*\n +got .*\n +\^+\n", done.stdout)


def test_an_order_and_a_tolerance_are_what_the_test_says(examples: Copy) -> None:
    path = "tests/energy_by_region.toml"
    first = '  {minute_ms = 1795269540000, region = "east"},\n'
    second = '  {minute_ms = 1795269540000, region = "north"},\n'
    examples.edit(path, first + second, second + first)
    assert "their order is not" in examples.failed("energy_by_region")["energy_by_region"]
    examples.edit(path, "params = {minutes = 1}", "params = {minutes = 1}\norder = false")
    examples.edit(path, "kw = 0.24", "kw = 0.25")
    examples.edit(path, "schema = {min", "tolerance = 0.05\nschema = {min")
    assert examples.failed("energy_by_region") == {}


def test_a_batch_that_cannot_land_is_told_at_its_place(examples: Copy) -> None:
    path = "tests/appliances_energy.toml"
    examples.edit(path, '"date","Appliances"', '"day","Appliances"')
    told = examples.failed("appliances_energy")["appliances_energy"]
    assert "`date`" in told
    assert "expected" not in told  # nothing is looked at after that


def test_a_mistake_in_a_test_is_one_of_the_project(examples: Copy) -> None:
    examples.edit("tests/homes_now.toml", 'endpoint = "homes_now"', 'endpoint = "home_now"')
    done = penstock_test(examples.root)
    assert done.returncode == 5
    lines = (examples.root / "homes/tests/homes_now.toml").read_text("utf-8").splitlines()
    line = lines.index('endpoint = "home_now"')  # the [[expect]] above it, counted from 1
    assert f"homes/tests/homes_now.toml:{line}: there is no endpoint 'home_now'" in done.stderr
    assert "did you mean 'homes_now'?" in done.stderr


def test_an_unknown_test_is_answered_with_the_nearest() -> None:
    done = penstock_test(EXAMPLES, "home_now")
    assert done.returncode == 2
    assert "did you mean 'homes_now'?" in done.stderr


def test_good_rows_that_silver_loses_are_seen(tmp_path: Path) -> None:
    root = tmp_path / "examples"
    shutil.copytree(EXAMPLES, root, ignore=shutil.ignore_patterns("data", "tests"))
    path = root / "homes/silver/readings.sql"
    text = path.read_text("utf-8").replace("_error = '';", "_error = '' AND _pos != 1;")
    path.write_text(text, "utf-8")
    with Sandbox(load(root, rules=False)) as sandbox:
        with pytest.raises(
            ExpectationError, match="2 of them good, and 1 are in readings"
        ) as caught:
            sandbox.given("readings", [READING, READING])
        assert "landing would stand still" in str(caught.value)


def test_views_that_look_at_the_clock_stand_still_too(tmp_path: Path) -> None:
    root = tmp_path / "examples"
    shutil.copytree(EXAMPLES, root, ignore=shutil.ignore_patterns("data", "tests"))
    view = (
        "CREATE VIEW recent AS SELECT home_id, now64(3, 'UTC') AS at\n"
        "FROM home_latest WHERE last_ts > now() - 60"
    )
    (root / "homes/gold/recent.sql").write_text(view, "utf-8")
    with Sandbox(root) as sandbox:
        for now, rows in (("2026-11-21T13:59:59.500Z", 1), ("2026-11-21T14:00:00Z", 0)):
            sandbox.start(now)
            sandbox.given("readings", [READING])
            at = now.replace("T", " ").strip("Z")
            sandbox.expect("recent", [{"home_id": 7, "at": at}] * rows)


CLOCKS = (
    *("now()", "now('UTC')", "now('Europe/Paris')", "now64()", "now64(6)", "now64(9, 'UTC')"),
    *("nowInBlock()", "nowInBlock('UTC')", "nowInBlock64(3, 'UTC')", "today()", "yesterday()"),
    *("curdate()", "current_date()", "CURRENT_DATE", "current_timestamp()", "UTC_timestamp()"),
    *("CURRENT_TIMESTAMP", "LOCALTIMESTAMP"),
)


def test_a_frozen_clock_has_the_types_of_a_running_one() -> None:
    with Scratch() as engine:
        for sql in CLOCKS:
            asked = f"SELECT toTypeName({sql}) AS kind, toUnixTimestamp({sql}) AS at"
            running = engine.rows(asked)[0]
            frozen = engine.rows(clock.frozen(asked, 1700000000250))[0]
            assert frozen["kind"] == running["kind"], sql
            assert frozen["at"] in {1700000000, 1699920000, 1699833600}, sql  # and the two days


def test_the_page_on_testing_says_what_is_so(tmp_path: Path) -> None:
    """Its test and its Python run as they are printed."""
    page = (ROOT / "docs" / "testing.md").read_text("utf-8")
    case, conftest, module = re.findall(r"```(?:toml|python)\n(.*?)```", page, re.DOTALL)
    root = tmp_path / "examples"
    shutil.copytree(EXAMPLES, root, ignore=shutil.ignore_patterns("data", "tests"))
    tests = root / "homes" / "tests"
    tests.mkdir()
    (tests / "hourly.toml").write_text(case, "utf-8")
    (root / "conftest.py").write_text(conftest, "utf-8")
    (tests / "test_hours.py").write_text(module, "utf-8")
    done = penstock_test(root)
    assert done.returncode == 0, done.stdout + done.stderr
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(root),
    ]
    ran = subprocess.run(
        [*command, str(root)], capture_output=True, text=True, timeout=120, check=False, cwd=root
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout


@pytest.fixture(scope="module")
def engine() -> Iterator[Sandbox]:
    with Sandbox(EXAMPLES) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(engine: Sandbox) -> Sandbox:
    engine.start(NOW)
    return engine


def test_each_test_starts_with_nothing(sandbox: Sandbox) -> None:
    for _ in range(2):
        sandbox.start(NOW)
        assert sandbox.given("readings", [READING, READING]) == 2
        places = [(r["_batch"], r["_pos"]) for r in sandbox.rows("raw_sensors")]
        assert sorted(places) == [(1, 0), (1, 1)]
        assert sandbox.rows("hourly_stats")[0]["readings"] == 2


def test_bronze_is_as_landing_writes_it(sandbox: Sandbox) -> None:
    sandbox.given("readings", [READING], at="2026-11-21T13:59:30.250Z")
    sandbox.given("raw_sensors", '{"home_id": 8}\n\n  \n{"home_id": 9}\r\n')
    first, *others = sorted(sandbox.rows("raw_sensors"), key=lambda row: row["_pos"])
    assert first["_raw"] == json.dumps(READING, separators=(",", ":"))
    assert first["_ingested_at"] == "2026-11-21 13:59:30.250"
    assert (first["_source"], first["_part"], first["_pos"], first["_batch"]) == (
        "readings",
        0,
        0,
        1,
    )
    assert [(r["_pos"], r["_batch"], r["_raw"]) for r in others] == [
        (1, 2, '{"home_id": 8}'),
        (2, 2, '{"home_id": 9}\r'),
    ]
    assert [r["reason"] for r in sandbox.dead_letters("readings")] == ["ts_missing"] * 2


def test_rows_of_long_ago_stay(sandbox: Sandbox) -> None:
    """A TTL counts by the engine's own clock; without merges nothing expires."""
    sandbox.start("2011-05-05T12:00:00Z")
    sandbox.given("readings", [{"home_id": 7, "ts": "2011-05-05T11:00:00Z"}])
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        assert len(sandbox.rows("raw_sensors")) == 1
        time.sleep(0.1)


def test_numbers_come_as_what_they_are(sandbox: Sandbox) -> None:
    sandbox.given("readings", [{**READING, "temperature": 20.5}])
    row = sandbox.rows("readings")[0]
    assert row["temperature"] == Decimal("20.5")
    assert isinstance(row["temperature"], Decimal)
    hour = sandbox.rows("homes/hourly_stats")[0]
    assert isinstance(hour["temperature_avg"], float)
    assert hour["temperature_quantiles"] == pytest.approx([20.5, 20.5], rel=0.002)
    assert sandbox.answer("homes_now")[0]["ts_ms"] == 1795269540000


def test_files_are_taken_as_they_are_sent_or_converted(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "sent.ndjson").write_bytes(b'{"home_id": 7}\nbroken \xff\n')
    (tmp_path / "rows.csv").write_text("home_id,ts\n7,2026-11-21T13:59:00Z\n", "utf-8")
    assert sandbox.given("readings", tmp_path / "sent.ndjson") == 2
    assert sandbox.given("readings", tmp_path / "rows.csv") == 1
    sandbox.expect("readings", [{"home_id": 7, "ts": "2026-11-21 13:59:00"}])
    reasons = [{"reason": "ts_missing"}, {"reason": "not_utf8"}]
    sandbox.expect_dead_letters("readings", reasons)


def test_the_api_says_what_is_off(sandbox: Sandbox) -> None:
    sandbox.given("readings", [READING])
    sandbox.expect("readings", [{"home_id": 7, "energy": 1.5}])
    with pytest.raises(ExpectationError, match="1 row differs") as caught:
        sandbox.expect("readings", [{"home_id": 7, "energy": 1.75}])
    assert isinstance(caught.value, AssertionError)
    with pytest.raises(ExpectationError, match=r"has no column 'enery'.*'energy'"):
        sandbox.expect("readings", [{"enery": 7}])
    with pytest.raises(UsageError, match="did you mean 'readings'"):
        sandbox.given("reading", [READING])
    with pytest.raises(UsageError, match="given its file"):
        sandbox.given("household_power", [READING])
    with pytest.raises(BadInputError, match="has no parameter 'home'"):
        sandbox.answer("home_series", home=7)
    with pytest.raises(EngineError, match="cannot be parsed"):
        sandbox.answer("home_series", home_id="seven")


def test_a_second_sandbox_in_a_process_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(EngineError, match="another sandbox is open"):
        Sandbox(sandbox.project).__enter__()
    assert sandbox.given("readings", [READING]) == 1  # the first goes on
