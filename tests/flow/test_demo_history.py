"""A demo that is ended or killed goes on where it was, and accounts for what waited meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock.project import load
from penstock.runtime import demo_homes as demo_module
from penstock.runtime.demo import Demo
from penstock.runtime.demo_homes import HomesDemo
from penstock.runtime.platform import Platform
from penstock.runtime.senders import Senders
from penstock.runtime.server import reserve, serve
from penstock.settings import Settings
from penstock.simulate.homes import Faults, Homes, Schedule
from penstock.sources.http import HttpSource

from .faults import free_port, homes, readings, wait_for
from .test_reconcile import land_all, ledger_of, platform_of

ROWS = 60_000  # of which the last day has 2,000


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_module, "HISTORY_ROWS", ROWS)
    monkeypatch.setattr(demo_module, "_DAY_ROWS", ROWS // 30, raising=False)
    monkeypatch.setattr(demo_module, "HISTORY_RATE", 12_000)
    monkeypatch.setattr(demo_module, "_FILES", ())


def run(
    project: Path, data: Path, until: Callable[[Demo], object], *, history: bool = True
) -> tuple[dict[str, Any], int]:
    """One demo; gives its account, and how many rows of history its senders count."""
    settings = Settings.load().replace(port=free_port(), engine_port=free_port())
    platform = Platform(load(project), settings, data)
    account: dict[str, Any] = {}
    with reserve(platform) as listener:
        platform.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        demo = Demo(platform, url, [HomesDemo(platform, url, Senders(data), 10, history)])

        def control(_stopping: threading.Event) -> None:
            demo.start()
            until(demo)
            account.update(demo.finish())

        try:
            serve(platform, listener, until=control)
        finally:
            platform.stop()
    truths = [data / f"truth-{name}.json" for name in ("recent", "history")]
    return account, sum(json.loads(t.read_text())["acknowledged"] for t in truths if t.exists())


def whole_history(data: Path) -> int:
    """Rows of both pieces, made again from the one seed of the demo."""
    with ledger_of(data) as ledger:
        plan = json.loads(ledger.get("demo_past") or "{}")
    end = datetime.fromisoformat(plan["until"]).astimezone(UTC)
    rows = 0
    pieces = ((end, 1, ROWS // 30), (end - timedelta(days=1), 29, ROWS - ROWS // 30))
    for until, days, wanted in pieces:
        schedule = Schedule.history(round(until.timestamp() * 1000), days * 86_400, wanted, 10)
        faults = Faults(malformed=0.0)
        rows += (
            Homes(schedule, homes=10, seed=int(demo_module.SEED), faults=faults)
            .take(wanted)
            .counts.rows
        )
    return rows


@pytest.mark.slow
def test_a_history_that_was_cut_short_goes_on(tmp_path: Path) -> None:
    project, data = homes(tmp_path / "project"), tmp_path / "data"

    def done(demo: Demo) -> int:
        progress = demo.platform.history()
        return progress["done"] if progress else ROWS

    first, sent = run(project, data, lambda d: wait_for("history", lambda: done(d) > 20_000))
    assert first["reconcile"]["ok"], first
    assert 20_000 < first["received"] < ROWS, "the history was not cut short"
    # A kill leaves rows that were acknowledged and not yet landed.
    spool = HttpSource("homes", "readings", data / "spool/homes.readings", limit=1 << 30)
    spool.spool.append([(readings(0, 20_000), 20_000)])
    spool.close()
    without, none = run(project, data, lambda _: None, history=False)
    assert without["reconcile"]["ok"], without
    assert without["received"] >= first["received"] + 20_000
    assert none == 0
    last, rest = run(
        project, data, lambda d: wait_for("all of it", lambda: d.platform.history() is None)
    )
    assert last["reconcile"]["ok"], last
    assert [account["others"] for account in (first, without, last)] == [0, 0, 0]
    assert sent + rest == whole_history(data)


@pytest.mark.slow
def test_data_of_another_version_of_the_demo_are_refused_with_a_way_out(tmp_path: Path) -> None:
    project, data = homes(tmp_path / "project"), tmp_path / "data"
    gold = project / "homes/gold/home_baseline.sql"
    text = gold.read_text()
    older = text.replace("ORDER BY (hour_of_week, home_id)", "ORDER BY (home_id, hour_of_week)")
    assert older != text
    gold.write_text(older)
    with platform_of(project, data) as platform:
        land_all(platform, 20)
    words = [sys.executable, "-m", "penstock.cli", "demo", "--data", str(data), "--for", "1s"]
    ports = ["--port", str(free_port()), "--engine-port", str(free_port())]
    done = subprocess.run([*words, *ports], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "ORDER BY of homes.home_baseline changes" in done.stderr
    assert f"penstock reset --data {data}" in done.stderr
    assert "penstock plan" not in done.stderr, "that would be about another project"
    reset = [*words[:3], "reset", "--yes", "--data", str(data)]
    subprocess.run(reset, capture_output=True, check=True)
    begun = subprocess.run([*words, "--no-history", *ports], capture_output=True, check=False)
    assert begun.returncode == 0, begun.stderr
