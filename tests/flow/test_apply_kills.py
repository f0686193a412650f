"""An apply that is killed again and again comes to the same end as one that is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.contract.projects import Changing
from tests.flow.faults import MEMORY, Landing, free_port, homes
from tests.flow.test_controls import DiesAfterInsert, Killed

from penstock.engine.client import Client
from penstock.engine.datadir import key
from penstock.engine.process import EngineProcess
from penstock.layers.apply import Terms
from penstock.layers.states import Consent, live
from penstock.project import load
from penstock.runtime.changes import Changes
from penstock.store.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator

APPLIER = Path(__file__).with_name("applier.py")
BEFORE = {
    "bronze/events": "CREATE TABLE events (id UInt32, at DateTime('UTC'), n UInt8)"
    " ENGINE = MergeTree ORDER BY id",
    "silver/readings": """
CREATE TABLE readings (id UInt32, at DateTime('UTC'), n UInt8, old String, INDEX i n TYPE minmax)
ENGINE = MergeTree ORDER BY id;
CREATE MATERIALIZED VIEW readings_mv TO readings AS SELECT id, at, n, 'x' AS old FROM events;
""",
    "silver/spare": "CREATE TABLE spare (a UInt8) ENGINE = MergeTree ORDER BY a",
    "gold/hourly": """
CREATE TABLE hourly (hour DateTime('UTC'), rows UInt64) ENGINE = SummingMergeTree ORDER BY hour;
CREATE MATERIALIZED VIEW hourly_mv TO hourly AS
SELECT toStartOfHour(at) AS hour, count() AS rows FROM readings GROUP BY hour;
""",
    "gold/unwanted": "CREATE TABLE unwanted (a UInt8) ENGINE = MergeTree ORDER BY a",
}
AFTER = {
    "bronze/events": BEFORE["bronze/events"],
    "silver/measured": """/*
renamed_from: readings
renames: {n: amount}
*/
CREATE TABLE measured
(
    id UInt32, at DateTime('UTC'), amount UInt32 COMMENT 'wider', hum Float32,
    INDEX i amount TYPE set(10)
)
ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100;
CREATE MATERIALIZED VIEW measured_mv TO measured AS
SELECT id, at, n AS amount, n / 2 AS hum FROM events;
""",
    "silver/spare": "CREATE TABLE spare (a UInt8, b UInt8) ENGINE = MergeTree ORDER BY b",
    "gold/hourly": BEFORE["gold/hourly"].replace("FROM readings", "FROM measured"),
    "gold/newest": "CREATE VIEW newest AS SELECT max(at) AS at FROM measured",
}
DROP = ("readings.old", "measured.old", "unwanted")
ROWS = "SELECT number, toDateTime(number * 60, 'UTC'), number % 200"
FILL = f"INSERT INTO events {ROWS} FROM numbers(1000)"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    process = EngineProcess(tmp_path / "data", free_port(), MEMORY)
    process.start()
    yield process
    process.stop()


def _changed(folder: Path, domain: str, engine: EngineProcess) -> Changing:
    """A project that holds rows and whose files now say something else."""
    mine = Changing(folder / domain, domain, Client(engine.address))
    for file, text in BEFORE.items():
        mine.write(file, text)
    mine.apply()
    mine.do(FILL, "INSERT INTO unwanted VALUES (1)")
    for file in BEFORE:
        mine.remove(file)
    for file, text in AFTER.items():
        mine.write(file, text)
    return mine


def _state(mine: Changing) -> dict[str, Any]:
    found = live(mine.client, mine.project()).forms
    said = {n.partition(".")[2]: f.created.replace(mine.domain, "db") for n, f in found.items()}
    rows = {table: mine.rows(f"SELECT * FROM {table} ORDER BY ALL") for table in
            ("measured", "hourly", "spare", "newest")}  # fmt: skip
    return {"tables": said, "rows": rows}


def _apply(mine: Changing, engine: EngineProcess, data: Path, when: str, *drop: str) -> list[str]:
    """Run one applier to its death or its end; gives the statements that it began."""
    port = str(engine.address.port)
    words = [sys.executable, str(APPLIER), str(mine.root), mine.domain, port, key(data), when]
    done = subprocess.run([*words, *drop], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, -9), done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_a_killed_apply_is_gone_on_with_to_the_same_end(
    engine: EngineProcess, tmp_path: Path
) -> None:
    """Killed at every boundary, and within statements; what was agreed to is not asked again."""
    twin, mine = (_changed(tmp_path, name, engine) for name in ("twin", "mine"))
    whole = _apply(twin, engine, tmp_path / "data", "never", *DROP)
    assert len(whole) >= 12, whole
    statements = _apply(mine, engine, tmp_path / "data", "after", *DROP)
    runs = 1
    while True:
        began = _apply(mine, engine, tmp_path / "data", ("after", "within")[runs % 2])
        runs += 1
        statements += began
        if not began:
            break
        assert runs < 60, statements
    assert runs > len(whole)
    assert _state(mine) == _state(twin)
    for project in (mine, twin):
        plan = project.plan()
        assert not plan.steps
        assert not plan.drift
        assert project.journal.unfinished() is None
        project.do(FILL)
        assert project.rows("SELECT count() AS n FROM measured") == [{"n": 2000}]
        assert project.rows("SELECT sum(rows) AS n FROM hourly") == [{"n": 2000}]
        project.store.close()
        project.client.close()


COUNTS = """
CREATE TABLE home_counts (home_id UInt32, sent UInt64) ENGINE = SummingMergeTree ORDER BY home_id
SETTINGS non_replicated_deduplication_window = 50000;
CREATE MATERIALIZED VIEW home_counts_mv TO home_counts AS
SELECT home_id, count() AS sent FROM readings GROUP BY home_id;
"""


def test_a_view_is_made_only_when_no_batch_is_open(tmp_path: Path) -> None:
    """The second try of a batch would else reach a view that its first try did not know."""
    project = homes(tmp_path / "project")
    with Landing(project, tmp_path / "data") as landing:
        landing.source, landing.lander = landing.take_over(kind=DiesAfterInsert)
        landing.send(100)
        with pytest.raises(Killed):
            landing.land()
        assert len(landing.ledger.open_intents()) == 1
        landing.source, landing.lander = landing.take_over()
        (project / "homes" / "gold" / "home_counts.sql").write_text(COUNTS)
        journal = Journal(landing.store, landing.data)
        changes = Changes(load(project), landing.client, journal, landing.ledger,
                          [landing.lander], audit=lambda: None)  # fmt: skip
        agreed = Consent(forward_only=frozenset({"home_counts"}))
        changes.apply(Terms(agreed))
        assert landing.ledger.open_intents() == []
        sent = "SELECT sum(sent) AS n FROM homes.home_counts"
        assert landing.client.value(sent) == 0
        landing.send(100)
        landing.land()
        assert landing.check() == []
        good = "SELECT count() AS n FROM homes.readings WHERE _batch > 1"
        assert landing.client.value(sent) == landing.client.value(good) > 0
