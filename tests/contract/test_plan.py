"""Plan and apply on the real engine: what differs, in which words, and that no value is lost."""

from __future__ import annotations

import itertools
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.contract.projects import Changing

from penstock.engine.datadir import Ownership
from penstock.errors import DataDirTakenError, InvalidProjectError, RefusedChangeError
from penstock.layers.apply import Terms, apply
from penstock.layers.plan import make
from penstock.layers.states import Consent, live
from penstock.store.journal import Applied

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.contract.conftest import Front

    from penstock.layers.steps import Step

_names = (f"plan_{n}" for n in itertools.count())

EVENTS = (
    "CREATE TABLE events (id UInt32, at DateTime('UTC'), n UInt8) ENGINE = MergeTree ORDER BY id"
)
READINGS = """/*
description: Typed.
*/
CREATE TABLE readings
(
    id UInt32,
    at DateTime('UTC'),
    n UInt8 COMMENT 'how many',
    kind Enum8('a' = 1),
    price Decimal(9, 2),
    _batch UInt64 MATERIALIZED 1,
    body String CODEC(ZSTD(3))
)
ENGINE = MergeTree ORDER BY id
SETTINGS non_replicated_deduplication_window = 100;
"""
VIEW = """
CREATE MATERIALIZED VIEW readings_mv TO readings AS
SELECT id, at, n, 'a' AS kind, n / 4 AS price, toString(id) AS body FROM events;
"""
HOURLY = """
CREATE TABLE hourly (hour DateTime('UTC'), rows UInt64) ENGINE = SummingMergeTree ORDER BY hour;
CREATE MATERIALIZED VIEW hourly_mv TO hourly AS
SELECT toStartOfHour(at) AS hour, count() AS rows FROM readings GROUP BY hour;
"""
ROWS = "SELECT number, toDateTime(number * 60, 'UTC'), number % 200"
FILL = f"INSERT INTO events {ROWS} FROM numbers(1000)"
ALL = "SELECT id, at, n, kind, price, body FROM readings ORDER BY id"
VALUES = """
SELECT id, toUnixTimestamp64Milli(toDateTime64(at, 3)) AS at, toUInt64(n) AS n,
       toString(kind) AS kind, toFloat64(price) AS price, toString(body) AS body
FROM readings ORDER BY id
"""


@pytest.fixture
def mine(engine: Front, tmp_path: Path) -> Iterator[Changing]:
    """An empty project with a database of its own."""
    changing = Changing(tmp_path / "project", next(_names), engine.client())
    yield changing
    changing.close()


@pytest.fixture
def filled(mine: Changing) -> Changing:
    """Events, readings and their hours, with 1,000 rows."""
    mine.write("bronze/events", EVENTS)
    mine.write("silver/readings", READINGS + VIEW)
    mine.write("gold/hourly", HOURLY)
    mine.arrive()
    mine.do(FILL)
    return mine


def edit(mine: Changing, file: str, old: str, new: str) -> None:
    path = mine.root / mine.domain / f"{file}.sql"
    text = path.read_text()
    assert old in text, f"{old!r} is not in {file}"
    path.write_text(text.replace(old, new))


def test_sixty_documented_statements_round_trip(mine: Changing) -> None:
    """A second plan is empty, by memory, by a draft, and seen from an engine that reloads."""
    assert mine.write_all("documented") >= 60
    assert {step.kind for step in mine.plan().steps} == {"create"}
    mine.arrive()
    forgotten = make(mine.project(), live(mine.client, mine.project()), Applied(), Consent())
    assert forgotten.steps == ()
    assert len(forgotten.unchanged) >= 60


