"""What `penstock new` writes: sound at once, and every row of the sample is a good one."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock.engine.scratch import Scratch
from penstock.errors import BadInputError, UsageError
from penstock.layers import drafts, totality
from penstock.layers.check import look as mistakes
from penstock.layers.convert import FileFormat, records
from penstock.layers.sample import look
from penstock.project import Project, read

SAMPLES = Path(__file__).parents[1] / "fixtures" / "samples"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def empty(folder: Path) -> Project:
    folder.mkdir()
    (folder / "penstock.toml").write_text('name = "mine"\ntitle = "Mine"\n')
    return read(folder)[0]


def draft(folder: Path, sample: Path) -> Project:
    """A project of everything that can be drafted from a sample."""
    project = empty(folder)

    def write(made: list[drafts.Draft]) -> None:
        for file in made:
            file.path.parent.mkdir(parents=True, exist_ok=True)
            assert not file.path.exists()
            file.path.write_text(file.text, "utf-8")

    def place(name: str) -> drafts.Place:
        return drafts.Place(read(folder)[0], project.root / "mine", name)

    def relation(name: str) -> Any:
        return read(folder)[0].relation("mine", name)

    write(drafts.source(place("readings"), look(sample)))
    write(drafts.gold(place("hourly"), relation("readings")))
    for name in ("readings", "hourly"):
        write(drafts.endpoint(place(name), relation(name)))
        write(drafts.check(place(f"of_{name}"), relation(name)))
    found, problems = mistakes(folder)
    assert [str(p) for p in problems] == []
    return found


def begin(engine: Scratch) -> None:
    """A database of our own: the engine looks for the default one's tables among files, too."""
    engine.execute("CREATE DATABASE mine")
    engine.execute("USE mine")


def landed(project: Project, sample: Path) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The sample's rows in silver: its types, its rows, and no dead letter."""
    source = next((s for s in project.sources() if s.kind == "file"), None)
    form = FileFormat.of(source) if source else FileFormat.guess(sample)
    lines = [line for body, _ in records(sample, form) for line in body.decode().splitlines()]
    bronze = project.relation("mine", "raw_readings")
    with Scratch() as engine:
        begin(engine)
        for relation in project.relations():
            for statement in relation.statements:
                engine.execute(statement.sql)
        assert totality._insert(engine, bronze, lines) is None
        dead = engine.rows("SELECT _error, _raw FROM raw_readings WHERE _error != ''")
        assert dead == []
        types = {r["name"]: r["type"] for r in engine.rows("DESCRIBE TABLE readings")}
        rows = engine.rows("SELECT * FROM readings ORDER BY ALL")
        assert len(rows) == len(lines) > 0
        assert engine.rows("SELECT sum(rows) AS n FROM hourly")[0]["n"] == len(lines)
        for endpoint in project.endpoints():
            given = {p.name: p.default or "" for p in endpoint.params}
            assert engine.rows(endpoint.sql, given), f"{endpoint.name} answers nothing"
        for check in project.checks():
            engine.rows(check.sql)
    return types, rows


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", "utf-8")
    return path


def test_readings_of_devices(tmp_path: Path) -> None:
    sample = lines(
        tmp_path / "readings.ndjson",
        [
            {
                "deviceId": 40 + n % 4, "ts": (NOON + timedelta(seconds=n)).isoformat(),
                "region": ("north", "south")[n % 2], "temperature": 20 + n / 100,
                "exact": n / 7, "count": n, "delta": -n, "ok": n % 3 == 0,
                "place": {"lat": 50.5, "name": "here"}, "tags": ["a", n],
            }
            for n in range(200)
        ],
    )  # fmt: skip
    types, rows = landed(draft(tmp_path / "mine", sample), sample)
    wanted = {
        "ts": "DateTime64(3, 'UTC')",
        "device_id": "UInt32",
        "region": "LowCardinality(String)",
        "temperature": "Nullable(Decimal(9, 2))",
        "exact": "Nullable(Float64)",
        "count": "Nullable(UInt16)",
        "delta": "Nullable(Int16)",
        "ok": "Nullable(Bool)",
        "place_lat": "Nullable(Decimal(9, 1))",
        "place_name": "LowCardinality(String)",
        "tags": "String",
    }
    assert {k: types[k] for k in wanted} == wanted
    first = next(r for r in rows if r["count"] == 3)
    assert (first["device_id"], first["temperature"], first["ok"]) == (43, 20.03, True)
    assert (first["ts"], first["tags"]) == ("2026-11-21 12:00:03.000", '["a",3]')


