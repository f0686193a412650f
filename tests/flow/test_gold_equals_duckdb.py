"""Gold over the two real houses equals what DuckDB makes of the original CSV files.

DuckDB reads the files by itself: no SQL of the project, no record that the project made of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from penstock.engine.scratch import Scratch
from penstock.layers.convert import FileFormat, records
from penstock.project.loader import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from penstock.project.objects import Domain

EXAMPLES = Path(__file__).parents[2] / "examples"
SQL = Path(__file__).parent / "sql" / "houses"
HOUSES = ("household_power", "appliances_energy")
ROWS = {100001: 37_283, 100002: 19_735 * 10}  # a line of the second covers ten minutes
# How far a quantile of gold may be off, relative; a sketch knows no values between two readings, so
# its quantile is the lower of them.
SKETCH = 0.002


@dataclass(frozen=True)
class Houses:
    """Both answers to the same questions.

    Attributes:
        gold: rows of a query in the engine; Decimals as text.
        truth: rows of a query in DuckDB, over a table `readings`.
    """

    gold: Callable[[str], list[dict[str, Any]]]
    truth: Callable[[str], list[dict[str, Any]]]

    def both(self, name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Pairs of rows of the queries `name`; fails where one side has more."""
        mine, theirs = self.gold(_sql(f"{name}.engine.sql")), self.truth(_sql(f"{name}.duckdb.sql"))
        return list(zip(mine, theirs, strict=True))


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Houses]:
    homes = load(EXAMPLES).domain("homes")
    folder = tmp_path_factory.mktemp("houses")
    files = {name: _as_posted(homes, name, folder) for name in HOUSES}
    own = _duckdb(homes)
    with Scratch(access=tuple(files.values())) as engine:
        for relation in homes.relations:
            for statement in relation.statements:
                engine.execute(statement.sql)
        for part, file in enumerate(files.values()):
            _land(engine, file, part)
        yield Houses(engine.rows, lambda sql: own.sql(sql).to_arrow_table().to_pylist())
    own.close()


def _as_posted(homes: Domain, name: str, folder: Path) -> Path:
    """The records that `penstock ingest` posts, in a file."""
    source = homes.source(name)
    file = folder / f"{name}.ndjson"
    path = homes.root / str(source.options["path"])
    file.write_bytes(b"".join(body for body, _ in records(path, FileFormat.of(source))))
    return file


def _land(engine: Scratch, file: Path, part: int, batches: int = 7) -> None:
    """Land a file as `batches` interleaved batches, so that gold has states to merge."""
    for nth in range(batches):
        batch = part * batches + nth
        engine.execute(
            _sql("landing.sql").format(part=part, batch=batch, nth=nth, batches=batches, file=file)
        )


def _duckdb(homes: Domain) -> duckdb.DuckDBPyConnection:
    """A table `readings` (home_id, region, ts in UTC, temperature, energy, voltage)."""
    own = duckdb.connect()
    sql = _sql("readings.duckdb.sql")
    for name in HOUSES:
        path = homes.root / str(homes.source(name).options["path"])
        sql = sql.replace(f"{{{name}}}", str(path))
    own.execute("SET TimeZone = 'UTC'")
    own.execute(sql)
    return own


def test_every_row_is_there_and_good(houses: Houses) -> None:
    assert houses.gold("SELECT _error, count() AS n FROM raw_sensors GROUP BY _error") == [
        {"_error": "", "n": sum(ROWS.values())}
    ]
    found = houses.truth("SELECT home_id, count(*) AS n FROM readings GROUP BY ALL ORDER BY ALL")
    assert {row["home_id"]: row["n"] for row in found} == ROWS


def test_silver_sums_are_exact(houses: Houses) -> None:
    rows = houses.both("silver")
    assert len(rows) == len(ROWS)
    for mine, theirs in rows:
        assert (mine["home_id"], mine["n"]) == (theirs["home_id"], theirs["n"])
        for field in ("energy", "temperature", "voltage"):
            assert _decimal(mine[field]) == theirs[field]


def test_hourly_stats(houses: Houses) -> None:
    rows = houses.both("hourly_stats")
    assert len(rows) > 3000
    for mine, theirs in rows:
        key = (mine["home_id"], mine["hour_s"])
        assert key == (theirs["home_id"], theirs["hour_s"])
        assert mine["n"] == theirs["n"], key
        assert mine["energy_readings"] == theirs["energy_readings"], key
        assert _decimal(mine["energy"]) == theirs["energy"], key
        assert _decimal(mine["highest"]) == theirs["highest"], key
        assert _near(mine["mean"], theirs["mean"], 1e-9), key
        for rank, value in zip((0.5, 0.95), mine["quantiles"], strict=True):
            assert _near(value, _quantile(theirs["sorted"], rank), SKETCH), (key, rank)


def test_city_minute(houses: Houses) -> None:
    rows = houses.both("city_minute")
    assert len(rows) == sum(ROWS.values())
    for mine, theirs in rows:
        for field in ("minute_s", "region", "n", "late", "last_ms"):
            assert mine[field] == theirs[field]
        assert _decimal(mine["energy"]) == theirs["energy"]
        assert _near(mine["mean"], theirs["mean"], 1e-9)


def test_home_latest(houses: Houses) -> None:
    rows = houses.both("home_latest")
    assert len(rows) == len(ROWS)
    for mine, theirs in rows:
        for field in ("home_id", "n", "ms", "region"):
            assert mine[field] == theirs[field]
        for field in ("temperature", "energy", "voltage"):
            assert _decimal(mine[field]) == theirs[field]


def test_each_gold_conserves_what_it_says(houses: Houses) -> None:
    golds = [r for r in load(EXAMPLES).domain("homes").relations if r.stage == "gold" and r.table]
    assert len(golds) == 5
    for gold in golds:
        held, wanted = (gold.header.values[key] for key in ("conserves", "from_silver"))
        assert isinstance(held, dict)
        assert isinstance(wanted, dict)
        assert held.keys() == wanted.keys()
        for what in held:
            mine = houses.gold(f"SELECT toString({held[what]}) AS n FROM {gold.name}")
            assert mine == houses.gold(f"SELECT toString({wanted[what]}) AS n FROM readings"), what


def test_late_row_and_second_row_of_a_moment_do_not_win(houses: Houses) -> None:
    first, late, second = (20, 1), (10, 2), (20, 3)  # second of the reading, energy
    for order, (at, energy) in enumerate((first, late, second)):
        houses.gold(
            _sql("reading.sql").format(
                ts=f"2026-11-21 14:00:{at}",
                energy=energy,
                batch=100 + order,
                arrived=f"2026-11-21 14:01:{10 + order}",
            )
        )
    wanted = [{"n": 3, "energy": 1}]
    assert houses.gold(_sql("latest_of_home_1.sql")) == wanted
    houses.gold("OPTIMIZE TABLE home_latest FINAL")
    assert houses.gold(_sql("latest_of_home_1.sql")) == wanted


def _sql(name: str) -> str:
    return (SQL / name).read_text("utf-8")


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _quantile(values: list[float] | None, rank: float) -> float | None:
    return values[math.floor(rank * (len(values) - 1))] if values else None


def _near(mine: float | None, theirs: float | None, relative: float) -> bool:
    if theirs is None:
        return mine is None or math.isnan(mine)
    return mine is not None and math.isclose(mine, theirs, rel_tol=relative)
