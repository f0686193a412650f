"""`penstock dead-letters replay`: what it shows, asks, lands and refuses."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import pytest
from starlette.requests import Request
from tests.contract.conftest import EXAMPLES, environment, reading, running
from tests.contract.test_apply_running import command, edit

from penstock.engine.client import Client
from penstock.engine.datadir import Ownership
from penstock.project import load
from penstock.serve.letters import Letters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.contract.conftest import Up

BRONZE = "homes/bronze/raw_sensors.sql"
POINTS = "JSONExtract(replaceAll({}, ',5\"', '.5\"'), 'Tuple(home_id"
ARRIVALS = """
CREATE TABLE homes.arrivals (_source String, rows UInt64) ENGINE = SummingMergeTree ORDER BY _source
;
CREATE MATERIALIZED VIEW homes.arrivals_mv TO homes.arrivals AS
SELECT _source, count() AS rows FROM homes.raw_sensors GROUP BY _source
"""


class Place:
    """A platform with dead letters, its folder, and commands about it."""

    def __init__(self, root: Path, up: Up) -> None:
        self.root, self.up = root, up

    def replay(self, *words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "penstock.cli", "dead-letters", "replay", *words]
        return subprocess.run(
            [*line, "--project", str(self.root), "--data", str(self.up.data)],
            capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
            env=environment(), check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("replay")
    root, data = folder / "examples", folder / "data"
    shutil.copytree(EXAMPLES, root, ignore=shutil.ignore_patterns(".data"))
    with running(root, data, free_port, PENSTOCK_BATCH_AGE="50ms") as up:
        rows = [
            *(reading(home=n, temperature=f"{n},5") for n in range(10)),
            *(reading(home=n, temperature="1,5", energy="much") for n in range(3)),
            {"home_id": 1, "temperature": 20.5},
            *(reading(home=n) for n in range(5)),
        ]
        body = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        assert up.post(body, kind="application/x-ndjson", wait="true").status_code == 200
        yield Place(root, up)


def test_the_page_is_told_what_the_command_says(place: Place) -> None:
    """Groups, the newest of one, one whole; and what is not there."""
    ask = place.up.http.get
    groups = ask("/v1/dead-letters/groups").json()["groups"]
    found = [(g["source"], g["reason"], g["rows"], g["field"]) for g in groups]
    assert found == [("readings", "temperature_value", 13, "temperature"),
                     ("readings", "ts_missing", 1, "ts")]  # fmt: skip
    assert {(g["file"], g["line"]) for g in groups} == {(BRONZE, _line(place, "_error String"))}
    listed = ask("/v1/dead-letters", params={"source": "readings", "reason": "ts", "limit": "5"})
    (letter,) = listed.json()["items"]
    assert listed.json()["total"] == 1
    assert ask("/v1/dead-letters", params={"source": "readings"}).json()["total"] == 14
    path = f"/v1/dead-letters/homes/readings/{letter['part']}/{letter['pos']}"
    whole = ask(path).json()
    assert json.loads(whole["raw"]) == {"home_id": 1, "temperature": 20.5}
    assert (whole["words"], whole["file"]) == (letter["words"], BRONZE)
    assert ask("/v1/dead-letters", params={"domain": "nothing"}).status_code == 404
    for odd in ("999999", "-1", "x", "9" * 5000):
        assert ask(f"/v1/dead-letters/homes/readings/1/{odd}").status_code == 404
    wrapped = f"{2**32 + letter['part']}/{letter['pos']}"
    assert ask(f"/v1/dead-letters/homes/readings/{wrapped}").status_code == 404
    words = ["-m", "penstock.cli", "dead-letters", "ls", "--json", "--data", str(place.up.data)]
    done = subprocess.run(
        [sys.executable, *words, "--project", str(place.root)],
        capture_output=True, text=True, timeout=60, env=environment(), check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["groups"] == groups


def test_however_many_look_the_tables_are_read_once(place: Place) -> None:
    class Counting(Client):
        asked = 0

        def rows(self, *args: Any, **words: Any) -> list[dict[str, Any]]:
            self.asked += 1
            return super().rows(*args, **words)

    dead, client = [14], Counting(place.up.front.client().address)
    letters = Letters(
        load(place.root),
        client,
        lambda: {"adopted": 0, "sources": [{"domain": "homes", "source": "x", "dead": dead[0]}]},
        dict,
        lambda: {"runs": 0},
    )

    async def look(times: int) -> None:
        for way, words in ((letters.groups, b""), (letters.newest, b"reason=ts")):
            scope = {"type": "http", "query_string": words}
            await asyncio.gather(*(way(Request(scope)) for _ in range(times)))

    async def through() -> list[int]:
        counts = []
        for _ in range(2):
            await look(1)
            counts.append(client.asked)
            await look(20)
            counts.append(client.asked)
            dead[0] += 1
        return counts

    once, kept, again, still = asyncio.run(through())
    assert (kept, again, still) == (once, 2 * once, 2 * once)
    client.close()


def _line(place: Place, word: str) -> int:
    lines = (place.root / BRONZE).read_text("utf-8").splitlines()
    return next(n for n, line in enumerate(lines, 1) if line.strip().startswith(word))


def test_before_the_sql_is_mended_nothing_would_be_good(place: Place) -> None:
    done = place.replay("--yes")
    assert done.returncode == 0, done.stderr
    assert "stays: temperature_value: 0,5" in done.stdout
    assert "nothing would be good now, 14 stay dead letters; next: mend the SQL" in done.stderr
    assert "penstock apply --project" in done.stderr


def test_names_and_locks_are_minded(place: Place) -> None:
    wrong = place.replay("homes/reading", "--yes")
    assert wrong.returncode == 2
    assert "did you mean 'homes/readings'?" in wrong.stderr
    with Ownership(place.up.data / "apply.lock"):
        held = place.replay("readings", "--yes")
    assert held.returncode == 1
    assert "another process applies changes to this data" in held.stderr
    url = f"{place.up.url}/v1/admin/replay"
    assert httpx.post(url, json={}).status_code == 401
    key = {"Authorization": f"Bearer {place.up.front.key}"}
    other = httpx.post(url, json={"project": "/elsewhere"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "not_replayed")


@pytest.mark.slow
def test_a_mended_reason_lands_once_and_another_reason_is_told(place: Place) -> None:
    for name in ("_raw", "record"):
        edit(place.root, BRONZE, f"JSONExtract({name}, 'Tuple(home_id", POINTS.format(name))
    ports = (place.up.port, place.up.front.port)
    applied = command("apply", place.root, place.up.data, ports, "--yes")
    assert applied.returncode == 0, applied.stderr
    look = place.up.http.get("/v1/dead-letters/outlook").json()
    assert (look["good"], look["stay"], look["landed"]) == (10, 4, 0)
    unasked = place.replay()
    assert unasked.returncode == 3
    assert "10 dead letters would be landed, and somebody has to agree" in unasked.stderr
    lines = [" ".join(line.split()) for line in unasked.stdout.splitlines()]
    assert "homes/readings temperature_value 10 good 1 0" in lines
    assert "homes/readings temperature_value 3 stays: energy_value: much 1 10" in lines
    assert "homes/readings ts_missing 1 stays: ts_missing 1 13" in lines
    version = place.up.http.get("/v1/endpoints/homes/homes_now.json").headers["etag"]
    few = place.replay("readings", "--reason", "temperature_value: 3", "--yes")
    assert few.returncode == 0, few.stderr
    assert "1 landed, 0 stay dead letters; next: penstock reconcile" in few.stderr
    done = place.replay("--yes", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["landed"], document["good"], document["stay"]) == (9, 9, 4)
    source = next(s for s in document["sources"] if s["source"] == "homes/readings")
    others = [s for s in document["sources"] if s is not source]
    assert [s["fates"] for s in others] == [[] for _ in others], "nothing was sent to the others"
    assert [(f["reason"], f["now"], f["rows"]) for f in source["fates"]] == [
        ("temperature_value", "", 9),
        ("temperature_value", "energy_value", 3),
        ("ts_missing", "ts_missing", 1),
    ]
    told = place.up.http.get("/v1/dead-letters/replay").json()
    assert (told["running"], told["runs"], told["landed"], told["stay"]) == (False, 2, 9, 4)
    assert told["began_ms"] <= told["ended_ms"]
    assert place.up.http.get("/v1/dead-letters/outlook").json()["good"] == 0
    balance = place.up.status()["balance"]
    assert (balance["silver"], balance["dead_letters"], balance["difference"]) == (15, 4, 0)
    assert place.up.http.get("/v1/reconcile").json()["ok"]
    found = place.up.front.ask(
        "SELECT count(), sum(temperature) FROM homes.readings WHERE temperature IS NOT NULL"
    )
    assert found.text.split() == ["10", "50"]
    again = place.replay("--yes")
    assert (again.returncode, "4 stay" in again.stderr) == (0, True)
    assert place.up.http.get("/v1/endpoints/homes/homes_now.json").headers["etag"] != version


def test_a_view_that_takes_every_record_is_in_the_way(place: Place) -> None:
    """It has had the dead letters: landed again, they would be in it twice."""
    place.up.front.do(*ARRIVALS.split(";"))
    try:
        refused = place.replay("--yes")
        assert refused.returncode == 3
        assert "view arrivals_mv takes every record of raw_sensors" in refused.stderr
    finally:
        place.up.front.do("DROP TABLE homes.arrivals_mv", "DROP TABLE homes.arrivals")
    assert place.replay("--yes").returncode == 0