SAFE = {
    "an integer gets wider": ("n UInt8", "n UInt32", "metadata"),
    "an integer becomes signed and wider": ("n UInt8", "n Int16", "metadata"),
    "NULL is allowed": ("n UInt8", "n Nullable(UInt8)", "metadata"),
    "an enum gets a name": ("Enum8('a' = 1)", "Enum8('a' = 1, 'b' = 2)", "metadata"),
    "an enum gets room": ("Enum8('a' = 1)", "Enum16('a' = 1, 'b' = 1000)", "metadata"),
    "a decimal gets digits": ("price Decimal(9, 2)", "price Decimal(18, 4)", "metadata"),
    "a text is kept once": ("body String", "body LowCardinality(String)", "metadata"),
    "a moment gets digits": ("at DateTime('UTC')", "at DateTime64(3, 'UTC')", "metadata"),
    "a comment": ("COMMENT 'how many'", "COMMENT 'it''s how many'", "metadata"),
    "no comment": ("n UInt8 COMMENT 'how many'", "n UInt8", "metadata"),
    "a codec": ("CODEC(ZSTD(3))", "CODEC(ZSTD(9))", "forward-only"),
    "no codec": (" CODEC(ZSTD(3))", "", "forward-only"),
    "a default": ("body String", "body String DEFAULT 'x'", "forward-only"),
    "a column's TTL": (
        "CODEC(ZSTD(3))",
        "CODEC(ZSTD(3)) TTL at + INTERVAL 200 YEAR",
        "forward-only",
    ),
    "a column": ("price Decimal", "hum Float32, price Decimal", "metadata"),
    "a column first": ("    id UInt32", "    hum Float32, id UInt32", "metadata"),
    "a column with a default": (
        "price Decimal",
        "m UInt8 DEFAULT n + 1, price Decimal",
        "forward-only",
    ),
    "a computed column": (
        "price Decimal",
        "m String MATERIALIZED upper(body), price Decimal",
        "forward-only",
    ),
    "an alias": ("price Decimal", "m UInt64 ALIAS id + n, price Decimal", "metadata"),
    "another order": (
        "    id UInt32,\n    at DateTime('UTC'),",
        "    at DateTime('UTC'),\n    id UInt32,",
        "metadata",
    ),
    "an index": (
        "CODEC(ZSTD(3))\n",
        "CODEC(ZSTD(3)),\n    INDEX i at TYPE minmax\n",
        "forward-only",
    ),
    "a projection": (
        "CODEC(ZSTD(3))\n",
        "CODEC(ZSTD(3)), PROJECTION p (SELECT kind, count() GROUP BY kind)\n",
        "forward-only",
    ),
    "a constraint": (
        "CODEC(ZSTD(3))\n",
        "CODEC(ZSTD(3)), CONSTRAINT c CHECK id < 5000\n",
        "forward-only",
    ),
    "a setting": ("window = 100", "window = 200", "metadata"),
    "one more setting": ("window = 100", "window = 100, ttl_only_drop_parts = 1", "metadata"),
    "no setting": ("SETTINGS non_replicated_deduplication_window = 100", "", "metadata"),
    "a TTL": ("ORDER BY id\n", "ORDER BY id TTL at + INTERVAL 200 YEAR\n", "forward-only"),
    "a table's comment": ("window = 100", "window = 100 COMMENT 'typed'", "metadata"),
    "a sample": ("ORDER BY id\n", "ORDER BY id SAMPLE BY id\n", "metadata"),
}


def _tables(mine: Changing, changes: dict[str, tuple[str, str, str]], rows: int) -> None:
    """A table like `readings` for each change, `t0` on, each with the same rows."""
    for number in range(len(changes)):
        mine.write(f"silver/t{number}", READINGS.replace("TABLE readings", f"TABLE t{number}"))
    mine.arrive()
    for number in range(len(changes) if rows else 0):
        more = f"'a', number / 4, toString(number) FROM numbers({rows})"
        mine.do(f"INSERT INTO t{number} {ROWS}, {more}")


def _edit_all(mine: Changing, changes: dict[str, tuple[str, str, str]]) -> None:
    for number, (old, new, _) in enumerate(changes.values()):
        edit(mine, f"silver/t{number}", old, new)


def test_each_change_in_place_keeps_every_value(mine: Changing) -> None:
    _tables(mine, SAFE, 1000)
    tables = [f"t{number}" for number in range(len(SAFE))]
    before = [mine.rows(VALUES.replace("readings", table)) for table in tables]
    assert len(before[0]) == 1000
    _edit_all(mine, SAFE)
    steps = mine.arrive()
    for table, (what, (_, _, label)) in zip(tables, SAFE.items(), strict=True):
        labels = [s.label for s in steps if s.relation == f"{mine.domain}.{table}"]
        assert labels == [label], what
    after = [mine.rows(VALUES.replace("readings", table)) for table in tables]
    for what, one, other in zip(SAFE, before, after, strict=True):
        assert one == other, what


