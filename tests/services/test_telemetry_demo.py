"""The demo of telemetry: meters through a real topic, each message once; or a clear refusal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.services.native import Native

pytestmark = pytest.mark.slow


def demo(folder: Path, ports: tuple[int, int], **env: str) -> subprocess.CompletedProcess[str]:
    words = ["demo", "--domain", "telemetry", "--kafka", "--for", "10s", "--json"]
    words += ["--devices", "500", "--rate", "2000", "--data", str(folder / "data")]
    words += ["--port", str(ports[0]), "--engine-port", str(ports[1])]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KAFKA_")}
    return subprocess.run(
        [sys.executable, "-m", "penstock.cli", *words],
        capture_output=True, text=True, check=False, cwd=folder, timeout=180, env={**kept, **env},
    )  # fmt: skip


def account(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_each_message_is_sent_landed_and_told(
    kafka: Native, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    servers = kafka.environment["KAFKA_BOOTSTRAP_SERVERS"]
    runs = [
        account(demo(tmp_path, (free_port(), free_port()), KAFKA_BOOTSTRAP_SERVERS=servers))
        for _ in range(2)
    ]
    for run in runs:
        told = run["domains"]["telemetry"]
        assert (told["via"], told["source"]["state"], run["others"]) == ("kafka", "idle", 0)
        assert run["reconcile"]["ok"]
        assert told["sent"] == told["landed"] > 5_000
        assert told["balance"]["difference"] == told["unacknowledged"] == 0
        assert told["received"] == told["silver"] + told["dead_letters"]
        assert told["rates"]["sent_per_s"] == pytest.approx(2000, rel=0.1)
        assert {"stuck", "silent", "wrong_type"} <= {one["kind"] for one in told["incidents"]}
        assert told["dead_letters"] > 0, "of the meter that sends words"
    first, second = (run["domains"]["telemetry"] for run in runs)
    assert second["received"] == first["received"] + second["sent"], "it went on where it was"


def test_who_starts_brokers_is_told_where_none_answers(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    ports = (free_port(), free_port())
    unnamed = demo(tmp_path, ports)
    away = demo(tmp_path, ports, KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}")
    for done in (unnamed, away):
        assert done.returncode == 6, done.stderr
        assert 'make stack SERVICES="kafka redis"' in done.stderr
        assert not (tmp_path / "data").exists(), "nothing was started"
