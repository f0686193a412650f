"""An insert that the engine refuses is an error with ClickHouse's code, never a 200.

The trap: `send_insert(...).finish()` says OK where the engine refused. The first test shows the
trap itself; the others, that the front does not fall into it.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.conftest import need
from tests.contract.conftest import Front, engine_process

from penstock.engine.datadir import key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TRAP = """
import json, sys, chdb
connection = chdb.connect(sys.argv[1])
connection.query("CREATE DATABASE d")
connection.query("CREATE TABLE d.t (a Int8, CONSTRAINT c CHECK a < 10) ENGINE=MergeTree ORDER BY a")
with connection.send_insert("INSERT INTO d.t", "JSONEachRow") as inserter:
    inserter.append(b'{"a":1}\\n{"a":50}\\n')
    said = inserter.finish()
stored = int(connection.query("SELECT count() FROM d.t").bytes())
print(json.dumps({"said": getattr(said, "rows_written", repr(said)), "stored": stored}))
connection.close()
"""


def numbers(rows: int) -> bytes:
    return b"".join(b'{"a":%d}\n' % n for n in range(rows))


@pytest.fixture(scope="module")
def db(engine: Front) -> Iterator[Front]:
    engine.do("CREATE DATABASE refused")
    yield engine
    engine.do("DROP DATABASE refused SYNC")


def table(db: Front, name: str, columns: str, clauses: str = "") -> str:
    db.do(
        f"CREATE TABLE refused.{name} ({columns}) ENGINE = MergeTree "
        f"{clauses if 'ORDER BY' in clauses else 'ORDER BY tuple() ' + clauses}"
    )
    return f"refused.{name}"


def into(name: str) -> str:
    return f"INSERT INTO {name} FORMAT JSONEachRow"


def test_the_trap_is_real(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRAP, str(tmp_path / "engine")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["stored"] != 2, "the engine stored a row that its constraint forbids"
    assert found["said"] == 2, f"`finish` no longer claims what it did not store: {found}"


def test_a_constraint(db: Front) -> None:
    target = table(db, "constrained", "a UInt32, CONSTRAINT below CHECK a < 10")
    answer = db.insert(into(target), b'{"a":1}\n{"a":50}\n', announced=2)
    assert (answer.status != 200, answer.code) == (True, 469), answer
    assert "below" in answer.text
    assert db.count(target) == 0
    assert db.insert(into(target), b'{"a":1}\n{"a":2}\n', announced=2).status == 200
    assert db.count(target) == 2


def test_a_view_that_throws(db: Front) -> None:
    bronze = table(db, "bronze", "a UInt32")
    silver, gold = table(db, "silver", "a UInt32"), table(db, "gold", "a UInt32")
    db.do(
        f"CREATE MATERIALIZED VIEW refused.fine_mv TO {gold} AS SELECT a FROM {bronze}",
        f"CREATE MATERIALIZED VIEW refused.throws_mv TO {silver} AS "
        f"SELECT a + throwIf(a = 3, 'three is out') AS a FROM {bronze}",
    )
    answer = db.insert(into(bronze), numbers(5), announced=5)
    assert (answer.status != 200, answer.code) == (True, 395), answer
    assert "three is out" in answer.text
    assert db.count(silver) == 0
    # Bronze and the other view may hold the block by now, or not: the sender was told that the
    # insert failed, so it sends again under its token, and nothing goes unnoticed.
    assert db.count(bronze) in {0, 5}
    assert db.count(gold) in {0, 5}


def test_a_view_that_throws_leaves_nothing_doubled_once_it_is_mended(db: Front) -> None:
    window = "SETTINGS non_replicated_deduplication_window = 1000"
    bronze, silver = (table(db, n, "a UInt32", window) for n in ("bronze_2", "silver_2"))
    view = (
        "CREATE MATERIALIZED VIEW refused.mended_mv TO " + silver + " AS SELECT {} FROM " + bronze
    )
    statement = (
        f"INSERT INTO {bronze} SETTINGS insert_deduplication_token = 'one', "
        "deduplicate_blocks_in_dependent_materialized_views = 1 FORMAT JSONEachRow"
    )
    db.do(view.format("a + throwIf(a = 3) AS a"))
    assert db.insert(statement, numbers(5), announced=5).code == 395
    db.do("DROP TABLE refused.mended_mv SYNC", view.format("a"))
    for _ in range(2):
        assert db.insert(statement, numbers(5), announced=5).status == 200
    assert (db.count(bronze), db.count(silver)) == (5, 5)


def test_more_than_a_hundred_partitions(db: Front) -> None:
    target = table(db, "partitioned", "a UInt32", "PARTITION BY a ORDER BY a")
    answer = db.insert(into(target), numbers(120), announced=120)
    assert (answer.status != 200, answer.code) == (True, 252), answer
    assert db.count(target) == 0
    lifted = db.insert(
        into(target), numbers(120), throw_on_max_partitions_per_insert_block="0", announced=120
    )
    assert lifted.status == 200, lifted
    assert db.count(target) == 120


def test_too_many_parts(db: Front) -> None:
    bounds = "SETTINGS parts_to_delay_insert = 3, parts_to_throw_insert = 3"
    target = table(db, "crowded", "a UInt32", bounds)
    db.do(f"SYSTEM STOP MERGES {target}")
    said = [db.insert(into(target), b'{"a":1}\n', announced=1) for _ in range(8)]
    refused = [answer for answer in said if answer.status != 200]
    assert {answer.code for answer in refused} == {252}, [str(answer) for answer in said]
    assert db.count(target) == len(said) - len(refused)


def test_a_time_limit(db: Front) -> None:
    slow, behind = table(db, "slow", "a UInt32"), table(db, "behind", "a UInt32")
    db.do(
        f"CREATE MATERIALIZED VIEW refused.slow_mv TO {behind} AS "
        f"SELECT a + sleepEachRow(0.1) AS a FROM {slow}"
    )
    answer = db.insert(
        into(slow), numbers(20), announced=20, max_execution_time="1", max_block_size="1"
    )
    assert (answer.status, answer.code) == (408, 159), answer
    assert db.count(behind) < 20


def test_a_memory_limit(db: Front) -> None:
    target = table(db, "large", "a UInt32, b String DEFAULT repeat('x', 1000)")
    answer = db.insert(
        into(target), numbers(200_000), announced=200_000, max_memory_usage="40000000"
    )
    assert (answer.status != 200, answer.code) == (True, 241), answer
    assert db.count(target) < 200_000


@pytest.mark.parametrize(
    ("form", "rows"),
    [
        ("JSONEachRow", b'{"a":1}\n{"a":'),
        ("JSONEachRow", b'{"a":1}\n{"a":"two"}\n'),
        ("JSONEachRow", numbers(100_000) + b"nonsense"),
        ("CSV", b"1\nx\n"),
        ("RowBinary", b"\1\0\0"),
        ("Native", b"not native at all"),
        ("TSV", b"1\t2\n"),
        ("Values", b"(1),(two)"),
    ],
)
def test_rows_that_cannot_be_read(db: Front, form: str, rows: bytes) -> None:
    db.do("CREATE TABLE IF NOT EXISTS refused.read (a UInt32) ENGINE = MergeTree ORDER BY a")
    answer = db.insert(f"INSERT INTO refused.read FORMAT {form}", rows)
    assert answer.status != 200
    assert answer.code, answer
    assert db.count("refused.read") == 0


def test_a_connection_works_on_after_a_refusal(db: Front) -> None:
    target = table(db, "again", "a UInt32")
    for _ in range(12):  # more than the pool has connections
        assert db.insert(into(target), b'{"a":').status != 200
        assert db.insert(into(target), b'{"a":1}\n', announced=1).status == 200
    assert db.count(target) == 12
    left = db.ask("SELECT count() FROM system.tables WHERE database = '_staging'", key=True)
    assert int(left.body) == 0, "staging tables were left behind"


@pytest.mark.parametrize("announced", [0, 1, 3])
def test_another_count_than_announced(db: Front, announced: int) -> None:
    db.do("CREATE TABLE IF NOT EXISTS refused.counted (a UInt32) ENGINE = MergeTree ORDER BY a")
    answer = db.insert(into("refused.counted"), b'{"a":1}\n{"a":2}\n', announced=announced)
    assert (answer.status, answer.code) == (400, 117), answer
    assert f"{announced} rows were announced, 2 could be read" in answer.text
    assert db.count("refused.counted") == 0


def test_no_such_table_column_or_database(db: Front) -> None:
    target = table(db, "known", "a UInt32")
    assert db.insert(into("refused.unknown"), b'{"a":1}\n').code == 60
    assert db.insert(into("nowhere.known"), b'{"a":1}\n').code == 60
    wrong = db.insert(f"INSERT INTO {target} (a, b) FORMAT JSONEachRow", b'{"a":1,"b":2}\n')
    assert wrong.status != 200
    assert wrong.code in {16, 47}, wrong
    assert db.count(target) == 0


def test_equal_inserts_without_a_token_are_all_stored(db: Front) -> None:
    target = table(db, "equal", "a UInt32", "SETTINGS non_replicated_deduplication_window = 1000")
    for _ in range(3):
        assert db.insert(into(target), b'{"a":1}\n', announced=1).status == 200
        assert db.ask(f"INSERT INTO {target} VALUES (1)", key=True).status == 200
        assert (
            db.ask(f"/* a tool's note */ INSERT INTO {target} VALUES (1)", key=True).status == 200
        )
        noted = db.insert(f"-- note\n/* x */ {into(target)}", b'{"a":1}\n', announced=1)
        assert noted.status == 200, noted
    assert db.count(target) == 12


FULL = """
import sys, chdb
chdb.connect(sys.argv[1]).query(
    "SELECT * FROM numbers(1000000) INTO OUTFILE '/dev/full' TRUNCATE FORMAT RowBinary"
)
"""


def test_a_write_that_fails_is_hidden_by_the_engine(tmp_path: Path) -> None:
    """Why the engine is told to keep some space free: the day this fails, it need not be."""
    need("/dev/full", present=Path("/dev/full").exists(), how="Linux")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "engine")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"the engine tells of a failed write by now: {done.stderr}"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 270 MiB, of which the engine leaves 256 alone."""
    words = ["mount", "-t", "tmpfs", "-o", "size=270m", "tmpfs", str(tmp_path)]
    done = (
        subprocess.run(words, capture_output=True, check=False) if shutil.which("mount") else None
    )
    need("a small disk", present=done is not None and done.returncode == 0, how="mount as root")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_no_space(small_disk: Path, free_port: Callable[[], int]) -> None:
    port = free_port()
    with engine_process(small_disk / "data", port):
        front = Front(port, key(small_disk / "data"), small_disk / "data")
        front.do(
            "CREATE DATABASE full",
            "CREATE TABLE full.t (a String) ENGINE = MergeTree ORDER BY tuple()",
        )
        row = b'{"a":"%s"}\n'
        said = [
            front.insert(
                into("full.t"),
                b"".join(row % secrets.token_hex(50).encode() for _ in range(20_000)),
                announced=20_000,
            )
            for _ in range(12)
        ]
        stored = sum(20_000 for answer in said if answer.status == 200)
        assert 0 < stored < 240_000
        assert {answer.code for answer in said if answer.status != 200} == {243}
        assert "not enough space" in said[-1].text
        # What was acknowledged is there, to the last byte.
        assert front.ask("SELECT count(), sum(length(a)) FROM full.t").body == (
            f"{stored}\t{stored * 100}\n".encode()
        )