REFUSED = {
    "narrower": ("n UInt8", "n Enum8('a' = 1)", "not every stored value"),
    "unsigned to the same width": ("n UInt8", "n Int8", "not every stored value"),
    "fewer digits": ("Decimal(9, 2)", "Decimal(9, 4)", "not every stored value"),
    "another name": ("Enum8('a' = 1)", "Enum8('b' = 1)", "not every stored value"),
    "a key column": ("id UInt32", "id UInt64", "the engine refuses it: ALTER of key column id"),
    "a stored column becomes an alias": ("n UInt8", "n UInt8 ALIAS 1", "1,000 values would go"),
    "another order": ("ORDER BY id", "ORDER BY (at, id)", "ORDER BY from id to at, id"),
    "a partition": (
        "ORDER BY id",
        "PARTITION BY toDate(at) ORDER BY id",
        "PARTITION BY from nothing",
    ),
    "an engine": ("MergeTree ORDER", "ReplacingMergeTree ORDER", "ENGINE from MergeTree"),
    "a fixed setting": ("window = 100", "window = 100, index_granularity = 64", "readonly"),
    "a column less": ("    price Decimal(9, 2),\n", "", "with its 1,000 values"),
}


def test_what_could_lose_a_value_is_refused_with_its_reason(mine: Changing) -> None:
    _tables(mine, REFUSED, 1000)
    before = [mine.rows(f"SELECT * FROM t{n} ORDER BY id") for n in range(len(REFUSED))]
    _edit_all(mine, REFUSED)
    steps = {s.relation.partition(".")[2]: s for s in mine.plan().steps}
    for number, (what, (_, _, reason)) in enumerate(REFUSED.items()):
        step = steps[f"t{number}"]
        assert (step.label, step.sql) == ("refused", ()), what
        assert reason in step.words, what
        assert step.ways, what
    with pytest.raises(RefusedChangeError, match="nothing was applied"):
        mine.apply()
    assert [mine.rows(f"SELECT * FROM t{n} ORDER BY id") for n in range(len(REFUSED))] == before


def test_the_same_changes_of_an_empty_table_are_made(mine: Changing) -> None:
    _tables(mine, REFUSED, 0)
    _edit_all(mine, REFUSED)
    mine.arrive()


def test_a_longer_sorting_key_with_a_new_column(filled: Changing) -> None:
    before = filled.rows(ALL)
    edit(filled, "silver/readings", "body String", "unit UInt8, body String")
    edit(filled, "silver/readings", "ORDER BY id", "PRIMARY KEY id ORDER BY (id, unit)")
    (step,) = filled.arrive()
    assert "MODIFY ORDER BY" in step.sql[0]
    assert filled.rows(ALL) == before
    edit(filled, "silver/readings", "PRIMARY KEY id ORDER BY (id, unit)", "ORDER BY (id, unit)")
    assert "PRIMARY KEY (id)" in filled.step().ways


def test_a_named_tuple_gets_an_element(mine: Changing) -> None:
    doc = "Tuple(a UInt8, b String)"
    table = (
        f"CREATE TABLE t (id UInt8, raw String, doc {doc} MATERIALIZED JSONExtract(raw, '{doc}'))"
    )
    table += " ENGINE = MergeTree ORDER BY id"
    mine.write("silver/t", table)
    mine.arrive()
    mine.do('INSERT INTO t VALUES (1, \'{"a": 7, "b": "x", "c": 1.5}\')')
    mine.write("silver/t", table.replace("b String)", "b String, c Nullable(Float32))"))
    (step,) = mine.arrive()
    assert (step.label, step.rows) == ("forward-only", 1)
    mine.do('INSERT INTO t VALUES (2, \'{"a": 8, "b": "y", "c": 2.5}\')')
    docs = [row["doc"] for row in mine.rows("SELECT doc FROM t ORDER BY id")]
    assert docs == [{"a": 7, "b": "x", "c": None}, {"a": 8, "b": "y", "c": 2.5}]