def test_it_is_ordered_by_what_rows_are_looked_up_by(tmp_path: Path) -> None:
    sample = lines(
        tmp_path / "orders.ndjson",
        [
            {"order_id": n, "customer_id": n % 9, "at": int(NOON.timestamp() * 1000) + n}
            for n in range(100)
        ],
    )
    project = draft(tmp_path / "mine", sample)
    assert project.relation("mine", "readings").clause("ORDER BY") == "(customer_id,at)"
    assert "order_id" not in project.relation("mine", "hourly").sql  # a sum of ids means nothing
    _, rows = landed(project, sample)
    assert {r["at"][:19] for r in rows} == {"2026-11-21 12:00:00"}  # milliseconds since 1970


def test_a_semicolon_table_with_names_for_people(tmp_path: Path) -> None:
    sample = tmp_path / "meters.csv"
    sample.write_text(
        "\ufeffDate;Meter;Power (W);order;doc;a b;a_b;on\n"
        "2006-12-16 17:24:00;m1;4.216;1;x;1;2;3\n"
        "2006-12-16 17:25:00;m2;;2;y;3;4;5\n",
        "utf-8",
    )
    project = draft(tmp_path / "mine", sample)
    types, rows = landed(project, sample)
    assert list(types)[:8] == [
        "date", "meter", "power_w", "order", "field_doc", "a_b", "a_b_2", "on",
    ]  # fmt: skip
    assert [r["power_w"] for r in rows] == [4.216, None]
    assert "INTERVAL 30 YEAR" in project.relation("mine", "raw_readings").sql
    assert project.source("mine", "readings_file").options["settings"] == {
        "format_csv_delimiter": ";"
    }


def test_one_object_says_little_so_its_types_are_wide(tmp_path: Path) -> None:
    sample = tmp_path / "event.json"
    event = {"id": 2**60 + 1, "when": "2026-11-21T12:00:00.5Z", "value": 1.5, "note": "hello"}
    sample.write_text(json.dumps(event, indent=2))
    types, rows = landed(draft(tmp_path / "mine", sample), sample)
    assert (types["id"], types["value"], types["note"]) == ("UInt64", "Nullable(Float64)", "String")
    assert int(rows[0]["id"]) == 2**60 + 1
    assert rows[0]["when"] == "2026-11-21 12:00:00.500"


def test_a_table_without_times_keeps_its_order(tmp_path: Path) -> None:
    sample = SAMPLES / "accelerometer.csv.gz"
    project = draft(tmp_path / "mine", sample)
    types, rows = landed(project, sample)
    order = "(sensor_configuration,rotation_speed_percentage,_ingested_at,_part,_pos)"
    assert project.relation("mine", "readings").clause("ORDER BY") == order
    assert types["x"] == "Nullable(Decimal(9, 3))"
    assert len(rows) == 3060
    assert abs(sum(r["x"] for r in rows) / 3060 - 1) < 0.02  # at rest it is 1 g


def test_what_does_not_fit_is_a_dead_letter_with_its_reason(tmp_path: Path) -> None:
    sample = lines(
        tmp_path / "s.ndjson",
        [{"id": n % 3, "ts": NOON.isoformat(), "v": n / 10, "on": True} for n in range(120)],
    )
    project = draft(tmp_path / "mine", sample)
    good = {"id": 1, "ts": NOON.isoformat(), "v": 1.0, "on": False}
    bad = {
        "id_missing": {**good, "id": None},
        "id_value: 1.5": {**good, "id": 1.5},
        "ts_missing": {k: v for k, v in good.items() if k != "ts"},
        "ts_unparsable: tomorrow": {**good, "ts": "tomorrow"},
        "ts_range: 1999-01-01T00:00:00Z": {**good, "ts": "1999-01-01T00:00:00Z"},
        "v_value: warm": {**good, "v": "warm"},
        "v_value: true": {**good, "v": True},
        "on_value: perhaps": {**good, "on": "perhaps"},
    }
    with Scratch() as engine:
        begin(engine)
        for statement in project.relation("mine", "raw_readings").statements:
            engine.execute(statement.sql)
        bronze = project.relation("mine", "raw_readings")
        whole = ["[1]", "{", ""]
        assert totality._insert(engine, bronze, [*map(json.dumps, bad.values()), *whole]) is None
        found = engine.rows("SELECT _error FROM raw_readings ORDER BY _pos")
    reasons = ["not_object: Array", "not_json", "empty"]
    assert [r["_error"] for r in found] == [*bad, *reasons]


