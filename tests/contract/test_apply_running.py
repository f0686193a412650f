"""`penstock plan` and `penstock apply` as commands: beside a platform that runs, and without."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
from tests.contract.conftest import EXAMPLES, environment, reading, running, up_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.conftest import Up

SILVER, GOLD = "homes/silver/readings.sql", "homes/gold/city_minute.sql"
FLAGGED = """/*
description: Rows with a flag.
reason: it asks for what is stored in silver
*/
SELECT countIf(flag = 1) AS n FROM readings
"""


def command(name: str, root: Path, data: Path, ports: tuple[int, int], *words: str) -> Any:
    """Run a command about one place; gives what it did."""
    port, engine = ports
    settings = environment(PENSTOCK_PORT=str(port), PENSTOCK_ENGINE_PORT=str(engine))
    line = [sys.executable, "-m", "penstock.cli", name, "-p", str(root), "--data", str(data)]
    return subprocess.run(
        [*line, *words], capture_output=True, text=True, timeout=120, env=settings, check=False
    )


def edit(root: Path, file: str, old: str, new: str) -> None:
    text = (root / file).read_text("utf-8")
    assert old in text
    (root / file).write_text(text.replace(old, new), "utf-8")


def post(up: Up, rows: int) -> None:
    body = b"".join(json.dumps(reading(home=n)).encode() + b"\n" for n in range(rows))
    assert up.post(body, kind="application/x-ndjson", wait="true").status_code == 200


def test_a_running_platform_is_changed_with_its_landing_held(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    root, data = tmp_path / "examples", tmp_path / "data"
    shutil.copytree(EXAMPLES, root, ignore=shutil.ignore_patterns(".data"))
    with running(root, data, free_port, PENSTOCK_BATCH_AGE="50ms") as up:
        ports = (up.port, up.front.port)
        assert command("plan", root, data, ports).returncode == 0
        post(up, 10)
        edit(root, SILVER, "    _source      Low", "    flag UInt8,\n    _source      Low")
        edit(root, SILVER, "    _source,\n", "    toUInt8(1) AS flag,\n    _source,\n")
        (root / "homes/serve/flagged.sql").write_text(FLAGGED)
        plan = command("plan", root, data, ports, "--json")
        assert plan.returncode == 3
        document = json.loads(plan.stdout)
        assert [s["label"] for s in document["steps"]] == ["metadata", "forward-only"]
        assert "homes/hourly_stats" in document["steps"][0]["readers"]["relations"]
        unasked = command("apply", root, data, ports)
        assert unasked.returncode == 3
        assert "somebody has to agree" in unasked.stderr
        _only_with_the_key(up, document["fingerprint"])
        assert up.http.get("/v1/endpoints/homes/flagged.json").status_code == 404
        done = command("apply", root, data, ports, "--yes", "--json")
        assert done.returncode == 0, done.stderr
        assert len(json.loads(done.stdout)["changed"]) == 2
        served = up.http.get("/v1/endpoints/homes/flagged.json")
        assert [int(row["n"]) for row in served.json()["data"]] == [0]
        _settled(up)
        assert command("plan", root, data, ports).returncode == 0
        post(up, 5)
        rows = up.front.ask("SELECT flag, count() FROM homes.readings GROUP BY flag ORDER BY flag")
        assert rows.text.split() == ["0", "10", "1", "5"]
        assert up.http.get("/v1/reconcile").json()["ok"]
        edit(root, GOLD, "ORDER BY (minute, region, arrived)", "ORDER BY (region, minute, arrived)")
        filled = command("apply", root, data, ports, "--yes", "--json")
        assert filled.returncode == 0, filled.stderr
        assert "filled homes.city_minute anew from 15 rows" in filled.stdout
        key = "SELECT sorting_key FROM system.tables WHERE name = 'city_minute'"
        assert up.front.ask(key).text.strip() == "region, minute, arrived"
        post(up, 5)
        assert up.http.get("/v1/reconcile").json()["ok"]
        assert up.status()["filling"] == []
        again = command("backfill", root, data, ports, "city_minute", "--yes")
        assert again.returncode == 0, again.stderr
        assert up.http.get("/v1/reconcile").json()["ok"]
        assert command("backfill", root, data, ports, "raw_sensors").returncode == 2


def _settled(up: Up) -> None:
    """Wait until what kept the files from being taken up as saved is told no more."""
    deadline = time.monotonic() + 30
    while problems := up.status()["problems"]:
        assert time.monotonic() < deadline, problems
        time.sleep(0.1)


def _only_with_the_key(up: Up, fingerprint: str) -> None:
    url = f"{up.url}/v1/admin/apply"
    body = {"fingerprint": fingerprint}
    assert httpx.post(url, json=body).status_code == 401
    wrong = {"Authorization": "Bearer nonsense"}
    assert httpx.post(url, json=body, headers=wrong).status_code == 401
    page = {"Authorization": f"Bearer {up.front.key}", "Origin": "https://elsewhere.example"}
    assert httpx.post(url, json=body, headers=page).status_code == 403
    outdated = {"Authorization": f"Bearer {up.front.key}"}
    answer = httpx.post(url, json={"fingerprint": "another"}, headers=outdated, timeout=60)
    assert (answer.status_code, answer.json()["exit_code"]) == (409, 3)
    answer = httpx.post(url, json={"project": "/elsewhere"}, headers=outdated)
    assert (answer.status_code, answer.json()["exit_code"]) == (409, 2)


def test_without_a_platform_plan_and_apply_start_the_engine_themselves(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    root, data, ports = tmp_path / "examples", tmp_path / "data", (free_port(), free_port())
    shutil.copytree(EXAMPLES, root, ignore=shutil.ignore_patterns(".data"))
    first = command("plan", root, data, ports, "--json")
    assert first.returncode == 3
    assert not data.exists()  # looking makes nothing
    assert {s["kind"] for s in json.loads(first.stdout)["steps"]} == {"create"}
    assert command("apply", root, data, ports).returncode == 0
    second = command("plan", root, data, ports)
    assert (second.returncode, second.stdout.split(":")[0]) == (0, "no changes")
    edit(root, GOLD, "count() AS rows,", "count() * 2 AS rows,")
    edit(
        root,
        SILVER,
        "auto_statistics_types = ''",
        "auto_statistics_types = '', max_parts_in_total = 7",
    )
    third = command("plan", root, data, ports)
    assert third.returncode == 3
    assert "sets max_parts_in_total = 7 of homes.readings" in third.stdout
    assert "MODIFY QUERY" in third.stdout
    done = command("apply", root, data, ports)  # nothing is stored that it could mean otherwise
    assert done.returncode == 0, done.stderr
    for file in (GOLD, "homes/gold/region_minute.sql"):
        (root / file).unlink()
    for part in ("serve", "dashboards", "tests"):  # they read what is gone
        shutil.rmtree(root / "homes" / part)
    words = up_words(root, data, *ports)
    stopped = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert stopped.returncode == 3
    assert "its file is gone" in stopped.stderr
