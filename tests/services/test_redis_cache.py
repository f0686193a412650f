"""The cache of a platform with a real Redis that is killed, emptied and started again meanwhile."""

from __future__ import annotations

import json
import shutil
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from benchmarks.harness import meanwhile
from deploy.native.redis import REDIS
from redis import Redis
from tests.conftest import need
from tests.flow.faults import PlatformProcess, wait_for
from tests.services.native import Native

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[2] / "examples"
STREAM = "/v1/ingest/telemetry/telemetry_stream"
pytestmark = pytest.mark.slow


class Served:
    """`penstock up` of telemetry with a Redis, and what was sent of a user so far."""

    def __init__(self, folder: Path, redis: Native) -> None:
        shutil.copytree(EXAMPLES / "telemetry", folder / "project" / "telemetry")
        (folder / "project" / "penstock.toml").write_text('name = "served"\ntitle = "Served"\n')
        self.redis = redis
        self.sent = 0
        self.states: list[str] = []
        self.process = PlatformProcess(
            folder / "project", folder / "data",
            PENSTOCK_BATCH_AGE="50ms", KAFKA_BOOTSTRAP_SERVERS="", **redis.environment,
        )  # fmt: skip

    def send(self, rows: int = 1) -> None:
        """Measurements of ann that can be queried when this returns."""
        row = {"device_id": "a1", "user_id": "ann", "energy_watts": 100, "timestamp": time.time()}
        row["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        body = (json.dumps(row) + "\n").encode() * rows
        request = urllib.request.Request(
            f"{self.process.url}{STREAM}?wait=true", body, {"Content-Type": "application/x-ndjson"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200
        self.sent += rows

    def ask(self, name: str = "energy_summary", **params: str) -> tuple[list[Any], str, float]:
        """Rows, `X-Cache` and seconds."""
        asked = {"user_id": "ann", "range": "last_hour"} | params
        query = "&".join(f"{k}={v}" for k, v in asked.items())
        began = time.monotonic()
        url = f"{self.process.url}/v1/endpoints/telemetry/{name}.json?{query}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            rows: list[Any] = json.load(answer)["data"]
            state = answer.headers["X-Cache"]
        self.states.append(state)
        return rows, state, time.monotonic() - began

    def counted(self) -> None:
        """Ask, and see all that was acknowledged before, unless it is said to be a little old."""
        known = self.sent
        rows, state, took = self.ask()
        seen = int(rows[0]["count"]) if rows else 0
        assert seen >= known or state == "stale", (seen, known, state)
        assert took < 3

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = self.process.get("/v1/status")["cache"]["redis"]
        return found

    def is_seen(self, state: str) -> None:
        wait_for(f"Redis to be {state}", lambda: self.document()["state"] == state, seconds=20)

    def metrics(self) -> str:
        with urllib.request.urlopen(f"{self.process.url}/metrics", timeout=20) as answer:
            return str(answer.read().decode())


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    need("Redis", present=bool(REDIS.present()), how="apt-get install redis-server")
    with Native(REDIS) as redis:
        made = Served(tmp_path, redis)
        with made.process:
            yield made


def test_answers_go_on_while_redis_is_killed_emptied_and_started_again(served: Served) -> None:
    served.send()
    served.counted()

    def step() -> None:
        served.send()
        served.counted()
        served.counted()

    with meanwhile(step, 0.02):
        for _ in range(3):
            served.is_seen("up")
            served.redis.kill()
            served.is_seen("down")
            assert "penstock_redis_up 0" in served.metrics()
            served.redis.start()
            served.is_seen("up")
            with Redis.from_url(served.redis.environment["REDIS_URL"]) as client:
                wait_for("an answer to be in Redis", client.dbsize, seconds=20)
                client.flushall()
                wait_for("an answer to be in Redis again", client.dbsize, seconds=20)
    wait_for("a hit, as nothing comes any more", lambda: served.ask()[1] == "hit", seconds=10)
    assert set(served.states) == {"hit", "stale", "miss"}
    assert "penstock_redis_up 1" in served.metrics()
    shown = served.process.run("status")
    assert "redis      up" in shown.stdout, shown


def test_a_platform_that_was_stopped_finds_its_answers_and_one_that_was_killed_does_not(
    served: Served,
) -> None:
    served.send()
    assert served.ask()[1] == "miss"
    with Redis.from_url(served.redis.environment["REDIS_URL"]) as client:
        wait_for("the answer to be in Redis", lambda: client.exists("energy_summary:ann:last_hour"))
        assert 0 < client.ttl("energy_summary:ann:last_hour") <= 300
    served.process.stop()
    served.process.start()
    served.is_seen("up")
    rows, state, _ = served.ask()
    assert (int(rows[0]["count"]), state) == (1, "hit")
    served.send()  # the versions go on from where they were: what is changed is seen
    time.sleep(1.1)  # max_stale
    rows, state, _ = served.ask()
    assert (int(rows[0]["count"]), state) == (2, "miss")
    served.process.kill()
    served.process.start()
    served.is_seen("up")
    rows, state, _ = served.ask()
    assert (int(rows[0]["count"]), state) == (2, "miss")


def test_what_is_written_between_two_runs_is_seen(served: Served) -> None:
    """By a command that opens the data by itself, while no platform runs."""
    served.send()
    served.ask()
    served.process.stop()
    done = served.process.run("reconcile")
    assert done.returncode == 0, done
    served.process.start()
    served.is_seen("up")
    assert served.ask()[1] == "miss"
