from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.project.conftest import Spoiled

RAW, READINGS = "meters/bronze/raw_meters.sql", "meters/silver/readings.sql"
HOURLY, SERVE = "meters/gold/hourly.sql", "meters/serve/hourly.sql"
WINDOW = "non_replicated_deduplication_window"

BROKEN = [
    # bronze: columns
    (RAW, "_part        UInt32", "_part        UInt16", "_part is UInt16", "_part UInt32"),
    (RAW, "    _key         String,\n", "", "'_key' is missing", "add: _key String"),
    (RAW, "_batch       UInt64", "_bach       UInt64", "'_bach' is no bronze column", "'_batch'"),
    (RAW, "_null        Bool", "_null Bool DEFAULT false", "the landing fills it", "_null Bool"),
    (RAW, "_null        Bool,", "_null        Bool, note String,", "nothing fills 'note'", ""),
    (RAW, "MATERIALIZED\n", "DEFAULT\n", "doc is to be MATERIALIZED", "JSONExtract"),
    (RAW, "_error LowCardinality(String)", "_error UInt8", "_error is UInt8", "''"),
    (RAW, "_error Low", "error Low", "'_error' is missing", "multiIf"),
    # bronze: clauses
    (RAW, "toDate(_ingested_at)\n", "toYYYYMM(_ingested_at)\n", "PARTITION BY is", "toDate("),
    (RAW, "(_source, _part, _pos)", "(_source, _pos)", "ORDER BY is", "_part"),
    (RAW, "TTL toDateTime(_ingested_at) + INTERVAL 7 DAY\n", "", "TTL is not set", "arrival"),
    (RAW, "TTL toDateTime(_ingested_at)", "TTL toDateTime(_sent_at)", "from _sent_at", "arrival"),
    (RAW, "INTERVAL 7 DAY", "INTERVAL _part DAY", "TTL counts from _ingested_at, _part", "arrival"),
    (RAW, "toDateTime(_ingested_at) +", "toMonday(_ingested_at) +", "not say plainly", "7 DAY"),
    (RAW, "fsync_after_insert = 1", "fsync_after_insert = 0", "fsync_after_insert", "= 1"),
    (RAW, "ENGINE = MergeTree", "ENGINE = ReplacingMergeTree", "append-only", "MergeTree"),
    # windows
    (RAW, f"{WINDOW} = 20000", f"{WINDOW} = 14399", "14399", "14400 = 4 inserts/s"),
    (RAW, f"{WINDOW} = 20000, ", "", "is not set", "14400"),
    (READINGS, f"{WINDOW} = 40000", f"{WINDOW} = 20000", "20000", "2 partitions"),
    (HOURLY, f"{WINDOW} = 40000, ", "", "is not set", "28800"),
    # partitions
    (READINGS, "toYYYYMM(ts)", "(region, toYYYYMM(ts))", "PARTITION BY region", "ORDER BY"),
    (READINGS, "toYYYYMM(ts)", "meter_id", "PARTITION BY meter_id", "month or day"),
    (READINGS, "toYYYYMM(ts)", "toStartOfHour(ts)", "toStartOfHour", "month or day"),
    (READINGS, "toYYYYMM(ts)", "(toYYYYMM(ts), meter_id % 8)", "8 buckets", "at most 4"),
    # former names
    (READINGS, "description:", "renames: {a: b}\ndescription:", "no column 'b'", "old_name"),
    (READINGS, "description:", "renames: a\ndescription:", "no mapping", "old_name"),
    (READINGS, "description:", "renames: {ts: meter_id}\ndescription:", "still there", "leave ts"),
    (READINGS, "description:", "renamed_from: readings\ndescription:", "name now", "former"),
    # ages
    (READINGS, "TTL toDateTime(_ingested_at)", "TTL toDateTime(ts)", "counts from ts", "arrival"),
    (READINGS, "INTERVAL 30 DAY", "INTERVAL 30 FORTNIGHT", "not say plainly", "7 DAY"),
    # what a retry would make differently
    (READINGS, "'' AS region", "toString(rand()) AS region", "rand() in view", "_ingested_at"),
    (READINGS, "meter_id UInt32", "meter_id UInt32 DEFAULT now()", "column meter_id", ""),
    (READINGS, "toYYYYMM(ts)", "toYYYYMM(now())", "now() in PARTITION BY", ""),
    (HOURLY, "toStartOfHour(ts) AS", "toStartOfHour(today()) AS", "today()", ""),
    (HOURLY, "countState()", "countState(generateUUIDv4())", "generateUUIDv4()", ""),
    (HOURLY, "countState()", "countState(rowNumberInAllBlocks())", "rowNumberInAllBlocks()", ""),
    (RAW, "_null, 'tombstone'", "now() > _ingested_at, 'late'", "column _error", ""),
    # dictionaries
    (HOURLY, "SELECT meter_id,", "SELECT dictGet('d', 'x', meter_id) AS meter_id,", "dictGet", ""),
    (READINGS, "ifNull(doc.meter_id, 0)", "dictGet('d', 'x', 1)", "dictGet", "in no key"),
    (READINGS, "_error = ''", "_error = '' AND dictHas('d', 1)", "dictHas", "in no key"),
    # 1:1
    (READINGS, " WHERE _error = ''", "", "without WHERE", "_error = ''"),
    (READINGS, "_error = ''", "_error = '' AND meter_id > 0", "_error='' AND", "1:1"),
    (READINGS, "_error = ''", "_error = '' LIMIT 5", "has LIMIT", "gold"),
    (READINGS, "SELECT assume", "SELECT DISTINCT assume", "DISTINCT", "1:1"),
    (READINGS, "FROM raw_meters", "FROM raw_meters ARRAY JOIN [1, 2] AS x", "ARRAY JOIN", "1:1"),
    (READINGS, "    _batch UInt64,\n", "", "'_batch' is missing", "_batch UInt64"),
    (READINGS, "AS power, _source, _batch,", "AS power, _source,", "not give '_batch'", "SELECT"),
    (READINGS, "ENGINE = MergeTree", "ENGINE = ReplacingMergeTree", "1:1 with bronze", "current"),
    # total
    (READINGS, "'' AS region", "throwIf(1) AS region", "throwIf()", "_error"),
    (READINGS, "EffortOrNull(doc.ts", "Effort(doc.ts", "parseDateTime64BestEffort()", "OrNull"),
    (READINGS, "doc.power AS", "accurateCast(doc.power, 'Float32') AS", "accurateCast()", "OrNull"),
    (READINGS, "doc.power AS", "intDiv(1, doc.meter_id) AS", "divides by zero", "intDivOrNull"),
    # joins, unions
    (HOURLY, "FROM readings", "FROM readings JOIN x ON 1", "joins", "where it is read"),
    (HOURLY, "GROUP BY", "WHERE meter_id IN (SELECT meter_id FROM raw_meters) GROUP BY", "and", ""),
    (HOURLY, "GROUP BY meter_id, hour", "UNION ALL SELECT 1", "UNION", "one SELECT"),
    # what reaches outside
    (HOURLY, "AggregatingMergeTree", "URL('http://x', 'CSV')", "engine URL is refused", "one of"),
    (HOURLY, "AggregatingMergeTree", "Executable('x', 'CSV')", "engine Executable is", ""),
    (HOURLY, "AggregatingMergeTree", "AggregatingMergTree", "AggregatingMergTree", "did you mean"),
    (HOURLY, "FROM readings", "FROM url('http://x', 'CSV')", "url() is refused", "sources/"),
    (SERVE, "SELECT *", "SELECT file('/x'), *", "file() is refused", ""),
    (SERVE, "SELECT *", "SELECT arrayMap(file, ['/x']), *", "file() is refused", ""),
    (SERVE, "SELECT *", "SELECT * APPLY(file)", "file() is refused", ""),
    (SERVE, "FROM hourly", "FROM merge('meters', '.*')", "merge() is refused", ""),
    (SERVE, "SELECT *", "SELECT aiClassify('x'), *", "aiClassify() is refused", ""),
    ("meters/sources/archive.sql", "toUInt32OrNull(meter)", "file('/x')", "file() is refused", ""),
]


