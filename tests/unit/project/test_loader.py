from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import TYPE_CHECKING

import pytest

from penstock.errors import InvalidProjectError, UsageError
from penstock.project import load, read

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.project.conftest import Spoiled

RAW, READINGS = "meters/bronze/raw_meters.sql", "meters/silver/readings.sql"
HOURLY, SERVE = "meters/gold/hourly.sql", "meters/serve/hourly.sql"
HTTP, FILE = "meters/sources/readings.toml", "meters/sources/archive.toml"


def test_a_sound_project_is_loaded_whole(meters: Spoiled) -> None:
    project = load(meters.root, prefix="test_")
    assert (project.name, project.title) == ("meters", "Meters")
    assert [d.database for d in project.domains] == ["test_meters"]
    assert [r.name for r in project.relations()] == ["raw_meters", "readings", "hourly"]
    raw, readings, hourly = project.relations()
    assert project.first_silver(raw) == readings
    assert project.first_silver(hourly) is None
    assert project.downstream(raw) == (readings, hourly)
    assert [s.kind for s in readings.statements] == ["table", "materialized_view"]
    view = readings.views[0]
    assert (view.name, view.target, view.reads) == ("readings_mv", "readings", ("raw_meters",))
    assert view.line == meters.line(READINGS, "MATERIALIZED VIEW")
    assert view.sql.startswith("CREATE MATERIALIZED")
    assert view.sql.endswith("_error = ''")
    assert readings.ttl == "toDateTime(_ingested_at)+INTERVAL 30 DAY"
    assert readings.header.description == "One row a good reading."


def test_endpoints_have_typed_parameters(meters: Spoiled) -> None:
    endpoint = meters.load().endpoint("meters", "hourly")
    assert [(p.name, p.type, p.default, p.description) for p in endpoint.params] == [
        ("meter_id", "UInt32", "7", "Which meter."),
        ("hours", "UInt16", "24", "How far back."),
    ]
    assert endpoint.reads == ("hourly",)
    assert endpoint.header.text("cache") == "60s"


def test_a_file_source_lands_where_its_http_source_does(meters: Spoiled) -> None:
    source = meters.load().source("meters", "archive")
    assert source.into == "raw_meters"
    assert source.using == meters.root.resolve() / "meters/sources/archive.sql"
    assert source.options["settings"] == {"format_csv_delimiter": ";"}


def test_objects_are_frozen(meters: Spoiled) -> None:
    project = meters.load()
    with pytest.raises(FrozenInstanceError):
        project.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        project.endpoints()[0].header.values["cache"] = "1s"  # type: ignore[index]


def test_an_unknown_name_is_answered_with_the_nearest(meters: Spoiled) -> None:
    with pytest.raises(UsageError, match="did you mean 'readings'"):
        meters.load().relation("meters", "reading")


def test_the_shipped_examples_are_sound(request: pytest.FixtureRequest) -> None:
    project, problems = read(request.config.rootpath / "examples")
    assert problems == []
    assert "homes" in [d.name for d in project.domains]


def test_no_project_says_where_one_is(tmp_path: Path) -> None:
    (tmp_path / "city").mkdir()
    (tmp_path / "city" / "penstock.toml").write_text('name = "city"', "utf-8")
    with pytest.raises(InvalidProjectError, match="there is one in city/"):
        load(tmp_path)


