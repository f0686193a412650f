"""Alerts of a platform: they fire, survive a kill, end, and each is told once."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from .faults import PlatformProcess, homes, wait_for

HOT = """/*
description: A home is too hot.
every: 1s
for: 1s
key: home_id
severity: critical
notify: [log, webhook]
message: Home {home_id} is at {hottest} °C
*/
SELECT home_id, max(temperature) AS hottest
FROM readings WHERE _ingested_at > now64(3) - INTERVAL {seconds} SECOND AND temperature > 50
GROUP BY home_id ORDER BY home_id
"""


class Receiver(ThreadingHTTPServer):
    """Refuses the first delivery, so that it is sent again."""

    got: list[dict[str, Any]]
    refused = 0

    def told(self) -> Counter[tuple[str, int]]:
        """(event, home) → deliveries, each number counted once."""
        known = {each["delivery"]: each for each in list(self.got)}
        return Counter((each["event"], each["key"][0]) for each in known.values())


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.refused += 1
        if self.server.refused == 1:
            self.send_response(503)
        else:
            self.server.got.append(body)
            self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver(("127.0.0.1", 0), _Handler)
    server.got = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def hot(*numbers: int) -> bytes:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = [{"home_id": n, "ts": now, "region": "north", "temperature": 60.5} for n in numbers]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@pytest.mark.slow
def test_each_incident_is_told_once_through_a_kill(tmp_path: Path, receiver: Receiver) -> None:
    project = homes(tmp_path / "project")
    alerts = project / "homes" / "alerts"
    alerts.mkdir()
    (alerts / "hot.sql").write_text(HOT.replace("{seconds}", "15"))
    settings = {
        "PENSTOCK_WEBHOOK_URL": f"http://127.0.0.1:{receiver.server_port}/",
        "PENSTOCK_WEBHOOK_SECRET": "s", "PENSTOCK_WEBHOOK_PRIVATE": "1",
    }  # fmt: skip
    with PlatformProcess(project, tmp_path / "data", **settings) as platform:
        assert platform.post(hot(1, 2, 3)) == 202
        wait_for("three to fire", lambda: alert(platform)["firing"] == 3)
        platform.kill()
        platform.start()
        for _ in range(4):  # two of them go on being hot
            platform.post(hot(1, 2))
            time.sleep(0.5)
        wait_for("the first attempt to be repeated", lambda: len(receiver.told()) >= 3, seconds=40)
        wait_for("all to be resolved", lambda: alert(platform)["state"] == "ok", seconds=40)
        wait_for("the ends to be told", lambda: len(receiver.told()) == 6, seconds=40)
        wanted = {(event, home): 1 for event in ("fired", "resolved") for home in (1, 2, 3)}
        assert receiver.told() == wanted
        incidents = platform.get("/v1/alerts")["incidents"]
        assert {i["state"] for i in incidents} == {"resolved"}
        assert incidents[0]["message"].endswith("is at 60.5 °C")
        logged = platform.log.read_text()
        assert logged.count("alert_fired") == logged.count("alert_resolved") == 3
        shown = platform.run("alerts", "test", "hot", "--json")
        assert json.loads(shown.stdout)["rows"] == [], shown.stderr
        assert "hot" in platform.run("alerts", "ls").stdout


def test_a_query_that_fails_is_shown_and_ends_nothing(tmp_path: Path) -> None:
    project = homes(tmp_path / "project")
    alerts = project / "homes" / "alerts"
    alerts.mkdir()
    file = alerts / "hot.sql"
    file.write_text(HOT.replace("{seconds}", "600").replace(", webhook", ""))
    with PlatformProcess(project, tmp_path / "data") as platform:
        platform.post(hot(1))
        wait_for("it to fire", lambda: alert(platform)["state"] == "firing")
        client = platform.client()
        client.execute("RENAME TABLE readings TO elsewhere", database="homes")
        wait_for("the error", lambda: alert(platform)["state"] == "error")
        assert "readings" in alert(platform)["error"]
        assert [i["state"] for i in platform.get("/v1/alerts")["incidents"]] == ["firing"]
        client.execute("RENAME TABLE elsewhere TO readings", database="homes")
        wait_for("it to fire again", lambda: alert(platform)["state"] == "firing")
        assert len(platform.get("/v1/alerts")["incidents"]) == 1
        client.close()
        file.unlink()
        wait_for("its end to be told", lambda: "alert_resolved" in platform.log.read_text())
        document = platform.get("/v1/alerts")
        assert document["alerts"] == []
        assert [(i["state"], [t["event"] for t in i["told"]]) for i in document["incidents"]] == [
            ("resolved", ["fired", "resolved"])
        ]


def test_a_silence_history_and_a_rehearsal_of_what_was(tmp_path: Path) -> None:
    project = homes(tmp_path / "project")
    alerts = project / "homes" / "alerts"
    alerts.mkdir()
    (alerts / "hot.sql").write_text(HOT.replace("{seconds}", "6").replace(", webhook", ""))
    with PlatformProcess(project, tmp_path / "data") as platform:

        def run(*words: str) -> dict[str, Any]:
            shown = platform.run("alerts", *words, "--json")
            assert shown.returncode == 0, shown.stderr
            return dict(json.loads(shown.stdout))

        def told() -> Counter[str]:
            events = [json.loads(x) for x in platform.log.read_text().splitlines() if x[0] == "{"]
            return Counter(f"{e['event']} {e['key']}" for e in events if "key" in e)

        (silent,) = run("silence", "hot", "--key", "1", "--for", "1h", "--reason", "known")[
            "silences"
        ]
        assert (silent["key"], silent["reason"]) == ('["1"]', "known")
        run("silence", "hot", "--key", "3", "--for", "1h")
        platform.post(hot(1, 2))
        wait_for("two to fire", lambda: alert(platform)["firing"] == 2)
        wait_for("one to be told", lambda: told()["alert_fired [2]"])
        assert told() == {"alert_fired [2]": 1}
        run("silence", "hot", "--key", "1", "--end")
        wait_for("the other to be told", lambda: told()["alert_fired [1]"])
        platform.post(hot(3))
        wait_for("all to be over", lambda: alert(platform)["state"] == "ok", seconds=40)
        wait_for("the ends to be told", lambda: len(told()) == 4)
        found = run("history", "hot", "--from", "now-1h")["incidents"]
        assert [(i["key"], i["state"]) for i in found][::-1] == [
            ("[1]", "resolved"), ("[2]", "resolved"), ("[3]", "resolved")
        ]  # fmt: skip
        assert {i["key"]: [t["state"] for t in i["told"]] for i in found} == {
            "[1]": ["sent", "sent"], "[2]": ["sent", "sent"], "[3]": ["silenced", "silenced"]
        }  # fmt: skip
        rehearsed = run("rehearse", "hot", "--from", "now-2m")["incidents"]
        assert sorted(i["key"] for i in rehearsed) == ["[1]", "[2]", "[3]"]
        live = {i["key"]: i["fired_ms"] for i in found}
        assert all(abs(i["fired_ms"] - live[i["key"]]) < 3_000 for i in rehearsed)


def alert(platform: PlatformProcess) -> dict[str, Any]:
    (found,) = platform.get("/v1/alerts")["alerts"]
    return dict(found)