@pytest.mark.parametrize(("file", "old", "new", "cause", "hint"), BROKEN)
def test_a_broken_rule_is_refused(  # noqa: PLR0917 - one row of the table
    meters: Spoiled, file: str, old: str, new: str, cause: str, hint: str
) -> None:
    problems = meters.edit(file, old, new).problems()
    hits = [p for p in problems if p.file == file and cause in p.cause and hint in p.hint]
    assert hits, [str(p) for p in problems]
    assert all(p.line > 0 and (p.hint or "=" in p.cause) for p in hits)


def test_the_sound_project_breaks_none(meters: Spoiled) -> None:
    assert meters.problems() == []


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (READINGS, "toYYYYMM(ts)", "toDate(ts)"),
        (READINGS, "toYYYYMM(ts)", "toDate(_ingested_at)"),
        (HOURLY, "PARTITION BY toYYYYMM(hour) ", ""),
        (HOURLY, "PARTITION BY toYYYYMM(hour)", "PARTITION BY tuple()"),
        (READINGS, "_error = ''", "(_error = '')"),
        (READINGS, "'' AS region", "dictGetOrDefault('d', 'x', 1, '') AS region"),
        (SERVE, "SELECT *", "SELECT rand() AS r, *"),
        (READINGS, "TTL toDateTime(_ingested_at) + INTERVAL 30 DAY\n", ""),
        (RAW, "_error LowCardinality(String)", "_error String"),
        (RAW, "toDateTime(_ingested_at) + INTERVAL 7 DAY", "toDate(_ingested_at) + 14"),
    ],
)
def test_what_is_allowed_stays_allowed(meters: Spoiled, file: str, old: str, new: str) -> None:
    problems = meters.edit(file, old, new).problems()
    assert [p for p in problems if "no relation 'd'" not in p.cause] == []


