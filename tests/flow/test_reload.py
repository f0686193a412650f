"""`penstock up` takes files up as they are saved; the old version serves while one is wrong."""

from __future__ import annotations

import json
import shutil
import statistics
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .faults import PlatformProcess, server, wait_for

METERS = Path(__file__).parents[1] / "fixtures" / "projects" / "meters"
WITHIN = 2.0  # seconds from the save to what it says, at the median: the machine does other things
TOOK: list[float] = []
QUESTION = """/*
description: What the test last saved.
*/
SELECT {answer} AS answer
"""


@pytest.fixture(scope="module", params=["embedded", "url"])
def up(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PlatformProcess]:
    folder = tmp_path_factory.mktemp("reload")
    project = shutil.copytree(METERS, folder / "project")
    (project / "meters" / "serve" / "question.sql").write_text(QUESTION.format(answer=1))
    with ExitStack() as stack:
        process = stack.enter_context(server(folder)) if request.param == "url" else None
        yield stack.enter_context(PlatformProcess(project, folder / "data", process))


def get(up: PlatformProcess, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{up.url}{path}", timeout=10) as answer:
        document: dict[str, Any] = json.load(answer)
        return document


def save(up: PlatformProcess, file: str, text: str) -> float:
    path = up.project / "meters" / file
    path.write_text(text)
    return time.monotonic()


def answer(up: PlatformProcess) -> int:
    return int(get(up, "/v1/endpoints/question.json")["data"][0]["answer"])


def problems(up: PlatformProcess) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = get(up, "/v1/status")["problems"]
    return found


def soon(what: str, saved: float, seen: Callable[[], Any]) -> None:
    wait_for(what, seen, seconds=20)
    TOOK.append(time.monotonic() - saved)


def test_a_saved_select_answers_at_once_and_open_tiles_move(up: PlatformProcess) -> None:
    assert answer(up) == 1
    with urllib.request.urlopen(f"{up.url}/v1/live?tile=meters/question", timeout=20) as stream:
        tile(stream, 1)
        saved = save(up, "serve/question.sql", QUESTION.format(answer=2))
        soon("the new answer", saved, lambda: answer(up) == 2)
        tile(stream, 2)
    assert problems(up) == []


def tile(stream: Any, wanted: int) -> None:
    """Read events until the tile shows a value."""
    while line := stream.readline():
        if line.startswith(b"data: ") and b'"columns"' in line:
            shown = json.loads(line[6:])["columns"]["answer"]
            if shown == [wanted]:
                return
    pytest.fail("the stream ended")


def test_a_mistake_is_shown_with_its_line_while_the_old_version_serves(
    up: PlatformProcess,
) -> None:
    before = answer(up)
    saved = save(up, "serve/question.sql", QUESTION.format(answer="readngs FROM hourly"))
    soon("the mistake", saved, lambda: problems(up))
    (found,) = problems(up)
    assert (found["file"], found["line"]) == ("meters/serve/question.sql", 4)
    assert "readngs" in found["cause"]
    assert found["hint"] == "did you mean 'readings'?"
    assert answer(up) == before
    assert up.log.read_text().count("not taken: meters/serve/question.sql:4: ") == 1
    saved = save(up, "serve/question.sql", QUESTION.format(answer=3))
    soon("the mended answer", saved, lambda: answer(up) == 3)
    wait_for("the mistake to go", lambda: not problems(up), seconds=2)


def test_a_new_gold_becomes_a_table_and_a_new_source_takes_rows(up: PlatformProcess) -> None:
    gold = (up.project / "meters/gold/hourly.sql").read_text().replace("hourly", "by_hour")
    saved = save(up, "gold/by_hour.sql", gold)
    soon("the new table", saved, lambda: "by_hour" in tables(up))
    saved = save(up, "sources/more.toml", 'kind = "http"\ninto = "raw_meters"\n')
    soon("the new source", saved, lambda: "more" in sources(up))
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    row = json.dumps({"ts": now, "meter_id": 7, "power": 1.5}).encode()
    url = f"{up.url}/v1/ingest/meters/more?wait=true"
    with urllib.request.urlopen(urllib.request.Request(url, row), timeout=30) as taken:
        assert taken.status == 200
    status = get(up, "/v1/status")
    assert (sources(up)["more"]["good"], status["balance"]["difference"]) == (1, 0)
    assert query(up, "SELECT countMerge(readings) FROM meters.by_hour") == "1"


def test_a_change_that_apply_refuses_is_a_mistake(up: PlatformProcess) -> None:
    path = up.project / "meters" / "gold" / "hourly.sql"
    text = path.read_text()
    saved = save(up, "gold/hourly.sql", text.replace("sumState(power)", "sumState(2 * power)"))
    soon("the refusal", saved, lambda: problems(up))
    (found,) = problems(up)
    line = text[: text.index("CREATE MATERIALIZED VIEW")].count("\n") + 1
    assert (found["file"], found["line"]) == ("meters/gold/hourly.sql", line)
    assert "penstock plan" in found["hint"]
    save(up, "gold/hourly.sql", text)
    wait_for("the refusal to go", lambda: not problems(up), seconds=5)
    gone = (up.project / "meters/sources/readings.toml").read_text()
    (up.project / "meters/sources/readings.toml").unlink()
    wait_for("the lost source to be named", lambda: problems(up), seconds=5)
    save(up, "sources/readings.toml", gone)
    wait_for("the source to be back", lambda: not problems(up), seconds=5)


def test_a_reload_takes_less_than_two_seconds() -> None:
    assert len(TOOK) >= 5, "run the whole module: the others measure"
    assert statistics.median(TOOK) < WITHIN, TOOK


def tables(up: PlatformProcess) -> str:
    return query(up, "SHOW TABLES FROM meters")


def sources(up: PlatformProcess) -> dict[str, dict[str, Any]]:
    return {s["source"]: s for s in get(up, "/v1/status")["sources"]}


def query(up: PlatformProcess, sql: str) -> str:
    url = f"http://127.0.0.1:{up.engine_port}/"
    with urllib.request.urlopen(url, sql.encode(), timeout=10) as answer:
        return str(answer.read().decode().strip())