def test_a_step_says_what_it_touches_and_who_reads_it(filled: Changing) -> None:
    filled.write("serve/by_hour", "SELECT count() AS n FROM hourly")
    filled.write("serve/newest", "/*\nreason: one row\n*/\nSELECT max(at) AS at FROM readings")
    edit(filled, "silver/readings", "n UInt8", "n UInt32")
    step = filled.step()
    assert step.rows == 1000
    assert 0 < step.bytes < 100_000
    assert step.readers.relations == (f"{filled.domain}/hourly",)
    assert step.readers.endpoints == (f"{filled.domain}/newest",)
    assert step.words.startswith(
        f"changes column n of {filled.domain}.readings: its type from UInt8"
    )


def test_a_column_goes_only_by_name(filled: Changing) -> None:
    edit(filled, "silver/readings", "    price Decimal(9, 2),\n", "")
    edit(filled, "silver/readings", "n / 4 AS price, ", "")
    with pytest.raises(RefusedChangeError, match="1,000 values") as refused:
        filled.apply()
    assert f"--drop {filled.domain}.readings.price" in refused.value.next_step
    steps = filled.arrive(drop=frozenset({"readings.price"}))
    assert [s.kind for s in steps] == ["alter", "drop column"]  # the view lets go of it first
    assert "price" not in filled.rows("SELECT * FROM readings LIMIT 1")[0]


def test_columns_are_renamed_by_their_hint(filled: Changing) -> None:
    """A table and all that reads it; the values stay, and new rows flow."""
    before = filled.rows("SELECT id, n FROM readings ORDER BY id")
    edit(filled, "silver/readings", "description: Typed.", "renames: {n: amount}")
    edit(filled, "silver/readings", "    n UInt8", "    amount UInt8")
    edit(filled, "silver/readings", "at, n, 'a'", "at, n AS amount, 'a'")
    edit(filled, "gold/hourly", "count() AS rows", "countIf(amount >= 0) AS rows")
    steps = filled.arrive()
    assert [(s.kind, s.label) for s in steps] == [
        ("rename", "metadata"), ("alter", "forward-only"), ("alter", "forward-only")
    ]  # fmt: skip
    assert filled.rows("SELECT id, amount AS n FROM readings ORDER BY id") == before
    filled.do(FILL)
    assert filled.rows("SELECT count() AS n, sum(amount) > 0 AS some FROM readings")[0]["n"] == 2000
    assert filled.rows("SELECT sum(rows) AS n FROM hourly") == [{"n": 2000}]


def test_a_relation_is_renamed_by_its_hint(filled: Changing) -> None:
    """With its view, and what reads it; without the hint it is a new one and an old one."""
    before = filled.rows(ALL)
    text = (filled.root / filled.domain / "silver/readings.sql").read_text()
    filled.remove("silver/readings")
    edit(filled, "gold/hourly", "FROM readings", "FROM measured")
    moved = text.replace("TABLE readings", "TABLE measured").replace(
        "readings_mv TO readings", "measured_mv TO measured"
    )
    filled.write("silver/measured", moved)
    refused = [s.words for s in filled.plan().steps if s.label == "refused"]
    assert any("its file is gone" in words for words in refused)
    assert any("batches are counted in it as they land" in words for words in refused)
    filled.write("silver/measured", moved.replace("description: Typed.", "renamed_from: readings"))
    steps = filled.arrive()
    assert steps[0].words.startswith(
        f"renames {filled.domain}.readings to {filled.domain}.measured"
    )
    assert filled.rows(ALL.replace("FROM readings", "FROM measured")) == before
    filled.do(FILL)
    assert filled.rows("SELECT count() AS n FROM measured") == [{"n": 2000}]
    assert filled.rows("SELECT sum(rows) AS n FROM hourly") == [{"n": 2000}]
    assert filled.rows("SHOW TABLES LIKE 'readings%'") == []


def test_a_relation_goes_only_by_name(filled: Changing) -> None:
    filled.remove("gold/hourly")
    step = filled.step()
    assert (step.label, step.rows) == ("refused", 17)
    assert f"--drop {filled.domain}.hourly" in step.ways
    filled.arrive(drop=frozenset({f"{filled.domain}.hourly"}))
    filled.do(FILL)
    assert filled.rows("SELECT count() AS n FROM readings") == [{"n": 2000}]