SLIPS = [
    ("penstock.toml", 'title = "Meters"', 'titel = "Meters"', "'titel'", "'title'"),
    ("penstock.toml", 'name = "meters"', 'name = "My Meters"', "'My Meters'", "my_meters"),
    ("penstock.toml", 'title = "Meters"', "title = ", "not TOML", ""),
    ("penstock.toml", 'title = "Meters"', "[platform]\nprot = 1", "'prot' in [platform]", "'port'"),
    ("penstock.toml", 'title = "Meters"', "[engine]\nengine_port = 1", "'engine'", "platform"),
    ("penstock.toml", 'title = "Meters"', "platform = 3", "a table is meant", ""),
    ("penstock.toml", 'title = "Meters"', '[platform]\nport = "abc"', "is no port", "8000"),
    ("penstock.toml", 'title = "Meters"', "[platform]\nport = 99999", "is no port", "8000"),
    ("penstock.toml", 'title = "Meters"', "[platform]\ndata = true", "is no str", ".data"),
    ("penstock.toml", 'title = "Meters"', "[platform]\nmax_body = 'many'", "no size", "16mb"),
    ("penstock.toml", 'title = "Meters"', "[landing]\ninserts_per_second = -1", "-1", "such as"),
    (HTTP, 'kind = "http"', 'kind = "htp"', "unknown kind 'htp'", "'http'"),
    (HTTP, 'into = "raw_meters"', 'into = "raw_meter"', "no such relation", "'raw_meters'"),
    (HTTP, 'into = "raw_meters"', 'into = "hourly"', "a relation of gold", "raw_meters"),
    (HTTP, 'kind = "http"', 'kind = "s3"', "'s3' are not there yet", "now: http, kafka, file"),
    (HTTP, 'kind = "http"', 'kind = "kafka"', "needs 'topic'", "add: topic"),
    (HTTP, "description", "descripton", "'descripton'", "'description'"),
    (HTTP, "description =", 'max_body = "1mb"  #', "unknown key 'max_body'", "known: description"),
    (FILE, 'via = "readings"', 'via = "reading"', "no such source of kind http", "'readings'"),
    (FILE, "CSVWithNames", "CSVWithName", "not a format", ""),
    (FILE, 'path = "data/*.csv"', "", "needs 'path'", "add: path"),
    (FILE, '"archive.sql"', '"archiv.sql"', "there is no 'archiv.sql'", "'archive.sql'"),
    ("meters/sources/archive.sql", "FROM input", "FROM inptu", "reads FROM input", "input holds"),
    (READINGS, "description: One", "descripton: One", "'descripton'", "'description'"),
    (READINGS, "description: One", "description: a: b", "not YAML", "quote"),
    (READINGS, "MATERIALIZED VIEW readings_mv", "MATERIALIZED VIEW mv", "'mv'", "readings_mv"),
    (READINGS, "TO readings AS", "TO hourly AS", "another file's table", "TO readings"),
    (READINGS, "TO readings AS", "AS", "without TO", "TO <table>"),
    (READINGS, "readings_mv TO", "readings_mv REFRESH EVERY 1 HOUR TO", "REFRESH", "inserts"),
    (READINGS, "CREATE TABLE readings", "CREATE TABLE reading", "creates 'reading'", "readings"),
    (READINGS, "CREATE TABLE", "CREATE OR REPLACE TABLE", "would drop", "apply"),
    (READINGS, "FROM raw_meters", "FROM raw_metres", "no relation 'raw_metres'", "'raw_meters'"),
    (READINGS, "CREATE TABLE readings", "CREATE TABLE meters.readings", "its database", "readings"),
    (HOURLY, "FROM readings", "FROM meters.readings", "its database", "write readings"),
    (HOURLY, "FROM readings", "FROM readings_mv", "view that fills 'readings'", "read readings"),
    (HOURLY, "FROM readings", "FROM raw_meters", "'raw_meters' is bronze", "reason"),
    (HOURLY, "FROM readings", "FROM hourly", "reads itself", ""),
    (SERVE, "FROM hourly", "FROM houly", "no relation 'houly'", "'hourly'"),
    (SERVE, "FROM hourly", "FROM readings", "'readings' is silver", "reason"),
    (SERVE, "FROM hourly", "FROM raw_meters", "not bronze", "gold"),
    (SERVE, "defaults: {meter_id: 7", "defaults: {meter: 7", "'meter', no parameter", "'meter_id'"),
    (SERVE, "cache: 60s", "cache: soon", "no length of time", "60s"),
    (SERVE, "{hours:UInt16}", "{meter_id:UInt16}", "UInt32 above and UInt16 here", "one type"),
    (SERVE, "ORDER BY hour", "ORDER BY hour FORMAT JSON", "FORMAT is not for", "hourly.csv"),
    (SERVE, "ORDER BY hour", "ORDER BY hour; SELECT 1", "here a second starts", ""),
    (SERVE, "WITH now()", "DROP TABLE x, WITH now()", "starts with 'DROP'", ""),
    (SERVE, "cache: 60s\n*/", "cache: 60s\n", "comment is opened here", "close"),
]