def test_the_window_follows_the_rate_and_the_header(meters: Spoiled) -> None:
    meters.edit("penstock.toml", 'title = "Meters"', "[landing]\ninserts_per_second = 5")
    assert meters.problems() == []
    meters.edit("penstock.toml", "inserts_per_second = 5", "inserts_per_second = 5.6")
    causes = {p.file: p.hint for p in meters.problems()}
    assert "20160 = 5.6 inserts/s" in causes[RAW]
    assert "40320" in causes[READINGS]
    meters.edit(READINGS, "description:", "partitions_per_insert: 1\ndescription:")
    assert READINGS not in {p.file for p in meters.problems()}


def test_buckets_multiply_the_window(meters: Spoiled) -> None:
    problem = meters.edit(READINGS, "toYYYYMM(ts)", "(toYYYYMM(ts), meter_id % 4)").only()
    assert re.search(r"at least 115200 = 4 inserts/s \* 3600 s \* 8 partitions", problem.hint)


def test_averages_may_not_be_added_up(meters: Spoiled) -> None:
    sql = (
        "CREATE TABLE daily (day Date, mean Float64, spread Float64, total Float64, "
        "state AggregateFunction(avg, Float64)) "
        "ENGINE = SummingMergeTree PARTITION BY toYYYYMM(day) ORDER BY day "
        f"SETTINGS {WINDOW} = 40000;\n"
        "CREATE MATERIALIZED VIEW daily_mv TO daily AS SELECT toDate(ts) AS day,\n"
        "avg(power) AS mean,\nsum(power) / count() AS spread,\nsum(power) * 60 / 1000 AS total,\n"
        "avgState(power) AS state FROM readings GROUP BY day"
    )
    problems = meters.write("meters/gold/daily.sql", sql).problems()
    assert [(p.line, p.cause.split(":")[0]) for p in problems] == [
        (3, "avg() in column mean"),
        (4, "a ratio of aggregates in column spread"),
    ]
    assert "State" in problems[0].hint


def test_a_second_view_on_bronze_is_refused(meters: Spoiled) -> None:
    text = (meters.root / READINGS).read_text("utf-8")
    meters.write("meters/silver/other.sql", text.replace("readings", "other"))
    assert any("is 1:1 with raw_meters already" in p.cause for p in meters.problems())


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("CLICKHOUSE(TABLE 'readings')", ""),
        ("EXECUTABLE(COMMAND 'id' FORMAT 'CSV')", "dictionary over EXECUTABLE"),
        ("HTTP(URL 'http://x' FORMAT 'CSV')", "dictionary over HTTP"),
        ("FILE(PATH '/x' FORMAT 'CSV')", "dictionary over FILE"),
        ("CLICKHOUSE(HOST 'x' TABLE 'readings')", "HOST in a dictionary's source"),
    ],
)
def test_dictionaries_are_local(meters: Spoiled, source: str, cause: str) -> None:
    sql = (
        "CREATE DICTIONARY places (meter_id UInt32, region String) PRIMARY KEY meter_id "
        f"SOURCE({source}) LAYOUT(FLAT()) LIFETIME(60)"
    )
    problems = meters.write("meters/silver/places.sql", sql).problems()
    assert [p.cause for p in problems if cause in p.cause] or not cause
    assert bool(problems) == bool(cause)