def test_a_views_query_changes_for_rows_from_now_on(filled: Changing) -> None:
    edit(filled, "gold/hourly", "count() AS rows", "count() * 10 AS rows")
    step = filled.step()
    assert (step.label, step.kind) == ("forward-only", "alter")
    filled.arrive()
    filled.do(FILL)
    assert filled.rows("SELECT sum(rows) AS n FROM hourly") == [{"n": 11_000}]


BACKFILLS = {
    "a new gold": ("gold/daily", "", HOURLY.replace("hourly", "daily")),
    "another key": ("gold/hourly", "ORDER BY hour", "ORDER BY (hour, rows)"),
    "another column": ("gold/hourly", "rows UInt64)", "rows UInt64, first DateTime('UTC'))"),
    "a narrower column": ("gold/hourly", "rows UInt64", "rows UInt16"),
}


@pytest.mark.parametrize("what", BACKFILLS)
def test_what_stored_rows_have_to_be_computed_for_is_a_backfill(
    filled: Changing, what: str
) -> None:
    file, old, new = BACKFILLS[what]
    if not old:
        filled.write(file, new)
    else:
        edit(filled, file, old, new)
    if what == "another column":
        edit(filled, file, "count() AS rows", "count() AS rows, min(at) AS first")
    step = filled.step()
    assert (step.label, step.kind, step.rows) == ("backfill", "backfill", 1000)
    with pytest.raises(RefusedChangeError, match="a backfill is needed"):
        filled.apply()  # nobody is there who carries one out
    taken: list[str] = []

    def fill(step: object, _consent: object) -> None:
        """What the backfill leaves behind, in one go."""
        name = file.split("/")[1]
        taken.append(str(step))
        filled.do(f"DROP TABLE IF EXISTS {name}_mv", f"DROP TABLE IF EXISTS {name}")
        relation = filled.project().relation(filled.domain, name)
        filled.do(*(s.sql for s in relation.statements))

    apply(filled.project(), filled.client, filled.journal, Terms(backfill=fill))
    assert len(taken) == 1
    assert not filled.plan().steps


NEWEST = """
CREATE TABLE newest (id UInt32, n {n}) ENGINE = {engine} ORDER BY id;
CREATE MATERIALIZED VIEW newest_mv TO newest AS SELECT id, n FROM readings;
"""
ALL_HOURS = """
CREATE TABLE all_hours (hour DateTime('UTC'), rows UInt64) ENGINE = SummingMergeTree ORDER BY hour;
CREATE MATERIALIZED VIEW all_hours_mv TO all_hours AS SELECT hour, rows FROM hourly;
"""
ANY_LAST = NEWEST.format(n="SimpleAggregateFunction(anyLast, UInt8)", engine="AggregatingMergeTree")
OBSTACLES = {
    "no cut": ("all_hours", ALL_HOURS, "hourly has no column _batch"),
    "the last one wins": (
        "newest",
        NEWEST.format(n="UInt8", engine="ReplacingMergeTree"),
        "ReplacingMergeTree without a version",
    ),
    "any one": ("newest", ANY_LAST, "column n is"),
}


@pytest.mark.parametrize("what", OBSTACLES)
def test_what_cannot_be_filled_anew_is_refused_with_its_reason(filled: Changing, what: str) -> None:
    name, text, why = OBSTACLES[what]
    filled.write(f"gold/{name}", text)
    step = filled.step()
    assert step.label == "refused"
    assert why in step.words
    assert f"--forward-only {filled.domain}.{name}" in step.ways


def test_a_new_gold_without_a_backfill_takes_rows_from_now_on(filled: Changing) -> None:
    filled.write("gold/daily", HOURLY.replace("hourly", "daily"))
    filled.arrive(forward_only=frozenset({"daily"}))
    filled.do(FILL)
    assert filled.rows("SELECT sum(rows) AS n FROM daily") == [{"n": 1000}]


