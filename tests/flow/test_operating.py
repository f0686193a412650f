"""What an operator does with a platform: look at what lands, and empty a data directory."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from .faults import PlatformProcess, homes, readings, wait_for

ROWS = 20  # of a body


@contextmanager
def following(platform: PlatformProcess, relation: str, file: Path) -> Iterator[Path]:
    """`penstock tail --follow` of everything, ended by Ctrl-C."""
    words = platform.command(
        "tail", relation, "--follow", "--ndjson", "--limit", "1000000",
        "--project", str(platform.project), "--data", str(platform.data),
    )  # fmt: skip
    with file.open("wb") as out:
        process = subprocess.Popen(
            words, env=platform.environment, stdout=out, stderr=subprocess.PIPE, text=True
        )
    try:
        yield file
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0, said
        assert said.endswith("stopped\n")
        assert "Traceback" not in said
    finally:
        process.kill()
        process.wait()


def lines(file: Path) -> int:
    return file.read_bytes().count(b"\n")


def places(file: Path) -> list[tuple[str, int, int]]:
    rows: list[dict[str, Any]] = [json.loads(line) for line in file.read_bytes().splitlines()]
    return [(row["_source"], row["_part"], row["_pos"]) for row in rows]


def kill_engine(platform: PlatformProcess) -> None:
    former, aim = platform.engine_pid, platform.closed() + 10
    platform.kill_engine()
    wait_for("another engine", lambda: platform.engine_pid not in {0, former})
    wait_for("landing to go on", lambda: platform.closed() > aim)


@pytest.mark.slow
def test_tail_shows_every_row_once_through_a_kill_of_the_engine(tmp_path: Path) -> None:
    """Two sources into one table: batches are closed in another order than they are numbered."""
    project = homes(tmp_path / "project")
    sources = project / "homes" / "sources"
    shutil.copy(sources / "readings.toml", sources / "others.toml")
    with PlatformProcess(project, tmp_path / "data", PENSTOCK_BATCH_AGE="20ms") as platform:
        stopping = threading.Event()
        sent = Counter[str]()

        def send(source: str) -> None:
            with httpx.Client(base_url=platform.url, timeout=60) as client:
                while not stopping.wait(0.01):
                    body = readings(sent[source] * ROWS, (sent[source] + 1) * ROWS)
                    path = f"/v1/ingest/homes/{source}"
                    kind = {"Content-Type": "application/x-ndjson"}
                    answer = client.post(path, content=body, headers=kind)
                    assert answer.status_code == 202, answer.text
                    sent[source] += 1

        senders = [threading.Thread(target=send, args=(name,)) for name in ("readings", "others")]
        for sender in senders:
            sender.start()
        wait_for("batches", lambda: platform.closed() > 5)
        with (
            following(platform, "raw_sensors", tmp_path / "bronze") as bronze,
            following(platform, "homes/readings", tmp_path / "silver") as silver,
        ):
            wait_for("rows in the tail", lambda: lines(bronze) > 10 * ROWS)
            kill_engine(platform)
            stopping.set()
            for sender in senders:
                sender.join()
            platform.drain()
            rows = sum(sent.values()) * ROWS
            client = platform.client()
            good = int(client.value("SELECT count() FROM homes.readings"))
            wait_for("all of bronze", lambda: lines(bronze) >= rows)
            wait_for("all of silver", lambda: lines(silver) >= good)
        sql = "SELECT _source, _part, _pos FROM homes.raw_sensors"
        held = [(r["_source"], r["_part"], r["_pos"]) for r in client.rows(sql)]
        assert len(held) == rows
        assert Counter(places(bronze)) == Counter(held)
        assert lines(silver) == good

        last = platform.run("tail", "raw_sensors", "--limit", "7", "--ndjson")
        assert last.returncode == 0, last.stderr
        assert len(last.stdout.splitlines()) == 7
        document = json.loads(platform.run("tail", "readings", "-n", "3", "--json").stdout)
        assert (document["relation"], len(document["rows"])) == ("homes/readings", 3)
        refused = platform.run("tail", "hourly_stats")
        assert refused.returncode == 2
        assert "FROM homes.hourly_stats ORDER BY hour DESC LIMIT 10" in refused.stderr


@pytest.mark.slow
def test_reset_removes_what_is_ours_and_only_where_nothing_runs(tmp_path: Path) -> None:
    project, data = homes(tmp_path / "project"), tmp_path / "data"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("kept")
    with PlatformProcess(project, data) as platform:
        assert platform.post(readings(0, 50)) == 202
        platform.drain()
        refused = platform.run("reset", "--yes")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert platform.process is not None
        assert f"process {platform.process.pid}" in refused.stderr
        assert platform.get("/v1/status")["balance"]["received"] == 50
    (data / "mine.txt").write_text("mine")
    (data / "snapshots" / "left").mkdir(parents=True)
    (data / "snapshots" / "left" / "link").symlink_to(elsewhere)
    (data / "truth-live.json").symlink_to(elsewhere / "precious")
    asked = platform.run("reset")  # and nobody at a terminal
    assert asked.returncode == 2
    assert "homes/readings: 50 rows" in asked.stderr
    assert (data / "penstock.db").exists()
    done = platform.run("reset", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["sources"] == [{"source": "homes/readings", "rows": 50}]
    assert {"spool", "engine", "penstock.db", "engine.key"} <= {
        entry["name"] for entry in document["removed"] if entry["bytes"]
    }
    assert document["kept"] == ["mine.txt"]
    assert [path.name for path in data.iterdir()] == ["mine.txt"]
    assert (elsewhere / "precious").read_text() == "kept"
    again = platform.run("reset", "--yes")
    assert again.returncode == 0
    assert "nothing of Penstock" in again.stderr
    platform.start()  # a data directory like a new one
    assert platform.get("/v1/status")["balance"]["received"] == 0
    platform.stop()