@pytest.mark.parametrize(("file", "old", "new", "cause", "hint"), SLIPS)
def test_a_slip_is_named_with_its_place(  # noqa: PLR0917 - one row of the table
    meters: Spoiled, file: str, old: str, new: str, cause: str, hint: str
) -> None:
    problems = meters.edit(file, old, new).problems()
    hits = [p for p in problems if p.file == file and cause in p.cause and hint in p.hint]
    assert hits, [str(p) for p in problems]


@pytest.mark.parametrize(
    ("file", "text", "at"),
    [
        (READINGS, "FROM raw_metres", "FROM raw_metres"),
        (HTTP, 'into = "raw_metres"', "into"),
        (SERVE, "FROM houly", "FROM houly"),
        ("penstock.toml", "[platform]\nprefix = ''\nport = 'abc'", "port"),
    ],
)
def test_lines_are_those_of_the_file(meters: Spoiled, file: str, text: str, at: str) -> None:
    old = {
        READINGS: "FROM raw_meters",
        HTTP: 'into = "raw_meters"',
        SERVE: "FROM hourly",
        "penstock.toml": 'title = "Meters"',
    }[file]
    problems = meters.edit(file, old, text).problems()
    assert meters.line(file, at) in [p.line for p in problems if p.file == file]


def test_every_mistake_is_found_in_one_run(meters: Spoiled) -> None:
    meters.edit("penstock.toml", "title", "titel")
    meters.edit(HTTP, "description", "descripton")
    meters.edit(READINGS, "FROM raw_meters", "FROM raw_metres")
    meters.edit(SERVE, "FROM hourly", "FROM houly")
    with pytest.raises(InvalidProjectError) as caught:
        meters.load()
    files = {p.file for p in caught.value.problems}
    assert files == {"penstock.toml", HTTP, READINGS, SERVE}
    assert caught.value.problems == sorted(caught.value.problems)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    ("file", "cause"),
    [
        ("meters/silver/Bad-Name.sql", "is not a name"),
        ("meters/silver/x_mv.sql", "ends like a name"),
        ("meters/silver/notes.txt", "holds .sql files"),
        ("meters/silver/deep/x.sql", "is flat"),
        ("meters/silvr/x.sql", "unknown folder 'silvr'"),
        ("meters/gold/readings.sql", "has a relation 'readings' already"),
        ("meters/sources/loose.sql", "no source uses"),
        ("System/bronze/x.sql", "cannot name a domain"),
        ("system/bronze/x.sql", "ClickHouse's own"),
        ("meters/gold/empty.sql", "creates nothing"),
    ],
)
def test_files_that_do_not_belong_are_named(meters: Spoiled, file: str, cause: str) -> None:
    name = file.rsplit("/", 1)[1].removesuffix(".sql")
    text = "" if name == "empty" else f"CREATE VIEW {name} AS SELECT 1"
    problems = meters.write(file, text).problems()
    assert any(cause in p.cause for p in problems), [str(p) for p in problems]


def test_relations_in_a_circle_are_named(meters: Spoiled) -> None:
    meters.write("meters/gold/a.sql", "CREATE VIEW a AS SELECT * FROM b")
    meters.write("meters/gold/b.sql", "CREATE VIEW b AS SELECT * FROM a")
    assert "circle: a → b → a" in meters.only().cause or "b → a → b" in meters.only().cause


def test_gold_may_read_gold_and_comes_after_it(meters: Spoiled) -> None:
    meters.write("meters/gold/a_day.sql", "CREATE VIEW a_day AS SELECT * FROM hourly")
    names = [r.name for r in meters.load().relations()]
    assert names.index("a_day") > names.index("hourly")


def test_silver_behind_an_endpoint_needs_a_reason(meters: Spoiled) -> None:
    meters.write(
        "meters/serve/raw.sql", "/* reason: single readings */ SELECT ts FROM readings LIMIT 5"
    )
    assert meters.problems() == []


def test_a_plain_comment_is_the_description(meters: Spoiled) -> None:
    meters.write("meters/gold/v.sql", "/* What it is. */ CREATE VIEW v AS SELECT * FROM hourly")
    assert meters.load().relation("meters", "v").header.description == "What it is."