def test_drift_is_shown_with_both_sides_and_what_becomes_of_it(filled: Changing) -> None:
    query = "SELECT toStartOfHour(at) AS hour, toUInt64(7) AS rows FROM readings"
    filled.do(
        "ALTER TABLE readings ADD COLUMN by_hand UInt8, "
        "MODIFY SETTING max_suspicious_broken_parts = 7",
        "CREATE TABLE notes (a UInt8) ENGINE = MergeTree ORDER BY a",
        f"ALTER TABLE hourly_mv MODIFY QUERY {query}",
    )
    found = {
        d.name.split(".")[1]: d for d in filled.plan(drop=frozenset({"readings.by_hand"})).drift
    }
    assert set(found) == {"readings", "notes", "hourly_mv"}
    assert "column by_hand was added: `by_hand` UInt8" in found["readings"].words
    assert "max_suspicious_broken_parts" in found["readings"].now
    assert "max_suspicious_broken_parts" not in found["readings"].applied
    assert found["readings"].overwritten
    assert found["hourly_mv"].overwritten
    assert not found["notes"].overwritten
    terms = Terms(Consent(frozenset({"readings.by_hand"})), unasked=True)
    with pytest.raises(RefusedChangeError, match="differ from what is stored"):
        apply(filled.project(), filled.client, filled.journal, terms)
    filled.apply(drop=frozenset({"readings.by_hand"}))
    again = filled.plan()
    assert not again.steps
    assert [d.name for d in again.drift] == [f"{filled.domain}.notes"]


def test_drift_that_the_files_say_too_is_no_change(filled: Changing) -> None:
    filled.do("ALTER TABLE readings ADD COLUMN hum Float32 AFTER n")
    edit(filled, "silver/readings", "kind Enum8", "hum Float32, kind Enum8")
    plan = filled.plan()
    assert not plan.steps
    assert [d.overwritten for d in plan.drift] == [False]
    filled.arrive()


def test_up_applies_what_needs_nobodys_consent(filled: Changing) -> None:
    edit(filled, "silver/readings", "price Decimal", "hum Float32, price Decimal")
    filled.write("gold/v", "CREATE VIEW v AS SELECT max(rows) AS most FROM hourly")
    apply(filled.project(), filled.client, filled.journal, Terms(unasked=True))
    assert not filled.plan().steps
    edit(filled, "gold/hourly", "count() AS rows", "count() * 2 AS rows")
    with pytest.raises(RefusedChangeError, match="penstock apply"):
        apply(filled.project(), filled.client, filled.journal, Terms(unasked=True))


def test_a_plan_that_was_shown_is_the_one_that_is_applied(filled: Changing) -> None:
    edit(filled, "silver/readings", "price Decimal", "hum Float32, price Decimal")
    seen = filled.plan().fingerprint
    edit(filled, "silver/readings", "hum Float32", "hum Float64")
    with pytest.raises(RefusedChangeError, match="since the plan was shown"):
        apply(filled.project(), filled.client, filled.journal, Terms(fingerprint=seen))


def test_rows_that_come_between_plan_and_apply_are_looked_at(mine: Changing) -> None:
    """What may be done to an empty table is not done to one that is empty no longer."""
    mine.write("silver/readings", READINGS)
    mine.arrive()
    edit(mine, "silver/readings", "price Decimal(9, 2)", "price Decimal(9, 4)")
    tries = []

    @contextmanager
    def quiet(_steps: Sequence[Step]) -> Iterator[None]:
        tries.append(1)
        mine.do(f"INSERT INTO readings {ROWS}, 'a', 1234567.5, '' FROM numbers(10)")
        yield

    with pytest.raises(RefusedChangeError, match="not every stored value"):
        apply(mine.project(), mine.client, mine.journal, Terms(quiet=quiet))
    assert len(tries) == 1
    assert mine.rows("SELECT sum(price) AS sum FROM readings") == [{"sum": 12345675}]


def test_a_mistake_in_a_file_is_named_before_anything_is_done(filled: Changing) -> None:
    edit(filled, "gold/hourly", "count() AS rows", "count(nothing) AS rows")
    with pytest.raises(InvalidProjectError, match=r"gold/hourly\.sql:3"):
        filled.plan()


def test_one_applier_at_a_time_and_the_second_is_told_who(filled: Changing) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from penstock.engine.datadir import Ownership\n"
        "held = Ownership(Path(sys.argv[1])); print('has it', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(filled.journal.lock)], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        with pytest.raises(DataDirTakenError, match=f"process {holder.pid}"):
            filled.apply()
    finally:
        holder.kill()
        holder.communicate()
    filled.apply()
    with Ownership(filled.journal.lock), pytest.raises(DataDirTakenError):
        filled.apply()  # within one process, too