@pytest.mark.parametrize(
    ("name", "text", "error", "says"),
    [
        ("s.parquet", "PAR1", UsageError, "is no text"),
        ("s.bin", "x", UsageError, "does not say what format"),
        ("s.json", '{"a":', BadInputError, "cannot be read"),
        ("s.csv", "a,b\n", BadInputError, "cannot be read"),
        ("s.ndjson", '{"it\'s": 1}\n', BadInputError, "cannot be a column's name"),
    ],
)
def test_a_sample_that_says_nothing(
    tmp_path: Path, name: str, text: str, error: type[Exception], says: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(error) as raised:
        look(tmp_path / name)
    assert says in raised.value.what


def penstock(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "penstock.cli", *words]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    assert penstock(tmp_path, "new", "mine").returncode == 0
    (tmp_path / "mine" / "README.md").write_text("my own words")
    again = penstock(tmp_path, "new", "mine")
    assert again.returncode == 2
    assert "there already" in again.stderr
    assert (tmp_path / "mine" / "README.md").read_text() == "my own words"


def test_a_project_from_the_examples_is_sound(tmp_path: Path) -> None:
    done = penstock(tmp_path, "new", "city", "--from", "homes")
    assert done.returncode == 0, done.stderr
    assert "next: cd city && penstock up" in done.stderr
    readme = (tmp_path / "city/homes/README.md").read_text()
    assert "From the root of the project:\n" in readme
    assert [word for word in ("--project", ".venv", "repository") if word in readme] == []
    found = json.loads(penstock(tmp_path / "city", "check", "--json").stdout)
    served = len(list((tmp_path / "city/homes/serve").glob("*.sql")))
    assert (found["ok"], found["endpoints"]) == (True, served)
    near = penstock(tmp_path, "new", "other", "--from", "hones")
    assert (near.returncode, "did you mean homes?" in near.stderr) == (2, True)


def test_each_command_says_what_comes_next_and_what_is_there(tmp_path: Path) -> None:
    penstock(tmp_path, "new", "mine")
    folder = tmp_path / "mine"
    lost = penstock(folder, "new", "gold", "readings")
    assert (lost.returncode, "known: none" in lost.stderr) == (2, True)
    sample = lines(folder / "s.ndjson", [{"id": 1, "ts": NOON.isoformat(), "v": 1}])
    made = penstock(folder, "new", "source", "--like", sample.name, "--name", "readings", "--json")
    assert json.loads(made.stdout) == {
        "written": [
            "mine/sources/readings.toml",
            "mine/bronze/raw_readings.sql",
            "mine/silver/readings.sql",
        ],
        "next": "penstock new gold readings",
    }
    again = penstock(folder, "new", "source", "--like", sample.name, "--name", "readings")
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    near = penstock(folder, "new", "gold", "reading")
    assert "did you mean 'readings'?" in near.stderr
    outside = penstock(folder, "new", "source", "--like", sample.name, "--domain", "../other")
    assert (outside.returncode, "cannot name a domain" in outside.stderr) == (2, True)
    assert penstock(folder, "new", "source", "--like", sample.name, "--name", "order").stdout
    assert (folder / "mine/silver/order_records.sql").is_file()
    assert penstock(folder, "check").returncode == 0
    bronze = penstock(folder, "new", "endpoint", "raw_readings")
    assert (bronze.returncode, "reads gold" in bronze.stderr) == (2, True)
    inside = penstock(folder, "new", "another")
    assert (inside.returncode, "is a project already" in inside.stderr) == (2, True)
